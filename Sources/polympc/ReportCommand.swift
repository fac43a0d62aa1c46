import ArgumentParser
import Foundation
import Training

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Make a page out of the logs of training runs.",
    discussion: """
      Curves, decisions, confusion, and where several runs know their latency, the
      front of accuracy against it. The page needs nothing beside it.

      Example:
        polympc report search.jsonl finetune.jsonl --output runs.html
      """)

  @Argument(help: "Logs that train, search or finetune wrote (--log).")
  var logs: [String]

  @Option(name: .shortAndLong, help: "Page to write.")
  var output: String

  @Option(help: "The page's title.")
  var title = "polympc runs"

  func run() throws {
    try Failures.reporting {
      let records = try logs.flatMap { try RunLog.read($0) }
      try HTMLReport(title: title, records: records).html().write(toFile: output, atomically: true, encoding: .utf8)
    }
  }
}
