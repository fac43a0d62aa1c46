import Rings

/// Networks that can be asked for by name. Layer names are stable: files, latency tables and benchmarks refer to them.
public enum Builders {
  /// LeNet for 1x28x28: conv 5x5 to 6, average pool 2, conv 5x5 to 16, average pool 2, flatten to 256, linear 120, 84, 10.
  public static func lenet(
    activation: ActivationChoice = .x2act(X2actSpec()), batchNorm: Bool = false
  ) -> Graph {
    lenet(BuilderOptions(activation: activation, batchNorm: batchNorm))
  }

  /// LeNet with options.
  static func lenet(_ options: BuilderOptions) -> Graph {
    var graph = Graph(
      name: title("lenet", nil, options), input: TensorShape(channels: 1, height: 28, width: 28),
      inputNormalization: InputNormalization(pixelMaximum: 255, mean: [0.1307], deviation: [0.3081]),
      classes: digitNames)
    for (index, channels) in [6, 16].enumerated() {
      let spec = ConvolutionSpec(outChannels: options.scaled(channels), kernel: 5, bias: !options.batchNorm)
      convolution(&graph, "conv\(index + 1)", spec, options, options.activation.operation)
      graph.append(options.pooling.operation(kernel: 2, stride: 2, padding: 0), name: "pool\(index + 1)")
    }
    graph.append(.flatten, name: "flatten")
    for (index, features) in [120, 84].enumerated() {
      linear(&graph, "fc\(index + 1)", options.scaled(features), options)
    }
    graph.append(.linear(outFeatures: 10, bias: true), name: "fc3")
    return graph
  }

  /// A small network for 8x8 digits of pixels 0...16: conv 3x3 to 16, conv 3x3 stride 2 to 32, linear 10.
  public static func digits(
    activation: ActivationChoice = .x2act(X2actSpec()), batchNorm: Bool = true
  ) -> Graph {
    digits(BuilderOptions(activation: activation, batchNorm: batchNorm))
  }

  /// The digits network with options.
  static func digits(_ options: BuilderOptions) -> Graph {
    var graph = Graph(
      name: title("digits", nil, options), input: TensorShape(channels: 1, height: 8, width: 8),
      inputNormalization: InputNormalization(pixelMaximum: 16, mean: [0.305], deviation: [0.376]), classes: digitNames)
    for (index, channels) in [16, 32].enumerated() {
      let spec = spec(options.scaled(channels), 3, index + 1, options)
      convolution(&graph, "conv\(index + 1)", spec, options, options.activation.operation)
    }
    graph.append(.flatten, name: "flatten")
    graph.append(.linear(outFeatures: 10, bias: true), name: "fc")
    return graph
  }

  /// ResNet-20 for CIFAR (He et al., section 4.2): 16, 32, 64 channels, three blocks each, parameter-free shortcuts.
  public static func resnet20(
    activation: ActivationChoice = .x2act(X2actSpec()), batchNorm: Bool = true
  ) -> Graph {
    cifarResNet(blocks: 3, data: .cifar10, options: BuilderOptions(activation: activation, batchNorm: batchNorm))
  }

  /// ResNet-18 with the CIFAR stem (3x3, stride 1, no pooling): 64, 128, 256, 512 channels, two blocks each, 1x1 projections.
  public static func resnet18(
    activation: ActivationChoice = .x2act(X2actSpec()), batchNorm: Bool = true
  ) -> Graph {
    let options = BuilderOptions(activation: activation, batchNorm: batchNorm)
    return resNet(18, blocks: [2, 2, 2, 2], bottleneck: false, data: .cifar10, options: options)
  }

  /// ResNet-18 for 3x224x224 and 1,000 classes: 7x7 stem of stride 2, then pooling 3x3 of stride 2, average where the
  /// original takes the maximum.
  public static func resnet18ImageNet(
    activation: ActivationChoice = .x2act(X2actSpec()), batchNorm: Bool = true
  ) -> Graph {
    let options = BuilderOptions(activation: activation, batchNorm: batchNorm)
    return resNet(18, blocks: [2, 2, 2, 2], bottleneck: false, data: .imageNet, options: options)
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
  static let normalization = Operation.batchNorm(epsilon: 1e-5, momentum: 0.1)

  // MARK: Parts

  /// A convolution `name`, its normalisation `name.bn`, its activation `name.act`.
  static func convolution(
    _ graph: inout Graph, _ name: String, _ spec: ConvolutionSpec, _ options: BuilderOptions, _ activation: Operation?,
    from: Int? = nil
  ) {
    graph.append(.convolution(spec), name: name, from: [from ?? graph.nodes.count - 1])
    if options.batchNorm { graph.append(normalization, name: name + ".bn") }
    if let activation { graph.append(activation, name: name + ".act") }
  }

  /// A fully connected layer `name`, its normalisation `name.bn`, its activation `name.act`.
  static func linear(_ graph: inout Graph, _ name: String, _ features: Int, _ options: BuilderOptions) {
    graph.append(.linear(outFeatures: features, bias: !options.batchNorm), name: name)
    if options.batchNorm { graph.append(normalization, name: name + ".bn") }
    graph.append(options.activation.operation, name: name + ".act")
  }

  /// A convolution that keeps the picture's size, but for its stride.
  static func spec(
    _ channels: Int, _ kernel: Int, _ stride: Int, _ options: BuilderOptions, groups: Int = 1
  ) -> ConvolutionSpec {
    ConvolutionSpec(
      outChannels: channels, kernel: kernel, stride: stride, padding: kernel / 2, groups: groups,
      bias: !options.batchNorm)
  }
}
