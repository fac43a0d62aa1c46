import ArgumentParser
import Foundation
import Networks
import ONNX
import Rings

struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a model file of an ONNX file, such as PyTorch writes.",
    discussion: """
      Samples of real inputs say how large the numbers of each layer become; the plan
      rests on these ranges, so take some hundred that are like those to come. They
      are read as polympc infer reads them: PNG, NumPy, IDX and CSV files, and files
      of one ONNX TensorProto (.pb), which hold the network's input as it is. A folder
      stands for the files in it.

      Raw values are the network's input, unless --pixel-maximum, --mean and
      --deviation say otherwise: x = (raw / maximum - mean) / deviation. An operator
      that cannot be computed privately is named with its reason, and so are all
      others of its kind. Without --output the layers are shown and nothing is
      written.

      Examples:
        polympc import net.onnx
        polympc import net.onnx --calibrate samples/ --output net.model
        polympc import resnet50.onnx --calibrate photos/ --pixel-maximum 255 \\
          --mean 0.485,0.456,0.406 --deviation 0.229,0.224,0.225 \\
          --classes imagenet.txt --output resnet50.model
      """)

  @Argument(help: "ONNX file; files with external data lie beside it.")
  var file: String

  @Option(name: .shortAndLong, help: "Model file to write.")
  var output: String?

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("Files or folders with samples.", valueName: "path"))
  var calibrate: [String] = []

  @Option(
    help: ArgumentHelp(
      "Calibrate on so many samples of random numbers. For trying only: the ranges of real inputs are others.",
      valueName: "count"))
  var calibrateRandom: Int?

  @Option(help: "How far planned ranges exceed those of the samples.")
  var margin = Calibration.defaultMargin

  @Option(
    help: ArgumentHelp("Shape of one sample, such as 3,224,224, where the file leaves it open.", valueName: "sides"))
  var sampleShape: IntegerList?

  @Option(help: ArgumentHelp("The output that is wanted, where the file has several.", valueName: "name"))
  var outputName: String?

  @Flag(help: "The input's first axis does not count samples.")
  var noBatchAxis = false

  @OptionGroup(title: "Input") var input: NormalizationOptions
  @OptionGroup(title: "Plan") var planning: PlanningOptions

  @Option(help: ArgumentHelp("Names of the output's elements, one a line.", valueName: "file"))
  var classes: String?

  @Flag(help: "Print JSON.")
  var json = false

  struct Summary: Encodable {
    var model: String?
    var modelDigest: String?
    var producer: String
    var opset: Int
    var inputShape: [Int]
    var outputShape: [Int]
    var layers: Int
    var parameters: Int
    var finish: String?
    var samples: Int?
    var random: Bool
    var expectedFailures: Double?
    var errorBound: Double?
  }

  func validate() throws {
    if !calibrate.isEmpty, calibrateRandom != nil {
      throw ValidationError("Give either --calibrate or --calibrate-random.")
    }
    if output != nil, calibrate.isEmpty, calibrateRandom == nil {
      throw ValidationError("A model needs samples: give --calibrate.")
    }
    if output == nil, !calibrate.isEmpty || calibrateRandom != nil {
      throw ValidationError("Samples are for a model: give --output.")
    }
    if let calibrateRandom, !(1...4096).contains(calibrateRandom) {
      throw ValidationError("--calibrate-random is 1 to 4096.")
    }
    try input.validate()
  }

  func run() throws {
    try Failures.reporting {
      var options = ImportOptions()
      options.batchAxis = noBatchAxis ? .absent : .automatic
      options.sampleShape = sampleShape?.values
      options.output = outputName
      options.classes = try classes.map(Self.names) ?? []
      var imported = try ONNXImporter.load(path: file, options: options)
      if let normalization = try input.normalization(channels: imported.graph.input.channels) {
        imported.graph.inputNormalization = normalization
      }
      let report = try Report(imported.graph)
      guard let output else { return try show(imported, report) }
      let model = try model(imported)
      let planned = try model.planned()
      try model.write(to: output)
      let summary = Summary(
        model: output, modelDigest: "\(try model.modelDigest())", producer: imported.producer, opset: imported.opset,
        inputShape: imported.inputShape, outputShape: imported.outputShape, layers: imported.graph.nodes.count,
        parameters: imported.parameters.count, finish: imported.graph.finish?.rawValue,
        samples: model.calibration?.samples, random: calibrateRandom != nil,
        expectedFailures: planned.plan.expectedFailuresPerInference, errorBound: planned.details.last?.errorBound)
      if json { return try Output.json(summary) }
      Output.line(
        "\(output): \(summary.layers) layers, \(summary.parameters) parameters, calibrated on \(summary.samples ?? 0) "
          + (summary.random ? "samples of random numbers, which real inputs are unlike" : "samples"))
    }
  }

  private func show(_ imported: ImportedModel, _ report: Report) throws {
    if json {
      return try Output.json(
        Summary(
          producer: imported.producer, opset: imported.opset, inputShape: imported.inputShape,
          outputShape: imported.outputShape, layers: imported.graph.nodes.count, parameters: imported.parameters.count,
          finish: imported.graph.finish?.rawValue, random: false))
    }
    Output.line(report.table())
    if let finish = imported.graph.finish { Output.line("at the end, by the data owner: \(finish.rawValue)") }
  }

  /// Calibrates and settles how the network is planned.
  private func model(_ imported: ImportedModel) throws -> ModelFile {
    var graph = imported.graph
    let samples: [[Float]]
    if let calibrateRandom {
      samples = (0..<calibrateRandom).map { Benchmarks.randomSample(graph, seed: UInt64($0) &+ 1) }
    } else {
      let found = try SampleFiles(calibrate).read(for: &graph, margin: margin)
      samples = found.map(\.values)
    }
    var model = ModelFile(
      graph: graph, parameters: imported.parameters, options: planning.applied(to: PlannerOptions()),
      provenance: [
        "source": (file as NSString).lastPathComponent, "producer": imported.producer,
        "calibration": calibrateRandom == nil ? "samples" : "random numbers",
      ])
    // The file's own function tells an index and nothing else.
    if graph.finish == .argMax, planning.reveal == nil { model.options.reveals = .label }
    try model.calibrate(samples: samples, margin: margin)
    return model
  }

  private static func names(_ path: String) throws -> [String] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw NetworksError.fileSystem(path: path, action: "read", reason: "it is no file of text")
    }
    return text.split(separator: "\n", omittingEmptySubsequences: false).map {
      $0.trimmingCharacters(in: .whitespaces)
    }.reversed().drop { $0.isEmpty }.reversed()
  }
}
