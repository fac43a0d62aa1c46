public import Correlations
public import MaterialStore
public import Programs
import Rings
public import Transport
import TwoParty

/// The data owner's side of a session, on one thread: it says when to prepare, asks, and alone learns the answer.
///
/// Security: semi-honest. It learns the program, the results, and nothing else of the weights.
public final class DataOwnerSession {
  private let channel: FramedChannel
  private let program: Program
  private let source: any DataOwnerSource
  private let limits: SessionLimits
  private let comparisons: [Int: ComparisonSchedule]
  private let store: StoreSession?
  /// Bytes of an inference's material.
  private let rowBytes: Int
  private var pool = MaterialPool<DataOwnerMaterial>()
  private var nextPrepared: UInt64 = 0
  // Numbers in the pool: with a store, given as rows are leased; else, as inferences are prepared.
  private var nextPooled: UInt64 = 0
  private var burst = 1
  private var isEnded = false
  /// What was done so far.
  public private(set) var statistics = SessionStatistics()

  /// Opens the session: the source is set up here.
  ///
  /// - Parameters:
  ///   - channel: to the model owner, after the hello.
  ///   - program: validated.
  ///   - source: where material comes from.
  ///   - store: where it waits; without one it waits in memory and is gone with the session.
  /// - Throws: what the source throws.
  public init(
    channel: FramedChannel, program: Program, source: any DataOwnerSource, store: StoreSession? = nil,
    limits: SessionLimits = SessionLimits()
  ) throws {
    self.channel = channel
    self.program = program
    self.source = source
    self.store = store
    self.limits = limits
    try program.validate()
    comparisons = program.comparisonSchedules
    rowBytes = DataOwnerMaterial.byteCount(program)
    try source.begin(program: program)
  }

  /// Inferences prepared and not used, in memory and in the store.
  public var prepared: Int { pool.count + (store?.readyCount ?? 0) }

  /// Inferences at hand in memory, which end with the session.
  public var pooled: Int { pool.count }

  /// How many more inferences can be prepared: what memory or the store has room for.
  public var room: Int {
    guard let store else {
      return max(0, limits.capacity(of: rowBytes) - pool.count)
    }
    return store.room / max(1, rowBytes)
  }

  /// Prepares inferences in advance, in bulks.
  ///
  /// - Parameter count: how many more.
  /// - Throws: `TransportError`, `CorrelationError`, ``InferenceError``; after an error the session is over.
  public func prepare(count: Int) throws {
    guard !isEnded else { throw InferenceError.sessionEnded }
    guard count >= 0, count <= room else {
      throw InferenceError.storeFull(asked: count, held: prepared, limit: prepared + room)
    }
    try guarded {
      let last = nextPrepared + UInt64(count)
      while nextPrepared < last {
        try prepareBulk(nextPrepared..<min(nextPrepared + UInt64(bulk), last))
      }
    }
  }

  /// Inferences that are prepared together: the limit's number, or what its bytes of material allow.
  public var bulk: Int { limits.count(limits.bulk, of: rowBytes) }

  private func prepareBulk(_ serials: Range<UInt64>) throws {
    let range = SerialRange(serials)
    try channel.send(.prepare, range.bytes)
    var failure: (any Error)?
    try Preparation.dataOwner(program: program, source: source, serials: serials) { material in
      let serial = material.serial
      guard let store else {
        pool.add(material, serial: serial)
        nextPooled = serial + 1
        return
      }
      do { try store.add(try material.encoded(program), serial: serial) } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
    nextPrepared = serials.upperBound
    guard try channel.receive(.prepared, byteCount: SerialRange.byteCount) == range.bytes else {
      throw CorrelationError.unexpectedAnswer(what: "the range that the model owner prepared")
    }
    try store?.commit()
    statistics.prepared += serials.count
  }

  /// Runs one query. Material that is missing is prepared first.
  ///
  /// - Parameter samples: fixed-point inputs, CHW, one array a sample.
  /// - Returns: fixed-point results, one array a sample.
  /// - Throws: `TransportError`, `CorrelationError`, `TwoPartyError`, ``InferenceError``. After an error other than of the input the
  ///   session is over, and the query's material is spent.
  public func infer(_ samples: [[Int64]]) throws -> [[Int64]] {
    guard !isEnded else { throw InferenceError.sessionEnded }
    guard (1...limits.maximumBatch).contains(samples.count) else {
      throw InferenceError.invalidBatch(count: samples.count, limit: limits.maximumBatch)
    }
    for (index, sample) in samples.enumerated() where sample.count != program.input.shape.count {
      throw InferenceError.wrongInputSize(sample: index, found: sample.count, expected: program.input.shape.count)
    }
    try provide(samples.count)
    return try guarded { try ask(samples) }
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
    let row = max(1, rowBytes)
    let most = max(limits.lease, min(limits.maximumLease, limits.burstBytes / row))
    return limits.count(min(most, limits.lease * burst), of: row)
  }

  /// Takes rows until `wanted` are at hand, and up to the size of a lease more.
  private func lease(_ wanted: Int) throws {
    let size = max(wanted, leaseSize)
    guard let store, pool.count < size else { return }
    for bytes in try store.lease(size - pool.count) {
      pool.add(try DataOwnerMaterial.decode(bytes, program: program, serial: nextPooled), serial: nextPooled)
      nextPooled += 1
    }
  }

  private func ask(_ samples: [[Int64]]) throws -> [[Int64]] {
    let first = pool.nextSerial
    let serials = first..<(first + UInt64(samples.count))
    var materials = MaterialBatch<DataOwnerMaterial>(capacity: samples.count)
    for serial in serials { materials.append(try pool.take(serial: serial)) }
    var masks: [SecretWords] = []
    for sample in samples.indices { masks.append(try materials.withMutable(sample) { try $0.takeInputMask() }) }
    try channel.send(.query, SerialRange(serials).bytes, flush: false)
    try InputOperator.send(samples, masks: masks, modulus: program.input.modulus, channel: channel)
    for index in program.steps.indices {
      if let schedule = comparisons[index] {
        try ComparisonStep.dataOwner(schedule: schedule, samples: samples.count, channel: channel) { stage, sample in
          try materials.withMutable(sample) { try $0.takeComparison(index, stage: stage) }
        }
      }
      guard case .activation(let spec) = program.steps[index].operation else { continue }
      var parts = MaterialBatch<DataOwnerActivationMaterial>(capacity: samples.count)
      for sample in samples.indices { parts.append(try materials.withMutable(sample) { try $0.takeActivation(index) }) }
      let tensor = program.steps[index].tensor
      try ActivationDataOwner(channel: channel, spec: spec, output: tensor.modulus).run(
        elementsPerSample: tensor.shape.count, materials: parts)
    }
    guard case .output(let dropped) = program.steps[program.steps.count - 1].operation else {
      preconditionFailure("a validated program ends with its output")
    }
    var shares: [SecretWords] = []
    for sample in samples.indices { shares.append(try materials.withMutable(sample) { try $0.takeOutputShare() }) }
    let results = try OutputOperator.receive(shares, droppedBits: dropped, channel: channel)
    statistics.queries += 1
    statistics.samples += samples.count
    return results
  }

  /// Leaves in good order. What was prepared and not used is gone.
  public func close() {
    guard !isEnded else { return }
    isEnded = true
    try? channel.send(.goodbye, [])
    source.end()
    channel.close()
  }

  // After a failure the two sides may be out of step: nothing of the session is used again.
  private func guarded<R>(_ body: () throws -> R) throws -> R {
    do { return try body() } catch {
      isEnded = true
      store?.abandon()
      source.end()
      channel.close()
      throw error
    }
  }
}
