import Foundation

/// Printing: results on standard output, everything else on standard error.
enum Output {
  /// Prints a value as one line of JSON with sorted, snake_case keys.
  static func json(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    line(String(decoding: try encoder.encode(value), as: UTF8.self))
  }

  /// Prints a line at once, also into a pipe.
  static func line(_ text: String = "") {
    FileHandle.standardOutput.write(Data((text + "\n").utf8))
  }

  /// A remark for people.
  static func note(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }

  /// Rows as columns; the first row is the heading. Columns whose cells begin with a digit are set right.
  static func table(_ rows: [[String]]) {
    guard let columns = rows.first?.count else { return }
    let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
    let isNumber = (0..<columns).map { column in
      rows.dropFirst().allSatisfy { $0[column].isEmpty || $0[column].first!.isNumber }
    }
    for row in rows {
      let cells = row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return isNumber[column] ? space + cell : cell + space
      }
      var text = cells.joined(separator: "  ")
      while text.last == " " { text.removeLast() }
      line(text)
    }
  }

  /// A number with a fixed count of decimals.
  static func fixed(_ value: Double, _ decimals: Int) -> String { String(format: "%.\(decimals)f", value) }

  /// A number with four digits that mean something.
  static func significant(_ value: Double) -> String { String(format: "%.4g", value) }

  /// A large number with three digits: "2.70e+11".
  static func scientific(_ value: Double) -> String { String(format: "%.2e", value) }

  /// Seconds for people: "3.1 ms", "2.4 s", "3:05 min".
  static func duration(_ seconds: Double) -> String {
    switch seconds {
    case ..<0.001: "\(fixed(seconds * 1e6, 0)) us"
    case ..<1: "\(fixed(seconds * 1e3, 2)) ms"
    case ..<90: "\(fixed(seconds, 1)) s"
    default: String(format: "%d:%02d min", Int(seconds) / 60, Int(seconds) % 60)
    }
  }

  /// A share as a percentage with two decimals.
  static func percent(_ share: Double) -> String { fixed(share * 100, 2) + " %" }
}

/// One line on a terminal that is overwritten as work proceeds; silent elsewhere.
struct ProgressLine {
  private let isTerminal = isatty(2) == 1

  func show(_ text: String) {
    guard isTerminal else { return }
    FileHandle.standardError.write(Data("\r\u{1b}[K\(text)".utf8))
  }

  func clear() { show("") }
}

/// Order statistics of durations.
enum Statistics {
  /// The value at a quantile 0...1, by the nearest rank.
  static func quantile(_ values: [Double], _ quantile: Double) -> Double {
    guard !values.isEmpty else { return 0 }
    let sorted = values.sorted()
    return sorted[min(sorted.count - 1, max(0, Int((quantile * Double(sorted.count)).rounded(.up)) - 1))]
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
