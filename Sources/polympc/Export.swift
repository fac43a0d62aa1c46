import ArgumentParser
import Networks
import ONNX

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model's public plan, for the data owner; or the network as ONNX, or its weights.",
    discussion: """
      The plan says which layers there are, their shapes, and how numbers are
      scaled. It holds no weight. The data owner's daemon needs it, and refuses a
      model owner that has another one. With --reveal label only the index of the
      best class will leave, and no score: give it to the model owner's daemon too.

      --onnx writes the float network with its weights, for ONNX runtimes, and
      --safetensors the weights alone, under the names of the layers. Both are as
      secret as the model file.

      Examples:
        polympc export digits.model --output digits.plan
        polympc export digits.model --reveal label --output labels.plan
        polympc export digits.model --onnx digits.onnx --safetensors digits.safetensors
      """)

  @Argument(help: "Model file.")
  var model: String

  @Option(name: .shortAndLong, help: "Plan file to write.")
  var output: String?

  @Option(help: ArgumentHelp("ONNX file to write.", valueName: "file"))
  var onnx: String?

  @Option(help: ArgumentHelp("File of weights to write.", valueName: "file"))
  var safetensors: String?

  @OptionGroup var revealing: RevealOptions

  @Flag(help: "Print JSON.")
  var json = false

  private struct Report: Encodable {
    var plan: String?
    var planDigest: String?
    var modelDigest: String
    var expectedFailures: Double?
    var onnx: String?
    var safetensors: String?
  }

  func validate() throws {
    if output == nil, onnx == nil, safetensors == nil {
      throw ValidationError("Say what to write: --output, --onnx or --safetensors.")
    }
    if output == nil, revealing.reveal != nil { throw ValidationError("--reveal belongs to the plan: give --output.") }
  }

  func run() throws {
    try Failures.reporting {
      let file = try revealing.load(model)
      var report = Report(modelDigest: "\(try file.modelDigest())", onnx: onnx, safetensors: safetensors)
      if let output {
        let plan = PlanFile(plan: try file.planned().plan, modelDigest: try file.modelDigest())
        try plan.write(to: output)
        report.plan = output
        report.planDigest = "\(try plan.planDigest())"
        report.expectedFailures = plan.plan.expectedFailuresPerInference
      }
      if let onnx { try ONNXExporter.write(file.graph, file.parameters, to: onnx) }
      if let safetensors { try Safetensors.write(file.graph, file.parameters, to: safetensors) }
      if json { return try Output.json(report) }
      if let output { Output.line("\(output): plan \(report.planDigest ?? "")") }
      if let onnx { Output.line("\(onnx): \(file.graph.nodes.count) layers with weights") }
      if let safetensors { Output.line("\(safetensors): \(file.parameters.count) weights") }
    }
  }
}
