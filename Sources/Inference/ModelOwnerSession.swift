public import Correlations
public import MaterialStore
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
  /// Outsourced: the source of the reverse run, and where clients' shares are.
  private let server: ServerZero?
  private let limits: SessionLimits
  private let workspace = LinearWorkspace()
  private var pool = MaterialPool<ModelOwnerMaterial>()
  private let store: StoreSession?
  /// The larger of both parties' bytes of an inference's material.
  private let rowBytes: Int
  private var nextPrepared: UInt64 = 0
  // Numbers in the pool: with a store, given as rows are leased; else, as inferences are prepared.
  private var nextPooled: UInt64 = 0
  /// Told what is done from now on.
  public var observer: (any SessionObserver)?
  /// What was done so far.
  public private(set) var statistics = SessionStatistics()

  /// - Parameters:
  ///   - channel: to the data owner, after the hello.
  ///   - source: where material comes from.
  ///   - server: what server 0 has beside, where the model is a share of one; else nil.
  ///   - store: where it waits; without one it waits in memory and is gone with the session.
  public init(
    channel: FramedChannel, model: ModelOwnerModel, source: any ModelOwnerSource, server: ServerZero? = nil,
    store: StoreSession? = nil, limits: SessionLimits = SessionLimits()
  ) {
    precondition((server != nil) == (model.program.deployment == .outsourced), "shares of a model are for servers")
    self.server = server
    self.channel = channel
    self.model = model
    self.source = source
    self.store = store
    self.limits = limits
    rowBytes = SessionLimits.materialBytes(model.program)
  }

  /// Inferences prepared and not used, in memory and in the store.
  public var prepared: Int { pool.count + (store?.readyCount ?? 0) }

  /// Inferences at hand in memory, which end with the session.
  public var pooled: Int { pool.count }

  /// Serves until the data owner leaves, or until `shouldStop`, asked between queries, says so.
  ///
  /// - Parameter didAnswer: called after each query with its samples.
  /// - Throws: `TransportError`, `CorrelationError`, `TwoPartyError`, ``InferenceError``; the session is over then and its material gone.
  public func serve(shouldStop: () -> Bool = { false }, didAnswer: (Int) -> Void = { _ in }) throws {
    defer {
      store?.abandon()
      source.end()
      server?.reverse.end()
    }
    try source.begin(program: model.program, weights: model)
    try server?.reverse.begin(program: model.program.reversed)
    while true {
      while !(try channel.waitReadable(timeout: .milliseconds(500))) { if shouldStop() { return } }
      var allowed: [FrameKind: Int] = [.prepare: SerialRange.byteCount, .goodbye: 0]
      allowed[server == nil ? .query : .sharedQuery] = server == nil ? SerialRange.byteCount : SharedQuery.byteCount
      if store != nil { allowed[.storeTake] = 4 }
      let (kind, payload) = try channel.receiveAny(allowed)
      switch kind {
      case .prepare: try prepare(try SerialRange(payload))
      case .storeTake: try lease(payload)
      case .query:
        let range = try SerialRange(payload)
        try answer(range)
        didAnswer(range.serials.count)
        if shouldStop() { return }
      case .sharedQuery:
        let query = try SharedQuery(payload)
        if try answer(query.range, shared: query.name) { didAnswer(query.range.serials.count) }
        if shouldStop() { return }
      default: return
      }
    }
  }

  private func prepare(_ range: SerialRange) throws {
    guard range.serials.lowerBound == nextPrepared else {
      throw CorrelationError.serialOutOfOrder(found: range.serials.lowerBound, expected: nextPrepared)
    }
    // The data owner's limits are the same.
    let capacity = limits.capacity(of: rowBytes)
    guard store != nil || range.serials.count <= capacity - pool.count else {
      throw InferenceError.storeFull(asked: range.serials.count, held: pool.count, limit: capacity)
    }
    let program = model.program
    let rows = try store.map {
      try BulkRows($0, serials: range.serials, encoder: MaterialEncoder(modelOwner: program))
    }
    observer?.begin(.preparation(inferences: range.serials.count))
    try Preparation.modelOwner(
      program: program, source: source, serials: range.serials, reverse: server?.reverse,
      willPrepare: { observer?.prepares(step: $0) }, didPrepare: { try rows?.fill($0, &$1) }
    ) { material in
      if let rows { return try rows.finish(material) }
      nextPooled = material.serial + 1
      pool.add(material, serial: nextPooled - 1)
    }
    nextPrepared = range.serials.upperBound
    statistics.prepared += range.serials.count
    try channel.send(.prepared, range.bytes)
    try store?.commit()
    observer?.end()
  }

  /// Gives rows to the pool once their deletion is committed.
  private func lease(_ header: [UInt8]) throws {
    observer?.begin(.lease)
    // What a data owner with the same limits holds at most.
    let room = max(0, limits.leased(of: rowBytes) - pool.count)
    for row in try store!.answerLease(header, limit: room) {
      let material = try ModelOwnerMaterial.decode(
        program: model.program, serial: nextPooled, byteCount: row.byteCount, from: row.read)
      pool.add(material, serial: nextPooled)
      nextPooled += 1
    }
    observer?.end()
  }

  /// - Parameter shared: the query's name, outsourced.
  /// - Returns: whether there was an answer: not where the client's share is missing.
  @discardableResult private func answer(_ range: SerialRange, shared: SharedQueryName? = nil) throws -> Bool {
    let batch = range.serials.count
    guard batch <= limits.maximumBatch else {
      throw InferenceError.invalidBatch(count: batch, limit: limits.maximumBatch)
    }
    observer?.begin(.query(samples: batch))
    var materials = MaterialBatch<ModelOwnerMaterial>(capacity: batch)
    for serial in range.serials { materials.append(try pool.take(serial: serial)) }
    let program = model.program
    let lastUses = program.lastUses()
    let opening = server == nil ? [] : program.openingSteps
    var shares = [[SecretWords]](repeating: [], count: program.steps.count)
    for (index, step) in program.steps.enumerated() {
      observer?.begin(.step(index))
      switch step.operation {
      case .input:
        shares[index] = try InputOperator.receive(
          batch: batch, count: step.tensor.shape.count, modulus: step.tensor.modulus, channel: channel)
        if let shared {
          let input = server?.clients.input(of: shared, samples: batch)
          try channel.send(.queryVerdict, [input == nil ? 0 : 1], flush: false)
          guard let input else {
            observer?.end()
            observer?.end()
            return false
          }
          add(input, to: shares[index], step.tensor.modulus)
        }
      case .linear where server != nil:
        shares[index] = try sharedLinear(index, shares[step.inputs[0]], opens: opening.contains(index), &materials)
      case .linear:
        shares[index] = try linear(index, shares[step.inputs[0]], &materials)
      case .activation(let spec):
        var parts = MaterialBatch<ModelOwnerActivationMaterial>(capacity: batch)
        for sample in 0..<batch { parts.append(try materials.withMutable(sample) { try $0.takeActivation(index) }) }
        let activation = ActivationModelOwner(
          channel: channel, spec: spec, shape: step.tensor.shape, output: step.tensor.modulus,
          coefficients: model.activations[index]!)
        shares[index] = try activation.run(shares: shares[step.inputs[0]], materials: parts)
      case .comparison, .maxPool, .argMax:
        shares[index] = try ComparisonStep.modelOwner(
          program: program, step: index, schedule: model.comparisons[index]!, shares: shares[step.inputs[0]],
          normalization: model.normalizations[index], channel: channel
        ) { stage, sample in try materials.withMutable(sample) { try $0.takeComparison(index, stage: stage) } }
      case .output(let dropped) where shared != nil:
        server?.clients.deliver(
          OutputOperator.encode(shares[step.inputs[0]], droppedBits: dropped), of: shared!)
      case .output(let dropped):
        try OutputOperator.send(shares[step.inputs[0]], droppedBits: dropped, channel: channel)
      case .offset: shares[index] = offset(index, shares[step.inputs[0]])
      case .sumPool, .globalSumPool, .add, .concatenate, .reshape, .subsamplePad, .changeRing:
        shares[index] = (0..<batch).map { sample in
          program.applyLocalStep(index, operands: step.inputs.map { shares[$0][sample] })
        }
      }
      for operand in step.inputs where lastUses[operand] == index { shares[operand] = [] }
      observer?.end()
    }
    observer?.end()
    statistics.queries += 1
    statistics.samples += batch
    return true
  }

  private func offset(_ index: Int, _ operands: [SecretWords]) -> [SecretWords] {
    let constants = model.offsets[index]!
    return operands.map { operand in
      let sum = SecretWords(uninitialized: operand.count)
      Elementwise.add(
        model.program.steps[index].tensor.modulus, operand.pointer, constants.pointer, count: operand.count,
        output: sum.pointer)
      return sum
    }
  }

  private func add(_ words: [SecretWords], to shares: [SecretWords], _ modulus: ModulusKind) {
    for (share, own) in zip(shares, words) {
      Elementwise.add(modulus, share.pointer, own.pointer, count: share.count, output: share.pointer)
    }
  }

  private func sharedLinear(
    _ index: Int, _ operands: [SecretWords], opens: Bool, _ materials: inout MaterialBatch<ModelOwnerMaterial>
  ) throws -> [SecretWords] {
    var (masks, opening): ([SecretWords], [SecretWords]) = ([], [])
    for sample in operands.indices {
      masks.append(try materials.withMutable(sample) { try $0.takeLinear(index) })
      if opens { opening.append(try materials.withMutable(sample) { try $0.takeOpened(index) }) }
    }
    return try OutsourcedLinear.server0(
      model.linear[index]!, operands: operands,
      operandModulus: model.program.steps[model.program.steps[index].inputs[0]].tensor.modulus,
      opening: opens ? opening : nil, masks: masks, workspace: workspace, channel: channel)
  }

  private func linear(
    _ index: Int, _ operands: [SecretWords], _ materials: inout MaterialBatch<ModelOwnerMaterial>
  ) throws -> [SecretWords] {
    var masks: [SecretWords] = []
    for sample in operands.indices { masks.append(try materials.withMutable(sample) { try $0.takeLinear(index) }) }
    return model.linear[index]!.apply(operands, masks: masks, workspace: workspace)
  }
}
