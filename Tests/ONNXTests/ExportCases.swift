import Networks
import Rings

/// Networks that are written as ONNX: built-in ones, and one of every layer.
struct ExportCase {
  let name: String
  let graph: Graph
  let parameters: Parameters

  var samples: [[Float]] { (0..<3).map { Benchmarks.randomSample(graph, seed: 40 + $0) } }

  /// The float network's outputs, finished.
  func outputs() throws -> [[Double]] {
    let executor = try FloatExecutor(graph: graph, parameters: parameters)
    return try samples.map { sample in
      let values = try executor.output(of: sample).map(Double.init)
      return graph.finish.map { $0.apply(values) } ?? values
    }
  }

  private init(_ name: String, _ graph: Graph, seed: UInt64) throws {
    self.name = name
    self.graph = graph
    var parameters = try Parameters.initialize(graph, seed: seed)
    var generator = SeededGenerator(seed: seed)
    // Statistics and coefficients of both signs, so that nothing is the identity.
    for key in parameters.keys where key.name != .weight {
      parameters.values[key] = parameters.values[key]!.map { value in
        switch key.name {
        case .variance: Float(0.5 + generator.uniform())
        case .gamma, .w2: Float(0.5 + 0.4 * generator.uniform())
        case .w1: Float(generator.normal() * 0.02)
        default: Float(generator.normal() * 0.1)
        }
      }
    }
    self.parameters = parameters
  }

  static func all() throws -> [ExportCase] {
    var cases = [
      try ExportCase("digits", Builders.digits(), seed: 1),
      try ExportCase("digits-relu", Builders.digits(activation: .relu), seed: 2),
    ]
    for (index, name) in ["resnet20-w0.25", "mobilenetv2-w0.25"].enumerated() {
      cases.append(try ExportCase(name, Builders.named(name)!, seed: 3 + UInt64(index)))
    }
    cases.append(try ExportCase("layers", layers(), seed: 5))
    cases.append(try ExportCase("windows", windows(), seed: 9))
    for (index, finish) in [OutputFinish.softmax, .logSoftmax, .argMax].enumerated() {
      var graph = small()
      graph.finish = finish
      cases.append(try ExportCase(finish.rawValue, graph, seed: 6 + UInt64(index)))
    }
    return cases
  }

  private static func small() -> Graph {
    var graph = Graph(
      name: "small", input: TensorShape(vector: 6), inputNormalization: .none(channels: 6), classes: ["a", "b", "c"])
    graph.append(.linear(outFeatures: 3, bias: true), name: "fc")
    return graph
  }

  /// Poolings whose windows are not square, have gaps, are padded unequally or rounded up.
  private static func windows() -> Graph {
    var graph = Graph(
      name: "windows", input: TensorShape(channels: 2, height: 14, width: 17), inputNormalization: .none(channels: 2))
    graph.append(.offset, name: "mean")
    graph.append(.convolution(ConvolutionSpec(outChannels: 4, kernel: 3, padding: 1)), name: "conv1")
    graph.append(.relu, name: "act1")
    let wide = PoolingWindow(
      rows: PoolingAxis(kernel: 2, stride: 1, dilation: 2, before: 1),
      columns: PoolingAxis(kernel: 3, stride: 2, behind: 2, overhang: 1))
    graph.append(.maximum(over: wide), name: "pool1")
    graph.append(.convolution(ConvolutionSpec(outChannels: 4, kernel: 2)), name: "conv2")
    let rounded = PoolingWindow(
      rows: PoolingAxis(kernel: 3, stride: 2, before: 1, overhang: 1), columns: PoolingAxis(kernel: 2))
    graph.append(.average(over: AveragingWindow(rounded, countsPadding: false)), name: "pool2")
    graph.append(.relu, name: "act2")
    let padded = PoolingWindow(
      rows: PoolingAxis(kernel: 2, before: 1), columns: PoolingAxis(kernel: 3, stride: 2, before: 1, behind: 1))
    graph.append(.average(over: AveragingWindow(padded, countsPadding: true)), name: "pool3")
    graph.append(.reshape(TensorShape(channels: 6, height: 4, width: 4)), name: "regrouped")
    graph.append(.offset, name: "offset")
    graph.append(.flatten, name: "flatten")
    graph.append(.linear(outFeatures: 3, bias: true), name: "fc")
    return graph
  }

  /// Every operation once or more, with windows that are not square and a picture that is not either.
  private static func layers() -> Graph {
    var graph = Graph(
      name: "layers", input: TensorShape(channels: 3, height: 13, width: 10),
      inputNormalization: InputNormalization(pixelMaximum: 255, mean: [0.4, 0.5, 0.6], deviation: [0.2, 0.3, 0.25]))
    let window = ConvolutionWindow(
      kernelHeight: 3, kernelWidth: 2, strideHeight: 1, strideWidth: 2, padTop: 1, padLeft: 0, padBottom: 1, padRight: 2
    )
    graph.append(.convolution(ConvolutionSpec(outChannels: 8, window: window)), name: "conv1")
    graph.append(.batchNorm(epsilon: 1e-4, momentum: 0.1), name: "norm1")
    graph.append(.leakyRelu(shift: 3), name: "act1")
    graph.append(
      .convolution(ConvolutionSpec(outChannels: 8, kernel: 3, padding: 1, groups: 4, bias: false)), name: "conv2")
    graph.append(.clippedRelu(upper: 0.75), name: "act2")
    graph.append(.averagePool(kernel: 3, stride: 1, padding: 1), name: "pool2")
    graph.append(.clip(lower: -0.5, upper: 0.5), name: "act3")
    let short = graph.append(.maxPool(kernel: 2, stride: 2, padding: 1), name: "pool3")
    graph.append(.convolution(ConvolutionSpec(outChannels: 12, kernel: 3, padding: 1)), name: "conv4")
    let branch = graph.append(.x2act(X2actSpec(perChannel: true)), name: "act4")
    let padded = graph.append(.subsamplePad(stride: 1, before: 1, after: 3), name: "short4", from: [short])
    graph.append(.add, name: "sum4", from: [branch, padded])
    graph.append(.absolute, name: "act5")
    graph.append(.subsamplePad(stride: 2, before: 0, after: 0), name: "sub5")
    graph.append(.convolution(ConvolutionSpec(outChannels: 10, kernel: 1)), name: "conv6")
    graph.append(.sign, name: "act6")
    graph.append(.globalAveragePool, name: "pool6")
    graph.append(.linear(outFeatures: 7, bias: false), name: "fc7")
    graph.append(.x2act(X2actSpec()), name: "act7")
    graph.append(.flatten, name: "flatten")
    graph.append(.linear(outFeatures: 4, bias: true), name: "fc8")
    return graph
  }
}
