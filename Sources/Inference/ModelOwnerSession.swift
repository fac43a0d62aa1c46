public import Correlations
import Programs
import Rings
public import Transport
import TwoParty

/// The model owner's side of a session, on one thread: prepares and answers as the data owner asks.
///
/// Security: semi-honest. It learns how many samples were asked and when; of the inputs nothing.
public final class ModelOwnerSession {
  private let channel: FramedChannel
  private let model: ModelOwnerModel
  private let source: any ModelOwnerSource
  private let limits: SessionLimits
  private let workspace = LinearWorkspace()
  private var pool = MaterialPool<ModelOwnerMaterial>()
  private var nextPrepared: UInt64 = 0
  /// What was done so far.
  public private(set) var statistics = SessionStatistics()

  /// - Parameters:
  ///   - channel: to the data owner, after the hello.
  ///   - source: where material comes from.
  public init(
    channel: FramedChannel, model: ModelOwnerModel, source: any ModelOwnerSource,
    limits: SessionLimits = SessionLimits()
  ) {
    self.channel = channel
    self.model = model
    self.source = source
    self.limits = limits
  }

  /// Inferences prepared and not used.
  public var prepared: Int { pool.count }

  /// Serves until the data owner leaves, or until `shouldStop`, asked between queries, says so.
  ///
  /// - Parameter didAnswer: called after each query with its samples.
  /// - Throws: `TransportError`, `CorrelationError`, `TwoPartyError`, ``InferenceError``; the session is over then and its material gone.
  public func serve(shouldStop: () -> Bool = { false }, didAnswer: (Int) -> Void = { _ in }) throws {
    defer { source.end() }
    try source.begin(program: model.program, weights: model)
    while true {
      while !(try channel.waitReadable(timeout: .milliseconds(500))) { if shouldStop() { return } }
      let (kind, payload) = try channel.receiveAny([
        .prepare: SerialRange.byteCount, .query: SerialRange.byteCount, .goodbye: 0,
      ])
      switch kind {
      case .prepare: try prepare(try SerialRange(payload))
      case .query:
        let range = try SerialRange(payload)
        try answer(range)
        didAnswer(range.serials.count)
        if shouldStop() { return }
      default: return
      }
    }
  }

  private func prepare(_ range: SerialRange) throws {
    guard range.serials.lowerBound == nextPrepared else {
      throw CorrelationError.serialOutOfOrder(found: range.serials.lowerBound, expected: nextPrepared)
    }
    guard pool.count + range.serials.count <= limits.maximumPrepared else {
      throw InferenceError.storeFull(asked: range.serials.count, held: pool.count, limit: limits.maximumPrepared)
    }
    try Preparation.modelOwner(program: model.program, source: source, serials: range.serials) { material in
      let serial = material.serial
      pool.add(material, serial: serial)
    }
    nextPrepared = range.serials.upperBound
    statistics.prepared += range.serials.count
    try channel.send(.prepared, range.bytes)
  }

  private func answer(_ range: SerialRange) throws {
    let batch = range.serials.count
    guard batch <= limits.maximumBatch else {
      throw InferenceError.invalidBatch(count: batch, limit: limits.maximumBatch)
    }
    var materials = MaterialBatch<ModelOwnerMaterial>(capacity: batch)
    for serial in range.serials { materials.append(try pool.take(serial: serial)) }
    let program = model.program
    let lastUses = program.lastUses()
    var shares = [[SecretWords]](repeating: [], count: program.steps.count)
    for (index, step) in program.steps.enumerated() {
      switch step.operation {
      case .input:
        shares[index] = try InputOperator.receive(
          batch: batch, count: step.tensor.shape.count, modulus: step.tensor.modulus, channel: channel)
      case .linear:
        shares[index] = try linear(index, shares[step.inputs[0]], &materials)
      case .activation(let spec):
        var parts = MaterialBatch<ModelOwnerActivationMaterial>(capacity: batch)
        for sample in 0..<batch { parts.append(try materials.withMutable(sample) { try $0.takeActivation(index) }) }
        let activation = ActivationModelOwner(
          channel: channel, spec: spec, shape: step.tensor.shape, output: step.tensor.modulus,
          coefficients: model.activations[index]!)
        shares[index] = try activation.run(shares: shares[step.inputs[0]], materials: parts)
      case .output(let dropped):
        try OutputOperator.send(shares[step.inputs[0]], droppedBits: dropped, channel: channel)
      case .sumPool, .globalSumPool, .add, .reshape, .subsamplePad:
        shares[index] = (0..<batch).map { sample in
          program.applyLocalStep(index, operands: step.inputs.map { shares[$0][sample] })
        }
      }
      for operand in step.inputs where lastUses[operand] == index { shares[operand] = [] }
    }
    statistics.queries += 1
    statistics.samples += batch
  }

  private func linear(
    _ index: Int, _ operands: [SecretWords], _ materials: inout MaterialBatch<ModelOwnerMaterial>
  ) throws -> [SecretWords] {
    let step = model.linear[index]!
    return try operands.enumerated().map { sample, operand in
      let mask = try materials.withMutable(sample) { try $0.takeLinear(index) }
      return step.apply(operand, mask: mask, workspace: workspace)
    }
  }
}
