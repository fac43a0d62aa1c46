public import Rings

/// The window of a convolution, in rows and columns of pixels.
public struct ConvolutionWindow: Codable, Hashable, Sendable {
  /// Sides of the kernel.
  public var kernelHeight, kernelWidth: Int
  /// Distance between windows.
  public var strideHeight, strideWidth: Int
  /// Zeros added on each side.
  public var padTop, padLeft, padBottom, padRight: Int

  /// Describes a window.
  public init(
    kernelHeight: Int, kernelWidth: Int, strideHeight: Int = 1, strideWidth: Int = 1, padTop: Int = 0,
    padLeft: Int = 0, padBottom: Int = 0, padRight: Int = 0
  ) {
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    self.strideHeight = strideHeight
    self.strideWidth = strideWidth
    self.padTop = padTop
    self.padLeft = padLeft
    self.padBottom = padBottom
    self.padRight = padRight
  }

  /// A square window with the same padding on all sides.
  public init(kernel: Int, stride: Int, padding: Int) {
    self.init(
      kernelHeight: kernel, kernelWidth: kernel, strideHeight: stride, strideWidth: stride, padTop: padding,
      padLeft: padding, padBottom: padding, padRight: padding)
  }

  /// Pixels of the kernel.
  public var taps: Int { kernelHeight * kernelWidth }
  /// Whether both directions and all sides are alike.
  public var isSquare: Bool { self == ConvolutionWindow(kernel: kernelHeight, stride: strideHeight, padding: padTop) }
}

/// A convolution; the weights are `[outChannels][inChannels / groups][kernelHeight][kernelWidth]`.
public struct ConvolutionSpec: Codable, Hashable, Sendable {
  /// Channels made.
  public var outChannels: Int
  /// Side of the kernel, where there is no ``rectangle``.
  public var kernel: Int
  /// Distance between windows, in both directions, where there is no ``rectangle``.
  public var stride: Int
  /// Zeros added on each of the four sides, where there is no ``rectangle``.
  public var padding: Int
  /// Groups into which the channels are split; `1` is a dense convolution.
  public var groups: Int
  /// Whether a bias per output channel is added.
  public var bias: Bool
  /// The window where it is not square or its sides are padded differently; it then stands for `kernel`, `stride` and
  /// `padding`. Nil in square convolutions, whose files are as they were before there were others.
  public private(set) var rectangle: ConvolutionWindow?

  /// Describes a convolution with a square window.
  public init(outChannels: Int, kernel: Int, stride: Int = 1, padding: Int = 0, groups: Int = 1, bias: Bool = true) {
    self.outChannels = outChannels
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.groups = groups
    self.bias = bias
  }

  /// Describes a convolution with any window.
  public init(outChannels: Int, window: ConvolutionWindow, groups: Int = 1, bias: Bool = true) {
    self.init(
      outChannels: outChannels, kernel: window.kernelHeight, stride: window.strideHeight, padding: window.padTop,
      groups: groups, bias: bias)
    rectangle = window.isSquare ? nil : window
  }

  /// The window, square or not.
  public var window: ConvolutionWindow {
    rectangle ?? ConvolutionWindow(kernel: kernel, stride: stride, padding: padding)
  }
}

/// The trainable quadratic activation `y = (scale / sqrt(Nx)) w1 x^2 + w2 x + b`, where `Nx` is the number of
/// elements of one sample's feature map (PolyMPCNet, X2act).
public struct X2actSpec: Codable, Hashable, Sendable {
  /// The constant `c` of the square's factor.
  public var scale: Float
  /// Whether each channel has its own `w1`, `w2` and `b`, or the layer one of each.
  public var perChannel: Bool
  /// The epsilon of a batch normalisation of the operand which is part of the activation (H. Chabanne et al.,
  /// "Privacy-Preserving Classification on Deep Neural Network", 2017); nil where `x` is the operand itself.
  public var normalizationEpsilon: Float?

  /// Weight of the newest batch in the running statistics of a normalised activation.
  public static let normalizationMomentum: Float = 0.1

  /// Describes an activation.
  public init(scale: Float = 1, perChannel: Bool = false, normalizationEpsilon: Float? = nil) {
    self.scale = scale
    self.perChannel = perChannel
    self.normalizationEpsilon = normalizationEpsilon
  }

  /// The same with batch normalisation of the operand.
  public var normalized: X2actSpec {
    X2actSpec(scale: scale, perChannel: perChannel, normalizationEpsilon: 1e-5)
  }

  /// The factor of `w1 x^2` on a feature map of `elements` elements.
  public func squareFactor(elements: Int) -> Float { scale / Float(elements).squareRoot() }
}

/// What a node of a ``Graph`` computes. Tensors are float32, one sample is CHW, row-major.
public enum Operation: Codable, Hashable, Sendable {
  /// The normalised input; the first node and no other.
  case input
  /// A convolution with zero padding.
  case convolution(ConvolutionSpec)
  /// `W x + b` on a vector; `W` is `[outFeatures][inFeatures]`.
  case linear(outFeatures: Int, bias: Bool)
  /// `(x - mean) / sqrt(variance + epsilon) * gamma + beta` per channel. `momentum` is the weight of the newest
  /// batch in the running statistics.
  case batchNorm(epsilon: Float, momentum: Float)
  /// The trainable quadratic activation.
  case x2act(X2actSpec)
  /// `max(x, 0)`.
  case relu
  /// `x` where it is not negative, `x / 2^shift` elsewhere.
  case leakyRelu(shift: Int)
  /// `x` where it is not negative, `x numerator / denominator` elsewhere: other slopes than powers of two.
  case slopedRelu(numerator: Int, denominator: Int)
  /// `min(max(x, 0), upper)`; ReLU6 with 6.
  case clippedRelu(upper: Float)
  /// `min(max(x, lower), upper)`.
  case clip(lower: Float, upper: Float)
  /// `|x|`.
  case absolute
  /// 1 where `x` is not negative, -1 elsewhere: 1 at 0, where ONNX and numpy say 0.
  case sign
  /// The maximum over windows; pixels outside the picture take no part. `rectangle` stands for the rest where it is there:
  /// ``maximum(over:)`` makes them agree.
  case maxPool(kernel: Int, stride: Int, padding: Int, rectangle: PoolingWindow? = nil)
  /// The mean over windows: square ones whose padded zeros count as elements, or `windows`, which then stands for the rest
  /// (``average(over:)``).
  case averagePool(kernel: Int, stride: Int, padding: Int, windows: AveragingWindow? = nil)
  /// The mean over each channel's picture.
  case globalAveragePool
  /// CHW to a vector, in that order.
  case flatten
  /// The same elements in the same order under another shape.
  case reshape(TensorShape)
  /// A constant per element is added.
  case offset
  /// The sum of two tensors of one shape.
  case add
  /// The channels of any number of tensors, two at least, one after the other; their pictures have one size.
  case concatenate
  /// Every `stride`-th pixel, with `before` and `after` zero channels around: the parameter-free residual shortcut
  /// (option A of He et al., "Deep Residual Learning", section 4.2).
  case subsamplePad(stride: Int, before: Int, after: Int)

  /// The operation's name in messages and tables.
  public var label: String {
    switch self {
    case .input: "input"
    case .convolution: "conv"
    case .linear: "linear"
    case .batchNorm: "bn"
    case .x2act: "x2act"
    case .relu: "relu"
    case .leakyRelu, .slopedRelu: "leaky-relu"
    case .clippedRelu: "clipped-relu"
    case .clip: "clip"
    case .absolute: "abs"
    case .sign: "sign"
    case .maxPool: "maxpool"
    case .averagePool: "avgpool"
    case .globalAveragePool: "global-avgpool"
    case .flatten: "flatten"
    case .reshape: "reshape"
    case .offset: "offset"
    case .add: "add"
    case .concatenate: "concat"
    case .subsamplePad: "subsample-pad"
    }
  }

  /// How many operands it takes.
  public var operandCounts: ClosedRange<Int> {
    switch self {
    case .input: 0...0
    case .add: 2...2
    case .concatenate: 2...Graph.maximumNodes
    default: 1...1
    }
  }

  /// Whether it is an activation function.
  public var isActivation: Bool {
    switch self {
    case .x2act, .relu, .leakyRelu, .slopedRelu, .clippedRelu, .clip, .absolute, .sign: true
    default: false
    }
  }

  /// The bounds of an operation that only bounds its operand.
  var clipBounds: (lower: Float, upper: Float)? {
    switch self {
    case .clippedRelu(let upper): (0, upper)
    case .clip(let lower, let upper): (lower, upper)
    default: nil
    }
  }

  /// Whether it is computed by comparisons.
  public var isComparison: Bool {
    switch self {
    case .relu, .leakyRelu, .slopedRelu, .clippedRelu, .clip, .absolute, .sign, .maxPool: true
    default: false
    }
  }

  /// Whether a maximum may be taken before it as well as behind it.
  var isMonotone: Bool {
    switch self {
    case .relu, .leakyRelu, .slopedRelu, .clippedRelu, .clip, .sign: true
    default: false
    }
  }
}
