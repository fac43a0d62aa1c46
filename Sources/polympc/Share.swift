import ArgumentParser
import Inference
import Networks

struct Share: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Share a model between two servers.",
    discussion: """
      Writes two files of uniform words, one for each server, and the public plan for
      clients. One file alone tells nothing of the model; both together are the
      model. Give each server its own, over a path that you trust, and keep neither.
      Sharing a model again makes files that do not fit the ones before.

      Example:
        polympc share digits.model --output-0 digits.share0 \\
          --output-1 digits.share1 --plan digits.shared.plan
      """)

  @Argument(help: "Model file.")
  var model: String

  @Option(name: .customLong("output-0"), help: ArgumentHelp("File of server 0 to write.", valueName: "file"))
  var first: String

  @Option(name: .customLong("output-1"), help: ArgumentHelp("File of server 1 to write.", valueName: "file"))
  var second: String

  @Option(help: ArgumentHelp("Plan file to write, for clients.", valueName: "file"))
  var plan: String

  @OptionGroup var revealing: RevealOptions

  @Flag(help: "Print JSON.")
  var json = false

  private struct Report: Encodable {
    var shares: [String]
    var plan: String
    var planDigest: String
    var sharing: String
  }

  func validate() throws {
    if Set([first, second, plan]).count != 3 { throw ValidationError("The three files must differ.") }
  }

  func run() throws {
    try Failures.reporting {
      let (zero, one) = try ServerShareFile.split(try revealing.load(model).planned())
      try zero.write(to: first)
      try one.write(to: second)
      try zero.plan.write(to: plan)
      let report = Report(
        shares: [first, second], plan: plan, planDigest: "\(try zero.plan.planDigest())",
        sharing: "\(zero.share.name)")
      if json {
        try Output.json(report)
      } else {
        Output.line("\(first), \(second), \(plan): sharing \(report.sharing)")
      }
    }
  }
}
