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
    self.init(graph, window: graph.tasks.count <= ChainedBound.whole ? nil : ChainedBound.window)
  }

  /// - Parameter window: tasks before a task among which its ancestors count, a multiple of 64; nil for all.
  init(_ graph: TaskGraph, window: Int?) {
    let tails = Self.tails(graph)
    let heads = Self.plainHeads(graph)
    criticalPath = zip(heads, tails).reduce(0) { max($0, $1.0 + $1.1) }
    var work = [Int](repeating: 0, count: graph.lanes.count)
    for task in graph.tasks { work[task.lane] += task.duration }
    let perUnit = zip(work, graph.lanes).map { Self.quotient($0, $1.units) }
    busiestLaneIndex = perUnit.indices.max { perUnit[$0] < perUnit[$1] } ?? 0
    busiestLane = perUnit.max() ?? 0
    combined = max(criticalPath, busiestLane, ChainedBound(graph, tails: tails, window: window).value)
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
///
/// Of large graphs each task's ancestors are looked for among the tasks shortly before it: fewer ancestors make the bound no
/// less true, and memory grows with the window instead of with the square of the tasks.
private struct ChainedBound {
  /// Tasks up to which all ancestors count.
  static let whole = 16384
  /// Tasks before a task among which ancestors count in larger graphs.
  static let window = 4096

  let value: Int

  init(_ graph: TaskGraph, tails: [Int], window: Int?) {
    let count = graph.tasks.count
    precondition(window.map { $0 > 0 && $0 % 64 == 0 } ?? true)
    let rows = window ?? max(count, 1)
    var near = Ancestors(rows: rows)
    var heads = [Int](repeating: 0, count: count)
    // Tasks of each lane inside the window, with the latest earliest start last.
    var order = [[Int]](repeating: [], count: graph.lanes.count)
    for index in 0..<count {
      let task = graph.tasks[index]
      var head = 0
      near.begin(index)
      for before in task.dependencies {
        let other = graph.tasks[before]
        head = max(head, heads[before] + other.duration + other.latency)
        near.add(before, to: index)
      }
      for (lane, members) in order.enumerated() {
        head = max(
          head,
          Self.relaxed(members, units: graph.lanes[lane].units, heads: heads, graph) { before in
            // What lies between the end of an ancestor and this task is at least the ancestor's own latency.
            near.contains(before, of: index) ? graph.tasks[before].latency : nil
          })
      }
      heads[index] = head
      order[task.lane].insert(index, at: Self.place(of: head, in: order[task.lane], heads))
      if index >= rows - 1 { Self.remove(index - rows + 1, from: &order[graph.tasks[index - rows + 1].lane], heads) }
    }
    var all = [[Int]](repeating: [], count: graph.lanes.count)
    for index in heads.indices.sorted(by: { (heads[$0], $0) < (heads[$1], $1) }) {
      all[graph.tasks[index].lane].append(index)
    }
    value = all.enumerated().reduce(0) { best, lane in
      max(
        best,
        Self.relaxed(lane.element, units: graph.lanes[lane.offset].units, heads: heads, graph) { before in
          tails[before] - graph.tasks[before].duration
        })
    }
  }

  /// Behind the last member that starts no later.
  private static func place(of head: Int, in members: [Int], _ heads: [Int]) -> Int {
    var (low, high) = (0, members.count)
    while low < high {
      let middle = (low + high) / 2
      if heads[members[middle]] > head { high = middle } else { low = middle + 1 }
    }
    return low
  }

  private static func remove(_ task: Int, from members: inout [Int], _ heads: [Int]) {
    var place = place(of: heads[task], in: members, heads) - 1
    while members[place] != task { place -= 1 }
    members.remove(at: place)
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

/// For each of the last tasks, which of the others are ancestors: a ring of rows of bits, bit and row by index modulo their number.
struct Ancestors {
  private let rows: Int
  private let words: Int
  private var bits: [UInt64]

  init(rows: Int) {
    self.rows = rows
    words = (rows + 63) / 64
    bits = [UInt64](repeating: 0, count: rows * words)
  }

  /// Clears the row of a task, and forgets the one whose place it takes.
  mutating func begin(_ task: Int) {
    let slot = task % rows
    for word in slot * words..<(slot + 1) * words { bits[word] = 0 }
  }

  /// Adds a task and its ancestors to those of a later one.
  mutating func add(_ before: Int, to task: Int) {
    guard task - before < rows else { return }
    let (from, to) = (before % rows * words, task % rows * words)
    // Names of tasks that were forgotten between the two are those of tasks in between now.
    let (first, end) = ((before + 1) % rows, (before + 1) % rows + task - before)
    for word in 0..<words where bits[from + word] != 0 {
      let old = Self.mask(first, min(end, rows), word) | Self.mask(0, end - rows, word)
      bits[to + word] |= bits[from + word] & ~old
    }
    set(before, of: task)
  }

  /// The bits of a word that lie in a range.
  private static func mask(_ first: Int, _ end: Int, _ word: Int) -> UInt64 {
    let (low, high) = (max(first - 64 * word, 0), min(end - 64 * word, 64))
    guard low < high else { return 0 }
    return (high - low == 64 ? .max : (1 << UInt64(high - low)) - 1) << UInt64(low)
  }

  private mutating func set(_ before: Int, of task: Int) {
    let slot = before % rows
    bits[task % rows * words + slot / 64] |= 1 << UInt64(slot % 64)
  }

  func contains(_ before: Int, of task: Int) -> Bool {
    let slot = before % rows
    return bits[task % rows * words + slot / 64] >> UInt64(slot % 64) & 1 == 1
  }
}
