import Foundation

/// Draws a training run's curves: loss on the left, accuracy on the right, training and held out in each.
public enum CurvePlot {
  /// One curve of a panel.
  private struct Series {
    let name: String
    let color: String
    let values: [Double]
  }

  private static let size = (width: 880, height: 340)
  private static let panel = (width: 340.0, height: 220.0, top: 60.0)

  /// A self-contained SVG of a history; text is escaped.
  public static func svg(_ history: TrainingHistory, title: String) -> String {
    let epochs = history.epochs
    let loss = [
      Series(name: "training", color: "#1f6fb4", values: epochs.map(\.trainingLoss)),
      Series(name: "held out", color: "#d1600f", values: epochs.map(\.testLoss)),
    ]
    let accuracy = [
      Series(name: "training", color: "#1f6fb4", values: epochs.map { $0.trainingAccuracy * 100 }),
      Series(name: "held out", color: "#d1600f", values: epochs.map { $0.testAccuracy * 100 }),
    ]
    var lines = [
      """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(size.width)" height="\(size.height)" \
      viewBox="0 0 \(size.width) \(size.height)" font-family="sans-serif" font-size="12" fill="#222">
      """,
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
      "<text x=\"60\" y=\"28\" font-size=\"15\" font-weight=\"bold\">\(escape(title))</text>",
    ]
    lines += plot(loss, label: "loss", left: 60, limits: limits(loss, floor: 0, ceiling: .infinity))
    lines += plot(accuracy, label: "accuracy (%)", left: 500, limits: limits(accuracy, floor: 0, ceiling: 100))
    lines.append("</svg>")
    return lines.joined(separator: "\n") + "\n"
  }

  /// A range that starts and ends on ticks, and their distance.
  private static func limits(
    _ series: [Series], floor: Double, ceiling: Double
  ) -> (low: Double, high: Double, step: Double) {
    let values = series.flatMap(\.values).filter(\.isFinite)
    let low = values.min() ?? 0
    let high = max(values.max() ?? 1, low + 1e-6)
    let raw = (high - low) / 5
    let magnitude = pow(10, floorOf(log10(raw)))
    let step = [1.0, 2, 5, 10].map { $0 * magnitude }.first { $0 >= raw } ?? raw
    return (max(floor, floorOf(low / step) * step), min(ceiling, (high / step).rounded(.up) * step), step)
  }

  private static func floorOf(_ value: Double) -> Double { value.rounded(.down) }

  private static func plot(
    _ series: [Series], label: String, left: Double, limits: (low: Double, high: Double, step: Double)
  ) -> [String] {
    let bottom = panel.top + panel.height
    let count = series.map(\.values.count).max() ?? 0
    func x(_ epoch: Double) -> Double { left + panel.width * (epoch - 1) / Double(max(count - 1, 1)) }
    func y(_ value: Double) -> Double {
      bottom - panel.height * (min(max(value, limits.low), limits.high) - limits.low) / (limits.high - limits.low)
    }
    var lines: [String] = []
    for index in 0...Int(((limits.high - limits.low) / limits.step).rounded()) {
      let value = limits.low + Double(index) * limits.step
      let digits = limits.step < 0.1 ? 2 : limits.step < 1 ? 1 : 0
      lines.append(
        "<line x1=\"\(number(left))\" x2=\"\(number(left + panel.width))\" y1=\"\(number(y(value)))\" "
          + "y2=\"\(number(y(value)))\" stroke=\"#ddd\"/>")
      lines.append(
        "<text x=\"\(number(left - 8))\" y=\"\(number(y(value) + 4))\" text-anchor=\"end\">"
          + "\(String(format: "%.\(digits)f", value))</text>")
    }
    let stride = max(1, (count + 5) / 6)
    // The last epoch is always named; one that would touch it is not.
    let early = Swift.stride(from: 1, to: max(count, 1), by: stride).filter { count - $0 > stride / 2 }
    let ticks = early + [max(count, 1)]
    for epoch in ticks {
      lines.append(
        text("\(epoch)", x: x(Double(epoch)), y: bottom + 18, anchor: "middle"))
    }
    lines.append(text("epoch", x: left + panel.width / 2, y: bottom + 38, anchor: "middle"))
    lines.append(text(label, x: left, y: panel.top - 10, anchor: "start"))
    for (index, entry) in series.enumerated() {
      let points = entry.values.enumerated().filter { $0.element.isFinite }
        .map { "\(number(x(Double($0.offset + 1)))),\(number(y($0.element)))" }
      lines.append(
        "<polyline fill=\"none\" stroke=\"\(entry.color)\" stroke-width=\"2\" "
          + "points=\"\(points.joined(separator: " "))\"/>"
      )
      if points.count == 1, let point = points.first?.split(separator: ",") {
        lines.append("<circle cx=\"\(point[0])\" cy=\"\(point[1])\" r=\"3\" fill=\"\(entry.color)\"/>")
      }
      let place = left + panel.width - 150 + Double(index) * 82
      lines.append(
        "<text x=\"\(number(place))\" y=\"\(number(panel.top - 10))\" fill=\"\(entry.color)\">"
          + "&#9644; \(entry.name)</text>"
      )
    }
    return lines
  }

  private static func text(_ content: String, x: Double, y: Double, anchor: String) -> String {
    "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\">\(content)</text>"
  }

  private static func number(_ value: Double) -> String { String(format: "%.1f", value) }

  private static func escape(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
      .replacingOccurrences(of: ">", with: "&gt;")
  }
}
