import Foundation
import Networks
import Testing

@testable import Training

@Suite struct ReportTests {
  private func epoch(_ number: Int, loss: Double = 1) -> EpochRecord {
    EpochRecord(
      epoch: number, rate: 0.1, trainingLoss: loss, penalty: 0.1, trainingAccuracy: 0.5, testLoss: loss / 2,
      testAccuracy: 0.9, seconds: 1, imagesPerSecond: 100)
  }

  private func records(_ run: String, accuracy: Double, cost: Double) -> [LogRecord] {
    let layers = (0..<3).map {
      LayerDecision(
        layer: "stage\($0).act", kept: $0 == 1 ? .relu : .x2act, reason: $0 == 2 ? .budget : .argmax,
        comparisonShare: 0.25 + 0.25 * Double($0), comparisonCost: 10, polynomialCost: 1, costShare: 0.2)
    }
    let search = (1...2).map {
      SearchEpoch(
        epoch: $0, rate: 0.1, trainingLoss: 1, trainingAccuracy: 0.5, validationLoss: 1, validationAccuracy: 0.4,
        expectedCost: 12, multiplier: 0.5, comparisonShares: [0.1, 0.2, 0.3], seconds: 1, imagesPerSecond: 5)
    }
    return [
      .start(
        LogRecord.Start(
          command: "search", run: run, network: "net <w>", resumed: false, settings: [["seed", "1 & \"2\""]]))
    ] + search.map { .search($0, run: run) } + [
      .found(
        LogRecord.Found(
          unit: "ms", device: "zcu104", cost: cost, allComparisons: 30, noComparison: 3, layers: layers), run: run),
      .epoch(epoch(1), run: run), .epoch(epoch(2), run: run),
      .finish(
        LogRecord.Finish(
          accuracy: accuracy, cost: cost, comparisonLayers: 1, confusion: [[8, 2], [1, 9]], classes: ["cat", "<dog>"],
          seconds: 100), run: run),
    ]
  }

  @Test func pagesAreWholeAndNeedNothing() throws {
    let page = HTMLReport(
      title: "a <b> & c", records: records("one", accuracy: 0.8, cost: 12) + records("two", accuracy: 0.9, cost: 20)
    ).html()
    #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
    for word in [
      "a &lt;b&gt; &amp; c", "net &lt;w&gt;", "&lt;dog&gt;", "1 &amp; &quot;2&quot;", "stage1.act", "80.00 %",
    ] {
      #expect(page.contains(word), "\(word)")
    }
    for word in ["<script", "href=", "src=", "url(", "NaN", "nan", "inf\""] { #expect(!page.contains(word), "\(word)") }
    #expect(page.contains("Accuracy against cost") && page.contains("the budget: its lead"))
    // It is well-formed but for what HTML leaves open in its head.
    let body = page.components(separatedBy: "<body>")[1].replacingOccurrences(of: "</body></html>", with: "")
    let parser = XMLCounter(body)
    #expect(parser.isBalanced, "\(parser.trouble)")
  }

  /// Counts elements: every one that opens is closed in order.
  private struct XMLCounter {
    var isBalanced = true
    var trouble = ""

    init(_ text: String) {
      var stack: [String] = []
      for part in text.components(separatedBy: "<").dropFirst() {
        let tag = part.prefix { $0 != ">" }
        if tag.hasSuffix("/") { continue }
        let name = String(tag.prefix { $0 != " " && $0 != "/" })
        if tag.hasPrefix("/") {
          let closed = String(tag.dropFirst())
          if stack.popLast() != closed {
            isBalanced = false
            trouble += "\(closed) "
          }
        } else {
          stack.append(name)
        }
      }
      if !stack.isEmpty { (isBalanced, trouble) = (false, trouble + stack.joined(separator: " ")) }
    }
  }

  @Test func anEpochToldTwiceCountsAsToldLast() {
    let again = [LogRecord.epoch(epoch(1, loss: 1), run: "r"), .epoch(epoch(1, loss: 3), run: "r")]
    let page = HTMLReport(title: "t", records: again).html()
    let once = HTMLReport(title: "t", records: [again[1]]).html()
    #expect(page == once)
    #expect(HTMLReport(title: "t", records: []).html().contains("</html>"))
  }

  @Test func logsSurviveACrash() throws {
    let scratch = try ScratchFolder()
    let path = scratch.path + "/run.jsonl"
    let log = try RunLog(path: path, resuming: false)
    for record in records("one", accuracy: 0.5, cost: 1) { try log.add(record) }
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(try RunLog.read(path).count == 7)
    // A crash in the middle of the last line.
    try whole.dropLast(20).write(to: URL(fileURLWithPath: path))
    let resumed = try RunLog(path: path, resuming: true)
    #expect(resumed.records.count == 6)
    try resumed.add(records("one", accuracy: 0.5, cost: 1)[6])
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == whole)
    try Data("{}\n{\"x\":1}\n".utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: TrainingError.self) { try RunLog.read(path) }
    #expect(try RunLog(path: path, resuming: false).records.isEmpty)
  }
}
