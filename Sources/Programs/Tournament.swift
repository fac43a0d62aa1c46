public import Rings

/// One round of a tournament over an array of values: pairs are compared, others wait.
///
/// The next array is the pairs' maxima, in order, and then the values that wait.
public struct TournamentStage: Hashable, Sendable {
  /// Values of the array before it.
  public var values: Int
  /// Place of each pair's first value.
  public var left: [Int32]
  /// Place of each pair's second value; the first one's own where a value has no opponent in the last round.
  public var right: [Int32]
  /// Places of the values that wait.
  public var rest: [Int32]

  /// Values of the next array.
  public var results: Int { left.count + rest.count }
}

/// Rounds of comparisons that find the maxima of many lists at once. The last one gives every result, in order.
public struct Tournament: Hashable, Sendable {
  /// The rounds.
  public private(set) var stages: [TournamentStage] = []

  /// Lists of places, one behind the other.
  private struct Lists {
    var places: [Int32] = []
    /// Where each list begins, and where the last one ends.
    var starts: [Int] = [0]

    var count: Int { starts.count - 1 }
    var longest: Int { (0..<count).reduce(0) { max($0, starts[$1 + 1] - starts[$1]) } }

    mutating func close() { starts.append(places.count) }
  }

  /// Maxima over windows, first along rows, then along columns: overlapping windows share the first part's results.
  ///
  /// - Parameter window: fits the picture, and every window holds a pixel of it.
  public init(window: WindowGeometry, shape: TensorShape) {
    let window = window.window
    let pooled = window.pooled(shape)
    let (columns, rows) = (window.columns.spans(on: shape.width), window.rows.spans(on: shape.height))
    // Rows that no window reads are left out.
    var used = [Bool](repeating: false, count: shape.height)
    for span in rows { for row in span.places { used[row] = true } }
    if rows.allSatisfy({ $0.count == 1 }) {
      // Only the rows of windows take part.
      var lists = Lists()
      for channel in 0..<shape.channels {
        for row in rows {
          Self.append(columns, line: (channel * shape.height + row.first) * shape.width, to: &lists)
        }
      }
      play(lists, values: shape.count, isLast: true)
      return
    }
    var lines = Lists()
    for line in 0..<shape.channels * shape.height where used[line % shape.height] {
      Self.append(columns, line: line * shape.width, to: &lines)
    }
    let (ends, values) = play(lines, values: shape.count, isLast: false)
    // Rows in use before each row of a channel.
    var rank = [0]
    for row in 0..<shape.height { rank.append(rank[row] + (used[row] ? 1 : 0)) }
    var lists = Lists()
    lists.places.reserveCapacity(pooled.count * window.rows.kernel)
    for channel in 0..<shape.channels {
      let first = channel * rank[shape.height]
      for span in rows {
        for column in 0..<pooled.width {
          for row in span.places { lists.places.append(ends[(first + rank[row]) * pooled.width + column]) }
          lists.close()
        }
      }
    }
    play(lists, values: values, isLast: true)
  }

  private static func append(_ columns: [PoolingAxis.Span], line: Int, to lists: inout Lists) {
    for span in columns {
      for column in span.places { lists.places.append(Int32(line + column)) }
      lists.close()
    }
  }

  /// The maximum of `count` values.
  public init(count: Int) {
    var list = Lists()
    list.places = (0..<Int32(count)).map { $0 }
    list.close()
    play(list, values: count, isLast: true)
  }

  /// Adds rounds until each list has one value; in the last round of all, every list has its pair.
  ///
  /// - Returns: where each list's value lies, and how many values there are.
  @discardableResult
  private mutating func play(_ given: Lists, values: Int, isLast: Bool) -> ([Int32], Int) {
    var lists = given
    var values = values
    while true {
      let longest = lists.longest
      let ends = isLast && longest <= 2
      if longest <= 1, !ends { break }
      var stage = TournamentStage(values: values, left: [], right: [], rest: [])
      stage.left.reserveCapacity(lists.places.count / 2 + (ends ? lists.count : 0))
      stage.right.reserveCapacity(stage.left.capacity)
      for list in 0..<lists.count {
        let (first, end) = (lists.starts[list], lists.starts[list + 1])
        if ends, end - first == 1 {
          stage.left.append(lists.places[first])
          stage.right.append(lists.places[first])
        }
        for place in stride(from: first, to: end - 1, by: 2) {
          stage.left.append(lists.places[place])
          stage.right.append(lists.places[place + 1])
        }
        // A value may wait for several overlapping windows; it is kept once for each, in the lists' order.
        if !ends, (end - first) % 2 == 1 { stage.rest.append(lists.places[end - 1]) }
      }
      lists = Self.next(lists, stage, ends: ends)
      stages.append(stage)
      values = stage.results
      if ends { break }
    }
    return (lists.places, values)
  }

  /// The lists of places in the array that a round leaves.
  private static func next(_ lists: Lists, _ stage: TournamentStage, ends: Bool) -> Lists {
    var next = Lists()
    next.places.reserveCapacity(stage.results)
    next.starts.reserveCapacity(lists.starts.count)
    var (pair, waiting) = (Int32(0), Int32(stage.left.count))
    for list in 0..<lists.count {
      let size = lists.starts[list + 1] - lists.starts[list]
      for _ in 0..<(ends ? 1 : size / 2) {
        next.places.append(pair)
        pair += 1
      }
      if !ends, size % 2 == 1 {
        next.places.append(waiting)
        waiting += 1
      }
      next.close()
    }
    return next
  }
}
