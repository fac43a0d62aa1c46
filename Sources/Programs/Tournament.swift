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

  /// Maxima over windows, first along rows, then along columns: overlapping windows share the first part's results.
  ///
  /// - Parameter window: fits the picture, so that every window holds a pixel.
  public init(window: WindowGeometry, shape: TensorShape) {
    let pooled = LocalOperations.pooledShape(
      shape, kernel: window.kernel, stride: window.stride, padding: window.padding)
    func span(_ index: Int, _ side: Int) -> Range<Int> {
      let start = index * window.stride - window.padding
      return max(start, 0)..<min(start + window.kernel, side)
    }
    var rows: [[Int32]] = []
    for channel in 0..<shape.channels {
      for y in 0..<shape.height {
        let line = (channel * shape.height + y) * shape.width
        for x in 0..<pooled.width { rows.append(span(x, shape.width).map { Int32(line + $0) }) }
      }
    }
    func columns(_ places: [Int32]) -> [[Int32]] {
      var lists: [[Int32]] = []
      for channel in 0..<shape.channels {
        for y in 0..<pooled.height {
          for x in 0..<pooled.width {
            lists.append(
              span(y, shape.height).map { places[(channel * shape.height + $0) * pooled.width + x] })
          }
        }
      }
      return lists
    }
    let isFlat = (0..<pooled.height).allSatisfy { span($0, shape.height).count == 1 }
    if isFlat {
      // Only the rows of windows take part.
      play(columns(rows.indices.map(Int32.init)).map { rows[Int($0[0])] }, values: shape.count, isLast: true)
      return
    }
    // Rows that no window reads are left out.
    var used = [Bool](repeating: false, count: rows.count)
    for list in columns(rows.indices.map(Int32.init)) { for place in list { used[Int(place)] = true } }
    var places = [Int32](repeating: 0, count: rows.count)
    let kept = rows.indices.filter { used[$0] }
    let (ends, values) = play(kept.map { rows[$0] }, values: shape.count, isLast: false)
    for (place, end) in zip(kept, ends) { places[place] = end }
    play(columns(places), values: values, isLast: true)
  }

  /// The maximum of `count` values.
  public init(count: Int) { play([(0..<Int32(count)).map { $0 }], values: count, isLast: true) }

  /// Adds rounds until each list has one value; in the last round of all, every list has its pair.
  ///
  /// - Returns: where each list's value lies, and how many values there are.
  @discardableResult
  private mutating func play(_ lists: [[Int32]], values: Int, isLast: Bool) -> ([Int32], Int) {
    var lists = lists
    var values = values
    while true {
      let longest = lists.reduce(0) { max($0, $1.count) }
      let ends = isLast && longest <= 2
      if longest <= 1, !ends { break }
      var stage = TournamentStage(values: values, left: [], right: [], rest: [])
      for list in lists {
        for place in stride(from: 0, to: list.count - 1, by: 2) {
          stage.left.append(list[place])
          stage.right.append(list[place + 1])
        }
        if ends, list.count == 1 {
          stage.left.append(list[0])
          stage.right.append(list[0])
        }
      }
      // A value may wait for several overlapping windows; it is kept once for each, in the lists' order.
      var pair: Int32 = 0
      for index in lists.indices {
        let list = lists[index]
        var next: [Int32] = []
        let pairs = ends ? 1 : list.count / 2
        for _ in 0..<pairs {
          next.append(pair)
          pair += 1
        }
        if !ends, list.count % 2 == 1 {
          next.append(Int32(stage.left.count + stage.rest.count))
          stage.rest.append(list[list.count - 1])
        }
        lists[index] = next
      }
      stages.append(stage)
      values = stage.results
      if ends { break }
    }
    return (lists.map { $0.first ?? 0 }, values)
  }
}
