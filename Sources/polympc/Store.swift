import ArgumentParser
import MaterialStore
import Randomness

struct Store: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look at a store of prepared material.",
    discussion: """
      Works while a daemon uses the store, and changes nothing. A row is the
      material of one inference; it serves once. To burn everything, stop the daemon
      and delete the file: both sides let go of what the other lost.

      Examples:
        polympc store data-owner.store
        polympc store data-owner.store --json
      """)

  @Argument(help: "The store's file.")
  var file: String

  @Flag(help: "Print JSON.")
  var json = false

  private struct Report: Encodable {
    var store: String
    var generation: UInt64
    var rows: [StoreListing]
  }

  func run() throws {
    try Failures.reporting {
      let found = try MaterialStore.list(path: file)
      let report = Report(store: found.identifier.hex, generation: found.generation, rows: found.rows)
      if json { return try Output.json(report) }
      Output.line("store \(report.store.prefix(16)), generation \(report.generation)")
      guard !report.rows.isEmpty else { return Output.line("nothing is prepared") }
      Output.table(
        [["peer", "plan and model", "ready", "unfinished", "bytes"]]
          + report.rows.map {
            [
              String($0.peer.prefix(16)), String($0.binding.prefix(16)), "\($0.ready)", "\($0.unfinished)",
              "\($0.bytes)",
            ]
          })
    }
  }
}
