import Correlations
import Foundation
public import ObliviousTransfer
import Randomness
import Rings
import Transport

/// Correlated oblivious transfers between two processes: the model owner holds the offset, the data owner measures.
///
/// Each repetition is a new pair: its set-up is timed apart, then transfers are drawn into memory of one piece, and those
/// of the last piece are opened and compared.
public struct TransferBenchmark {
  private let setting: BenchmarkSetting
  private let count: Int
  private let method: TransferMethod

  /// Transfers drawn at once.
  private static let piece = 1 << 18
  /// Transfers that are opened to be compared.
  private static let opened = 1 << 12

  /// A case of transfers.
  public init(_ setting: BenchmarkSetting, count: Int, method: TransferMethod) {
    (self.setting, self.count, self.method) = (setting, count, method)
  }

  func agreement() throws -> Agreement {
    Agreement(
      planDigest: Digest32.sha256(Array("polympc bench \(setting.benchmark.name)".utf8)), modelDigest: .zero,
      protocolsDigest: try Agreement.currentProtocolsDigest())
  }

  /// Serves one data owner, until it leaves.
  func serve(_ channel: FramedChannel) throws {
    let (_, sessionID) = try Hello.exchange(channel, try agreement().hello(.modelOwner, source: setting.source))
    var lane: UInt32 = 0
    let blocks = SecretWords(zeros: 2 * Self.piece)
    while true {
      let (kind, bytes) = try channel.receiveAny([.prepare: SerialRange.byteCount, .goodbye: 0])
      guard kind == .prepare else { return }
      _ = try SerialRange(bytes)
      let sender = CorrelatedSender(
        channel: channel, session: TransferSession(id: sessionID, lane: lane), method: method,
        randomness: SystemRandom())
      lane += 1
      try sender.begin()
      let last = try draw(blocks.pointer) { try sender.draw($0, into: $1) }
      let offset = sender.openOffset()
      try channel.send(.transferMessages, UnsafeRawBufferPointer(offset.buffer))
      try channel.send(.transferMessages, UnsafeRawBufferPointer(start: blocks.pointer, count: 16 * opened(last)))
      sender.end()
    }
  }

  private struct Measured {
    var setup: [Double] = []
    var drawing: [Double] = []
    var setupMeters = ChannelMeters()
    var meters = ChannelMeters()
    var wrong = 0
  }

  /// Runs one warm-up and then `repetitions` repetitions.
  ///
  /// - Parameter progress: called with the share that is done.
  public func run(
    peer: NetworkAddress, repetitions: Int, net: String, progress: (Double) -> Void
  ) throws -> BenchmarkResult {
    ProcessMemory.resetPeak()
    let channel = FramedChannel(try setting.wire.connect(to: peer, options: BenchmarkSetting.options))
    defer { channel.close() }
    let hello = try agreement().hello(
      .dataOwner, source: setting.source, sessionNumber: UInt64.random(in: 1...UInt64.max))
    let (_, sessionID) = try Hello.exchange(channel, hello, expecting: [.modelOwner])
    var measured = Measured()
    let blocks = SecretWords(zeros: 2 * Self.piece)
    for repetition in 0...repetitions {
      let session = TransferSession(id: sessionID, lane: UInt32(repetition))
      try channel.send(.prepare, SerialRange(UInt64(repetition)..<UInt64(repetition) + 1).bytes)
      try step(channel, session, blocks, isWarmUp: repetition == 0, &measured)
      progress(Double(repetition + 1) / Double(repetitions + 1))
    }
    try channel.send(.goodbye, [])
    return result(measured, repetitions, net)
  }

  private func step(
    _ channel: FramedChannel, _ session: TransferSession, _ blocks: SecretWords, isWarmUp: Bool,
    _ measured: inout Measured
  ) throws {
    let receiver = CorrelatedReceiver(
      channel: channel, session: session, method: method, randomness: SystemRandom())
    let before = channel.snapshot()
    let start = SystemCall.seconds()
    try receiver.begin()
    let begun = SystemCall.seconds()
    let ready = channel.snapshot()
    let last = try draw(blocks.pointer) { try receiver.draw($0, into: $1) }
    let drawn = SystemCall.seconds()
    let after = channel.snapshot()
    measured.wrong += try compare(channel, blocks, count: opened(last))
    receiver.end()
    guard !isWarmUp else { return }
    measured.setup.append(begun - start)
    measured.drawing.append(drawn - begun)
    measured.setupMeters = measured.setupMeters + (ready - before)
    measured.meters = measured.meters + (after - ready)
  }

  /// Draws all in pieces, and gives the size of the last one.
  private func draw(
    _ blocks: UnsafeMutablePointer<UInt64>, _ draw: (Int, UnsafeMutablePointer<UInt64>) throws -> Void
  ) throws -> Int {
    var last = 0
    for start in stride(from: 0, to: count, by: Self.piece) {
      last = min(Self.piece, count - start)
      try draw(last, blocks)
    }
    return last
  }

  private func opened(_ last: Int) -> Int { min(last, Self.opened) }

  /// Transfers that are not correlated as they should be.
  private func compare(_ channel: FramedChannel, _ blocks: SecretWords, count: Int) throws -> Int {
    let (offset, theirs) = (SecretWords(zeros: 2), SecretWords(zeros: 2 * count))
    try channel.receive(.transferMessages, into: UnsafeMutableRawBufferPointer(offset.buffer))
    try channel.receive(.transferMessages, into: UnsafeMutableRawBufferPointer(theirs.buffer))
    let (m, k, d) = (blocks.pointer, theirs.pointer, offset.pointer)
    return (0..<count).count { index in
      let mask = 0 &- (m[2 * index] & 1)
      return m[2 * index] != k[2 * index] ^ (d[0] & mask) || m[2 * index + 1] != k[2 * index + 1] ^ (d[1] & mask)
    }
  }

  private func result(_ measured: Measured, _ repetitions: Int, _ net: String) -> BenchmarkResult {
    BenchmarkResult(
      case: setting.benchmark.name, phase: BenchmarkPhase.preprocessing.rawValue, source: "lattice", net: net,
      seconds: BenchmarkDataOwner.median(measured.drawing), allS: measured.drawing,
      bytesTotal: (measured.meters.totalSent + measured.meters.totalReceived) / repetitions,
      rounds: (Double(measured.meters.flights) / Double(2 * repetitions)).rounded(.up),
      peakRssMb: BenchmarkResult.Memory(modelOwner: nil, dataOwner: ProcessMemory.peak),
      maxAbsErr: Double(measured.wrong), threads: 1, inferences: 1, elements: count, inverseSeconds: nil,
      variant: "\(CipherVariant.best)", setupSeconds: BenchmarkDataOwner.median(measured.setup),
      setupBytes: (measured.setupMeters.totalSent + measured.setupMeters.totalReceived) / repetitions)
  }
}
