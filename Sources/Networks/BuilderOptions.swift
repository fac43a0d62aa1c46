import Rings

/// Which activation a builder puts everywhere.
public enum ActivationChoice: Hashable, Sendable {
  /// The trainable quadratic.
  case x2act(X2actSpec)
  /// `max(x, 0)`, by comparisons; in MobileNetV2 `min(max(x, 0), 6)`, as published.
  case relu

  /// The operation.
  public var operation: Operation {
    switch self {
    case .x2act(let spec): .x2act(spec)
    case .relu: .relu
    }
  }

  /// The same, with a quadratic that normalises its operand; a comparison needs none.
  var normalized: ActivationChoice {
    switch self {
    case .x2act(let spec): .x2act(spec.normalized)
    case .relu: .relu
    }
  }
}

/// Which pooling a builder puts between layers. The last, global pooling is always the mean.
public enum PoolingChoice: String, Codable, Hashable, Sendable, CaseIterable {
  /// The mean over windows: local in two-party computation.
  case average
  /// The maximum over windows, by comparisons.
  case maximum

  /// The operation over square windows.
  func operation(kernel: Int, stride: Int, padding: Int) -> Operation {
    switch self {
    case .average: .averagePool(kernel: kernel, stride: stride, padding: padding)
    case .maximum: .maxPool(kernel: kernel, stride: stride, padding: padding)
    }
  }
}

/// The pictures that a network of several sizes is built for.
public enum PictureData: String, Codable, Hashable, Sendable, CaseIterable {
  /// CIFAR-10: 3x32x32, ten classes.
  case cifar10
  /// CIFAR-100: 3x32x32, a hundred classes.
  case cifar100
  /// ImageNet: 3x224x224, a thousand classes.
  case imageNet = "imagenet"

  /// Pixels of a side.
  var side: Int { self == .imageNet ? 224 : 32 }

  /// Number of classes.
  var classes: Int {
    switch self {
    case .cifar10: 10
    case .cifar100: 100
    case .imageNet: 1000
    }
  }

  /// Names of the classes, where they are few.
  var classNames: [String] {
    guard self == .cifar10 else { return [] }
    return ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
  }

  /// Means and deviations over the training pictures.
  var normalization: InputNormalization {
    switch self {
    case .cifar10:
      InputNormalization(pixelMaximum: 255, mean: [0.4914, 0.4822, 0.4465], deviation: [0.2470, 0.2435, 0.2616])
    case .cifar100:
      InputNormalization(pixelMaximum: 255, mean: [0.5071, 0.4865, 0.4409], deviation: [0.2673, 0.2564, 0.2762])
    case .imageNet:
      InputNormalization(pixelMaximum: 255, mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])
    }
  }
}

/// What a builder may vary in a network of a given architecture.
public struct BuilderOptions: Hashable, Sendable {
  /// The activation everywhere.
  public var activation: ActivationChoice
  /// The pooling between layers.
  public var pooling: PoolingChoice
  /// Whether layers are followed by batch normalisation; else they have biases.
  public var batchNorm: Bool
  /// Whether quadratics behind a residual sum normalise their operand. Sums have no batch normalisation of their own, so
  /// that their outliers are squared from block to block, and nothing bounds what the last block receives.
  public var normalizesSums: Bool
  /// Factor of all channels but those of the input and the classes. Products are rounded to a multiple of 4 (8 in
  /// MobileNetV2, by its own rule).
  public var width: Double
  /// Factor of the layers of every stage, rounded, at least one.
  public var depth: Double
  /// Whether a network for CIFAR keeps the pooling 3x3 of stride 2 behind its stem, as PolyMPCNet's do.
  public var stemPool: Bool

  /// Describes a variant; the defaults are the published sizes.
  public init(
    activation: ActivationChoice = .x2act(X2actSpec()), pooling: PoolingChoice = .average, batchNorm: Bool = true,
    normalizesSums: Bool = false, width: Double = 1, depth: Double = 1, stemPool: Bool = false
  ) {
    self.activation = activation
    self.pooling = pooling
    self.batchNorm = batchNorm
    self.normalizesSums = normalizesSums
    self.width = width
    self.depth = depth
    self.stemPool = stemPool
  }

  /// `channels` times the width.
  func scaled(_ channels: Int) -> Int { width == 1 ? channels : Self.rounded(Double(channels) * width, multiple: 4) }

  /// `layers` times the depth.
  func repeated(_ layers: Int) -> Int { max(1, Int((Double(layers) * depth).rounded())) }

  /// The nearest multiple, at least one of it.
  static func rounded(_ value: Double, multiple: Int) -> Int {
    max(multiple, Int((value / Double(multiple)).rounded()) * multiple)
  }
}
