import ArgumentParser
import Daemons
import Foundation
import Hardware
import Programs

struct HwValidate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate",
    abstract: "Hold predicted against measured time of this engine.",
    discussion: """
      Reads lines of polympc bench --json, predicts each on a calibrated host, and
      prints both. A line's net names the link of the host description; "local" is
      its loopback. Scripts/validate-model measures and calls it.

      Examples:
        polympc bench lenet:poly:1 resnet20:poly:1 --json > measured.jsonl
        polympc hw validate measured.jsonl --host workstation.json --chart chart.svg
        polympc hw validate measured.jsonl --host epyc-zen5
      """)

  @Argument(help: "Files of results, a JSON object a line.")
  var results: [String]

  @Option(help: ArgumentHelp("Calibrated host: a name (see polympc hw list hosts), or a file.", valueName: "host"))
  var host: String

  @Option(help: ArgumentHelp("Write a chart (SVG).", valueName: "file"))
  var chart: String?

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    try Failures.reporting {
      var models = try HwModels()
      let host = try models.host(host)
      let model = TimingModel(models.cost)
      var programs: [String: Program] = [:]
      let lines = try results.flatMap { try measured($0) }.map { result in
        let link = result.net == "local" ? HostModel.loopback : result.net
        return try BenchmarkPrediction(
          result, model: model, setting: TimingSetting(host: host, link: link), programs: &programs)
      }
      guard !lines.isEmpty else { throw DaemonsError.input(source: results[0], reason: "it holds no results") }
      let report = PredictionReport(lines)
      if let chart {
        try Data(report.svg(title: "Predicted and measured time, \(host.name)").utf8).write(
          to: URL(fileURLWithPath: chart), options: .atomic)
      }
      if json { try Output.json(report) } else { Self.table(report) }
    }
  }

  private static func data(_ path: String) throws -> Data {
    do { return try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
      throw DaemonsError.input(source: path, reason: "it cannot be read: \(error.localizedDescription)")
    }
  }

  private func measured(_ path: String) throws -> [BenchmarkResult] {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let lines = try Self.data(path).split(separator: 10, omittingEmptySubsequences: false)
    return try lines.enumerated().filter { !$0.element.isEmpty }.map { number, line in
      guard let result = try? decoder.decode(BenchmarkResult.self, from: Data(line)) else {
        throw DaemonsError.input(source: path, reason: "line \(number + 1) is no result of polympc bench --json")
      }
      return result
    }
  }

  private static func table(_ report: PredictionReport) {
    Output.table(
      [["case", "phase", "source", "net", "measured", "fastest", "predicted", "error", "busy model", "busy data"]]
        + report.lines.map { line in
          func busy(_ party: CostParty) -> String {
            line.parties.first { $0.party == party }.map { Output.fixed(($0.computing + $0.transport) * 1e3, 2) } ?? ""
          }
          return [
            line.case, line.phase, line.source, line.net, Output.fixed(line.measured * 1e3, 3),
            Output.fixed(line.fastest * 1e3, 3), Output.fixed(line.predicted * 1e3, 3), Output.percent(line.error),
            busy(.modelOwner), busy(.dataOwner),
          ]
        })
    Output.line(
      "milliseconds a query; median error \(Output.percent(report.medianError)), worst \(Output.percent(report.worstError))"
    )
  }
}
