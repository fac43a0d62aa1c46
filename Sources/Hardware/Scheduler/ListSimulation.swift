/// The state of a list schedule that is being made, event by event.
struct ListSimulation {
  private enum Kind: Int { case ended, arrived, ready }

  private struct Event: Comparable {
    let time: Int
    let kind: Kind
    let task: Int
    static func < (a: Event, b: Event) -> Bool { (a.time, a.kind.rawValue, a.task) < (b.time, b.kind.rawValue, b.task) }
  }

  private struct Ready: Comparable {
    let urgency: Int
    let task: Int
    static func < (a: Ready, b: Ready) -> Bool { (a.urgency, a.task) < (b.urgency, b.task) }
  }

  private struct ClaimKey: Hashable {
    let task: Int
    let pool: Int
  }

  /// Tasks without room that are passed over on a lane before those whose turn it is are looked at.
  private static let patience = 8

  private let tasks: [ScheduleTask]
  private let urgency: [Int]
  private let successors: [[Int]]
  /// Ticks from a task's end to its arrival, and from the last arrival that it waits for to its own readiness.
  private let latencies: [Int]
  private let delays: [Int]
  /// Tasks that claim of a pool, in order, and the place of the first that has not started: it is that one's turn.
  private let claimants: [[Int]]
  private var turn: [Int]
  private var pools: PoolState
  /// How much tasks may hold, of each pool, that started before their turn, and how much they do.
  private let allowance: [Int]
  private var ahead: [Int]
  private var isAhead: Set<ClaimKey> = []
  private var hasStarted: [Bool]
  private var isReady: [Bool]
  /// Dependencies that have not arrived.
  private var missing: [Int]
  /// By lane, tasks that claim nothing, and those that do.
  private var ready: [PriorityQueue<Ready>]
  private var claiming: [PriorityQueue<Ready>]
  private var freeUnits: [[Int]]
  private var events = PriorityQueue<Event>()
  private var time = 0
  private(set) var starts: [Int]
  private(set) var units: [Int]

  /// From the start to the end, within lanes and pools.
  ///
  /// - Parameter urgency: least first; of equals, the first in the graph.
  init(_ graph: TaskGraph, urgency: [Int]) {
    self.init(
      graph, graph.tasks, urgency, successors: graph.successors(), waits: graph.tasks.map(\.dependencies.count),
      latencies: graph.tasks.map(\.latency), delays: graph.tasks.map { _ in 0 })
  }

  /// From the end to the start, within lanes; starts count from the end. What lies between a task's end and its readers then stands
  /// before its own start.
  init(reversing graph: TaskGraph, urgency: [Int]) {
    var tasks = graph.tasks
    for index in tasks.indices { tasks[index].claims = [] }
    self.init(
      graph, tasks, urgency, successors: tasks.map(\.dependencies), waits: graph.successors().map(\.count),
      latencies: tasks.map { _ in 0 }, delays: tasks.map(\.latency))
  }

  private init(
    _ graph: TaskGraph, _ tasks: [ScheduleTask], _ urgency: [Int], successors: [[Int]], waits: [Int], latencies: [Int],
    delays: [Int]
  ) {
    (self.tasks, self.urgency, self.successors) = (tasks, urgency, successors)
    (self.latencies, self.delays) = (latencies, delays)
    var claimants = [[Int]](repeating: [], count: graph.pools.count)
    for (index, task) in tasks.enumerated() {
      for pool in Set(task.claims.map(\.pool)) { claimants[pool].append(index) }
    }
    self.claimants = claimants
    turn = [Int](repeating: 0, count: claimants.count)
    ahead = turn
    let own = TaskGraph(lanes: graph.lanes, pools: graph.pools, tasks: tasks)
    pools = PoolState(own)
    allowance = zip(graph.pools, own.serialPeaks()).map { $0.capacity - $1 }
    hasStarted = [Bool](repeating: false, count: tasks.count)
    isReady = hasStarted
    missing = waits
    ready = graph.lanes.map { _ in PriorityQueue() }
    claiming = ready
    freeUnits = graph.lanes.map { Array((0..<$0.units).reversed()) }
    starts = [Int](repeating: 0, count: tasks.count)
    units = starts
  }

  mutating func run() {
    for index in tasks.indices where missing[index] == 0 { lastArrived(index) }
    repeat {
      start()
      guard let next = events.first else { break }
      time = next.time
      while let event = events.first, event.time == time {
        _ = events.removeFirst()
        handle(event)
      }
    } while true
    precondition(hasStarted.allSatisfy { $0 }, "a valid graph stands still")
  }

  private mutating func handle(_ event: Event) {
    switch event.kind {
    case .ended:
      for (task, pool, amount) in pools.end(event.task) where isAhead.remove(ClaimKey(task: task, pool: pool)) != nil {
        ahead[pool] -= amount
      }
      freeUnits[tasks[event.task].lane].append(units[event.task])
    case .arrived: for next in successors[event.task] { arrive(next) }
    case .ready: becomeReady(event.task)
    }
  }

  private mutating func arrive(_ task: Int) {
    missing[task] -= 1
    if missing[task] == 0 { lastArrived(task) }
  }

  private mutating func lastArrived(_ task: Int) {
    if delays[task] == 0 { return becomeReady(task) }
    events.insert(Event(time: time + delays[task], kind: .ready, task: task))
  }

  private mutating func becomeReady(_ task: Int) {
    isReady[task] = true
    let entry = Ready(urgency: urgency[task], task: task)
    if tasks[task].claims.isEmpty {
      ready[tasks[task].lane].insert(entry)
    } else {
      claiming[tasks[task].lane].insert(entry)
    }
  }

  private mutating func start() {
    for lane in ready.indices {
      var waiting: [Ready] = []
      while !freeUnits[lane].isEmpty {
        let claimant = waiting.count < Self.patience ? claiming[lane].first : nil
        if let plain = ready[lane].first, claimant.map({ plain < $0 }) ?? true {
          begin(ready[lane].removeFirst().task)
        } else if claimant != nil {
          let next = claiming[lane].removeFirst()
          guard !hasStarted[next.task] else { continue }
          if canStart(next.task) { begin(next.task) } else { waiting.append(next) }
        } else {
          break
        }
      }
      for entry in waiting { claiming[lane].insert(entry) }
    }
    // Whatever is more urgent and has no room: those whose turn it is can always start.
    for pool in claimants.indices {
      while turn[pool] < claimants[pool].count {
        let next = claimants[pool][turn[pool]]
        guard isReady[next], !freeUnits[tasks[next].lane].isEmpty, canStart(next) else { break }
        begin(next)
      }
    }
  }

  /// Whether there is room, and where it is not the task's turn, room enough is left for those whose turn comes first.
  private func canStart(_ index: Int) -> Bool {
    pools.canStart(tasks[index])
      && tasks[index].claims.allSatisfy { claim in
        claimants[claim.pool][turn[claim.pool]] == index
          || ahead[claim.pool] + claim.amount <= allowance[claim.pool]
      }
  }

  private mutating func begin(_ index: Int) {
    let task = tasks[index]
    starts[index] = time
    hasStarted[index] = true
    units[index] = freeUnits[task.lane].removeLast()
    pools.start(index)
    events.insert(Event(time: time + task.duration, kind: .ended, task: index))
    events.insert(Event(time: time + task.duration + latencies[index], kind: .arrived, task: index))
    for claim in task.claims { take(claim, index) }
  }

  private mutating func take(_ claim: ResourceClaim, _ index: Int) {
    let pool = claim.pool
    guard claimants[pool][turn[pool]] == index else {
      isAhead.insert(ClaimKey(task: index, pool: pool))
      return ahead[pool] += claim.amount
    }
    turn[pool] += 1
    // Those that started before their turn, and whose turn would now be.
    while turn[pool] < claimants[pool].count, hasStarted[claimants[pool][turn[pool]]] {
      let next = claimants[pool][turn[pool]]
      if isAhead.remove(ClaimKey(task: next, pool: pool)) != nil {
        ahead[pool] -= tasks[next].claims.first { $0.pool == pool }!.amount
      }
      turn[pool] += 1
    }
  }
}
