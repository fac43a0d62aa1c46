/// Windows along one side of a picture.
public struct PoolingAxis: Codable, Hashable, Sendable {
  /// Pixels of a window.
  public var kernel: Int
  /// Distance between windows.
  public var stride: Int
  /// Distance between neighbouring pixels of a window.
  public var dilation: Int
  /// Pixels of padding before the picture.
  public var before: Int
  /// Pixels of padding behind the picture.
  public var behind: Int
  /// Pixels behind the padding that the last window covers, where the number of windows is rounded up; less than `stride`.
  public var overhang: Int

  /// Largest kernel, stride, dilation, padding and reach.
  public static let limit = 4096

  /// Describes windows; nothing is checked.
  public init(
    kernel: Int, stride: Int = 1, dilation: Int = 1, before: Int = 0, behind: Int = 0, overhang: Int = 0
  ) {
    self.kernel = kernel
    self.stride = stride
    self.dilation = dilation
    self.before = before
    self.behind = behind
    self.overhang = overhang
  }

  /// Pixels from a window's first to its last, both counted.
  public var reach: Int { (kernel - 1) * dilation + 1 }

  /// Pixels of one window that lie in the picture: every `step`-th from `first` on.
  public struct Span: Hashable, Sendable {
    /// Place of the first one.
    public var first: Int
    /// How many there are.
    public var count: Int
    /// Distance between them.
    public var step: Int
    /// Their places, ascending.
    public var places: StrideTo<Int> { Swift.stride(from: first, to: first + count * step, by: step) }
  }

  /// Whether all sizes are in range, a window fits, and the padding does not hold a whole one. Nothing else may be asked
  /// otherwise.
  public func fits(_ side: Int) -> Bool {
    let sizes = 1...Self.limit
    guard sizes.contains(kernel), sizes.contains(stride), sizes.contains(dilation), sizes.contains(reach) else {
      return false
    }
    let padding = 0..<reach
    return padding.contains(before) && padding.contains(behind) && (0..<stride).contains(overhang) && side >= 1
      && reach <= side + before + behind + overhang
  }

  /// Windows on a side of so many pixels.
  public func windows(on side: Int) -> Int { (side + before + behind + overhang - reach) / stride + 1 }

  /// The pixels of a window in the picture.
  public func span(of window: Int, on side: Int) -> Span { span(window, 0, side) }

  /// The spans of all windows, in order.
  public func spans(on side: Int) -> [Span] { (0..<windows(on: side)).map { span(of: $0, on: side) } }

  /// How many pixels of a window count: those in the picture, and those in the padding if it counts.
  public func counted(_ window: Int, on side: Int, padding: Bool) -> Int {
    padding ? span(window, -before, side + behind).count : span(window, 0, side).count
  }

  /// Whether every window holds a pixel of the picture.
  public func meetsPicture(_ side: Int) -> Bool {
    (0..<windows(on: side)).allSatisfy { span(of: $0, on: side).count > 0 }
  }

  private func span(_ window: Int, _ lower: Int, _ upper: Int) -> Span {
    let start = window * stride - before
    func taps(below place: Int) -> Int { place <= start ? 0 : min((place - start + dilation - 1) / dilation, kernel) }
    let first = taps(below: lower)
    return Span(first: start + first * dilation, count: taps(below: upper) - first, step: dilation)
  }
}

/// The windows of a pooling, which are products of rows and columns.
public struct PoolingWindow: Codable, Hashable, Sendable {
  /// Windows along the rows' direction of counting, from top to bottom.
  public var rows: PoolingAxis
  /// Windows from left to right.
  public var columns: PoolingAxis

  /// Describes windows; nothing is checked.
  public init(rows: PoolingAxis, columns: PoolingAxis) {
    self.rows = rows
    self.columns = columns
  }

  /// Square windows with the same padding on all sides.
  public init(kernel: Int, stride: Int, padding: Int) {
    let axis = PoolingAxis(kernel: kernel, stride: stride, before: padding, behind: padding)
    self.init(rows: axis, columns: axis)
  }

  /// Pixels of a window that lies inside.
  public var taps: Int { rows.kernel * columns.kernel }
  /// Whether both directions and all sides are alike, without gaps and overhang.
  public var isSquare: Bool {
    self == PoolingWindow(kernel: rows.kernel, stride: rows.stride, padding: rows.before)
  }
  /// Whether there is no padding on any side.
  public var isUnpadded: Bool { rows.before + rows.behind + columns.before + columns.behind == 0 }

  /// Whether sizes are in range and windows fit a picture.
  public func fits(_ shape: TensorShape) -> Bool { rows.fits(shape.height) && columns.fits(shape.width) }

  /// Whether every window holds a pixel of the picture.
  public func meetsPicture(_ shape: TensorShape) -> Bool {
    rows.meetsPicture(shape.height) && columns.meetsPicture(shape.width)
  }

  /// The shape of a pooled sample.
  public func pooled(_ shape: TensorShape) -> TensorShape {
    TensorShape(
      channels: shape.channels, height: rows.windows(on: shape.height), width: columns.windows(on: shape.width))
  }
}

/// Public factors that bring sums over windows with different numbers of counted pixels to one divisor.
///
/// The sum over `r` counted rows and `c` counted columns is multiplied by `round(rows / r) round(columns / c)`; divided by
/// ``divisor`` it is the mean: exactly where `r` and `c` divide, and otherwise up to ``distortion(_:_:)``.
public struct PoolingBalance: Codable, Hashable, Sendable {
  /// Whether pixels of the padding count.
  public var countsPadding: Bool
  /// What a window's counted rows times their factor come to.
  public var rows: Int
  /// The same of columns.
  public var columns: Int

  /// Bits of the smallest factor of a side whose counts have no common multiple that is small enough.
  public static let factorBits = 11
  /// Largest value of `rows` and `columns`.
  public static let limit = PoolingAxis.limit << factorBits

  /// Takes the values as they are; nothing is checked.
  public init(countsPadding: Bool, rows: Int, columns: Int) {
    self.countsPadding = countsPadding
    self.rows = rows
    self.columns = columns
  }

  /// The smallest values that are exact, or, where these take more than ``factorBits``, such that no factor is off by more
  /// than a part in `2^(factorBits + 1)`. Every window has a counted pixel.
  public init(_ window: PoolingWindow, on shape: TensorShape, countsPadding: Bool) {
    self.init(
      countsPadding: countsPadding, rows: Self.common(window.rows, shape.height, countsPadding),
      columns: Self.common(window.columns, shape.width, countsPadding))
  }

  private static func common(_ axis: PoolingAxis, _ side: Int, _ countsPadding: Bool) -> Int {
    let counts = Set((0..<axis.windows(on: side)).map { axis.counted($0, on: side, padding: countsPadding) })
    let most = (counts.max() ?? 1) << factorBits
    var multiple = 1
    for count in counts {
      var (a, b) = (multiple, count)
      while b > 0 { (a, b) = (b, a % b) }
      multiple = multiple / a * count
      if multiple > most { return most }
    }
    return multiple
  }

  /// What sums are divided by, once multiplied.
  public var divisor: Int { rows * columns }

  /// The factors of each row and of each column of windows.
  public func factors(_ window: PoolingWindow, on shape: TensorShape) -> (rows: [UInt64], columns: [UInt64]) {
    (factors(window.rows, shape.height, rows), factors(window.columns, shape.width, columns))
  }

  private func factors(_ axis: PoolingAxis, _ side: Int, _ common: Int) -> [UInt64] {
    (0..<axis.windows(on: side)).map {
      let count = axis.counted($0, on: side, padding: countsPadding)
      return UInt64((common + count / 2) / max(count, 1))
    }
  }

  /// By which part of itself a mean can be off.
  public func distortion(_ window: PoolingWindow, on shape: TensorShape) -> Double {
    func largest(_ axis: PoolingAxis, _ side: Int, _ common: Int) -> Double {
      zip(factors(axis, side, common), 0...).reduce(0) {
        let count = axis.counted($1.1, on: side, padding: countsPadding)
        return max($0, abs(Double($1.0) * Double(count) / Double(common) - 1))
      }
    }
    let (a, b) = (largest(window.rows, shape.height, rows), largest(window.columns, shape.width, columns))
    return a + b + a * b
  }

  /// Whether the values are in range and every window of a picture that they fit has a counted pixel.
  public func isValid(_ window: PoolingWindow, on shape: TensorShape) -> Bool {
    func counts(_ axis: PoolingAxis, _ side: Int) -> Bool {
      (0..<axis.windows(on: side)).allSatisfy { axis.counted($0, on: side, padding: countsPadding) > 0 }
    }
    let range = 1...Self.limit
    return range.contains(rows) && range.contains(columns) && counts(window.rows, shape.height)
      && counts(window.columns, shape.width)
  }
}
