/// Kinds of units that work at the same time as others.
public enum LaneKind: String, Codable, CaseIterable, Hashable, Sendable {
  /// Multiplier array: linear layers, products, sums.
  case multiplier
  /// Generator cores: AES blocks of masks and pads.
  case generator
  /// Oblivious transfers: their hashes and combinations, bits of comparisons.
  case transfer
  /// A computer's processor, which does everything.
  case processor
  /// Between the board's memory and its buffers.
  case memory
  /// To the other board.
  case link
}

/// A row of a timetable: one unit, or several alike, each of which does one task at a time.
public struct Lane: Codable, Hashable, Sendable {
  /// For people, such as "multiplier array".
  public var name: String
  /// Whose it is; a link belongs to the board that sends.
  public var board: CostParty
  /// What it does.
  public var kind: LaneKind
  /// Units.
  public var units: Int

  /// Describes a lane.
  public init(name: String, board: CostParty, kind: LaneKind, units: Int = 1) {
    (self.name, self.board, self.kind, self.units) = (name, board, kind, units)
  }
}

/// Something that tasks hold parts of for a while: tile buffers, blocks of memory.
public struct ResourcePool: Codable, Hashable, Sendable {
  /// For people.
  public var name: String
  /// Whose it is.
  public var board: CostParty
  /// How much there is.
  public var capacity: Int

  /// Describes a pool.
  public init(name: String, board: CostParty, capacity: Int) {
    (self.name, self.board, self.capacity) = (name, board, capacity)
  }
}

/// Part of a pool that a task takes when it starts.
public struct ResourceClaim: Codable, Hashable, Sendable {
  /// Index of the pool.
  public var pool: Int
  /// How much of it.
  public var amount: Int
  /// Tasks after whose end, of all of them, it is given back: readers of what lies in a buffer. Each depends directly on the task
  /// that claims. Empty: at the end of that task itself.
  public var releasedBy: [Int]

  /// Describes a claim.
  public init(pool: Int, amount: Int = 1, releasedBy: [Int] = []) {
    (self.pool, self.amount, self.releasedBy) = (pool, amount, releasedBy)
  }
}

/// What a task does with its tile.
public enum TileAction: String, Codable, CaseIterable, Hashable, Sendable {
  /// Memory to a buffer.
  case load
  /// Arithmetic, cryptography.
  case compute
  /// Part of a message.
  case send
}

/// Work on one tile by one unit of a lane, without interruption.
public struct ScheduleTask: Codable, Hashable, Sendable {
  /// The layer, by name.
  public var layer: String
  /// What is done, such as "open" or "multiply".
  public var step: String
  /// Load, compute or send.
  public var action: TileAction
  /// Which tile of the layer, from 0.
  public var tile: Int
  /// Which stage of the analytic sum it is part of: stages follow one another there (``Timetable/withoutOverlap(_:)``).
  public var stage: Int
  /// Index of the lane.
  public var lane: Int
  /// Ticks during which the unit is busy, at least 1.
  public var duration: Int
  /// Ticks after that until tasks that depend on it may start: a message on its way.
  public var latency: Int
  /// Indices of tasks that come first; smaller than this task's own.
  public var dependencies: [Int]
  /// What it takes from pools.
  public var claims: [ResourceClaim]

  /// Describes a task.
  public init(
    layer: String, step: String, action: TileAction, tile: Int = 0, stage: Int = 0, lane: Int, duration: Int,
    latency: Int = 0,
    dependencies: [Int] = [], claims: [ResourceClaim] = []
  ) {
    (self.layer, self.step, self.action, self.tile, self.stage) = (layer, step, action, tile, stage)
    (self.lane, self.duration, self.latency) = (lane, duration, latency)
    (self.dependencies, self.claims) = (dependencies, claims)
  }
}

/// Tasks with their order, the lanes that do them and the pools that they hold parts of.
///
/// Tasks stand in an order in which they could be done one after the other. That order is the proof that no timetable can
/// come to a standstill: see ``ListScheduler``.
public struct TaskGraph: Codable, Hashable, Sendable {
  /// The lanes.
  public var lanes: [Lane]
  /// The pools.
  public var pools: [ResourcePool]
  /// The tasks; what one depends on precedes it.
  public var tasks: [ScheduleTask]
  /// Stages of messages whose arrival the analytic sum does not wait for, since more follows them the same way.
  public var streamedStages: Set<Int>

  /// Makes a graph; nothing is checked yet.
  public init(
    lanes: [Lane], pools: [ResourcePool] = [], tasks: [ScheduleTask] = [], streamedStages: Set<Int> = []
  ) {
    (self.lanes, self.pools, self.tasks, self.streamedStages) = (lanes, pools, tasks, streamedStages)
  }

  /// For every task, those that depend on it.
  public func successors() -> [[Int]] {
    var result = [[Int]](repeating: [], count: tasks.count)
    for (index, task) in tasks.enumerated() { for before in task.dependencies { result[before].append(index) } }
    return result
  }

  /// Checks indices, amounts, sums, and that the tasks' own order works.
  /// - Throws: ``HardwareError/invalidSchedule(reason:)`` naming task, lane or pool.
  public func validate() throws {
    func refuse(_ reason: String) -> HardwareError { .invalidSchedule(reason: reason) }
    for lane in lanes where lane.units < 1 { throw refuse("lane \(lane.name) has \(lane.units) units") }
    for pool in pools where pool.capacity < 1 { throw refuse("pool \(pool.name) has a capacity of \(pool.capacity)") }
    var total = 0
    for (index, task) in tasks.enumerated() {
      func refuse(_ reason: String) -> HardwareError {
        .invalidSchedule(reason: "task \(index) (\(task.layer), \(task.step), tile \(task.tile)) \(reason)")
      }
      guard lanes.indices.contains(task.lane) else { throw refuse("has no lane \(task.lane)") }
      guard task.duration >= 1, task.latency >= 0, task.duration <= ScheduleTime.maximum,
        task.latency <= ScheduleTime.maximum - total - task.duration
      else { throw refuse("takes \(task.duration) ticks and \(task.latency) more, or the sum of all is too long") }
      total += task.duration + task.latency
      for before in task.dependencies where !(0..<index).contains(before) {
        throw refuse("depends on \(before), which does not precede it")
      }
      guard Set(task.claims.map(\.pool)).count == task.claims.count else { throw refuse("claims twice of one pool") }
      for claim in task.claims {
        guard pools.indices.contains(claim.pool), claim.amount >= 1, claim.amount <= pools[claim.pool].capacity else {
          throw refuse("takes \(claim.amount) of pool \(claim.pool), which has less or does not exist")
        }
        for reader in claim.releasedBy
        where !(tasks.indices.contains(reader) && tasks[reader].dependencies.contains(index)) {
          throw refuse("waits for task \(reader) to give back a buffer, which does not depend on it")
        }
      }
    }
    try validateOrder()
  }

  /// The most that is held of each pool when the tasks are done one after the other.
  func serialPeaks(from start: PoolState) -> [Int] {
    var state = start
    var least = state.free
    for index in tasks.indices {
      state.start(index)
      for claim in state.claims[index] { least[claim.pool] = min(least[claim.pool], state.free[claim.pool]) }
      state.end(index)
    }
    return zip(pools, least).map { $0.capacity - $1 }
  }

  /// Does the tasks one after the other, and watches the pools.
  private func validateOrder() throws {
    var state = PoolState(self)
    for (index, task) in tasks.enumerated() {
      guard state.canStart(index) else {
        throw HardwareError.invalidSchedule(
          reason: "task \(index) (\(task.layer), \(task.step)) finds no room in its buffers when all before it are done"
        )
      }
      state.start(index)
      state.end(index)
    }
  }
}

/// How much of each pool is left while tasks start and end.
struct PoolState {
  /// What each task takes.
  let claims: [[ResourceClaim]]
  private(set) var free: [Int]
  /// For every task, the claims (of task, by number) that it is the reader of.
  private let reads: [[(task: Int, claim: Int)]]
  /// For every task and claim, readers that have not ended.
  private var unread: [[Int]]

  init(_ graph: TaskGraph) {
    let claims = graph.tasks.map(\.claims)
    self.claims = claims
    free = graph.pools.map(\.capacity)
    var reads = [[(task: Int, claim: Int)]](repeating: [], count: claims.count)
    for (index, own) in claims.enumerated() {
      for (number, claim) in own.enumerated() {
        for reader in Set(claim.releasedBy) { reads[reader].append((index, number)) }
      }
    }
    self.reads = reads
    unread = claims.map { $0.map { Set($0.releasedBy).count } }
  }

  /// Whether there is room for all that the task takes.
  func canStart(_ index: Int) -> Bool { claims[index].allSatisfy { free[$0.pool] >= $0.amount } }

  mutating func start(_ index: Int) { for claim in claims[index] { free[claim.pool] -= claim.amount } }

  /// Gives back what the task itself held, and what it was the last reader of.
  @discardableResult mutating func end(_ index: Int) -> [(task: Int, pool: Int, amount: Int)] {
    var released: [(task: Int, pool: Int, amount: Int)] = []
    for claim in claims[index] where claim.releasedBy.isEmpty {
      released.append((index, claim.pool, claim.amount))
    }
    for (task, number) in reads[index] {
      unread[task][number] -= 1
      let claim = claims[task][number]
      if unread[task][number] == 0 { released.append((task, claim.pool, claim.amount)) }
    }
    for entry in released { free[entry.pool] += entry.amount }
    return released
  }
}
