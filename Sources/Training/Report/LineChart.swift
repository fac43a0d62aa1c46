import Foundation

/// A chart of lines or points as inline SVG: no script, no outside resource; text is escaped, colours follow the page.
struct LineChart {
  /// One line.
  struct Series {
    var name: String
    /// A CSS colour.
    var color: String
    var points: [(x: Double, y: Double)]
    /// Whether points are marked, and not only joined.
    var isMarked = false
    /// Whether points are joined.
    var isJoined = true
    var isDashed = false
    /// A label for each point, or none.
    var labels: [String] = []
  }

  var title: String
  var xLabel: String
  var yLabel: String
  var series: [Series]
  /// Bounds that ticks never pass.
  var floor = -Double.infinity
  var ceiling = Double.infinity
  /// Whether x takes whole values only, such as epochs.
  var hasWholeX = true

  private struct Axis {
    var low: Double
    var high: Double
    var step: Double

    var ticks: [Double] {
      let count = Int(((high - low) / step).rounded())
      return (0...max(count, 1)).map { low + Double($0) * step }.filter { $0 <= high + step * 1e-9 }
    }
    var digits: Int { max(0, min(6, Int((-log10(step)).rounded(.up)))) }
    func text(_ value: Double) -> String { String(format: "%.\(digits)f", value) }
  }

  private static let plot = (left: 62.0, top: 40.0, width: 470.0, height: 240.0)

  /// The chart.
  func svg() -> String {
    let points = series.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
    let x = axis(points.map(\.x), floor: -.infinity, ceiling: .infinity, whole: hasWholeX)
    let y = axis(points.map(\.y), floor: floor, ceiling: ceiling, whole: false)
    let plot = Self.plot
    let rows = (series.count + 1) / 2
    let height = plot.top + plot.height + 52 + Double(rows) * 18
    let width = plot.left + plot.width + 28
    func px(_ value: Double) -> Double { plot.left + plot.width * (value - x.low) / (x.high - x.low) }
    func py(_ value: Double) -> Double {
      plot.top + plot.height * (1 - (min(max(value, y.low), y.high) - y.low) / (y.high - y.low))
    }
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Self.number(width)) \(Self.number(height))\" "
        + "role=\"img\" aria-label=\"\(HTML.escape(title))\" font-size=\"12\" fill=\"currentColor\">",
      Self.text(title, x: plot.left, y: 18, anchor: "start", bold: true),
    ]
    for tick in y.ticks {
      lines.append(
        "<line x1=\"\(Self.number(plot.left))\" x2=\"\(Self.number(plot.left + plot.width))\" "
          + "y1=\"\(Self.number(py(tick)))\" y2=\"\(Self.number(py(tick)))\" stroke=\"currentColor\" opacity=\"0.15\"/>"
      )
      lines.append(Self.text(y.text(tick), x: plot.left - 8, y: py(tick) + 4, anchor: "end"))
    }
    for tick in x.ticks {
      lines.append(Self.text(x.text(tick), x: px(tick), y: plot.top + plot.height + 17, anchor: "middle"))
    }
    lines.append(
      Self.text(xLabel, x: plot.left + plot.width / 2, y: plot.top + plot.height + 35, anchor: "middle"))
    lines.append(Self.text(yLabel, x: plot.left, y: plot.top - 8, anchor: "start"))
    for entry in series { lines += drawn(entry, px, py) }
    for (index, entry) in series.enumerated() {
      let place = (
        x: plot.left + Double(index % 2) * plot.width / 2, y: plot.top + plot.height + 56 + Double(index / 2) * 18
      )
      lines.append(
        entry.isJoined
          ? "<line x1=\"\(Self.number(place.x))\" x2=\"\(Self.number(place.x + 18))\" y1=\"\(Self.number(place.y - 4))\" "
            + "y2=\"\(Self.number(place.y - 4))\" stroke=\"\(entry.color)\" stroke-width=\"3\"\(Self.dash(entry))/>"
          : "<circle cx=\"\(Self.number(place.x + 9))\" cy=\"\(Self.number(place.y - 4))\" r=\"4\" fill=\"\(entry.color)\"/>"
      )
      lines.append(Self.text(entry.name, x: place.x + 24, y: place.y, anchor: "start"))
    }
    lines.append("</svg>")
    return lines.joined(separator: "\n")
  }

  private func drawn(_ entry: Series, _ px: (Double) -> Double, _ py: (Double) -> Double) -> [String] {
    let points = entry.points.filter { $0.x.isFinite && $0.y.isFinite }
    var lines: [String] = []
    if entry.isJoined, points.count > 1 {
      let path = points.map { "\(Self.number(px($0.x))),\(Self.number(py($0.y)))" }.joined(separator: " ")
      lines.append(
        "<polyline fill=\"none\" stroke=\"\(entry.color)\" stroke-width=\"2\"\(Self.dash(entry)) points=\"\(path)\">"
          + "<title>\(HTML.escape(entry.name))</title></polyline>")
    }
    guard entry.isMarked || points.count == 1 else { return lines }
    for (index, point) in points.enumerated() {
      let label = index < entry.labels.count ? entry.labels[index] : entry.name
      lines.append(
        "<circle cx=\"\(Self.number(px(point.x)))\" cy=\"\(Self.number(py(point.y)))\" r=\"4\" fill=\"\(entry.color)\">"
          + "<title>\(HTML.escape(label))</title></circle>")
      // Points that fall together are named together, by the first of them.
      let same = points.indices.filter {
        abs(px(points[$0].x) - px(point.x)) < 2 && abs(py(points[$0].y) - py(point.y)) < 2
      }
      if index < entry.labels.count, same.first == index {
        let label = same.filter { $0 < entry.labels.count }.map { entry.labels[$0] }.joined(separator: ", ")
        // Labels near the right edge stand to the left of their point.
        let isRight = px(point.x) > Self.plot.left + 0.8 * Self.plot.width
        lines.append(
          Self.text(
            label, x: px(point.x) + (isRight ? -8 : 8), y: py(point.y) - 7, anchor: isRight ? "end" : "start"))
      }
    }
    return lines
  }

  /// A range that starts and ends on ticks, and their distance.
  private func axis(_ values: [Double], floor: Double, ceiling: Double, whole: Bool) -> Axis {
    let low = values.min() ?? 0
    let largest = values.max() ?? 1
    let isFlat = largest - low <= abs(low) * 1e-6
    let high = whole ? max(largest, low + 1) : isFlat ? low + max(1e-6, abs(low) * 0.1) : largest
    let raw = (high - low) / 5
    let magnitude = pow(10, log10(raw).rounded(.down))
    var step = [1.0, 2, 5, 10].map { $0 * magnitude }.first { $0 >= raw * 0.999 } ?? raw
    if whole {
      step = max(1, step.rounded())
      return Axis(low: low, high: high, step: step)
    }
    let bottom = max(floor, (low / step).rounded(.down) * step)
    let top = min(ceiling, (high / step).rounded(.up) * step)
    return Axis(low: bottom, high: max(top, bottom + step), step: step)
  }

  private static func dash(_ entry: Series) -> String { entry.isDashed ? " stroke-dasharray=\"5 3\"" : "" }

  private static func text(_ content: String, x: Double, y: Double, anchor: String, bold: Bool = false) -> String {
    "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\"\(bold ? " font-weight=\"bold\"" : "")>"
      + "\(HTML.escape(content))</text>"
  }

  private static func number(_ value: Double) -> String { String(format: "%.1f", value) }
}

/// Text in pages.
enum HTML {
  /// A text that markup cannot hide in.
  static func escape(_ text: String) -> String {
    var result = ""
    for character in text.unicodeScalars {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }

  /// A table; the first row is the heading. Cells are escaped, all but the first column are set right.
  static func table(_ rows: [[String]]) -> String {
    guard let head = rows.first else { return "" }
    var lines = ["<table>", "<tr>" + head.map { "<th>\(escape($0))</th>" }.joined() + "</tr>"]
    for row in rows.dropFirst() { lines.append("<tr>" + row.map { "<td>\(escape($0))</td>" }.joined() + "</tr>") }
    lines.append("</table>")
    return lines.joined(separator: "\n")
  }

  /// The i-th of `count` colours, apart in hue.
  static func color(_ index: Int, of count: Int) -> String {
    "hsl(\(Int(210 + 330 * Double(index) / Double(max(count, 1))) % 360) 62% 46%)"
  }
}
