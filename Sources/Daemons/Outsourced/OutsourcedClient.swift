import Correlations
public import Networks
import Programs
import Randomness
import Rings
public import Transport
import TwoParty

/// Asks two servers that hold shares of a model: shares each input between them, and adds their answers.
///
/// Protocols/outsourced/spec.md. Neither server learns input or result, unless both pool what they see. Used by one thread.
public final class OutsourcedClient {
  /// Samples in one query.
  public static let maximumBatch = 256

  private let file: PlanFile
  private let channels: [FramedChannel]

  /// Connects to both servers.
  ///
  /// - Parameters:
  ///   - plan: the public plan of the sharing, as `polympc share` wrote it.
  ///   - servers: server 0 and server 1.
  ///   - timeout: seconds that an answer may take.
  /// - Throws: `TransportError`, ``DaemonsError``
  public convenience init(
    plan: PlanFile, identity: Identity, servers: [PinnedAddress], timeout: Double = 120
  ) throws {
    try self.init(plan: plan, wire: .tls(identity, pinned: servers.map(\.fingerprint)), servers: servers, timeout)
  }

  init(plan: PlanFile, wire: Wire, servers: [PinnedAddress], _ timeout: Double = 120) throws {
    precondition(servers.count == 2, "there are two servers")
    guard plan.plan.program.deployment == .outsourced else {
      throw DaemonsError.refused(
        code: .invalid, reason: "the plan is not one of shares; give the one that polympc share wrote")
    }
    file = plan
    let agreement = try Agreement(plan)
    let options = StreamOptions(idleTimeout: .milliseconds(Int(timeout * 1000)))
    var channels: [FramedChannel] = []
    do {
      for (server, role) in zip(servers, [Role.modelOwner, .dataOwner]) {
        let stream = try wire.pinning([server.fingerprint]).connect(to: server.address, options: options)
        channels.append(FramedChannel(stream))
        _ = try Hello.exchange(channels[channels.count - 1], agreement.clientHello(), expecting: [role])
      }
    } catch {
      for channel in channels { channel.close() }
      throw error
    }
    self.channels = channels
  }

  deinit { for channel in channels { channel.close() } }

  /// The network that is served.
  public var network: NetworkDescription {
    let plan = file.plan
    return NetworkDescription(
      name: plan.program.name, input: plan.input.shape, normalization: plan.input.normalization,
      classes: plan.input.classes, outputs: plan.classCount, reveals: plan.reveals, finish: plan.input.finish,
      maximumBatch: Self.maximumBatch)
  }

  /// Classifies samples privately.
  ///
  /// - Parameter samples: raw values as ``InputFile`` makes them, 1...256.
  /// - Throws: ``DaemonsError``, `TransportError`, `NetworksError`. After an error the client is of no more use.
  public func infer(_ samples: [InputSample]) throws -> InferenceReply {
    let start = SystemCall.seconds()
    let program = file.plan.program
    let inputs = try samples.map { try file.plan.input.quantize(raw: $0.values) }
    let random = SystemRandom()
    let seed = SecretKey(count: ClientShare.seedBytes, from: random)
    let query = ClientQuery(number: random.bytes(ClientQuery.numberBytes), batch: samples.count)
    let before = channels.map { $0.snapshot() }
    let modulus = program.input.modulus
    let first = ClientShare.first(inputs, seed: seed, query: query, modulus: modulus)
    try channels[0].send(.clientQuery, query.bytes, flush: false)
    try ClientShare.send(first, over: channels[0])
    try expect(.clientHeld, 0, from: 0)
    try channels[1].send(.clientQuery, query.bytes, flush: false)
    try seed.withUnsafeBytes { try channels[1].send(.clientSeed, $0) }
    guard case .output(let dropped) = program.steps[program.steps.count - 1].operation else {
      preconditionFailure("a validated program ends with its output")
    }
    let size = program.output.shape.count * samples.count * Program.outputBytes(droppedBits: dropped)
    let second = try expect(.outputShare, size, from: 1)
    let outputs = OutputOperator.combine(
      try expect(.outputShare, size, from: 0), second, samples: samples.count, droppedBits: dropped)
    let seconds = SystemCall.seconds() - start
    let used = zip(channels, before).map { $0.meters - $1 }
    return InferenceReply(
      predictions: outputs.map { file.plan.prediction(output: $0) }, seconds: seconds, totalSeconds: seconds,
      bytesSent: used.reduce(0) { $0 + $1.totalSent }, bytesReceived: used.reduce(0) { $0 + $1.totalReceived },
      rounds: 2, preparedOnDemand: false)
  }

  /// Leaves in good order.
  public func close() {
    for channel in channels {
      try? channel.send(.goodbye, [])
      channel.close()
    }
  }

  @discardableResult
  private func expect(_ kind: FrameKind, _ size: Int, from server: Int) throws -> [UInt8] {
    let (found, bytes) = try channels[server].receiveAny([kind: size, .clientRefused: 1])
    if found == .clientRefused, let code = bytes.first {
      let codes = RefusalCode.onWire
      throw DaemonsError.refused(
        code: codes.indices.contains(Int(code)) ? codes[Int(code)] : .failed,
        reason: "server \(server) has no answer; its log says why")
    }
    guard bytes.count == size else {
      throw DaemonsError.refused(code: .failed, reason: "server \(server) answered with \(bytes.count) bytes")
    }
    return bytes
  }
}

extension Plan {
  /// The classification that a result stands for. The label is that of the scores before a softmax, whose rounding could
  /// make two of them equal.
  func prediction(output: [Int64]) -> Prediction {
    let (label, scores) = result(of: output)
    return Prediction(label: label, scores: finished(scores), classes: input.classes)
  }
}
