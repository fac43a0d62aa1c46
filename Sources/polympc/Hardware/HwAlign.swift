import ArgumentParser
import Foundation
import Networks
import Tracing

struct HwAlign: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "align",
    abstract: "Lay both parties' traces side by side, by one clock.",
    discussion: """
      Both daemons have run with --trace. The offset of their clocks is the midpoint
      of the least round trip among the frames that both files know; it is off by at
      most half of that, and both are written into the result. With --predicted, the
      file of polympc hw schedule --trace begins where a query begins.

      Example:
        polympc hw align --model-owner model-owner.json \\
          --data-owner data-owner.json --predicted resnet20.json --output both.json
      """)

  @Option(help: ArgumentHelp("The model owner's trace.", valueName: "file"))
  var modelOwner: String

  @Option(help: ArgumentHelp("The data owner's trace.", valueName: "file"))
  var dataOwner: String

  @Option(help: ArgumentHelp("A predicted timetable.", valueName: "file"))
  var predicted: String?

  @Option(help: "With --predicted: which query of the trace, from 0.")
  var query = 0

  @Option(help: ArgumentHelp("Where the result is written.", valueName: "file"))
  var output: String

  @Flag(help: "Print JSON.")
  var json = false

  private struct Report: Encodable {
    var output: String
    var events: Int
    var clockOffsetUs: Double
    var clockUncertaintyUs: Double
    var roundTrips: Int
    var framesMatched: Int
  }

  func validate() throws {
    if query != 0, predicted == nil { throw ValidationError("--query belongs to --predicted.") }
  }

  func run() throws {
    try Failures.reporting {
      var merged = try TraceMerge.merge(modelOwner: try load(modelOwner), dataOwner: try load(dataOwner))
      if let predicted { merged = try TraceMerge.add(try load(predicted), to: merged, query: query) }
      try FileBytes.replace(output, with: merged.json(), mode: 0o600)
      func fact(_ name: String) -> Int { if case .integer(let value)? = merged.facts[name] { value } else { 0 } }
      let report = Report(
        output: output, events: merged.events.count, clockOffsetUs: Double(fact("clock_offset_ps")) / 1e6,
        clockUncertaintyUs: Double(fact("clock_uncertainty_ps")) / 1e6, roundTrips: fact("round_trips"),
        framesMatched: fact("frames_matched"))
      if json { return try Output.json(report) }
      Output.line("\(report.events) events in \(output), by the data owner's clock")
      Output.line(
        "the model owner's was \(Output.fixed(report.clockOffsetUs, 1)) us ahead, known to "
          + "\(Output.fixed(report.clockUncertaintyUs, 1)) us from \(report.roundTrips) round trips of "
          + "\(report.framesMatched) frames")
    }
  }

  private func load(_ path: String) throws -> TraceFile {
    guard let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int else {
      throw TraceError.fileSystem(path: path, action: "read", reason: "it is not there or cannot be opened")
    }
    guard size <= TraceFile.maximumBytes, let data = FileManager.default.contents(atPath: path) else {
      throw TraceError.fileSystem(
        path: path, action: "read", reason: "it has more than \(TraceFile.maximumBytes >> 20) MiB or cannot be opened")
    }
    return try TraceFile(json: [UInt8](data), name: path)
  }
}
