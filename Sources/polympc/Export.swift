import ArgumentParser
import Networks

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model's public plan, for the data owner.",
    discussion: """
      The plan says which layers there are, their shapes, and how numbers are
      scaled. It holds no weight. The data owner's daemon needs it, and refuses a
      model owner that has another one.

      Example:
        polympc export digits.model --output digits.plan
      """)

  @Argument(help: "Model file.")
  var model: String

  @Option(name: .shortAndLong, help: "Plan file to write.")
  var output: String

  @Flag(help: "Print JSON.")
  var json = false

  private struct Report: Encodable {
    var plan: String
    var planDigest: String
    var modelDigest: String
    var expectedFailures: Double
  }

  func run() throws {
    try Failures.reporting {
      let file = try ModelFile.load(from: model)
      let plan = PlanFile(plan: try file.planned().plan, modelDigest: try file.modelDigest())
      try plan.write(to: output)
      let report = Report(
        plan: output, planDigest: "\(try plan.planDigest())", modelDigest: "\(plan.modelDigest)",
        expectedFailures: plan.plan.expectedFailuresPerInference)
      if json {
        try Output.json(report)
      } else {
        Output.line("\(output): plan \(report.planDigest)")
      }
    }
  }
}
