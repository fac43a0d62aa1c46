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

  private let problem: ListProblem
  private let urgency: [Int]
  /// The place of the first claimant of each pool that has not started: it is that one's turn.
  private var turn: [Int]
  private var pools: PoolState
  /// How much tasks that started before their turn hold of each pool.
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

  /// - Parameter urgency: least first; of equals, the first in the graph.
  init(_ problem: ListProblem, urgency: [Int]) {
    (self.problem, self.urgency) = (problem, urgency)
    let count = problem.lanes.count
    turn = [Int](repeating: 0, count: problem.claimants.count)
    ahead = turn
    pools = problem.pools
    hasStarted = [Bool](repeating: false, count: count)
    isReady = hasStarted
    missing = problem.waits
    ready = problem.units.map { _ in PriorityQueue() }
    claiming = ready
    freeUnits = problem.units.map { Array((0..<$0).reversed()) }
    starts = [Int](repeating: 0, count: count)
    units = starts
  }

  mutating func run() {
    for index in missing.indices where missing[index] == 0 { lastArrived(index) }
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
      freeUnits[problem.lanes[event.task]].append(units[event.task])
    case .arrived: for next in problem.successors[event.task] { arrive(next) }
    case .ready: becomeReady(event.task)
    }
  }

  private mutating func arrive(_ task: Int) {
    missing[task] -= 1
    if missing[task] == 0 { lastArrived(task) }
  }

  private mutating func lastArrived(_ task: Int) {
    if problem.delays[task] == 0 { return becomeReady(task) }
    events.insert(Event(time: time + problem.delays[task], kind: .ready, task: task))
  }

  private mutating func becomeReady(_ task: Int) {
    isReady[task] = true
    let entry = Ready(urgency: urgency[task], task: task)
    if problem.claims[task].isEmpty {
      ready[problem.lanes[task]].insert(entry)
    } else {
      claiming[problem.lanes[task]].insert(entry)
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
    for pool in problem.claimants.indices {
      while turn[pool] < problem.claimants[pool].count {
        let next = problem.claimants[pool][turn[pool]]
        guard isReady[next], !freeUnits[problem.lanes[next]].isEmpty, canStart(next) else { break }
        begin(next)
      }
    }
  }

  /// Whether there is room, and where it is not the task's turn, room enough is left for those whose turn comes first.
  private func canStart(_ index: Int) -> Bool {
    for claim in problem.claims[index] {
      guard pools.free[claim.pool] >= claim.amount else { return false }
      let isTurn = problem.claimants[claim.pool][turn[claim.pool]] == index
      guard isTurn || ahead[claim.pool] + claim.amount <= problem.allowance[claim.pool] else { return false }
    }
    return true
  }

  private mutating func begin(_ index: Int) {
    let end = time + problem.durations[index]
    starts[index] = time
    hasStarted[index] = true
    units[index] = freeUnits[problem.lanes[index]].removeLast()
    pools.start(index)
    events.insert(Event(time: end, kind: .ended, task: index))
    events.insert(Event(time: end + problem.latencies[index], kind: .arrived, task: index))
    for claim in problem.claims[index] { take(claim, index) }
  }

  private mutating func take(_ claim: ResourceClaim, _ index: Int) {
    let pool = claim.pool
    guard problem.claimants[pool][turn[pool]] == index else {
      isAhead.insert(ClaimKey(task: index, pool: pool))
      return ahead[pool] += claim.amount
    }
    turn[pool] += 1
    // Those that started before their turn, and whose turn would now be.
    while turn[pool] < problem.claimants[pool].count, hasStarted[problem.claimants[pool][turn[pool]]] {
      let next = problem.claimants[pool][turn[pool]]
      if isAhead.remove(ClaimKey(task: next, pool: pool)) != nil {
        ahead[pool] -= problem.claims[next].first { $0.pool == pool }!.amount
      }
      turn[pool] += 1
    }
  }
}
