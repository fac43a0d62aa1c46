/// When each task of a graph starts, and on which unit of its lane.
public struct Timetable: Hashable, Sendable {
  /// What is scheduled.
  public let graph: TaskGraph
  /// Start of each task, in ticks from 0.
  public let starts: [Int]
  /// Unit of the task's lane, from 0.
  public let units: [Int]

  /// Places the tasks of a graph.
  public init(graph: TaskGraph, starts: [Int], units: [Int]) {
    precondition(starts.count == graph.tasks.count && units.count == graph.tasks.count, "one place a task")
    (self.graph, self.starts, self.units) = (graph, starts, units)
  }

  /// When the unit is free again.
  public func end(_ task: Int) -> Int { starts[task] + graph.tasks[task].duration }
  /// When tasks that depend on it may start.
  public func arrival(_ task: Int) -> Int { end(task) + graph.tasks[task].latency }

  /// When everything is done and has arrived, in ticks.
  public var makespan: Int { starts.indices.reduce(0) { max($0, arrival($1)) } }

  /// Ticks of work of each lane, all its units together.
  public var busy: [Int] {
    var result = [Int](repeating: 0, count: graph.lanes.count)
    for task in graph.tasks { result[task.lane] += task.duration }
    return result
  }

  /// The first task of each layer starts, and the last one's result arrives, in the order of the first starts.
  public var layers: [(name: String, start: Int, end: Int)] {
    var places: [String: Int] = [:]
    var result: [(name: String, start: Int, end: Int)] = []
    for index in starts.indices {
      let name = graph.tasks[index].layer
      if let place = places[name] {
        result[place].start = min(result[place].start, starts[index])
        result[place].end = max(result[place].end, arrival(index))
      } else {
        places[name] = result.count
        result.append((name, starts[index], arrival(index)))
      }
    }
    return result.sorted { ($0.start, $0.end) < ($1.start, $1.end) }
  }
}
