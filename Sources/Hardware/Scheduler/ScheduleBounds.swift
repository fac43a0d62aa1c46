/// Times that no timetable of a graph can beat. Pools are left out of account, so the bounds hold whatever their size.
public struct ScheduleBounds: Codable, Hashable, Sendable {
  /// The longest path, in ticks.
  public let criticalPath: Int
  /// The lane with the most work a unit, in ticks.
  public let busiestLane: Int
  /// Index of that lane.
  public let busiestLaneIndex: Int
  /// Both in one: what a lane has to do between the earliest time that it can begin some of its tasks and the least time that
  /// remains behind them, chained over tasks whose predecessors share a lane; never less than the two. In ticks.
  public let combined: Int

  /// Computes the bounds of a valid graph.
  public init(_ graph: TaskGraph) {
    let tails = Self.tails(graph)
    let heads = Self.plainHeads(graph)
    criticalPath = zip(heads, tails).reduce(0) { max($0, $1.0 + $1.1) }
    var work = [Int](repeating: 0, count: graph.lanes.count)
    for task in graph.tasks { work[task.lane] += task.duration }
    let perUnit = zip(work, graph.lanes).map { Self.quotient($0, $1.units) }
    busiestLaneIndex = perUnit.indices.max { perUnit[$0] < perUnit[$1] } ?? 0
    busiestLane = perUnit.max() ?? 0
    combined = max(criticalPath, busiestLane, ChainedBound(graph, tails: tails).value)
  }

  /// For every task, ticks from its start to the end of the longest path that begins with it.
  static func tails(_ graph: TaskGraph) -> [Int] {
    var behind = [Int](repeating: 0, count: graph.tasks.count)
    var tails = behind
    for index in graph.tasks.indices.reversed() {
      let task = graph.tasks[index]
      tails[index] = task.duration + task.latency + behind[index]
      for before in task.dependencies { behind[before] = max(behind[before], tails[index]) }
    }
    return tails
  }

  /// For every task, the longest path to its start.
  private static func plainHeads(_ graph: TaskGraph) -> [Int] {
    var heads = [Int](repeating: 0, count: graph.tasks.count)
    for (index, task) in graph.tasks.enumerated() {
      for before in task.dependencies {
        let other = graph.tasks[before]
        heads[index] = max(heads[index], heads[before] + other.duration + other.latency)
      }
    }
    return heads
  }

  static func quotient(_ work: Int, _ units: Int) -> Int { (work + units - 1) / units }
}

/// The bound that chains lanes: the earliest start of a task is the last of its predecessors' arrivals, and also the time that any
/// lane needs for those of its ancestors which cannot start before some moment, from that moment on. (The one-machine
/// relaxation of job-shop scheduling, Carlier, "The one-machine sequencing problem", EJOR 11, 1982, with the ancestors of each
/// task in place of all tasks; a lane of m units is relaxed to one that is m times as fast.)
private struct ChainedBound {
  let value: Int

  init(_ graph: TaskGraph, tails: [Int]) {
    let count = graph.tasks.count
    let words = (count + 63) / 64
    var ancestors = [UInt64](repeating: 0, count: count * words)
    var heads = [Int](repeating: 0, count: count)
    // Tasks of each lane, with the latest earliest start last.
    var order = [[Int]](repeating: [], count: graph.lanes.count)
    for index in 0..<count {
      let task = graph.tasks[index]
      var head = 0
      ancestors.withUnsafeMutableBufferPointer { bits in
        for before in task.dependencies {
          let other = graph.tasks[before]
          head = max(head, heads[before] + other.duration + other.latency)
          for word in 0...(before / 64) { bits[index * words + word] |= bits[before * words + word] }
          bits[index * words + before / 64] |= 1 << UInt64(before % 64)
        }
        for (lane, members) in order.enumerated() {
          head = max(
            head,
            Self.relaxed(members, units: graph.lanes[lane].units, heads: heads, graph) { before in
              // What lies between the end of an ancestor and this task is at least the ancestor's own latency.
              bits[index * words + before / 64] >> UInt64(before % 64) & 1 == 1 ? graph.tasks[before].latency : nil
            })
        }
      }
      heads[index] = head
      var place = order[task.lane].count
      while place > 0, heads[order[task.lane][place - 1]] > head { place -= 1 }
      order[task.lane].insert(index, at: place)
    }
    value = order.enumerated().reduce(0) { best, lane in
      max(
        best,
        Self.relaxed(lane.element, units: graph.lanes[lane.offset].units, heads: heads, graph) { before in
          tails[before] - graph.tasks[before].duration
        })
    }
  }

  /// The greatest of (earliest start of the set) + (its work a unit) + (least time behind it), over the sets of members that start
  /// no earlier than some moment; `behind` is nil for what is no member.
  private static func relaxed(
    _ members: [Int], units: Int, heads: [Int], _ graph: TaskGraph, behind: (Int) -> Int?
  ) -> Int {
    var (work, rest, best) = (0, Int.max, 0)
    for task in members.reversed() {
      guard let time = behind(task) else { continue }
      work += graph.tasks[task].duration
      rest = min(rest, time)
      best = max(best, heads[task] + ScheduleBounds.quotient(work, units) + rest)
    }
    return best
  }
}
