import Foundation

/// Finds what each routine takes from what sums of them take: least squares of relative errors, with nothing below zero (Lawson and
/// Hanson 1974, chapter 23; here by coordinate descent, which converges for the convex problem).
struct RoutineFit {
  /// Units by routine, and seconds that they took together.
  struct Row {
    var units: [String: Double]
    var seconds: Double
  }

  private(set) var seconds: [String: Double] = [:]
  /// Relative root mean square of what is left, over the rows in which a routine has a part, weighted by that part.
  private(set) var accuracy: [String: Double] = [:]

  /// - Parameter rows: with positive seconds.
  init(_ rows: [Row]) {
    let names = Set(rows.flatMap(\.units.keys)).sorted()
    let columns = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    // Columns scaled to one, so that a routine's unit does not matter.
    var scales = [Double](repeating: 0, count: names.count)
    let matrix = rows.map { row in row.units.map { (columns[$0.key]!, $0.value / row.seconds) } }
    for row in matrix { for (column, value) in row { scales[column] += value * value } }
    scales = scales.map { $0 > 0 ? 1 / $0.squareRoot() : 0 }
    var (gram, right) = (
      [[Double]](repeating: [Double](repeating: 0, count: names.count), count: names.count), scales.map { _ in 0.0 }
    )
    for row in matrix {
      for (first, a) in row {
        right[first] += a * scales[first]
        for (second, b) in row { gram[first][second] += a * b * scales[first] * scales[second] }
      }
    }
    let solution = Self.solve(gram, right)
    for (index, name) in names.enumerated() { seconds[name] = solution[index] * scales[index] }
    var (squares, weights) = ([String: Double](), [String: Double]())
    for row in rows {
      let parts = row.units.mapValues { $0 }.map { ($0.key, $0.value * seconds[$0.key]! / row.seconds) }
      let error = parts.reduce(-1) { $0 + $1.1 }
      for (name, part) in parts {
        squares[name, default: 0] += part * error * error
        weights[name, default: 0] += part
      }
    }
    for name in names {
      let weight = weights[name]!
      accuracy[name] = weight > 0 ? (squares[name]! / weight).squareRoot() : 0
    }
  }

  /// Minimises x G x / 2 - r x over x >= 0.
  private static func solve(_ gram: [[Double]], _ right: [Double]) -> [Double] {
    var solution = [Double](repeating: 0, count: right.count)
    var gradient = right.map { -$0 }
    for _ in 0..<200_000 {
      var moved = 0.0
      for index in right.indices where gram[index][index] > 0 {
        let next = max(0, solution[index] - gradient[index] / gram[index][index])
        let step = next - solution[index]
        guard step != 0 else { continue }
        solution[index] = next
        moved = max(moved, abs(step))
        gram[index].withUnsafeBufferPointer { row in
          for other in row.indices { gradient[other] += step * row[other] }
        }
      }
      if moved < 1e-9 { break }
    }
    return solution
  }

  /// What a row is said to take.
  func predicted(_ units: [String: Double]) -> Double { units.reduce(0) { $0 + $1.value * (seconds[$1.key] ?? 0) } }
}
