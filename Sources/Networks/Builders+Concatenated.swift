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
      concatenation(&graph, name, (halves[0], channels), (halves[1], channels))
    }
    graph.append(
      .convolution(ConvolutionSpec(outChannels: data.classes, kernel: 1, bias: true)), name: "classifier")
    graph.append(activation, name: "classifier.act")
    graph.append(.globalAveragePool, name: "pool")
    return graph
  }

  // MARK: Parts

  /// Two tensors' channels side by side, given with their numbers of channels: each filled up with zeros, and the sum.
  private static func concatenation(
    _ graph: inout Graph, _ name: String, _ first: (node: Int, channels: Int), _ second: (node: Int, channels: Int)
  ) {
    let lower = graph.append(
      .subsamplePad(stride: 1, before: 0, after: second.channels), name: name + ".lower", from: [first.node])
    let upper = graph.append(
      .subsamplePad(stride: 1, before: first.channels, after: 0), name: name + ".upper", from: [second.node])
    graph.append(.add, name: name + ".concat", from: [lower, upper])
  }
}
