import Rings

/// A network's name taken apart: an architecture, and what varies it, joined by hyphens.
///
/// `resnet50`, `resnet50-imagenet`, `resnet18-cifar100`, `resnet18-pool` (pooling behind a CIFAR stem), `vgg16-w0.25`
/// (a quarter of the channels), `resnet20-w0.5-d0.34` (half the channels, a third of the layers).
public struct NetworkName: Hashable, Sendable {
  /// A family member with a builder.
  public enum Architecture: String, Hashable, Sendable, CaseIterable {
    /// Two convolutions and three linear layers for MNIST.
    case lenet
    /// Two convolutions and a linear layer for 8x8 digits.
    case digits
    /// He et al., section 4.2: three stages of three blocks for CIFAR.
    case resnet20
    /// The same with five blocks a stage.
    case resnet32
    /// He et al., table 1.
    case resnet18
    /// He et al., table 1.
    case resnet34
    /// He et al., table 1, with the stride in the 3x3 convolution.
    case resnet50
    /// Simonyan and Zisserman, configuration D.
    case vgg16
    /// Sandler et al., table 2.
    case mobilenetv2
    /// Iandola et al., version 1.1.
    case squeezenet
    /// Huang et al., table 1.
    case densenet121

    /// The pictures that it can be built for; the first one is meant where none is named, none where it has its own.
    public var data: [PictureData] {
      switch self {
      case .lenet, .digits: []
      case .resnet20, .resnet32: [.cifar10, .cifar100]
      case .resnet18, .resnet34, .resnet50, .vgg16, .mobilenetv2, .squeezenet, .densenet121:
        [.cifar10, .cifar100, .imageNet]
      }
    }
  }

  /// The architecture.
  public var architecture: Architecture
  /// The pictures, where the name says them.
  public var data: PictureData?
  /// Factor of the channels.
  public var width = 1.0
  /// Factor of the layers.
  public var depth = 1.0
  /// Whether pooling stands behind a CIFAR stem.
  public var stemPool = false

  /// Takes a name apart.
  ///
  /// - Returns: nil where a part is unknown, stands twice, or does not suit the architecture. Factors are 1/64 to 16.
  public init?(_ name: String) {
    guard name.utf8.count <= 64 else { return nil }
    let parts = name.split(separator: "-", omittingEmptySubsequences: false)
    guard let architecture = Architecture(rawValue: String(parts[0])) else { return nil }
    self.architecture = architecture
    var seen: Set<Character> = []
    for part in parts.dropFirst() {
      if let data = PictureData(rawValue: String(part)) {
        guard architecture.data.contains(data), seen.insert("-").inserted else { return nil }
        self.data = data
      } else if part == "pool" {
        guard !architecture.data.isEmpty, architecture != .vgg16, seen.insert("p").inserted else { return nil }
        stemPool = true
      } else {
        guard let kind = part.first, kind == "w" || kind == "d", seen.insert(kind).inserted,
          let factor = Double(part.dropFirst()), (1.0 / 64...16).contains(factor)
        else { return nil }
        if kind == "w" { width = factor } else { depth = factor }
      }
    }
    if stemPool, data == .imageNet { return nil }
  }
}

extension Builders {
  /// The names of the published sizes; ``NetworkName`` says how others are written.
  public static let names = NetworkName.Architecture.allCases.flatMap { architecture in
    [architecture.rawValue] + (architecture.data.contains(.imageNet) ? [architecture.rawValue + "-imagenet"] : [])
  }

  /// A network by name, or nil. The name's factors multiply those of the options.
  ///
  /// - Parameters:
  ///   - name: see ``NetworkName``.
  ///   - dataset: the pictures, where the name does not say them; nil for the architecture's own.
  ///   - options: what varies.
  public static func named(_ name: String, dataset: PictureData? = nil, options: BuilderOptions) -> Graph? {
    guard let parsed = NetworkName(name) else { return nil }
    if let dataset, !parsed.architecture.data.contains(dataset) || (parsed.data ?? dataset) != dataset { return nil }
    let data = parsed.data ?? dataset ?? parsed.architecture.data.first
    var options = options
    options.width *= parsed.width
    options.depth *= parsed.depth
    options.stemPool = options.stemPool || parsed.stemPool
    switch parsed.architecture {
    case .lenet: return lenet(options)
    case .digits: return digits(options)
    default: return data.map { build(parsed.architecture, $0, options) }
    }
  }

  /// A network by name with the published sizes (or those of the name), or nil.
  public static func named(
    _ name: String, activation: ActivationChoice = .x2act(X2actSpec()), batchNorm: Bool = true
  ) -> Graph? {
    named(name, options: BuilderOptions(activation: activation, batchNorm: batchNorm))
  }

  private static func build(
    _ architecture: NetworkName.Architecture, _ data: PictureData, _ options: BuilderOptions
  ) -> Graph {
    switch architecture {
    case .resnet20, .resnet32:
      cifarResNet(blocks: architecture == .resnet20 ? 3 : 5, data: data, options: options)
    case .resnet18: resNet(18, blocks: [2, 2, 2, 2], bottleneck: false, data: data, options: options)
    case .resnet34: resNet(34, blocks: [3, 4, 6, 3], bottleneck: false, data: data, options: options)
    case .resnet50: resNet(50, blocks: [3, 4, 6, 3], bottleneck: true, data: data, options: options)
    case .vgg16: vgg16(data: data, options: options)
    case .mobilenetv2: mobileNetV2(data: data, options: options)
    case .squeezenet: squeezeNet(data: data, options: options)
    case .densenet121: denseNet121(data: data, options: options)
    case .lenet, .digits: preconditionFailure("these have pictures of their own")
    }
  }

  /// The graph's name: what ``NetworkName`` would parse, for the options given.
  static func title(_ base: String, _ data: PictureData?, _ options: BuilderOptions) -> String {
    var title = base
    if let data, data != .cifar10 { title += "-" + data.rawValue }
    if options.stemPool, let data, data != .imageNet { title += "-pool" }
    if options.width != 1 { title += "-w\(options.width)" }
    if options.depth != 1 { title += "-d\(options.depth)" }
    return title
  }

  /// An empty graph for pictures.
  static func start(_ base: String, _ data: PictureData, _ options: BuilderOptions) -> Graph {
    Graph(
      name: title(base, data, options), input: TensorShape(channels: 3, height: data.side, width: data.side),
      inputNormalization: data.normalization, classes: data.classNames)
  }
}
