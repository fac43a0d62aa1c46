import Foundation

/// Draws a timetable as a Gantt chart: a row a unit, grouped by board, time to the right, one colour a kind of work.
///
/// Self-contained SVG for light and dark surroundings, whose text is escaped and keeps inside its places.
public struct GanttChart {
  private struct Row {
    let label: String
    let board: CostParty
    let top: Double
  }

  /// Tasks of one layer and step that follow one another without a pause on one unit are one bar.
  private struct Bar {
    var layer: String
    var step: String
    var start: Int
    var end: Int
    var tiles: Int
    var color: Int
  }

  private static let rowHeight = 26.0
  private static let barHeight = 18.0
  private static let width = 1280.0
  private static let right = 36.0
  /// Width of a character of the labels; a little more than that of the fonts in use, so that texts fit.
  private static let characterWidth = 6.8
  /// Light and dark; told apart by people with the usual kinds of colour blindness (after Okabe and Ito).
  private static let colors = [
    ("#0072b2", "#56b4e9"), ("#d55e00", "#e8873a"), ("#009e73", "#2bc49a"), ("#a6588f", "#d48cbf"),
    ("#8a7400", "#e0c83c"), ("#5b6770", "#a3adb5"),
  ]

  private let timetable: Timetable
  private let title: String
  private let notes: [String]
  private let left: Double

  /// Describes a chart.
  ///
  /// - Parameters:
  ///   - title: above it.
  ///   - notes: lines below it.
  public init(_ timetable: Timetable, title: String, notes: [String] = []) {
    self.timetable = timetable
    self.title = title
    self.notes = notes
    let longest = timetable.graph.lanes.map { $0.name.count + ($0.units > 1 ? 3 : 0) }.max() ?? 0
    left = max(120, 28 + Self.characterWidth * Double(longest))
  }

  /// The chart's text.
  public func svg() -> String {
    var rows: [Row] = []
    var bars: [(row: Int, bar: Bar)] = []
    let steps = Self.kinds(timetable.graph)
    var top = 76.0
    for board in CostParty.allCases {
      let lanes = timetable.graph.lanes.indices.filter { timetable.graph.lanes[$0].board == board }
      guard !lanes.isEmpty else { continue }
      top += 24
      for lane in lanes {
        for unit in 0..<timetable.graph.lanes[lane].units {
          let name = timetable.graph.lanes[lane].name
          rows.append(
            Row(label: timetable.graph.lanes[lane].units == 1 ? name : "\(name) \(unit + 1)", board: board, top: top))
          bars += self.bars(lane, unit, steps).map { (rows.count - 1, $0) }
          top += Self.rowHeight
        }
      }
    }
    let bottom = top + 4
    let height = bottom + 44 + 18 * Double(notes.count) + 12
    var lines = [Self.header(height), text(title, 16, 26, "t")]
    lines += legend(steps)
    lines += axis(bottom)
    for (index, row) in rows.enumerated() {
      if index == 0 || rows[index - 1].board != row.board {
        lines.append(text(row.board.title, 16, row.top - 8, "b"))
      }
      lines.append(
        "<rect class=\"r\" x=\"\(number(left))\" y=\"\(number(row.top))\" width=\"\(number(plotWidth))\" "
          + "height=\"\(number(Self.barHeight))\"/>")
      lines.append(text(row.label, 24, row.top + 13, "l"))
    }
    for entry in bars { lines += draw(entry.bar, rows[entry.row].top) }
    for (index, note) in notes.enumerated() { lines.append(text(note, 16, bottom + 54 + 18 * Double(index), "n")) }
    lines.append("</svg>")
    return lines.joined(separator: "\n") + "\n"
  }

  private var plotWidth: Double { Self.width - left - Self.right }
  private var span: Double { Double(max(timetable.makespan, 1)) }
  private func x(_ ticks: Double) -> Double { left + plotWidth * ticks / span }

  /// What there is to tell apart, messages and loads first: at most as many as there are colours, the last of them "other".
  private static func kinds(_ graph: TaskGraph) -> [String] {
    var kinds = ["send", "load"].filter { name in graph.tasks.contains { kind($0) == name } }
    for task in graph.tasks where !kinds.contains(kind(task)) { kinds.append(kind(task)) }
    return kinds.count <= colors.count ? kinds : Array(kinds.prefix(colors.count - 1)) + ["other"]
  }

  private static func kind(_ task: ScheduleTask) -> String {
    switch task.action {
    case .load: "load"
    case .send: "send"
    case .compute: task.step
    }
  }

  private func bars(_ lane: Int, _ unit: Int, _ kinds: [String]) -> [Bar] {
    let graph = timetable.graph
    let tasks = graph.tasks.indices.filter { graph.tasks[$0].lane == lane && timetable.units[$0] == unit }
      .sorted { timetable.starts[$0] < timetable.starts[$1] }
    return tasks.reduce(into: []) { bars, index in
      let task = graph.tasks[index]
      if let last = bars.last, last.end == timetable.starts[index], last.layer == task.layer, last.step == task.step {
        bars[bars.count - 1].end = timetable.end(index)
        bars[bars.count - 1].tiles += 1
        return
      }
      bars.append(
        Bar(
          layer: task.layer, step: task.step, start: timetable.starts[index], end: timetable.end(index), tiles: 1,
          color: kinds.firstIndex(of: Self.kind(task)) ?? kinds.count - 1))
    }
  }

  private func draw(_ bar: Bar, _ top: Double) -> [String] {
    let (from, to) = (x(Double(bar.start)), x(Double(bar.end)))
    let tip =
      "\(bar.layer) \(bar.step): \(Self.time(bar.start)) to \(Self.time(bar.end)), \(bar.tiles) tile\(bar.tiles == 1 ? "" : "s")"
    var lines = [
      "<rect class=\"c\(bar.color)\" x=\"\(number(from))\" y=\"\(number(top))\" width=\"\(number(max(to - from, 0.25)))\" "
        + "height=\"\(number(Self.barHeight))\"><title>\(Self.escape(tip))</title></rect>"
    ]
    if Double(bar.layer.count) * Self.characterWidth + 6 <= to - from {
      lines.append(text(bar.layer, from + 3, top + 13, "i"))
    }
    return lines
  }

  private func legend(_ kinds: [String]) -> [String] {
    var place = 16.0
    return kinds.enumerated().flatMap { index, kind in
      defer { place += 34 + Self.characterWidth * Double(kind.count) }
      return [
        "<rect class=\"c\(index)\" x=\"\(number(place))\" y=\"42\" width=\"12\" height=\"12\"/>",
        text(kind, place + 18, 52, "l"),
      ]
    }
  }

  private func axis(_ bottom: Double) -> [String] {
    let raw = span / 8
    let magnitude = pow(10, log10(raw).rounded(.down))
    let step = [1.0, 2, 5, 10].map { $0 * magnitude }.first { $0 >= raw } ?? raw
    return Swift.stride(from: 0, through: span, by: step).flatMap { tick in
      [
        "<line x1=\"\(number(x(tick)))\" x2=\"\(number(x(tick)))\" y1=\"76\" y2=\"\(number(bottom))\"/>",
        text(Self.time(Int(tick.rounded())), x(tick), bottom + 18, "a"),
      ]
    }
  }

  private static func header(_ height: Double) -> String {
    func rules(_ dark: Bool) -> String {
      colors.enumerated().map { ".c\($0.offset){fill:\(dark ? $0.element.1 : $0.element.0)}" }.joined()
    }
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(Int(width))" height="\(Int(height))" \
      viewBox="0 0 \(Int(width)) \(Int(height))" font-family="sans-serif" font-size="12">
      <style>
      .p{fill:#fff}.t,.b,.l,.n,.a{fill:#1c2126}.r{fill:#f0f2f4}line{stroke:#c9d0d6;stroke-width:1}.i{fill:#fff}
      .t{font-size:16px;font-weight:bold}.b{font-weight:bold}.a{text-anchor:middle}.i{font-size:11px}
      \(rules(false))
      @media (prefers-color-scheme:dark){.p{fill:#15191d}.t,.b,.l,.n,.a{fill:#e6eaee}.r{fill:#20262c}line{stroke:#3b444c}.i{fill:#0d1013}
      \(rules(true))}
      </style>
      <rect class="p" width="100%" height="100%"/>
      """
  }

  /// A time with a unit that suits it.
  static func time(_ ticks: Int) -> String {
    let value = Double(ticks)
    let (scaled, unit) =
      value >= 1e12 ? (value / 1e12, "s") : value >= 1e9 ? (value / 1e9, "ms") : (value / 1e6, "\u{b5}s")
    let text = String(format: "%.3f", scaled)
    let short = text.contains(".") ? String(text.reversed().drop { $0 == "0" }.reversed()) : text
    return (short.hasSuffix(".") ? String(short.dropLast()) : short) + " " + unit
  }

  private func text(_ content: String, _ x: Double, _ y: Double, _ name: String) -> String {
    "<text class=\"\(name)\" x=\"\(number(x))\" y=\"\(number(y))\">\(Self.escape(content))</text>"
  }

  private func number(_ value: Double) -> String { String(format: "%.2f", value) }

  private static func escape(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
      .replacingOccurrences(of: ">", with: "&gt;")
  }
}
