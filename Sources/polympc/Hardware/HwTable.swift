import ArgumentParser
import Foundation
import Hardware
import Networks

struct HwTable: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "table",
    abstract: "Write the table of latencies that a search trades against accuracy.",
    discussion: """
      For every activation and every pooling between layers the latency of each
      choice, and of everything else together. Under a flow such as pasnet one choice
      a row and the fixed part sum up to what polympc hw latency says of the network
      so chosen.

      Examples:
        polympc hw table --network resnet18-pool --device zcu104 \\
          --protocol pasnet --output resnet18.table
        polympc hw table --network resnet20 --protocol rlwe --csv
      """)

  @OptionGroup var network: HwNetworkOptions
  @OptionGroup var target: HwTargetOptions
  @OptionGroup var format: HwFormatOptions

  @Option(help: ArgumentHelp("File to write the table to, as JSON.", valueName: "path"))
  var output: String?

  func run() throws {
    try Failures.reporting {
      let table = try target.evaluator().latencyTable(of: try network.graph())
      try table.validate()
      // The trainer's own keys, not the printing ones.
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      let text = try encoder.encode(table)
      if let output {
        do { try (text + Data("\n".utf8)).write(to: URL(fileURLWithPath: output), options: .atomic) } catch {
          throw NetworksError.fileSystem(path: output, action: "written", reason: "\(error.localizedDescription)")
        }
        Output.note("wrote \(table.rows.count) layers with choices to \(output)")
        return
      }
      if format.json { return Output.line(String(decoding: text, as: UTF8.self)) }
      let choices = LatencyTable.Choice.allCases
      var rows = [["layer", "shape"] + choices.map { "\($0.rawValue) ms" }]
      rows += table.rows.map { row in
        [row.layer, row.shape.map(String.init).joined(separator: "x")]
          + choices.map { row.milliseconds[$0].map { Output.fixed($0, 4) } ?? "" }
      }
      rows.append(["fixed", "", Output.fixed(table.fixedMilliseconds, 4), "", "", ""])
      format.rows(rows)
    }
  }
}
