/// Schedules by priority: whenever a unit is free, the most urgent task that can start takes it.
///
/// Claims on a pool are granted in the order of the tasks, and out of turn as long as enough is left for the most that is held when
/// the tasks are done one by one. That keeps buffers from being filled by what is needed later: take the first task, in that order,
/// that has not ended. All before it have, later ones hold no more than they may out of turn, and the order works
/// (``TaskGraph/validate()``), so there is room for it. Hence no timetable stands still. The result depends on the graph alone.
public enum ListScheduler {
  /// What is urgent.
  public enum Rule: String, CaseIterable, Sendable {
    /// What has the longest path behind it.
    case criticalPath
    /// What stands first in the graph.
    case order
    /// What belongs to the latest stage: the first rows of a picture go through all layers as soon as they can.
    case depth
  }

  /// Times that a timetable is turned round.
  private static let turns = 6

  /// The best of the timetables of all rules, improved.
  ///
  /// Improved by forward and backward passes (Li and Willis, "An iterative scheduling technique for resource-constrained project
  /// scheduling", EJOR 56, 1992): the tasks are scheduled from the end backwards, the one that ended last first, and then forwards
  /// again, the one first that thus starts first. Pools count forwards alone.
  /// - Throws: ``HardwareError/invalidSchedule(reason:)``
  public static func schedule(_ graph: TaskGraph) throws -> Timetable {
    try graph.validate()
    let tables = rules(graph)
    let best = tables.min { $0.makespan < $1.makespan }!
    return tables.reduce(best) { best, table in
      let improved = improve(table)
      return improved.makespan < best.makespan ? improved : best
    }
  }

  /// The best timetable of the graph in its own order and in others: those in which tasks would start if pools had no bounds. Pools
  /// are granted in a graph's order, so a good one lets buffers be filled by what is needed first.
  ///
  /// - Returns: a timetable whose graph may have the tasks in another order.
  /// - Throws: ``HardwareError/invalidSchedule(reason:)``
  public static func scheduleReordering(_ graph: TaskGraph) throws -> Timetable {
    guard !graph.pools.isEmpty else { return try schedule(graph) }
    try graph.validate()
    var free = graph
    for index in free.tasks.indices { free.tasks[index].claims = [] }
    let tables = (rules(free) + [try schedule(free)]).flatMap { reordered(graph, by: $0.starts) }
    let best = (rules(graph) + tables).min { $0.makespan < $1.makespan }!
    return (0..<turns).reduce((best, best)) { state, _ in
      let (best, current) = state
      let next =
        reordered(current.graph, by: latestStarts(current, ListProblem(reversing: current.graph))).min {
          $0.makespan < $1.makespan
        } ?? current
      return (next.makespan < best.makespan ? next : best, next)
    }.0
  }

  /// Timetables of the graph in another order; none where that order does not work by itself.
  private static func reordered(_ graph: TaskGraph, by starts: [Int]) -> [Timetable] {
    let ordered = graph.ordered(by: starts)
    return (try? ordered.validate()) == nil ? [] : rules(ordered)
  }

  /// The timetable of one rule.
  /// - Throws: ``HardwareError/invalidSchedule(reason:)``
  public static func schedule(_ graph: TaskGraph, rule: Rule) throws -> Timetable {
    try graph.validate()
    return forward(graph, ListProblem(graph), urgency: urgency(graph, rule, ScheduleBounds.tails(graph)))
  }

  /// - Parameter graph: valid.
  static func rules(_ graph: TaskGraph) -> [Timetable] {
    let (tails, problem) = (ScheduleBounds.tails(graph), ListProblem(graph))
    return Rule.allCases.map { forward(graph, problem, urgency: urgency(graph, $0, tails)) }
  }

  /// Least first.
  private static func urgency(_ graph: TaskGraph, _ rule: Rule, _ tails: [Int]) -> [Int] {
    switch rule {
    case .criticalPath: tails.map { -$0 }
    case .order: Array(graph.tasks.indices)
    case .depth: graph.tasks.map { -$0.stage }
    }
  }

  private static func forward(_ graph: TaskGraph, _ problem: ListProblem, urgency: [Int]) -> Timetable {
    var simulation = ListSimulation(problem, urgency: urgency)
    simulation.run()
    return Timetable(graph: graph, starts: simulation.starts, units: simulation.units)
  }

  private static func improve(_ table: Timetable) -> Timetable {
    var (best, current) = (table, table)
    let (problem, reversed) = (ListProblem(table.graph), ListProblem(reversing: table.graph))
    for _ in 0..<turns {
      current = forward(table.graph, problem, urgency: latestStarts(current, reversed))
      if current.makespan < best.makespan { best = current }
    }
    return best
  }

  /// Starts, counted from some moment, when the tasks are scheduled from the end backwards.
  private static func latestStarts(_ table: Timetable, _ reversed: ListProblem) -> [Int] {
    var backward = ListSimulation(reversed, urgency: table.starts.indices.map { -table.arrival($0) })
    backward.run()
    return zip(backward.starts, table.graph.tasks).map { -($0 + $1.duration) }
  }
}
