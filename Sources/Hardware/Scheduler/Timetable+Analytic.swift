extension Timetable {
  /// The timetable in which stages follow one another: no stage begins before the one before has arrived. Its makespan is the
  /// analytic sum, tick for tick, however layers are cut into tiles.
  ///
  /// - Parameter graph: valid, without claims, with one unit a lane, as ``TaskGraphBuilder`` makes it without memory.
  public static func withoutOverlap(_ graph: TaskGraph) -> Timetable {
    precondition(graph.pools.isEmpty && graph.lanes.allSatisfy { $0.units == 1 }, "buffers or several units")
    let stages = Dictionary(grouping: graph.tasks.indices) { graph.tasks[$0].stage }
    var starts = [Int](repeating: 0, count: graph.tasks.count)
    var begin = 0
    for stage in stages.keys.sorted() {
      var free: [Int: Int] = [:]
      var end = begin
      for index in stages[stage]! {
        let task = graph.tasks[index]
        starts[index] = free[task.lane] ?? begin
        free[task.lane] = starts[index] + task.duration
        end = max(end, starts[index] + task.duration + (graph.streamedStages.contains(stage) ? 0 : task.latency))
      }
      begin = end
    }
    return Timetable(graph: graph, starts: starts, units: starts.map { _ in 0 })
  }
}
