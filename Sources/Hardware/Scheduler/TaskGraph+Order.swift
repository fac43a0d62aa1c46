extension TaskGraph {
  /// The same tasks in the order of these starts, each that claims right before its last reader; ties as before.
  ///
  /// - Parameter starts: of a timetable that keeps to the dependencies, whatever its pools. What one task waits for then precedes
  ///   it, and where claims are read by one task each, no more is held between tasks than in the order before.
  func ordered(by starts: [Int]) -> TaskGraph {
    let keys = tasks.indices.map { index in
      tasks[index].claims.flatMap(\.releasedBy).reduce(starts[index]) { max($0, starts[$1]) }
    }
    let order = tasks.indices.sorted { (keys[$0], $0) < (keys[$1], $1) }
    var place = [Int](repeating: 0, count: tasks.count)
    for (new, old) in order.enumerated() { place[old] = new }
    var result = self
    result.tasks = order.map { old in
      var task = tasks[old]
      task.dependencies = task.dependencies.map { place[$0] }.sorted()
      for claim in task.claims.indices {
        task.claims[claim].releasedBy = task.claims[claim].releasedBy.map { place[$0] }
      }
      return task
    }
    return result
  }
}
