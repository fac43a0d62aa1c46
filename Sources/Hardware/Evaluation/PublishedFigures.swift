public import Networks

/// A figure that PASNet published, and what reproduces it: a network with its choices under the flow `pasnet` on a pair of ZCU104.
public struct PublishedFigure: Hashable, Sendable {
  /// What was published.
  public enum Metric: String, Hashable, Sendable {
    /// Milliseconds of an inference.
    case latency = "ms"
    /// Megabytes of an inference.
    case communication = "MB"
    /// Inferences a second and kilowatt of the pair.
    case efficiency = "1/(s*kW)"
    /// How many times as fast as CryptGPU's ResNet-50 (9.31 s, three parties).
    case speedUp = "x CryptGPU"
  }

  /// Whether the model reproduces it.
  public enum Standing: String, Hashable, Sendable {
    /// Within the tolerance: tests hold it there.
    case matched
    /// Known not to: shown, with the reason as far as it is known.
    case deviates
  }

  /// The paper's row.
  public let row: String
  /// Name of the network, see `NetworkName`.
  public let network: String
  /// Its pictures.
  public let dataset: PictureData
  /// The choice everywhere.
  public let activation: ActivationChoice
  /// Layers that keep ReLU in a polynomial network.
  public let reluLayers: [String]
  /// What was published.
  public let metric: Metric
  /// Its value.
  public let published: Double
  /// Relative deviation within which the model must be, where it is matched.
  public let tolerance: Double
  /// Whether it is.
  public let standing: Standing
  /// Where it is published, and what is known of a deviation.
  public let note: String

  /// The network.
  public func graph() -> Graph {
    let pooling: PoolingChoice = activation == .relu ? .maximum : .average
    let options = BuilderOptions(activation: activation, pooling: pooling)
    guard let graph = Builders.named(network, dataset: dataset, options: options) else {
      preconditionFailure("\(network) is no network")
    }
    return graph.choosing { reluLayers.contains($0) ? .relu : nil }
  }

  /// The model's value of the figure.
  /// - Throws: ``HardwareError``, `NetworksError`
  public func modelled(by evaluator: HardwareEvaluator) throws -> Double {
    let total = try evaluator.evaluate(graph()).total
    switch metric {
    case .latency: return total.latency * 1e3
    case .communication: return Double(total.bytes) / 1e6
    case .efficiency: return total.energy.map { 1000 / $0 } ?? .nan
    case .speedUp: return Self.secondsOfCryptGPU / total.latency
    }
  }

  /// CryptGPU's ResNet-50 on ImageNet, as PASNet quotes it.
  static let secondsOfCryptGPU = 9.31

  /// Four layers with 200,704, 50,176, 50,176 and 25,088 elements. Which layers PASNet-C keeps is not published; layers of these
  /// sizes fit its figures.
  public static let reluLayersOfC = [
    "stage3.block1.conv1.act", "stage3.block1.conv2.act", "stage3.block2.conv1.act", "stage4.block1.conv2.act",
  ]

  /// All figures.
  public static let all: [PublishedFigure] = imageNet + cifar

  private static let x2act = ActivationChoice.x2act(X2actSpec())

  private static let imageNet: [PublishedFigure] = [
    onImageNet("PASNet-A", "resnet18", .latency, 63),
    onImageNet(
      "PASNet-A", "resnet18", .communication, 35,
      deviation: "published with two digits, as 0.035 GB: cut off, or of a slightly smaller network"),
    onImageNet("PASNet-B", "resnet50", .latency, 228), onImageNet("PASNet-B", "resnet50", .communication, 162),
    onImageNet("PASNet-C", "resnet50", .latency, 539), onImageNet("PASNet-C", "resnet50", .communication, 368),
    onImageNet("PASNet-D", "mobilenetv2", .latency, 184), onImageNet("PASNet-D", "mobilenetv2", .communication, 103),
    onImageNet("PASNet-A", "resnet18", .efficiency, 999), onImageNet("PASNet-B", "resnet50", .efficiency, 274),
    onImageNet("PASNet-C", "resnet50", .efficiency, 116), onImageNet("PASNet-D", "mobilenetv2", .efficiency, 339),
    onImageNet("PASNet-A", "resnet18", .speedUp, 147), onImageNet("PASNet-B", "resnet50", .speedUp, 40),
  ]

  private static func onImageNet(
    _ row: String, _ network: String, _ metric: Metric, _ published: Double, deviation: String? = nil
  ) -> PublishedFigure {
    let keepsReLU = row == "PASNet-C"
    return PublishedFigure(
      row: "\(row), ImageNet", network: network, dataset: .imageNet, activation: x2act,
      reluLayers: keepsReLU ? reluLayersOfC : [], metric: metric, published: published, tolerance: 0.02,
      standing: deviation == nil ? .matched : .deviates,
      note: deviation ?? (keepsReLU ? "which layers keep ReLU is fitted" : ""))
  }

  private static let cifar: [PublishedFigure] = [
    onCIFAR("PASNet-A", "resnet18-pool", x2act, 12.2), onCIFAR("PASNet-B", "resnet50-pool", x2act, 36.74),
    onCIFAR(
      "PASNet-D", "mobilenetv2", x2act, 104.09,
      deviation: "the strides of its stages on 32x32 pictures are not published"),
    onCIFAR("ResNet-34, X2act", "resnet34-pool", x2act, 435.0 / 19, deviation: "from a speed-up that is rounded to 19"),
    onCIFAR("VGG-16, X2act", "vgg16", x2act, 382.0 / 20, deviation: "from a speed-up that is rounded to 20"),
    onCIFAR("ResNet-18, ReLU", "resnet18-pool", .relu, 324), onCIFAR("ResNet-34, ReLU", "resnet34-pool", .relu, 435),
    onCIFAR("ResNet-50, ReLU", "resnet50-pool", .relu, 922), onCIFAR("VGG-16, ReLU", "vgg16", .relu, 382),
    onCIFAR("MobileNetV2, ReLU", "mobilenetv2", .relu, 1543),
  ]

  private static func onCIFAR(
    _ row: String, _ network: String, _ activation: ActivationChoice, _ published: Double, deviation: String? = nil
  ) -> PublishedFigure {
    let note = deviation ?? (activation == .relu ? "by the published time of a ReLU" : "")
    return PublishedFigure(
      row: "\(row), CIFAR-10", network: network, dataset: .cifar10, activation: activation, reluLayers: [],
      metric: .latency, published: published, tolerance: 0.03, standing: deviation == nil ? .matched : .deviates,
      note: note)
  }
}
