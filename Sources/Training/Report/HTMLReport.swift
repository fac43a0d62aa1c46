import Foundation
import Networks

/// A page about one or several runs, out of their logs: learning curves, the search's shares over time, which layer
/// kept what and why, accuracy against latency, confusion. One file, no script, no outside resource.
public struct HTMLReport {
  /// What the records tell about one run; an epoch told twice (a resumed run) counts once, as told last.
  struct Run {
    var start: LogRecord.Start?
    var epochs: [Int: EpochRecord] = [:]
    var search: [Int: SearchEpoch] = [:]
    var found: LogRecord.Found?
    var finish: LogRecord.Finish?
  }

  private var names: [String] = []
  private var runs: [String: Run] = [:]
  private let title: String

  /// Sorts records by run.
  public init(title: String, records: [LogRecord]) {
    self.title = title
    for record in records {
      if runs[record.run] == nil { names.append(record.run) }
      var run = runs[record.run] ?? Run()
      if let start = record.start { run.start = start }
      if let epoch = record.epoch { run.epochs[epoch.epoch] = epoch }
      if let epoch = record.search { run.search[epoch.epoch] = epoch }
      if let found = record.found { run.found = found }
      if let finish = record.finish { run.finish = finish }
      runs[record.run] = run
    }
  }

  /// The page.
  public func html() -> String {
    var parts = [Self.head(title), "<h1>\(HTML.escape(title))</h1>"]
    parts += [overview(), front()].filter { !$0.isEmpty }
    for name in names {
      guard let run = runs[name] else { continue }
      parts.append("<section><h2>\(HTML.escape(name))</h2>")
      if let start = run.start {
        parts.append(
          "<p>polympc \(HTML.escape(start.command)), network <b>\(HTML.escape(start.network))</b></p><details>"
            + "<summary>settings</summary>\(HTML.table([["setting", "value"]] + start.settings))</details>")
      }
      parts += [searchCurves(run), decisions(run), curves(run), confusion(run)].filter { !$0.isEmpty }
      parts.append("</section>")
    }
    parts.append("</main></body></html>")
    return parts.joined(separator: "\n") + "\n"
  }

  private static func head(_ title: String) -> String {
    """
    <!DOCTYPE html>
    <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(HTML.escape(title))</title>
    <style>
    :root { color-scheme: light dark; }
    body { font: 15px/1.5 system-ui, sans-serif; margin: 0; }
    main { max-width: 1180px; margin: 0 auto; padding: 1rem; }
    section { border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent); margin-top: 2rem; }
    .charts { display: flex; flex-wrap: wrap; gap: 1rem; }
    .charts svg { flex: 1 1 30rem; max-width: 36rem; height: auto; }
    .wide { overflow-x: auto; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .7rem 0; }
    th, td { padding: .15rem .6rem; text-align: right; }
    th:first-child, td:first-child { text-align: left; }
    th { border-bottom: 1px solid currentColor; }
    td.bar { min-width: 9rem; text-align: left; }
    td.bar span { display: inline-block; height: .7rem; background: #1f77b4; }
    td.bar span.kept { background: #d1600f; }
    .confusion td, .confusion th { padding: .15rem .4rem; text-align: center; }
    .confusion tr:not(:first-child) th { border: none; text-align: left; }
    </style></head><body><main>
    """
  }

  // MARK: Sections

  private func overview() -> String {
    let rows = names.compactMap { name -> [String]? in
      guard let run = runs[name], let finish = run.finish else { return nil }
      let unit = run.found?.unit ?? "ms"
      return [
        name, Self.percent(finish.accuracy), finish.cost.map { "\(Self.short($0)) \(unit)" } ?? "",
        "\(finish.comparisonLayers)", Self.duration(finish.seconds),
      ]
    }
    guard !rows.isEmpty else { return "" }
    return "<h2>Results</h2>"
      + HTML.table([["run", "held-out accuracy", "cost", "layers that compare", "training time"]] + rows)
  }

  /// Accuracy against cost, where two runs or more have both.
  private func front() -> String {
    let points = names.compactMap { name -> (name: String, cost: Double, accuracy: Double)? in
      guard let finish = runs[name]?.finish, let cost = finish.cost else { return nil }
      return (name, cost, finish.accuracy * 100)
    }.sorted { $0.cost < $1.cost }
    guard points.count >= 2 else { return "" }
    var best = -Double.infinity
    let frontier = points.filter { point in
      defer { best = max(best, point.accuracy) }
      return point.accuracy > best
    }
    let unit = names.compactMap { runs[$0]?.found?.unit }.first ?? "ms"
    let chart = LineChart(
      title: "Accuracy against cost", xLabel: "cost of one inference (\(unit))", yLabel: "held-out accuracy (%)",
      series: [
        LineChart.Series(
          name: "front", color: "#888", points: frontier.map { ($0.cost, $0.accuracy) }, isDashed: true),
        LineChart.Series(
          name: "networks", color: "#d1600f", points: points.map { ($0.cost, $0.accuracy) }, isMarked: true,
          isJoined: false, labels: points.map(\.name)),
      ], ceiling: 100, hasWholeX: false)
    return "<h2>Front</h2><div class=\"charts\">\(chart.svg())</div>"
  }

  private func curves(_ run: Run) -> String {
    let epochs = run.epochs.values.sorted { $0.epoch < $1.epoch }
    guard !epochs.isEmpty else { return "" }
    func line(_ name: String, _ color: String, _ value: (EpochRecord) -> Double) -> LineChart.Series {
      LineChart.Series(name: name, color: color, points: epochs.map { (Double($0.epoch), value($0)) })
    }
    // A quadratic net that has just begun may be off by any factor on an outlier: such losses are drawn at ten.
    func capped(_ value: @escaping (EpochRecord) -> Double) -> (EpochRecord) -> Double { { min(value($0), 10) } }
    let loss = LineChart(
      title: "Loss", xLabel: "epoch", yLabel: "mean loss",
      series: [
        line("training (with smoothing)", "#1f77b4", capped(\.trainingLoss)),
        line("held out", "#d1600f", capped(\.testLoss)), line("range penalty", "#888", capped(\.penalty)),
      ], floor: 0)
    let accuracy = LineChart(
      title: "Accuracy", xLabel: "epoch", yLabel: "classified correctly (%)",
      series: [
        line("training", "#1f77b4") { $0.trainingAccuracy * 100 },
        line("held out", "#d1600f") { $0.testAccuracy * 100 },
      ], floor: 0, ceiling: 100)
    let what = run.search.isEmpty ? "Learning curves" : "Learning curves of fine-tuning"
    return "<h3>\(what)</h3><div class=\"charts\">\(loss.svg())\(accuracy.svg())</div>"
  }

  private func searchCurves(_ run: Run) -> String {
    let epochs = run.search.values.sorted { $0.epoch < $1.epoch }
    guard let last = epochs.last else { return "" }
    let layers = run.found?.layers.map(\.layer) ?? last.comparisonShares.indices.map { "layer \($0 + 1)" }
    guard epochs.allSatisfy({ $0.comparisonShares.count == layers.count }) else { return "" }
    let unit = run.found?.unit ?? ""
    let shares = LineChart(
      title: "Weight of the comparison in every layer: softmax(alpha)", xLabel: "epoch", yLabel: "ReLU or maximum",
      series: layers.indices.map { index in
        LineChart.Series(
          name: layers[index], color: HTML.color(index, of: layers.count),
          points: epochs.map { (Double($0.epoch), $0.comparisonShares[index]) }, isDashed: index % 2 == 1)
      }, floor: 0, ceiling: 1)
    func line(_ name: String, _ color: String, _ value: (SearchEpoch) -> Double) -> LineChart.Series {
      LineChart.Series(name: name, color: color, points: epochs.map { (Double($0.epoch), value($0)) })
    }
    let cost = LineChart(
      title: "Expected cost", xLabel: "epoch", yLabel: unit,
      series: [line("expected cost", "#d1600f", \.expectedCost)], floor: 0)
    // Lambda stands among the settings; only a budget's multiplier moves.
    let isPriceMoving = epochs.contains { $0.multiplier != last.multiplier }
    let price = LineChart(
      title: "Price: the multiplier of the budget", xLabel: "epoch", yLabel: "loss for the whole budget",
      series: [line("price", "#888", \.multiplier)], floor: 0)
    let accuracy = LineChart(
      title: "Accuracy of the mixed network", xLabel: "epoch", yLabel: "classified correctly (%)",
      series: [
        line("weights' samples", "#1f77b4") { $0.trainingAccuracy * 100 },
        line("architecture's samples", "#d1600f") { $0.validationAccuracy * 100 },
      ], floor: 0, ceiling: 100)
    return "<h3>Search</h3><div class=\"charts\">\(shares.svg())\(cost.svg())\(accuracy.svg())"
      + "\(isPriceMoving ? price.svg() : "")</div>"
  }

  private func decisions(_ run: Run) -> String {
    guard let found = run.found else { return "" }
    let shares = found.layers.map(\.costShare)
    let largest = max(shares.max() ?? 1, 1 - shares.reduce(0, +))
    var lines = [
      "<h3>Which layer kept what</h3>",
      "<p>\(HTML.escape(found.device)). The found network costs \(Self.short(found.cost)) \(HTML.escape(found.unit)); "
        + "\(Self.short(found.allComparisons)) with every comparison, \(Self.short(found.noComparison)) with none.</p>",
      "<div class=\"wide\"><table><tr><th>layer</th><th>kept</th><th>why</th><th>softmax(alpha) of comparison</th>"
        + "<th>comparison (\(HTML.escape(found.unit)))</th><th>polynomial (\(HTML.escape(found.unit)))</th>"
        + "<th>share of cost</th><th></th></tr>",
    ]
    for layer in found.layers {
      let isKept = layer.kept == .relu || layer.kept == .maxPool
      let width = largest > 0 ? Int(100 * layer.costShare / largest) : 0
      lines.append(
        "<tr><td>\(HTML.escape(layer.layer))</td><td>\(layer.kept.rawValue)</td>"
          + "<td>\(HTML.escape(Self.why(layer, unit: found.unit)))</td>"
          + "<td>\(String(format: "%.3f", layer.comparisonShare))</td><td>\(Self.short(layer.comparisonCost))</td>"
          + "<td>\(Self.short(layer.polynomialCost))</td><td>\(Self.percent(layer.costShare))</td>"
          + "<td class=\"bar\"><span class=\"\(isKept ? "kept" : "")\" style=\"width:\(width)%\"></span></td></tr>")
    }
    let rest = 1 - found.layers.reduce(0) { $0 + $1.costShare }
    if found.cost > 0, rest > 1e-9 {
      lines.append(
        "<tr><td>everything without a choice</td><td></td><td></td><td></td><td></td><td></td>"
          + "<td>\(Self.percent(rest))</td><td class=\"bar\"><span style=\"width:\(min(100, Int(100 * rest / largest)))%\">"
          + "</span></td></tr>")
    }
    return lines.joined(separator: "\n") + "</table></div>"
  }

  /// Why a layer ended as it did, with what it cost or saved.
  private static func why(_ layer: LayerDecision, unit: String) -> String {
    let more = layer.comparisonCost - layer.polynomialCost
    let price = "\(short(abs(more))) \(unit)"
    if layer.reason == .budget { return "the budget: its lead was the least for the \(price) it costs" }
    if layer.kept == .relu || layer.kept == .maxPool {
      return more > 0 ? "accuracy is worth \(price) more" : "better, and \(price) less"
    }
    return more > 0 ? "the polynomial saves \(price)" : "the polynomial is worth \(price) more"
  }

  private func confusion(_ run: Run) -> String {
    guard let finish = run.finish, !finish.confusion.isEmpty else { return "" }
    let count = finish.confusion.count
    let names = finish.classes.count == count ? finish.classes : (0..<count).map(String.init)
    guard count <= 40, finish.confusion.allSatisfy({ $0.count == count }) else { return "" }
    var lines = [
      "<h3>Confusion</h3><p>Rows are true classes, columns answers.</p><div class=\"wide\"><table class=\"confusion\">",
      "<tr><th></th>" + names.map { "<th>\(HTML.escape($0))</th>" }.joined() + "<th>recall</th></tr>",
    ]
    for (index, row) in finish.confusion.enumerated() {
      let sum = max(1, row.reduce(0, +))
      let cells = row.enumerated().map { column, value -> String in
        let share = Double(value) / Double(sum)
        let color = column == index ? "31, 119, 180" : "209, 96, 15"
        return
          "<td style=\"background: rgba(\(color), \(String(format: "%.2f", min(1, share * (column == index ? 0.6 : 2)))))\">"
          + "\(value == 0 ? "" : String(value))</td>"
      }
      lines.append(
        "<tr><th>\(HTML.escape(names[index]))</th>\(cells.joined())<td>\(Self.percent(Double(row[index]) / Double(sum)))</td></tr>"
      )
    }
    return lines.joined(separator: "\n") + "</table></div>"
  }

  private static func percent(_ share: Double) -> String { String(format: "%.2f %%", share * 100) }
  private static func short(_ value: Double) -> String { String(format: "%.4g", value) }
  private static func duration(_ seconds: Double) -> String {
    seconds < 90
      ? String(format: "%.1f s", seconds) : String(format: "%d:%02d min", Int(seconds) / 60, Int(seconds) % 60)
  }
}
