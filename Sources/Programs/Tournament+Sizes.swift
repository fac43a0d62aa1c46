public import Rings

/// How large the rounds of a tournament are, without the places of their values: for sizes of material and for costs.
extension Tournament {
  /// Pairs of each round of maxima over windows, as the tournament itself has them.
  public static func pairs(window: WindowGeometry, shape: TensorShape) -> [Int] {
    let (columns, rows) = (
      window.window.columns.spans(on: shape.width), window.window.rows.spans(on: shape.height)
    )
    if rows.allSatisfy({ $0.count == 1 }) {
      return rounds(lengths(columns, times: shape.channels * rows.count), isLast: true)
    }
    var used = [Bool](repeating: false, count: shape.height)
    for span in rows { for row in span.places { used[row] = true } }
    let lines = shape.channels * used.count { $0 }
    return rounds(lengths(columns, times: lines), isLast: false)
      + rounds(lengths(rows, times: shape.channels * columns.count), isLast: true)
  }

  /// Pairs of each round of the maximum of `count` values.
  public static func pairs(count: Int) -> [Int] { rounds([count: 1], isLast: true) }

  /// How many lists there are of each length.
  private static func lengths(_ spans: [PoolingAxis.Span], times: Int) -> [Int: Int] {
    spans.reduce(into: [:]) { $0[$1.count, default: 0] += times }
  }

  private static func rounds(_ given: [Int: Int], isLast: Bool) -> [Int] {
    var (lengths, pairs) = (given, [Int]())
    while true {
      let longest = lengths.keys.max() ?? 0
      // In the last round of all, every list has its pair.
      if isLast, longest <= 2 { return pairs + [lengths.values.reduce(0, +)] }
      if longest <= 1 { return pairs }
      pairs.append(lengths.reduce(0) { $0 + $1.value * ($1.key / 2) })
      lengths = lengths.reduce(into: [:]) { $0[($1.key + 1) / 2, default: 0] += $1.value }
    }
  }
}
