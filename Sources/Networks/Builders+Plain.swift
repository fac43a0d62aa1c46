import Rings

/// Networks without shortcuts, or with them around thin layers.
extension Builders {
  /// VGG-16 (K. Simonyan and A. Zisserman, 2014, configuration D): thirteen convolutions 3x3 in five stages, a pooling
  /// 2x2 behind each. ImageNet: 4096, 4096, 1000 features. CIFAR: the last stage leaves one pixel, and one fully
  /// connected layer follows.
  static func vgg16(data: PictureData, options: BuilderOptions) -> Graph {
    var graph = start("vgg16", data, options)
    for (stage, plan) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)].enumerated() {
      for layer in 0..<options.repeated(plan.1) {
        convolution(
          &graph, "conv\(stage + 1)_\(layer + 1)", spec(options.scaled(plan.0), 3, 1, options), options,
          options.activation.operation)
      }
      graph.append(options.pooling.operation(kernel: 2, stride: 2, padding: 0), name: "pool\(stage + 1)")
    }
    graph.append(.flatten, name: "flatten")
    if data == .imageNet {
      for name in ["fc6", "fc7"] { linear(&graph, name, options.scaled(4096), options) }
    }
    graph.append(.linear(outFeatures: data.classes, bias: true), name: "fc8")
    return graph
  }

  /// MobileNetV2 (M. Sandler et al., 2018, table 2). For CIFAR the stem and the stages of 24 channels have stride 1,
  /// so that 4x4 pixels reach the last pooling.
  static func mobileNetV2(data: PictureData, options: BuilderOptions) -> Graph {
    var graph = start("mobilenetv2", data, options)
    // Expansion, channels, blocks, stride of the first block.
    let stages = [
      (1, 16, 1, 1), (6, 24, 2, data == .imageNet ? 2 : 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
      (6, 160, 3, 2), (6, 320, 1, 1),
    ]
    let activation = clipped(options.activation)
    convolution(
      &graph, "stem", spec(mobile(32, options.width), 3, data == .imageNet ? 2 : 1, options), options, activation)
    if options.stemPool, data != .imageNet {
      graph.append(options.pooling.operation(kernel: 3, stride: 2, padding: 1), name: "stem.pool")
    }
    for (stage, plan) in stages.enumerated() {
      for block in 0..<options.repeated(plan.2) {
        let prefix = "stage\(stage + 1).block\(block + 1)"
        let entry = graph.nodes.count - 1
        let channels = outChannels(graph)
        let (hidden, outWidth) = (channels * plan.0, mobile(plan.1, options.width))
        let stride = block == 0 ? plan.3 : 1
        if plan.0 > 1 { convolution(&graph, prefix + ".expand", spec(hidden, 1, 1, options), options, activation) }
        convolution(
          &graph, prefix + ".depthwise", spec(hidden, 3, stride, options, groups: hidden), options, activation)
        convolution(&graph, prefix + ".project", spec(outWidth, 1, 1, options), options, nil)
        if stride == 1, channels == outWidth {
          graph.append(.add, name: prefix + ".add", from: [graph.nodes.count - 1, entry])
        }
      }
    }
    convolution(&graph, "head", spec(mobile(1280, max(1, options.width)), 1, 1, options), options, activation)
    graph.append(.globalAveragePool, name: "pool")
    graph.append(.linear(outFeatures: data.classes, bias: true), name: "fc")
    return graph
  }

  /// ReLU6 in ReLU's place.
  private static func clipped(_ activation: ActivationChoice) -> Operation {
    activation == .relu ? .clippedRelu(upper: 6) : activation.operation
  }

  /// The authors' rounding: the nearest multiple of 8, not more than a tenth below.
  private static func mobile(_ channels: Int, _ width: Double) -> Int {
    let wanted = Double(channels) * width
    let rounded = BuilderOptions.rounded(wanted, multiple: 8)
    return Double(rounded) < 0.9 * wanted ? rounded + 8 : rounded
  }
}
