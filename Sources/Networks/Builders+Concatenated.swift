import Rings

/// Networks whose layers read several earlier ones side by side. Structure and sizes are torchvision's.
extension Builders {
  /// SqueezeNet 1.1 (F. Iandola et al., 2016; version 1.1 of the authors' repository): eight fire modules, each a 1x1
  /// convolution that squeezes and two that expand, side by side. For CIFAR the stem has stride 1.
  static func squeezeNet(data: PictureData, options: BuilderOptions) -> Graph {
    var graph = start("squeezenet", data, options)
    let activation = options.activation.operation
    let large = data == .imageNet
    convolution(
      &graph, "stem",
      ConvolutionSpec(
        outChannels: options.scaled(64), kernel: 3, stride: large ? 2 : 1, padding: large ? 0 : 1,
        bias: !options.batchNorm), options, activation)
    if options.stemPool, !large {
      graph.append(options.pooling.operation(kernel: 3, stride: 2, padding: 1), name: "stem.pool")
    }
    // Squeezed channels and those of each expansion; a pooling stands before the modules so marked.
    let modules = [
      (16, 64, true), (16, 64, false), (32, 128, true), (32, 128, false), (48, 192, true), (48, 192, false),
      (64, 256, false), (64, 256, false),
    ]
    for (index, module) in modules.enumerated() {
      let name = "fire\(index + 2)"
      if module.2 { graph.append(options.pooling.operation(kernel: 3, stride: 2, padding: 0), name: name + ".pool") }
      convolution(&graph, name + ".squeeze", spec(options.scaled(module.0), 1, 1, options), options, activation)
      let squeezed = graph.nodes.count - 1
      let channels = options.scaled(module.1)
      let halves = [1, 3].map { kernel in
        convolution(
          &graph, name + ".expand\(kernel)", spec(channels, kernel, 1, options), options, activation, from: squeezed)
        return graph.nodes.count - 1
      }
      graph.append(.concatenate, name: name + ".concat", from: halves)
    }
    graph.append(
      .convolution(ConvolutionSpec(outChannels: data.classes, kernel: 1, bias: true)), name: "classifier")
    graph.append(activation, name: "classifier.act")
    graph.append(.globalAveragePool, name: "pool")
    return graph
  }

  /// DenseNet-121 (G. Huang et al., 2017, table 1): four blocks of layers, each of which reads all earlier ones of its
  /// block side by side; normalisation and activation stand before convolutions. For CIFAR the stem is 3x3 of stride 1.
  static func denseNet121(data: PictureData, options: BuilderOptions) -> Graph {
    var graph = start("densenet121", data, options)
    let growth = options.scaled(32)
    var channels = options.scaled(64)
    convolution(
      &graph, "stem", data == .imageNet ? spec(channels, 7, 2, options) : spec(channels, 3, 1, options), options,
      options.activation.operation)
    if data == .imageNet || options.stemPool {
      graph.append(options.pooling.operation(kernel: 3, stride: 2, padding: 1), name: "stem.pool")
    }
    let blocks = [6, 12, 24, 16]
    for (block, layers) in blocks.enumerated() {
      var parts = [graph.nodes.count - 1]
      for layer in 0..<options.repeated(layers) {
        let name = "block\(block + 1).layer\(layer + 1)"
        preactivated(&graph, name + ".conv1", spec(4 * growth, 1, 1, options), options)
        preactivated(&graph, name + ".conv2", spec(growth, 3, 1, options), options)
        parts.append(graph.nodes.count - 1)
        graph.append(.concatenate, name: name + ".concat", from: parts)
        channels += growth
      }
      guard block < blocks.count - 1 else { break }
      channels /= 2
      preactivated(&graph, "transition\(block + 1)", spec(channels, 1, 1, options), options)
      graph.append(.averagePool(kernel: 2, stride: 2, padding: 0), name: "transition\(block + 1).pool")
    }
    activated(&graph, "head", options)
    graph.append(.globalAveragePool, name: "pool")
    graph.append(.linear(outFeatures: data.classes, bias: true), name: "fc")
    return graph
  }

  // MARK: Parts

  /// Normalisation `name.bn` and activation `name.act`.
  private static func activated(_ graph: inout Graph, _ name: String, _ options: BuilderOptions) {
    if options.batchNorm { graph.append(normalization, name: name + ".bn") }
    graph.append(options.activation.operation, name: name + ".act")
  }

  /// Normalisation, activation, and then the convolution `name`.
  private static func preactivated(
    _ graph: inout Graph, _ name: String, _ spec: ConvolutionSpec, _ options: BuilderOptions
  ) {
    activated(&graph, name, options)
    graph.append(.convolution(spec), name: name)
  }
}
