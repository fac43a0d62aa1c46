import Rings

/// Which activation a builder puts everywhere.
public enum ActivationChoice: Hashable, Sendable {
  /// The trainable quadratic.
  case x2act(X2actSpec)
  /// `max(x, 0)`, by comparisons.
  case relu

  /// The operation.
  public var operation: Operation {
    switch self {
    case .x2act(let spec): .x2act(spec)
    case .relu: .relu
    }
  }
}

/// Networks that can be asked for by name. Layer names are stable: files and benchmarks refer to them.
public enum Builders {
  /// The names that ``named(_:activation:batchNorm:)`` knows.
  public static let names = ["lenet", "digits", "resnet20", "resnet18", "resnet18-imagenet"]

  /// A network by name, or nil.
  public static func named(
    _ name: String, activation: ActivationChoice = .x2act(X2actSpec()), batchNorm: Bool = true
  ) -> Graph? {
    switch name {
    case "lenet": lenet(activation: activation, batchNorm: batchNorm)
    case "digits": digits(activation: activation, batchNorm: batchNorm)
    case "resnet20": resnet20(activation: activation, batchNorm: batchNorm)
    case "resnet18": resnet18(activation: activation, batchNorm: batchNorm)
    case "resnet18-imagenet": resnet18ImageNet(activation: activation, batchNorm: batchNorm)
    default: nil
    }
  }

  /// LeNet for 1x28x28: conv 5x5 to 6, average pool 2, conv 5x5 to 16, average pool 2, flatten to 256, linear 120, 84, 10.
  public static func lenet(
    activation: ActivationChoice = .x2act(X2actSpec()), batchNorm: Bool = false
  ) -> Graph {
    var graph = Graph(
      name: "lenet", input: TensorShape(channels: 1, height: 28, width: 28),
      inputNormalization: InputNormalization(pixelMaximum: 255, mean: [0.1307], deviation: [0.3081]),
      classes: digitNames)
    for (index, channels) in [6, 16].enumerated() {
      let spec = ConvolutionSpec(outChannels: channels, kernel: 5, bias: !batchNorm)
      convolution(&graph, "conv\(index + 1)", spec, batchNorm, activation)
      graph.append(.averagePool(kernel: 2, stride: 2, padding: 0), name: "pool\(index + 1)")
    }
    graph.append(.flatten, name: "flatten")
    for (index, features) in [120, 84].enumerated() {
      graph.append(.linear(outFeatures: features, bias: !batchNorm), name: "fc\(index + 1)")
      if batchNorm { graph.append(normalization, name: "fc\(index + 1).bn") }
      graph.append(activation.operation, name: "fc\(index + 1).act")
    }
    graph.append(.linear(outFeatures: 10, bias: true), name: "fc3")
    return graph
  }

  /// A small network for 8x8 digits of pixels 0...16: conv 3x3 to 16, conv 3x3 stride 2 to 32, linear 10.
  public static func digits(
    activation: ActivationChoice = .x2act(X2actSpec()), batchNorm: Bool = true
  ) -> Graph {
    var graph = Graph(
      name: "digits", input: TensorShape(channels: 1, height: 8, width: 8),
      inputNormalization: InputNormalization(pixelMaximum: 16, mean: [0.305], deviation: [0.376]), classes: digitNames)
    for (index, channels) in [16, 32].enumerated() {
      let spec = ConvolutionSpec(
        outChannels: channels, kernel: 3, stride: index + 1, padding: 1, bias: !batchNorm)
      convolution(&graph, "conv\(index + 1)", spec, batchNorm, activation)
    }
    graph.append(.flatten, name: "flatten")
    graph.append(.linear(outFeatures: 10, bias: true), name: "fc")
    return graph
  }

  /// ResNet-20 for CIFAR (He et al., section 4.2): 16, 32, 64 channels, three blocks each, parameter-free shortcuts.
  public static func resnet20(
    activation: ActivationChoice = .x2act(X2actSpec()), batchNorm: Bool = true
  ) -> Graph {
    var graph = cifar("resnet20")
    convolution(&graph, "stem", spec(16, 3, 1, batchNorm), batchNorm, activation)
    residual(&graph, widths: [16, 32, 64], blocks: 3, projections: false, classes: 10, activation, batchNorm)
    return graph
  }

  /// ResNet-18 with the CIFAR stem (3x3, stride 1, no pooling): 64, 128, 256, 512 channels, two blocks each, 1x1 projections.
  public static func resnet18(
    activation: ActivationChoice = .x2act(X2actSpec()), batchNorm: Bool = true
  ) -> Graph {
    var graph = cifar("resnet18")
    convolution(&graph, "stem", spec(64, 3, 1, batchNorm), batchNorm, activation)
    residual(
      &graph, widths: [64, 128, 256, 512], blocks: 2, projections: true, classes: 10, activation, batchNorm)
    return graph
  }

  /// ResNet-18 for 3x224x224 and 1,000 classes: 7x7 stem of stride 2, then pooling 3x3 of stride 2, average where the
  /// original takes the maximum.
  public static func resnet18ImageNet(
    activation: ActivationChoice = .x2act(X2actSpec()), batchNorm: Bool = true
  ) -> Graph {
    var graph = Graph(
      name: "resnet18-imagenet", input: TensorShape(channels: 3, height: 224, width: 224),
      inputNormalization: InputNormalization(
        pixelMaximum: 255, mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225]))
    convolution(&graph, "stem", spec(64, 7, 2, batchNorm), batchNorm, activation)
    graph.append(.averagePool(kernel: 3, stride: 2, padding: 1), name: "stem.pool")
    residual(
      &graph, widths: [64, 128, 256, 512], blocks: 2, projections: true, classes: 1000, activation, batchNorm)
    return graph
  }

  /// `elements` independent squares: a single activation on a vector whose raw values lie in -1...1.
  public static func square(elements: Int) -> Graph {
    var graph = Graph(
      name: "square", input: TensorShape(channels: elements, height: 1, width: 1),
      inputNormalization: .none(channels: elements))
    graph.append(.x2act(X2actSpec()), name: "square")
    return graph
  }

  /// `elements` independent ReLUs of a vector whose raw values lie in `-magnitude...magnitude`.
  public static func relu(elements: Int, magnitude: Float = 1) -> Graph {
    var graph = Graph(
      name: "relu", input: TensorShape(channels: elements, height: 1, width: 1),
      inputNormalization: .none(channels: elements, magnitude: magnitude))
    graph.append(.relu, name: "relu")
    return graph
  }

  /// Maxima over 2x2 windows that give `outputs` results; raw values lie in `-magnitude...magnitude`.
  public static func maxPool(outputs: Int, magnitude: Float = 1) -> Graph {
    var graph = Graph(
      name: "maxpool", input: TensorShape(channels: outputs, height: 2, width: 2),
      inputNormalization: .none(channels: outputs, magnitude: magnitude))
    graph.append(.maxPool(kernel: 2, stride: 2, padding: 0), name: "maxpool")
    return graph
  }

  private static let digitNames = (0..<10).map(String.init)
  private static let normalization = Operation.batchNorm(epsilon: 1e-5, momentum: 0.1)

  private static func convolution(
    _ graph: inout Graph, _ name: String, _ spec: ConvolutionSpec, _ batchNorm: Bool, _ activation: ActivationChoice?,
    from: Int? = nil
  ) {
    graph.append(.convolution(spec), name: name, from: [from ?? graph.nodes.count - 1])
    if batchNorm { graph.append(normalization, name: name + ".bn") }
    if let activation { graph.append(activation.operation, name: name + ".act") }
  }

  private static func cifar(_ name: String) -> Graph {
    Graph(
      name: name, input: TensorShape(channels: 3, height: 32, width: 32),
      inputNormalization: InputNormalization(
        pixelMaximum: 255, mean: [0.4914, 0.4822, 0.4465], deviation: [0.2470, 0.2435, 0.2616]),
      classes: ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"])
  }

  private static func spec(_ channels: Int, _ kernel: Int, _ stride: Int, _ batchNorm: Bool) -> ConvolutionSpec {
    ConvolutionSpec(outChannels: channels, kernel: kernel, stride: stride, padding: kernel / 2, bias: !batchNorm)
  }

  /// Residual stages after a stem of `widths[0]` channels, global pooling, and the last layer.
  private static func residual(
    _ graph: inout Graph, widths: [Int], blocks: Int, projections: Bool, classes: Int, _ activation: ActivationChoice,
    _ batchNorm: Bool
  ) {
    var channels = widths[0]
    for (stage, width) in widths.enumerated() {
      for block in 0..<blocks {
        let stride = stage > 0 && block == 0 ? 2 : 1
        let prefix = "stage\(stage + 1).block\(block + 1)"
        let entry = graph.nodes.count - 1
        convolution(&graph, prefix + ".conv1", spec(width, 3, stride, batchNorm), batchNorm, activation)
        convolution(&graph, prefix + ".conv2", spec(width, 3, 1, batchNorm), batchNorm, nil)
        let branch = graph.nodes.count - 1
        var shortcut = entry
        if stride > 1 || width != channels {
          if projections {
            convolution(&graph, prefix + ".projection", spec(width, 1, stride, batchNorm), batchNorm, nil, from: entry)
          } else {
            let extra = width - channels
            graph.append(
              .subsamplePad(stride: stride, before: extra / 2, after: extra - extra / 2), name: prefix + ".shortcut",
              from: [entry])
          }
          shortcut = graph.nodes.count - 1
        }
        graph.append(.add, name: prefix + ".add", from: [branch, shortcut])
        graph.append(activation.operation, name: prefix + ".act")
        channels = width
      }
    }
    graph.append(.globalAveragePool, name: "pool")
    graph.append(.linear(outFeatures: classes, bias: true), name: "fc")
  }
}
