extension TaskGraph {
  /// The tasks of a range as a graph of their own: what lies outside is done.
  public func window(_ range: Range<Int>) -> TaskGraph {
    var result = self
    result.tasks = tasks[range].map { task in
      var task = task
      task.dependencies = task.dependencies.filter(range.contains).map { $0 - range.lowerBound }
      task.claims = task.claims.map { claim in
        var claim = claim
        claim.releasedBy = claim.releasedBy.filter(range.contains).map { $0 - range.lowerBound }
        return claim
      }
      return task
    }
    return result
  }

  /// How far the heuristic is from the optimum, on pieces small enough for an exact search.
  public struct Comparison: Codable, Hashable, Sendable {
    /// Pieces looked at.
    public var windows = 0
    /// Those whose optimum was found and proven.
    public var proven = 0
    /// Those of them where the heuristic finds it.
    public var equal = 0
    /// Of those, the greatest quotient of the heuristic's makespan and the optimum.
    public var worst = 1.0
    /// The mean quotient.
    public var mean = 1.0
  }

  /// Compares on windows of `size` neighbouring tasks, evenly spread.
  ///
  /// - Parameters:
  ///   - size: at most ``ExactScheduler/maximumTasks``.
  ///   - count: how many windows.
  ///   - nodeLimit: of each search.
  /// - Throws: ``HardwareError/invalidSchedule(reason:)``
  public func compareWithOptimum(size: Int, count: Int, nodeLimit: Int = 200_000) throws -> Comparison {
    var result = Comparison()
    var sum = 0.0
    let last = max(0, tasks.count - size)
    for number in 0..<min(count, last + 1) {
      let start = count > 1 ? last * number / (min(count, last + 1) - 1 == 0 ? 1 : min(count, last + 1) - 1) : 0
      let piece = window(start..<min(start + size, tasks.count))
      let found = try ExactScheduler.schedule(piece, nodeLimit: nodeLimit)
      result.windows += 1
      guard found.isOptimal else { continue }
      let quotient =
        Double(try ListScheduler.schedule(piece).makespan) / Double(max(found.timetable.makespan, 1))
      result.proven += 1
      if quotient == 1 { result.equal += 1 }
      result.worst = max(result.worst, quotient)
      sum += quotient
    }
    if result.proven > 0 { result.mean = sum / Double(result.proven) }
    return result
  }
}
