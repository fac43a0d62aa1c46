/// Schedules by priority: whenever a unit is free, the most urgent task that can start takes it.
///
/// Urgent is what has the longest path to the end. Claims on a pool are granted in the order of the tasks, which keeps
/// buffers from being filled by what is needed later: take the first task, in that order, that has not ended. All before it
/// have, no later one holds what it claims, and the order works when it is followed one by one (``TaskGraph/validate()``), so
/// it can start. Hence no timetable stands still. The result depends on the graph alone.
public enum ListScheduler {
  /// What is urgent.
  public enum Rule: String, CaseIterable, Sendable {
    /// What has the longest path behind it.
    case criticalPath
    /// What stands first in the graph.
    case order
  }

  /// The better of the timetables of all rules.
  /// - Throws: ``HardwareError/invalidSchedule(reason:)``
  public static func schedule(_ graph: TaskGraph) throws -> Timetable {
    try graph.validate()
    let tails = ScheduleBounds.tails(graph)
    return Rule.allCases.map { run(graph, tails: tails, rule: $0) }.min { $0.makespan < $1.makespan }!
  }

  /// The timetable of one rule.
  /// - Throws: ``HardwareError/invalidSchedule(reason:)``
  public static func schedule(_ graph: TaskGraph, rule: Rule) throws -> Timetable {
    try graph.validate()
    return run(graph, tails: ScheduleBounds.tails(graph), rule: rule)
  }

  private static func run(_ graph: TaskGraph, tails: [Int], rule: Rule) -> Timetable {
    var simulation = ListSimulation(graph, urgency: rule == .criticalPath ? tails.map { -$0 } : nil)
    simulation.run()
    return Timetable(graph: graph, starts: simulation.starts, units: simulation.units)
  }
}

/// The state of a schedule that is being made, event by event.
private struct ListSimulation {
  private enum Kind: Int { case ended, arrived }

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

  private let graph: TaskGraph
  private let urgency: [Int]?
  private let successors: [[Int]]
  /// Tasks that claim of a pool, in order, and how many of them have started.
  private let claimants: [[Int]]
  private var granted: [Int]
  private var pools: PoolState
  /// Dependencies that have not arrived, and pools in which it is not a task's turn.
  private var missing: [Int]
  private var ready: [PriorityQueue<Ready>]
  private var freeUnits: [[Int]]
  private var events = PriorityQueue<Event>()
  private(set) var starts: [Int]
  private(set) var units: [Int]

  init(_ graph: TaskGraph, urgency: [Int]?) {
    (self.graph, self.urgency) = (graph, urgency)
    successors = graph.successors()
    pools = PoolState(graph)
    var claimants = [[Int]](repeating: [], count: graph.pools.count)
    for (index, task) in graph.tasks.enumerated() {
      for pool in Set(task.claims.map(\.pool)) { claimants[pool].append(index) }
    }
    self.claimants = claimants
    granted = [Int](repeating: 0, count: claimants.count)
    missing = graph.tasks.map { $0.dependencies.count + Set($0.claims.map(\.pool)).count }
    ready = graph.lanes.map { _ in PriorityQueue() }
    freeUnits = graph.lanes.map { Array((0..<$0.units).reversed()) }
    starts = [Int](repeating: 0, count: graph.tasks.count)
    units = starts
  }

  mutating func run() {
    for index in graph.tasks.indices where missing[index] == 0 { becomeReady(index) }
    for pool in claimants.indices { grant(pool) }
    var time = 0
    repeat {
      start(at: time)
      guard let next = events.first else { break }
      time = next.time
      while let event = events.first, event.time == time {
        _ = events.removeFirst()
        handle(event)
      }
    } while true
    precondition(granted == claimants.map(\.count) && missing.allSatisfy { $0 == 0 }, "a valid graph stands still")
  }

  private mutating func handle(_ event: Event) {
    let task = graph.tasks[event.task]
    switch event.kind {
    case .ended:
      pools.end(event.task)
      freeUnits[task.lane].append(units[event.task])
    case .arrived: for next in successors[event.task] { arrive(next) }
    }
  }

  private mutating func arrive(_ task: Int) {
    missing[task] -= 1
    if missing[task] == 0 { becomeReady(task) }
  }

  private mutating func becomeReady(_ task: Int) {
    ready[graph.tasks[task].lane].insert(Ready(urgency: urgency?[task] ?? task, task: task))
  }

  /// It is the next claimant's turn.
  private mutating func grant(_ pool: Int) {
    if granted[pool] < claimants[pool].count { arrive(claimants[pool][granted[pool]]) }
  }

  private mutating func start(at time: Int) {
    var hasStarted = true
    // A turn that is given may make a task ready on a lane that was looked at before.
    while hasStarted {
      hasStarted = false
      for lane in graph.lanes.indices {
        var waiting: [Ready] = []
        while !freeUnits[lane].isEmpty, !ready[lane].isEmpty {
          let next = ready[lane].removeFirst()
          if pools.canStart(graph.tasks[next.task]) {
            begin(next.task, at: time)
            hasStarted = true
          } else {
            waiting.append(next)
          }
        }
        for entry in waiting { ready[lane].insert(entry) }
      }
    }
  }

  private mutating func begin(_ index: Int, at time: Int) {
    let task = graph.tasks[index]
    starts[index] = time
    units[index] = freeUnits[task.lane].removeLast()
    pools.start(index)
    events.insert(Event(time: time + task.duration, kind: .ended, task: index))
    events.insert(Event(time: time + task.duration + task.latency, kind: .arrived, task: index))
    for pool in Set(task.claims.map(\.pool)).sorted() {
      granted[pool] += 1
      grant(pool)
    }
  }
}
