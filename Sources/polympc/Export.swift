import ArgumentParser
import Networks

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model's public plan, for the data owner.",
    discussion: """
      The plan says which layers there are, their shapes, and how numbers are
      scaled. It holds no weight. The data owner's daemon needs it, and refuses a
      model owner that has another one. With --reveal label only the index of the
      best class will leave, and no score: give it to the model owner's daemon too.

      Examples:
        polympc export digits.model --output digits.plan
        polympc export digits.model --reveal label --output labels.plan
      """)

  @Argument(help: "Model file.")
  var model: String

  @Option(name: .shortAndLong, help: "Plan file to write.")
  var output: String

  @OptionGroup var revealing: RevealOptions

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
      let file = try revealing.load(model)
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
