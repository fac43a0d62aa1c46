import Rings

/// Residual networks (K. He et al., "Deep Residual Learning for Image Recognition", 2015).
extension Builders {
  /// The networks of section 4.2 for CIFAR: 16, 32, 64 channels, `blocks` blocks each, parameter-free shortcuts.
  static func cifarResNet(blocks: Int, data: PictureData, options: BuilderOptions) -> Graph {
    var graph = start("resnet\(6 * blocks + 2)", data, options)
    stem(&graph, channels: options.scaled(16), data, options)
    for stage in 0..<3 {
      for block in 0..<options.repeated(blocks) {
        residualBlock(&graph, stage, block, inner: 16 << stage, outer: 16 << stage, projections: false, options)
      }
    }
    finish(&graph, data)
    return graph
  }

  /// The networks of table 1: 64, 128, 256, 512 channels, four times as many behind bottlenecks, 1x1 projections, the
  /// stride in the 3x3 convolution. CIFAR has the stem 3x3 of stride 1, and no pooling unless asked.
  static func resNet(
    _ number: Int, blocks: [Int], bottleneck: Bool, data: PictureData, options: BuilderOptions
  ) -> Graph {
    var graph = start("resnet\(number)", data, options)
    stem(&graph, channels: options.scaled(64), data, options)
    for (stage, blocks) in blocks.enumerated() {
      let inner = 64 << stage
      for block in 0..<options.repeated(blocks) {
        residualBlock(
          &graph, stage, block, inner: inner, outer: bottleneck ? 4 * inner : inner, projections: true, options)
      }
    }
    finish(&graph, data)
    return graph
  }

  private static func stem(_ graph: inout Graph, channels: Int, _ data: PictureData, _ options: BuilderOptions) {
    let spec = data == .imageNet ? spec(channels, 7, 2, options) : spec(channels, 3, 1, options)
    convolution(&graph, "stem", spec, options, options.activation.operation)
    if data == .imageNet || options.stemPool {
      graph.append(options.pooling.operation(kernel: 3, stride: 2, padding: 1), name: "stem.pool")
    }
  }

  private static func finish(_ graph: inout Graph, _ data: PictureData) {
    graph.append(.globalAveragePool, name: "pool")
    graph.append(.linear(outFeatures: data.classes, bias: true), name: "fc")
  }

  /// One block: two 3x3 convolutions where `inner` and `outer` agree, else 1x1, 3x3, 1x1; then the sum with the
  /// shortcut and the activation. Channels are given before scaling.
  private static func residualBlock(
    _ graph: inout Graph, _ stage: Int, _ block: Int, inner: Int, outer: Int, projections: Bool,
    _ options: BuilderOptions
  ) {
    let stride = stage > 0 && block == 0 ? 2 : 1
    let prefix = "stage\(stage + 1).block\(block + 1)"
    let activation = options.activation.operation
    let entry = graph.nodes.count - 1
    let channels = outChannels(graph)
    let (width, outWidth) = (options.scaled(inner), options.scaled(outer))
    if inner == outer {
      convolution(&graph, prefix + ".conv1", spec(width, 3, stride, options), options, activation)
      convolution(&graph, prefix + ".conv2", spec(width, 3, 1, options), options, nil)
    } else {
      convolution(&graph, prefix + ".conv1", spec(width, 1, 1, options), options, activation)
      convolution(&graph, prefix + ".conv2", spec(width, 3, stride, options), options, activation)
      convolution(&graph, prefix + ".conv3", spec(outWidth, 1, 1, options), options, nil)
    }
    let branch = graph.nodes.count - 1
    var shortcut = entry
    if stride > 1 || outWidth != channels {
      if projections {
        convolution(&graph, prefix + ".projection", spec(outWidth, 1, stride, options), options, nil, from: entry)
      } else {
        let extra = outWidth - channels
        graph.append(
          .subsamplePad(stride: stride, before: extra / 2, after: extra - extra / 2), name: prefix + ".shortcut",
          from: [entry])
      }
      shortcut = graph.nodes.count - 1
    }
    graph.append(.add, name: prefix + ".add", from: [branch, shortcut])
    let choice = options.normalizesSums ? options.activation.normalized : options.activation
    graph.append(choice.operation, name: prefix + ".act")
  }

  /// Channels of the last node's tensor, in a graph that ends with a convolution, however followed.
  static func outChannels(_ graph: Graph) -> Int {
    for node in graph.nodes.reversed() {
      if case .convolution(let spec) = node.operation, !node.name.hasSuffix(".projection") { return spec.outChannels }
    }
    return graph.input.channels
  }
}
