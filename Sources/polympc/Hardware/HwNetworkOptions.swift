import ArgumentParser
import Foundation
import Hardware
import Networks
import ONNX
import Programs

/// Which network, and what stands in its layers.
struct HwNetworkOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Built-in network: \(Builders.names.joined(separator: ", ")), and variants (-w0.5, -pool).", valueName: "name"))
  var network: String?

  @Option(help: ArgumentHelp("Model, plan or ONNX file instead of a built-in network.", valueName: "path"))
  var model: String?

  @Option(help: "Pictures: \(PictureData.allCases.map(\.rawValue).joined(separator: ", ")).")
  var dataset: String?

  @Option(help: "Activations everywhere: x2act or relu. A model file keeps its own where this is not given.")
  var activation: String?

  @Option(help: "Pooling between layers: avgpool or maxpool. Maxima come with relu unless told otherwise.")
  var pooling: String?

  @Option(
    name: .customLong("relu-layer"),
    help: ArgumentHelp("A layer that has ReLU whatever the others have; may be repeated.", valueName: "layer"))
  var reluLayers: [String] = []

  func validate() throws {
    guard (network == nil) != (model == nil) else { throw ValidationError("Give either --network or --model.") }
    if model != nil, dataset != nil {
      throw ValidationError("--dataset belongs to --network; a model has its own input.")
    }
    _ = try choice(activation, [.x2act, .relu], "--activation")
    _ = try choice(pooling, [.averagePool, .maxPool], "--pooling")
    if let dataset, PictureData(rawValue: dataset) == nil {
      let known = PictureData.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--dataset \(dataset) is unknown; known are \(known).")
    }
  }

  private func choice(
    _ text: String?, _ allowed: [LatencyTable.Choice], _ option: String
  ) throws -> LatencyTable.Choice? {
    guard let text else { return nil }
    guard let found = LatencyTable.Choice(rawValue: text), allowed.contains(found) else {
      throw ValidationError("\(option) is \(allowed.map(\.rawValue).joined(separator: " or ")), not \(text).")
    }
    return found
  }

  /// The network as described.
  ///
  /// - Parameter activation: in place of the option, for comparisons of several.
  func graph(activation: String? = nil) throws -> Graph {
    let named = activation ?? self.activation
    let act = try choice(named, [.x2act, .relu], "--activation")
    let pool = try choice(pooling, [.averagePool, .maxPool], "--pooling")
    var graph: Graph
    if let model {
      graph = try HwGraphSource.graph(model)
    } else {
      let options = BuilderOptions(
        activation: act == .relu ? .relu : .x2act(X2actSpec()),
        pooling: (pool ?? (act == .relu ? .maxPool : .averagePool)) == .maxPool ? .maximum : .average)
      guard let found = Builders.named(network!, dataset: dataset.flatMap(PictureData.init), options: options) else {
        throw HardwareError.unknownName(
          what: dataset == nil ? "network" : "network for \(dataset!)", name: network!, known: Builders.names)
      }
      graph = found
    }
    let known = Set(graph.nodes.filter(\.operation.isActivation).map(\.name))
    for layer in reluLayers where !known.contains(layer) {
      throw HardwareError.unknownName(what: "activation", name: layer, known: known.sorted())
    }
    return graph.choosing { name in
      if reluLayers.contains(name) { return .relu }
      guard let node = graph.nodes.first(where: { $0.name == name }) else { return nil }
      return node.operation.isActivation ? (model == nil ? nil : act) : (model == nil ? nil : pool)
    }
  }
}

extension HwNetworkOptions {
  /// Evaluates what the options describe: a file's own plan, where the protocol follows plans and nothing was changed, or else
  /// the graph.
  func evaluate(by evaluator: HardwareEvaluator) throws -> HardwareEvaluation {
    if let model, activation == nil, pooling == nil, reluLayers.isEmpty, case .program = evaluator.mode.kind,
      let program = try HwGraphSource.program(model)
    {
      return try evaluator.evaluate(program)
    }
    return try evaluator.evaluate(try graph())
  }
}

/// Where graphs and plans come from: the one place to add a format.
enum HwGraphSource {
  /// The graph of a file.
  static func graph(_ path: String) throws -> Graph {
    try isONNX(path) ? ONNXImporter.load(path: path).graph : ModelFile.load(from: path).graph
  }

  private static func isONNX(_ path: String) -> Bool { path.hasSuffix(".onnx") }

  /// The program of a plan file, or of a model file that was calibrated; nil where a model was not, as an ONNX file never is.
  static func program(_ path: String) throws -> Program? {
    if isONNX(path) { return nil }
    do {
      let file = try ModelFile.load(from: path)
      return file.calibration == nil ? nil : try file.planned().plan.program
    } catch NetworksError.notAModelFile {
      return try PlanFile.load(from: path).plan.program
    }
  }
}
