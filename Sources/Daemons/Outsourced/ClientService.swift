import Correlations
import Inference
import Programs
import Randomness
import Rings
import Synchronization
import Transport
import TwoParty

/// One client's connection to a server, after the hello, on a thread of its own. Whatever it sends ends this connection at
/// the most.
struct ClientService: Sendable {
  /// Clients that are served at once.
  static let maximumClients = 64

  let program: Program
  let maximumBatch: Int
  /// Seconds that a query may take, and that a client may say nothing.
  let queryTimeout: Double
  let stop: StopSignal

  private var droppedBits: Int {
    guard case .output(let dropped) = program.steps[program.steps.count - 1].operation else { return 0 }
    return dropped
  }

  /// Bytes of a server's share of a result.
  func outputBytes(_ batch: Int) -> Int {
    program.output.shape.count * batch * Program.outputBytes(droppedBits: droppedBits)
  }

  /// Server 0: lays shares down, and gives results when sessions have left them.
  ///
  /// - Throws: `TransportError`, `TwoPartyError`
  func serve(_ channel: FramedChannel, desk: ClientDesk) throws -> Int {
    try serve(channel) { query, name in
      let words = program.input.shape.count * query.batch
      guard desk.reserve(name, words: words) else {
        // What follows is not taken in.
        try refuse(.busy, channel)
        return false
      }
      defer { desk.clear(name) }
      desk.lay(
        try ClientShare.receive(
          query: query, count: program.input.shape.count, modulus: program.input.modulus, from: channel), name)
      try channel.send(.clientHeld, [])
      let output = desk.wait(for: name, seconds: queryTimeout) { stop.isRaised }
      guard let output else {
        try refuse(.timedOut, channel)
        return false
      }
      try channel.send(.outputShare, UnsafeRawBufferPointer(output.buffer))
      return withExtendedLifetime(output) { true }
    }
  }

  /// Server 1: runs queries.
  ///
  /// - Parameter run: gives this server's share of a result. Seeds wait for a session, not what comes out of them, so that
  ///   clients at once do not decide how much memory is taken.
  /// - Throws: `TransportError`, `TwoPartyError`
  func serve(
    _ channel: FramedChannel, run: (SecretKey, ClientQuery, SharedQueryName) throws -> SecretBytes
  ) throws -> Int {
    try serve(channel) { query, name in
      let seed = try ClientShare.receiveSeed(from: channel)
      let output: SecretBytes
      do { output = try run(seed, query, name) } catch DaemonsError.refused(let code, _) {
        try refuse(code, channel)
        return true
      }
      try channel.send(.outputShare, UnsafeRawBufferPointer(output.buffer))
      return withExtendedLifetime(output) { true }
    }
  }

  /// - Parameter answer: false ends the connection.
  /// - Returns: queries answered.
  private func serve(
    _ channel: FramedChannel, answer: (ClientQuery, SharedQueryName) throws -> Bool
  ) throws -> Int {
    let client = channel.stream.peerFingerprint
    var answered = 0
    while true {
      let since = SystemCall.seconds()
      while !(try channel.waitReadable(timeout: .milliseconds(250))) {
        if stop.isRaised || SystemCall.seconds() - since > queryTimeout { return answered }
      }
      let (kind, bytes) = try channel.receiveAny([.clientQuery: ClientQuery.byteCount, .goodbye: 0])
      guard kind == .clientQuery, bytes.count == ClientQuery.byteCount else { return answered }
      let query = try ClientQuery(bytes, limit: maximumBatch)
      guard try answer(query, SharedQueryName(client: client, number: query.number)) else { return answered }
      answered += 1
    }
  }

  private func refuse(_ code: RefusalCode, _ channel: FramedChannel) throws {
    try channel.send(.clientRefused, [UInt8(RefusalCode.onWire.firstIndex(of: code) ?? 0)])
  }
}

extension RefusalCode {
  /// In the order of their numbers on the wire.
  static let onWire: [RefusalCode] = [.invalid, .busy, .timedOut, .unavailable, .stopping, .failed]
}
