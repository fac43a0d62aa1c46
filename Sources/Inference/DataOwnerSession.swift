public import Correlations
public import MaterialStore
public import Programs
public import Rings
public import Transport
import TwoParty

/// The data owner's side of a session, on one thread: it says when to prepare, asks, and alone learns the answer.
///
/// Security: semi-honest. It learns the program, the results, and nothing else of the weights.
public final class DataOwnerSession {
  private let channel: FramedChannel
  private let program: Program
  private let source: any DataOwnerSource
  /// Outsourced: what server 1 has, and what it multiplies with.
  private let server: ServerOne?
  private let linear: [Int: LinearOperator]
  private let normalizations: [Int: ComparisonNormalization]
  private let workspace = LinearWorkspace()
  private let limits: SessionLimits
  private let comparisons: [Int: ComparisonSchedule]
  private let store: StoreSession?
  /// Bytes of an inference's material: here, at the model owner, and the larger of both.
  private let rowBytes: (own: Int, peer: Int, larger: Int)
  private var pool = MaterialPool<DataOwnerMaterial>()
  private var nextPrepared: UInt64 = 0
  // Numbers in the pool: with a store, given as rows are leased; else, as inferences are prepared.
  private var nextPooled: UInt64 = 0
  private var burst = 1
  private var isEnded = false
  /// Told what is done from now on.
  public var observer: (any SessionObserver)?
  /// What was done so far.
  public private(set) var statistics = SessionStatistics()

  /// Opens the session: the source is set up here.
  ///
  /// - Parameters:
  ///   - channel: to the model owner, after the hello.
  ///   - program: validated.
  ///   - source: where material comes from.
  ///   - server: what server 1 has beside, where the program is one for shares; else nil.
  ///   - store: where it waits; without one it waits in memory and is gone with the session.
  /// - Throws: what the source throws.
  public init(
    channel: FramedChannel, program: Program, source: any DataOwnerSource, server: ServerOne? = nil,
    store: StoreSession? = nil, limits: SessionLimits = SessionLimits()
  ) throws {
    guard (server != nil) == (program.deployment == .outsourced), server.map({ $0.share.program == program }) ?? true
    else { throw InferenceError.modelDoesNotFit(step: 0, reason: "a program for shares runs with a share of its own") }
    self.server = server
    linear = server?.share.linearOperators ?? [:]
    normalizations = server?.share.comparisonNormalizations ?? [:]
    self.channel = channel
    self.program = program
    self.source = source
    self.store = store
    self.limits = limits
    try program.validate()
    comparisons = program.comparisonSchedules
    rowBytes = (
      DataOwnerMaterial.byteCount(program), ModelOwnerMaterial.byteCount(program), SessionLimits.materialBytes(program)
    )
    try source.begin(program: program)
    if let server { try server.reverse.begin(program: program.reversed, weights: server.share) }
  }

  /// Inferences prepared and not used, in memory and in the store.
  public var prepared: Int { pool.count + (store?.readyCount ?? 0) }

  /// Inferences at hand in memory, which end with the session.
  public var pooled: Int { pool.count }

  /// Inferences whose material may be in memory at once.
  private var capacity: Int { limits.capacity(of: rowBytes.larger) }

  /// How many more inferences can be prepared: what memory or both stores have room for.
  public var room: Int {
    guard let store else { return max(0, capacity - pool.count) }
    return max(0, min(store.room / max(1, rowBytes.own), store.peerRoom / max(1, rowBytes.peer)))
  }

  /// Prepares inferences in advance, in bulks.
  ///
  /// - Parameter count: how many more.
  /// - Throws: `TransportError`, `CorrelationError`, ``InferenceError``, `StoreError`; after an error the session is over, but
  ///   for ``InferenceError/storeFull(asked:held:limit:)`` and what a store refuses before anything is prepared.
  public func prepare(count: Int) throws {
    try checkRoom(count)
    try guarded {
      let last = nextPrepared + UInt64(count)
      while nextPrepared < last {
        try prepareBulk(nextPrepared..<min(nextPrepared + UInt64(bulk), last))
      }
    }
  }

  /// Why there is no ``room``, for people.
  public var refusal: String {
    guard let store else { return "\(InferenceError.storeFull(asked: 1, held: prepared, limit: prepared))" }
    return "\(store.refusal(of: 1, rowBytes: rowBytes.own, peerRowBytes: rowBytes.peer))"
  }

  /// Checks that there is room for so many inferences more.
  /// - Throws: as ``prepare(count:)``.
  public func checkRoom(_ count: Int) throws {
    guard !isEnded else { throw InferenceError.sessionEnded }
    // What the model owner said last may be old.
    if let store, count > room { try guarded { try store.refreshPeerRoom() } }
    guard count < 0 || count > room else { return }
    guard let store, count > 0 else {
      throw InferenceError.storeFull(asked: count, held: prepared, limit: prepared + room)
    }
    throw store.refusal(of: count, rowBytes: rowBytes.own, peerRowBytes: rowBytes.peer)
  }

  /// Inferences that are prepared together: the limit's number, or what its bytes of material allow.
  public var bulk: Int { limits.count(limits.bulk, of: rowBytes.larger) }

  private func prepareBulk(_ serials: Range<UInt64>) throws {
    let range = SerialRange(serials)
    let rows = try store.map { try BulkRows($0, serials: serials, encoder: MaterialEncoder(dataOwner: program)) }
    observer?.begin(.preparation(inferences: serials.count))
    try channel.send(.prepare, range.bytes)
    let part = server.map {
      ServerOnePreparation(
        reverse: $0.reverse, activations: $0.share.activations, normalizations: normalizations,
        offsets: $0.share.offsets)
    }
    try Preparation.dataOwner(
      program: program, source: source, serials: serials, server: part,
      willPrepare: { observer?.prepares(step: $0) }, didPrepare: { try rows?.fill($0, &$1) }
    ) { material in
      if let rows { return try rows.finish(material) }
      nextPooled = material.serial + 1
      pool.add(material, serial: nextPooled - 1)
    }
    nextPrepared = serials.upperBound
    guard try channel.receive(.prepared, byteCount: SerialRange.byteCount) == range.bytes else {
      throw CorrelationError.unexpectedAnswer(what: "the range that the model owner prepared")
    }
    try store?.commit()
    observer?.end()
    statistics.prepared += serials.count
  }

  /// Runs one query, or several after each other where memory does not hold the material of all samples at once
  /// (``SessionLimits/preparedBytes``). Material that is missing is prepared first.
  ///
  /// - Parameter samples: fixed-point inputs, CHW, one array a sample.
  /// - Returns: fixed-point results, one array a sample.
  /// - Throws: `TransportError`, `CorrelationError`, `TwoPartyError`, ``InferenceError``. After an error other than of the input the
  ///   session is over, and the query's material is spent.
  public func infer(_ samples: [[Int64]]) throws -> [[Int64]] {
    precondition(server == nil, "server 1 knows no input")
    try check(batch: samples.count)
    for (index, sample) in samples.enumerated() where sample.count != program.input.shape.count {
      throw InferenceError.wrongInputSize(sample: index, found: sample.count, expected: program.input.shape.count)
    }
    var results: [[Int64]] = []
    for first in stride(from: 0, to: samples.count, by: capacity) {
      let part = samples[first..<min(first + capacity, samples.count)]
      try provide(part.count)
      results += try guarded { try ask(Array(part)) }
    }
    return results
  }

  /// Runs one query on shares, outsourced. Material that is missing is prepared first.
  ///
  /// - Parameters:
  ///   - shares: x1 of each sample, reduced words of the input's ring.
  ///   - name: under which server 0 has the other share.
  /// - Returns: this server's share of the result, for the client.
  /// - Throws: as ``infer(_:)``; ``InferenceError/shareMissing`` where server 0 has none: then the session goes on.
  public func infer(shares: [SecretWords], name: SharedQueryName) throws -> SecretBytes {
    precondition(server != nil, "shares are for servers")
    try check(batch: shares.count)
    for (index, share) in shares.enumerated() where share.count != program.input.shape.count {
      throw InferenceError.wrongInputSize(sample: index, found: share.count, expected: program.input.shape.count)
    }
    guard shares.count <= capacity else { throw InferenceError.invalidBatch(count: shares.count, limit: capacity) }
    try provide(shares.count)
    guard let output = try guarded({ try ask(shares, name) }) else { throw InferenceError.shareMissing }
    return output
  }

  private func check(batch: Int) throws {
    guard !isEnded else { throw InferenceError.sessionEnded }
    guard (1...limits.maximumBatch).contains(batch) else {
      throw InferenceError.invalidBatch(count: batch, limit: limits.maximumBatch)
    }
  }

  /// Sees that the pool holds `count` inferences: out of the store, and what it lacks prepared on demand.
  private func provide(_ count: Int) throws {
    if pool.count < count { burst = min(8 * burst, limits.maximumLease) }
    // Another session of the pair may take what this one has just put into the store.
    for _ in 0..<4 where pool.count < count {
      try guarded { try lease(count) }
      let missing = count - pool.count
      guard missing > 0 else { return }
      statistics.preparedOnDemand += missing
      try prepare(count: missing)
      try guarded { try lease(count) }
    }
    guard pool.count >= count else {
      throw InferenceError.storeFull(asked: count, held: pool.count, limit: count)
    }
  }

  /// Takes rows out of the store ahead of queries, so that none waits for a disk. To be called when there is nothing else to
  /// do; does nothing where enough is at hand, or without a store.
  ///
  /// - Returns: whether rows were taken.
  /// - Throws: `TransportError`, `StoreError`, `CorrelationError`; after an error the session is over.
  @discardableResult public func leaseAhead() throws -> Bool {
    guard !isEnded else { throw InferenceError.sessionEnded }
    burst = 1
    guard let store, 2 * pool.count < leaseSize, store.readyCount > 0 else { return false }
    let before = pool.count
    try guarded { try lease(leaseSize) }
    return pool.count > before
  }

  /// While queries come without a pause, leases grow, so that few of them wait for a disk.
  private var leaseSize: Int {
    let row = max(1, rowBytes.larger)
    let most = max(limits.lease, min(limits.maximumLease, limits.burstBytes / row))
    return limits.count(min(most, limits.lease * burst), of: row)
  }

  /// Takes rows until `wanted` are at hand, and up to the size of a lease more.
  private func lease(_ wanted: Int) throws {
    let size = max(wanted, leaseSize)
    guard let store, pool.count < size else { return }
    observer?.begin(.lease)
    for row in try store.lease(size - pool.count) {
      let material = try DataOwnerMaterial.decode(
        program: program, serial: nextPooled, byteCount: row.byteCount, from: row.read)
      pool.add(material, serial: nextPooled)
      nextPooled += 1
    }
    observer?.end()
  }

  private func ask(_ samples: [[Int64]]) throws -> [[Int64]] {
    observer?.begin(.query(samples: samples.count))
    let range = SerialRange(pool.nextSerial..<pool.nextSerial + UInt64(samples.count))
    var materials = try takeMaterial(range)
    let masks = try takeMasks(&materials)
    observer?.begin(.step(0))
    try channel.send(.query, range.bytes, flush: false)
    try InputOperator.send(samples, masks: masks, modulus: program.input.modulus, channel: channel)
    observer?.end()
    let (shares, dropped) = try run(&materials)
    observer?.begin(.step(program.steps.count - 1))
    let results = try OutputOperator.receive(shares, droppedBits: dropped, channel: channel)
    observer?.end()
    observer?.end()
    statistics.queries += 1
    statistics.samples += samples.count
    return results
  }

  /// - Returns: nil where server 0 lacks the other share; the material is spent all the same.
  private func ask(_ shares: [SecretWords], _ name: SharedQueryName) throws -> SecretBytes? {
    observer?.begin(.query(samples: shares.count))
    let range = SerialRange(pool.nextSerial..<pool.nextSerial + UInt64(shares.count))
    var materials = try takeMaterial(range)
    let masks = try takeMasks(&materials)
    observer?.begin(.step(0))
    try channel.send(.sharedQuery, SharedQuery(range: range, name: name).bytes, flush: false)
    try InputOperator.send(shares, masks: masks, modulus: program.input.modulus, channel: channel)
    let isHeld = try channel.receive(.queryVerdict, byteCount: 1)[0] == 1
    observer?.end()
    guard isHeld else {
      observer?.end()
      return nil
    }
    let (outputs, dropped) = try run(&materials)
    observer?.end()
    statistics.queries += 1
    statistics.samples += shares.count
    return OutputOperator.encode(outputs, droppedBits: dropped)
  }

  private func takeMaterial(_ range: SerialRange) throws -> MaterialBatch<DataOwnerMaterial> {
    var materials = MaterialBatch<DataOwnerMaterial>(capacity: range.serials.count)
    for serial in range.serials { materials.append(try pool.take(serial: serial)) }
    return materials
  }

  private func takeMasks(_ materials: inout MaterialBatch<DataOwnerMaterial>) throws -> [SecretWords] {
    try (0..<materials.count).map { try materials.withMutable($0) { try $0.takeInputMask() } }
  }

  /// All steps between input and output.
  /// - Returns: this party's shares of the output, and the bits that they lose.
  private func run(_ materials: inout MaterialBatch<DataOwnerMaterial>) throws -> ([SecretWords], Int) {
    let batch = materials.count
    var opened: [Int: [SecretWords]] = [:]
    let lastUses = program.lastUses()
    for (index, step) in program.steps.enumerated().dropFirst().dropLast() {
      observer?.begin(.step(index))
      switch step.operation {
      case .linear where server != nil:
        try sharedLinear(index, operand: step.inputs[0], &opened, &materials)
        if lastUses[step.inputs[0]] == index { opened[step.inputs[0]] = nil }
      case .comparison, .maxPool, .argMax:
        try ComparisonStep.dataOwner(
          schedule: comparisons[index]!, samples: batch, flips: normalizations[index]?.flips, channel: channel
        ) { stage, sample in try materials.withMutable(sample) { try $0.takeComparison(index, stage: stage) } }
      case .activation(let spec):
        var parts = MaterialBatch<DataOwnerActivationMaterial>(capacity: batch)
        for sample in 0..<batch { parts.append(try materials.withMutable(sample) { try $0.takeActivation(index) }) }
        try ActivationDataOwner(channel: channel, spec: spec, output: step.tensor.modulus).run(
          elementsPerSample: step.tensor.shape.count, materials: parts)
      default: break
      }
      observer?.end()
    }
    guard case .output(let dropped) = program.steps[program.steps.count - 1].operation else {
      preconditionFailure("a validated program ends with its output")
    }
    let shares = try (0..<batch).map { try materials.withMutable($0) { try $0.takeOutputShare() } }
    return (shares, dropped)
  }

  /// Server 1's part of a linear step.
  private func sharedLinear(
    _ index: Int, operand: Int, _ opened: inout [Int: [SecretWords]],
    _ materials: inout MaterialBatch<DataOwnerMaterial>
  ) throws {
    if opened[operand] == nil {
      let shares = try (0..<materials.count).map { try materials.withMutable($0) { try $0.takeOpened(index) } }
      opened[operand] = try OutsourcedLinear.receiveOpening(
        shares, modulus: program.steps[operand].tensor.modulus, channel: channel)
    }
    let masks = try (0..<materials.count).map { try materials.withMutable($0) { try $0.takeLinear(index) } }
    try OutsourcedLinear.server1(
      linear[index]!, operands: opened[operand]!, masks: masks, workspace: workspace, channel: channel)
  }

  /// Leaves in good order. What was prepared and not used is gone.
  public func close() {
    guard !isEnded else { return }
    isEnded = true
    try? channel.send(.goodbye, [])
    source.end()
    server?.reverse.end()
    channel.close()
  }

  // After a failure the two sides may be out of step: nothing of the session is used again.
  private func guarded<R>(_ body: () throws -> R) throws -> R {
    do { return try body() } catch {
      isEnded = true
      store?.abandon()
      source.end()
      server?.reverse.end()
      channel.close()
      throw error
    }
  }
}
