/// Shape of one sample, in CHW order; a vector of n values is (n, 1, 1).
public struct TensorShape: Codable, Hashable, Sendable {
  /// Number of channels.
  public var channels: Int
  /// Number of rows.
  public var height: Int
  /// Number of columns.
  public var width: Int

  /// A shape of the given dimensions.
  public init(channels: Int, height: Int, width: Int) {
    self.channels = channels
    self.height = height
    self.width = width
  }

  /// A vector of `count` values.
  public init(vector count: Int) { self.init(channels: count, height: 1, width: 1) }

  /// Number of words of one sample.
  public var count: Int { channels * height * width }
}

/// Shape of a linear layer: a two-dimensional convolution (cross-correlation, as in machine learning) with zero
/// padding. A fully connected layer is a 1x1 kernel on a 1x1 image.
///
/// The type carries whatever it is given; ``validate()`` says whether the kernels accept it. Derived properties are
/// meaningful only on a valid geometry.
public struct LinearGeometry: Codable, Hashable, Sendable {
  /// Input and output channels.
  public var inChannels, outChannels: Int
  /// Input rows and columns.
  public var inHeight, inWidth: Int
  /// Kernel rows and columns.
  public var kernelHeight, kernelWidth: Int
  /// Distance between neighbouring outputs, in input rows and columns.
  public var strideHeight, strideWidth: Int
  /// Rows and columns of zeros on each side.
  public var padTop, padLeft, padBottom, padRight: Int
  /// Channel groups; output channels of a group see only the input channels of that group.
  public var groups: Int

  /// A convolution with every dimension given.
  public init(
    inChannels: Int, outChannels: Int, inHeight: Int, inWidth: Int, kernelHeight: Int, kernelWidth: Int,
    strideHeight: Int = 1, strideWidth: Int = 1, padTop: Int = 0, padLeft: Int = 0, padBottom: Int = 0,
    padRight: Int = 0, groups: Int = 1
  ) {
    self.inChannels = inChannels
    self.outChannels = outChannels
    self.inHeight = inHeight
    self.inWidth = inWidth
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    self.strideHeight = strideHeight
    self.strideWidth = strideWidth
    self.padTop = padTop
    self.padLeft = padLeft
    self.padBottom = padBottom
    self.padRight = padRight
    self.groups = groups
  }

  /// A convolution with a square kernel, one stride and the same padding on all sides.
  public init(
    inChannels: Int, outChannels: Int, inHeight: Int, inWidth: Int, kernel: Int, stride: Int = 1, padding: Int = 0,
    groups: Int = 1
  ) {
    self.init(
      inChannels: inChannels, outChannels: outChannels, inHeight: inHeight, inWidth: inWidth, kernelHeight: kernel,
      kernelWidth: kernel, strideHeight: stride, strideWidth: stride, padTop: padding, padLeft: padding,
      padBottom: padding, padRight: padding, groups: groups)
  }

  /// A fully connected layer.
  public init(inFeatures: Int, outFeatures: Int) {
    self.init(
      inChannels: inFeatures, outChannels: outFeatures, inHeight: 1, inWidth: 1, kernelHeight: 1, kernelWidth: 1)
  }

  /// Rows of the output.
  public var outHeight: Int { (inHeight + padTop + padBottom - kernelHeight) / strideHeight + 1 }
  /// Columns of the output.
  public var outWidth: Int { (inWidth + padLeft + padRight - kernelWidth) / strideWidth + 1 }
  /// Shape of one input sample.
  public var inputShape: TensorShape { TensorShape(channels: inChannels, height: inHeight, width: inWidth) }
  /// Shape of one output sample.
  public var outputShape: TensorShape { TensorShape(channels: outChannels, height: outHeight, width: outWidth) }
  /// Weights that meet in one output word.
  public var tapsPerOutput: Int { kernelHeight * kernelWidth * (inChannels / groups) }
  /// Weights of the layer, in OIHW order (I counts the channels of a group).
  public var weightCount: Int { outChannels * tapsPerOutput }
  /// Multiplications of one sample, those with padding included.
  public var multiplyAccumulates: Int { tapsPerOutput * outputShape.count }

  /// True for a 1x1 kernel on a 1x1 image without padding.
  public var isFullyConnected: Bool {
    inHeight == 1 && inWidth == 1 && kernelHeight == 1 && kernelWidth == 1 && outHeight == 1 && outWidth == 1
      && padTop == 0 && padLeft == 0
  }

  /// Largest value of a single dimension.
  public static let maximumDimension = 65536
  /// Largest number of weights, of input words and of output words of a layer.
  public static let maximumElements = 1 << 28

  /// Largest number of words that one row of the unrolled input may take, each inference: 128 MiB.
  public static let maximumScratch = 1 << 24

  /// Checks a geometry that may come from a peer or a file.
  ///
  /// Accepts dimensions of 1 ... 65536 (padding 0 ... 65536), groups that divide both channel counts, outputs that are
  /// not empty, at most 2^28 weights, input words and output words, and at most 2^24 words of scratch for one output
  /// row. What it accepts overflows no index of the kernels.
  /// - Throws: ``RingsError`` naming the first violation.
  public func validate() throws {
    let dimensions: [(String, Int)] = [
      ("inChannels", inChannels), ("outChannels", outChannels), ("inHeight", inHeight), ("inWidth", inWidth),
      ("kernelHeight", kernelHeight), ("kernelWidth", kernelWidth), ("strideHeight", strideHeight),
      ("strideWidth", strideWidth), ("groups", groups),
    ]
    for (name, value) in dimensions { try Self.check(name, value, minimum: 1) }
    for (name, value) in [
      ("padTop", padTop), ("padLeft", padLeft), ("padBottom", padBottom), ("padRight", padRight),
    ] { try Self.check(name, value, minimum: 0) }
    for channels in [inChannels, outChannels] where channels % groups != 0 {
      throw RingsError.groupsDoNotDivide(groups: groups, channels: channels)
    }
    let paddedHeight = inHeight + padTop + padBottom
    let paddedWidth = inWidth + padLeft + padRight
    if kernelHeight > paddedHeight {
      throw RingsError.emptyOutput(name: "height", paddedInput: paddedHeight, kernel: kernelHeight)
    }
    if kernelWidth > paddedWidth {
      throw RingsError.emptyOutput(name: "width", paddedInput: paddedWidth, kernel: kernelWidth)
    }
    let taps = [inChannels / groups, kernelHeight, kernelWidth]
    try Self.check(product: taps + [outChannels], "weights")
    try Self.check(product: [inChannels, inHeight, inWidth], "input elements")
    try Self.check(product: [outChannels, outHeight, outWidth], "output elements")
    try Self.check(product: taps + [outWidth], "words of scratch in an output row", limit: Self.maximumScratch)
  }

  private static func check(_ name: String, _ value: Int, minimum: Int) throws {
    if value < minimum || value > maximumDimension {
      throw RingsError.dimensionOutOfRange(name: name, value: value, minimum: minimum, maximum: maximumDimension)
    }
  }

  private static func check(product factors: [Int], _ name: String, limit: Int = maximumElements) throws {
    var product = 1
    for factor in factors {
      let (next, overflow) = product.multipliedReportingOverflow(by: factor)
      if overflow || next > limit { throw RingsError.tooLarge(name: name, limit: limit) }
      product = next
    }
  }
}
