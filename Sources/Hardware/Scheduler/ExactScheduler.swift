/// Finds the shortest timetable of a small graph by branch and bound.
///
/// Some shortest timetable has every start at 0 or when a task ends or arrives: what starts later can be moved to the left. So the
/// search walks from event to event, and decides for each task that can start whether it does or waits for the next event.
/// It decides freely in what order pools are taken, which ``ListScheduler`` does not, and turns back where nothing runs and
/// nothing can start.
public struct ExactScheduler {
  /// What the search found.
  public struct Result: Sendable {
    /// The best timetable.
    public let timetable: Timetable
    /// Whether the whole tree was searched, so that no timetable is shorter.
    public let isOptimal: Bool
    /// Places in the tree that were looked at.
    public let nodes: Int
  }

  /// Tasks that a graph may have: the search takes time exponential in their number.
  public static let maximumTasks = 64

  private let graph: TaskGraph
  private let tails: [Int]
  private let successors: [[Int]]
  private let root: Int
  private let limit: Int
  private var nodes = 0
  private var best: Timetable
  private var bestMakespan: Int
  private var starts: [Int]
  private var units: [Int]

  /// Searches until the tree is done or `nodeLimit` places have been looked at.
  ///
  /// - Parameter graph: of at most ``maximumTasks`` tasks.
  /// - Throws: ``HardwareError/invalidSchedule(reason:)``
  public static func schedule(_ graph: TaskGraph, nodeLimit: Int = 20_000_000) throws -> Result {
    guard graph.tasks.count <= maximumTasks else {
      throw HardwareError.invalidSchedule(
        reason: "an exact search takes at most \(maximumTasks) tasks, and the graph has \(graph.tasks.count)")
    }
    var search = Self(graph, start: try ListScheduler.schedule(graph), limit: nodeLimit)
    if search.bestMakespan > search.root { search.descend(SearchState(graph), from: 0) }
    return Result(
      timetable: search.best, isOptimal: search.bestMakespan == search.root || search.nodes < nodeLimit,
      nodes: search.nodes)
  }

  private init(_ graph: TaskGraph, start: Timetable, limit: Int) {
    self.graph = graph
    self.limit = limit
    tails = ScheduleBounds.tails(graph)
    successors = graph.successors()
    root = ScheduleBounds(graph).combined
    best = start
    bestMakespan = start.makespan
    starts = [Int](repeating: 0, count: graph.tasks.count)
    units = starts
  }

  /// Decides about the tasks from `first` on that can start at the state's time.
  private mutating func descend(_ state: SearchState, from first: Int) {
    nodes += 1
    guard nodes < limit, bestMakespan > root, bound(state) < bestMakespan else { return }
    if let task = (first..<graph.tasks.count).first(where: { state.canStart($0, graph) }) {
      var started = state
      units[task] = started.start(task, graph)
      starts[task] = state.time
      descend(started, from: task + 1)
      descend(state, from: task + 1)
      return
    }
    if state.unstarted == 0 {
      let table = Timetable(graph: graph, starts: starts, units: units)
      if table.makespan < bestMakespan { (best, bestMakespan) = (table, table.makespan) }
      return
    }
    var next = state
    if next.advance(graph, successors) { descend(next, from: 0) }
  }

  /// No timetable that continues the state is shorter.
  private func bound(_ state: SearchState) -> Int {
    var result = state.latestArrival
    var work = state.busyUntil.map { units in units.reduce(0) { $0 + max(0, $1 - state.time) } }
    for (index, task) in graph.tasks.enumerated() where !state.hasStarted[index] {
      result = max(result, max(state.time, state.earliest[index]) + tails[index])
      work[task.lane] += task.duration
    }
    for (lane, ticks) in work.enumerated() where ticks > 0 {
      result = max(result, state.time + ScheduleBounds.quotient(ticks, graph.lanes[lane].units))
    }
    return result
  }
}

/// A partial timetable.
private struct SearchState {
  var time = 0
  var unstarted: Int
  var latestArrival = 0
  var hasStarted: [Bool]
  /// By lane and unit.
  var busyUntil: [[Int]]
  /// When the dependencies that have started will have arrived.
  var earliest: [Int]
  private var missing: [Int]
  private var pools: PoolState
  /// Ends and arrivals to come, by task: (time, ended or arrived).
  private var running: [(end: Int, arrival: Int, task: Int)] = []

  init(_ graph: TaskGraph) {
    unstarted = graph.tasks.count
    hasStarted = [Bool](repeating: false, count: unstarted)
    busyUntil = graph.lanes.map { [Int](repeating: 0, count: $0.units) }
    earliest = [Int](repeating: 0, count: unstarted)
    missing = graph.tasks.map(\.dependencies.count)
    pools = PoolState(graph)
  }

  func canStart(_ task: Int, _ graph: TaskGraph) -> Bool {
    !hasStarted[task] && missing[task] == 0 && pools.canStart(task)
      && busyUntil[graph.tasks[task].lane].contains { $0 <= time }
  }

  /// Starts a task now; returns its unit.
  mutating func start(_ index: Int, _ graph: TaskGraph) -> Int {
    let task = graph.tasks[index]
    let unit = busyUntil[task.lane].firstIndex { $0 <= time }!
    let end = time + task.duration
    busyUntil[task.lane][unit] = end
    hasStarted[index] = true
    unstarted -= 1
    latestArrival = max(latestArrival, end + task.latency)
    pools.start(index)
    running.append((end, end + task.latency, index))
    return unit
  }

  /// Moves to the next event; false where there is none.
  mutating func advance(_ graph: TaskGraph, _ successors: [[Int]]) -> Bool {
    let times = running.flatMap { [$0.end, $0.arrival] }.filter { $0 > time }
    guard let next = times.min() else { return false }
    time = next
    for entry in running {
      if entry.end == time { pools.end(entry.task) }
      guard entry.arrival == time else { continue }
      for after in successors[entry.task] {
        missing[after] -= 1
        earliest[after] = max(earliest[after], time)
      }
    }
    running.removeAll { $0.arrival <= time }
    return true
  }
}
