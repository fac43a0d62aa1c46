import Foundation

/// Predicted beside measured time: errors, and a chart.
public struct PredictionReport: Codable, Sendable {
  /// The lines.
  public var lines: [BenchmarkPrediction]
  /// Median of the errors' magnitudes.
  public var medianError: Double
  /// The largest.
  public var worstError: Double

  /// - Parameter lines: at least one.
  public init(_ lines: [BenchmarkPrediction]) {
    self.lines = lines
    let errors = lines.map { abs($0.error) }
    medianError = BenchmarkDataOwner.median(errors)
    worstError = errors.max() ?? 0
  }

  private static let (width, height, margin) = (640.0, 520.0, 70.0)
  private static let colors = ["#1f6fb4", "#d1600f", "#2a8a3a", "#8a2a7a", "#777777"]

  /// A self-contained SVG: measured along, predicted up, both logarithmic; the band is 25 %.
  public func svg(title: String) -> String {
    let values = lines.flatMap { [$0.measured, $0.predicted] }.filter { $0 > 0 }
    let low = log10(values.min() ?? 1e-3).rounded(.down)
    let high = max(low + 1, log10(values.max() ?? 1).rounded(.up))
    let (w, h, m) = (Self.width, Self.height, Self.margin)
    func x(_ seconds: Double) -> Double { m + (log10(seconds) - low) / (high - low) * (w - m - 150) }
    func y(_ seconds: Double) -> Double { h - m - (log10(seconds) - low) / (high - low) * (h - 2 * m) }
    func number(_ value: Double) -> String { String(format: "%.1f", value) }
    func text(_ at: (Double, Double), _ text: String, _ more: String = "") -> String {
      "<text x=\"\(number(at.0))\" y=\"\(number(at.1))\" \(more)>\(Self.escape(text))</text>"
    }
    func line(_ from: (Double, Double), _ to: (Double, Double), _ style: String) -> String {
      "<line x1=\"\(number(from.0))\" y1=\"\(number(from.1))\" x2=\"\(number(to.0))\" y2=\"\(number(to.1))\" \(style)/>"
    }
    let (start, end) = (pow(10, low), pow(10, high))
    var out = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(Int(w))\" height=\"\(Int(h))\" viewBox=\"0 0 \(Int(w)) \(Int(h))\" "
        + "font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">",
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
      text((m, 28), title, "font-size=\"15\" font-weight=\"bold\""),
      text(
        (m, 48),
        "median error \(number(medianError * 100)) %, worst \(number(worstError * 100)) %, \(lines.count) points"),
    ]
    for exponent in Int(low)...Int(high) {
      let value = pow(10, Double(exponent))
      out.append(line((x(value), y(start)), (x(value), y(end)), "stroke=\"#ddd\""))
      out.append(line((x(start), y(value)), (x(end), y(value)), "stroke=\"#ddd\""))
      out.append(text((x(value), y(start) + 18), Self.label(exponent), "text-anchor=\"middle\""))
      out.append(text((x(start) - 6, y(value) + 4), Self.label(exponent), "text-anchor=\"end\""))
    }
    for (factor, style) in [
      (1.0, "stroke=\"#222\""), (1.25, "stroke=\"#aaa\" stroke-dasharray=\"4 3\""),
      (0.8, "stroke=\"#aaa\" stroke-dasharray=\"4 3\""),
    ] {
      let (from, to) = (max(start, start / factor), min(end, end / factor))
      out.append(line((x(from), y(from * factor)), (x(to), y(to * factor)), style))
    }
    out.append(text((x(start) + (x(end) - x(start)) / 2, h - 24), "measured", "text-anchor=\"middle\""))
    out.append(text((18, 64), "predicted"))
    let groups = Set(lines.map { "\($0.net), \($0.phase), \($0.source)" }).sorted()
    for (index, group) in groups.enumerated() {
      let color = Self.colors[index % Self.colors.count]
      let isHollow = index >= Self.colors.count
      let style = isHollow ? "fill=\"none\" stroke=\"\(color)\"" : "fill=\"\(color)\" fill-opacity=\"0.75\""
      for entry in lines where "\(entry.net), \(entry.phase), \(entry.source)" == group {
        out.append(
          "<circle cx=\"\(number(x(entry.measured)))\" cy=\"\(number(y(entry.predicted)))\" r=\"4\" \(style)>"
            + "<title>\(Self.escape("\(entry.case), \(group)"))</title></circle>")
      }
      let place = m + 16 * Double(index)
      out.append("<circle cx=\"\(number(w - 140))\" cy=\"\(number(place))\" r=\"4\" \(style)/>")
      out.append(
        text((w - 130, place + 4), group.replacingOccurrences(of: "preprocessing", with: "prep."), "font-size=\"10\""))
    }
    return (out + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  private static func label(_ exponent: Int) -> String {
    exponent >= 0
      ? "\(Int(pow(10, Double(exponent)))) s"
      : exponent >= -3 ? "\(Int(pow(10, Double(exponent + 3)))) ms" : "\(Int(pow(10, Double(exponent + 6)))) us"
  }

  private static func escape(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
  }
}
