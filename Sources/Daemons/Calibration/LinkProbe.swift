import Correlations
import Foundation
public import Hardware
import Randomness
import Transport

extension FrameKind {
  /// Initiator -> responder, 13 bytes: what to do next, microseconds to wait, bytes of data.
  static let linkOrder = FrameKind(rawValue: 0x68)
  /// Either way: the data of an order.
  static let linkData = FrameKind(rawValue: 0x69)
  /// Responder -> initiator, 8 bytes: nanoseconds of processor time that the order took.
  static let linkDone = FrameKind(rawValue: 0x6a)
}

/// Measures a link through the product's own transport: round trip, waking up, bandwidth, processor time a byte.
public enum LinkProbe {
  /// A median, and how far measurements lie apart.
  struct Spread {
    var value: Double
    var accuracy: Double
  }

  enum Work: UInt8 { case echo, take, give }

  struct Order {
    static let byteCount = 13
    static let maximumMicroseconds: UInt64 = 1_000_000
    static let maximumBytes: UInt64 = 1 << 30
    var work: Work
    var microseconds: UInt64 = 0
    var bytes: UInt64 = 0

    var encoded: [UInt8] {
      [work.rawValue] + (0..<4).map { UInt8(truncatingIfNeeded: microseconds >> (8 * $0)) }
        + (0..<8).map { UInt8(truncatingIfNeeded: bytes >> (8 * $0)) }
    }

    init(_ work: Work, microseconds: UInt64 = 0, bytes: UInt64 = 0) {
      (self.work, self.microseconds, self.bytes) = (work, microseconds, bytes)
    }

    init(_ encoded: [UInt8]) throws {
      guard encoded.count == Self.byteCount, let work = Work(rawValue: encoded[0]) else {
        throw CorrelationError.unexpectedAnswer(what: "an order of the link's measurement")
      }
      self.work = work
      microseconds = LinkProbe.number(encoded[1..<5])
      bytes = LinkProbe.number(encoded[5..<13])
      guard microseconds <= Self.maximumMicroseconds, bytes <= Self.maximumBytes else {
        throw CorrelationError.unexpectedAnswer(what: "an order of the link's measurement, which asks for too much,")
      }
    }
  }

  static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private static let piece = 1 << 16

  /// Where data lands. More than caches hold, as the tensors and the material are that parties send each other.
  private final class LandingMemory {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 20, alignment: 4096)
    deinit { bytes.deallocate() }
  }

  /// Options of the two connections: as the product waits, and without a spin, so that processor time is that of work.
  static func options(spins: Bool) -> StreamOptions {
    var options = BenchmarkSetting.options
    if !spins { options.spin = .zero }
    return options
  }

  // MARK: Responder

  /// Answers one initiator over both its connections.
  public static func respond(
    wire: Wire, listen: NetworkAddress, core: Int? = nil, isListening: (UInt16) throws -> Void
  ) throws {
    if let core { ProcessMemory.pin(toCore: core) }
    let listener = try TCPListener(host: listen.host, port: listen.port)
    try isListening(listener.port)
    for spins in [true, false] {
      guard let connection = try listener.accept(timeout: .seconds(600)) else {
        throw DaemonsError.refused(code: .timedOut, reason: "nobody connected in 600 seconds")
      }
      let channel = FramedChannel(try wire.accept(connection, options: options(spins: spins)))
      defer { channel.close() }
      try serve(channel)
    }
  }

  private static func serve(_ channel: FramedChannel) throws {
    let clock = ThreadClock()
    let memory = LandingMemory()
    while true {
      let (kind, bytes) = try channel.receiveAny([.linkOrder: Order.byteCount, .goodbye: 0])
      guard kind == .linkOrder else { return }
      let order = try Order(bytes)
      let start = clock.seconds
      switch order.work {
      case .echo: wait(order.microseconds)
      case .take: try take(channel, Int(order.bytes), memory)
      case .give: try give(channel, Int(order.bytes))
      }
      let spent = UInt64((clock.seconds - start) * 1e9)
      try channel.send(.linkDone, (0..<8).map { UInt8(truncatingIfNeeded: spent >> (8 * $0)) })
    }
  }

  /// Computes, as a party does on whom the other waits.
  private static func wait(_ microseconds: UInt64) {
    let end = SystemCall.seconds() + Double(microseconds) * 1e-6
    while SystemCall.seconds() < end {}
  }

  private static func give(_ channel: FramedChannel, _ count: Int) throws {
    let bytes = [UInt8](repeating: 0x5a, count: min(piece, count))
    try channel.beginSend(.linkData, byteCount: count)
    for start in stride(from: 0, to: count, by: piece) {
      try bytes.withUnsafeBytes {
        try channel.write(UnsafeRawBufferPointer(rebasing: $0[..<min(piece, count - start)]))
      }
    }
    try channel.endSend()
  }

  private static func take(_ channel: FramedChannel, _ count: Int, _ memory: LandingMemory) throws {
    let bytes = memory.bytes
    try channel.beginReceive(.linkData, byteCount: count)
    for start in stride(from: 0, to: count, by: piece) {
      let place = start % bytes.count
      let end = min(place + piece, place + count - start)
      try channel.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[place..<end]))
    }
    channel.endReceive()
  }

  // MARK: Initiator

  /// Measures from this end.
  ///
  /// - Parameters:
  ///   - bytes: of a transfer, of which several are made each way.
  ///   - repetitions: of what is short.
  public static func measure(
    wire: Wire, peer: NetworkAddress, source: String, bytes: Int = 32 << 20, repetitions: Int = 200
  ) throws -> HostLink {
    let waiting = try connected(wire, peer, spins: true) { try delays($0, repetitions) }
    let moving = try connected(wire, peer, spins: false) { try rates($0, bytes, waiting.round.value) }
    func quantity(_ found: Spread, _ unit: String, _ factor: Double = 1) -> Quantity {
      Quantity(found.value * factor, unit, kind: .measured, source: source, accuracy: min(10, found.accuracy))
    }
    let spin = Double(options(spins: true).spin.components.attoseconds) * 1e-12
    return HostLink(
      roundTrip: quantity(waiting.round, "us", 1e6), wakeUp: quantity(waiting.woken, "us", 1e6),
      rate: quantity(moving.rate, "MB/s", 1e-6), send: quantity(moving.send, "ns/byte", 1e9),
      receive: quantity(moving.receive, "ns/byte", 1e9),
      spin: Quantity(spin, "us", kind: .derived, source: "the engine's setting", accuracy: 0), control: control)
  }

  /// The operating system's choice for new connections, on systems that tell.
  private static var control: String {
    let text = (try? String(contentsOfFile: "/proc/sys/net/ipv4/tcp_congestion_control", encoding: .utf8)) ?? ""
    return String(text.prefix(32)).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private static func connected<R>(
    _ wire: Wire, _ peer: NetworkAddress, spins: Bool, _ body: (FramedChannel) throws -> R
  ) throws -> R {
    let channel = FramedChannel(try wire.connect(to: peer, options: options(spins: spins)))
    defer { channel.close() }
    let result = try body(channel)
    try channel.send(.goodbye, [])
    return result
  }

  /// Sends an order, and its data; gives the responder's processor time.
  private static func perform(
    _ order: Order, _ channel: FramedChannel, _ memory: LandingMemory
  ) throws -> Double {
    try channel.send(.linkOrder, order.encoded)
    switch order.work {
    case .echo: break
    case .take: try give(channel, Int(order.bytes))
    case .give: try take(channel, Int(order.bytes), memory)
    }
    return Double(number(try channel.receive(.linkDone, byteCount: 8)[...])) * 1e-9
  }

  private static func times(_ count: Int, _ body: () throws -> Void) rethrows -> [Double] {
    try (0...count).map { _ in
      let start = SystemCall.seconds()
      try body()
      return SystemCall.seconds() - start
    }.suffix(count)
  }

  private static func delays(
    _ channel: FramedChannel, _ repetitions: Int
  ) throws -> (round: Spread, woken: Spread) {
    let memory = LandingMemory()
    let short = try times(max(5, repetitions)) { _ = try perform(Order(.echo), channel, memory) }
    let round = quantity(short)
    // Long enough for this end to have gone to sleep, and no longer than steps let it wait: the longer, the colder its caches.
    let spin = options(spins: true).spin.components.attoseconds / 1_000_000_000_000
    let pause = UInt64(2 * spin)
    let long = try times(max(5, repetitions / 2)) {
      _ = try perform(Order(.echo, microseconds: pause), channel, memory)
    }
    let woken = quantity(long)
    let more = max(0, woken.value - Double(pause) * 1e-6 - round.value)
    return (round, Spread(value: more, accuracy: woken.accuracy))
  }

  private static func rates(
    _ channel: FramedChannel, _ bytes: Int, _ roundTrip: Double
  ) throws -> (rate: Spread, send: Spread, receive: Spread) {
    let (clock, memory) = (ThreadClock(), LandingMemory())
    var (seconds, sent, received): ([Double], [Double], [Double]) = ([], [], [])
    // The first ones open the way.
    for repetition in 0..<12 {
      let work: Work = repetition % 2 == 0 ? .take : .give
      let (start, own) = (SystemCall.seconds(), clock.seconds)
      let other = try perform(Order(work, bytes: UInt64(bytes)), channel, memory)
      let (wall, mine) = (SystemCall.seconds() - start, clock.seconds - own)
      guard repetition >= 2 else { continue }
      seconds.append(max(wall - roundTrip, 1e-9))
      sent.append((work == .take ? mine : other) / Double(bytes))
      received.append((work == .take ? other : mine) / Double(bytes))
    }
    let time = quantity(seconds)
    return (
      Spread(value: Double(bytes) / time.value, accuracy: time.accuracy), quantity(sent), quantity(received)
    )
  }

  /// Median, and half the distance of the quartiles over it.
  static func quantity(_ values: [Double]) -> Spread {
    let sorted = values.sorted()
    let median = BenchmarkDataOwner.median(values)
    let spread = (sorted[sorted.count * 3 / 4] - sorted[sorted.count / 4]) / 2
    return Spread(value: median, accuracy: median > 0 ? spread / median : 0)
  }
}
