public import Rings

/// Windows that are averaged.
public struct AveragingWindow: Codable, Hashable, Sendable {
  /// The windows.
  public var window: PoolingWindow
  /// Whether zeros of the padding count as elements; those of an overhang never do.
  public var countsPadding: Bool

  /// Describes windows.
  public init(_ window: PoolingWindow, countsPadding: Bool) {
    self.window = window
    self.countsPadding = countsPadding
  }

  /// Elements of every row and of every column of windows.
  public func counts(on shape: TensorShape) -> (rows: [Int], columns: [Int]) {
    func counts(_ axis: PoolingAxis, _ side: Int) -> [Int] {
      (0..<axis.windows(on: side)).map { axis.counted($0, on: side, padding: countsPadding) }
    }
    return (counts(window.rows, shape.height), counts(window.columns, shape.width))
  }

  /// What sums are multiplied by so that one divisor serves all; nil where all windows have all their elements.
  func balance(on shape: TensorShape) -> PoolingBalance? {
    let (rows, columns) = counts(on: shape)
    let isWhole =
      rows.allSatisfy { $0 == window.rows.kernel } && columns.allSatisfy { $0 == window.columns.kernel }
    return isWhole ? nil : PoolingBalance(window, on: shape, countsPadding: countsPadding)
  }

  /// What sums, once multiplied, are divided by.
  func divisor(on shape: TensorShape) -> Int { balance(on: shape)?.divisor ?? window.taps }
}

extension Operation {
  /// The maximum over windows.
  public static func maximum(over window: PoolingWindow) -> Operation {
    .maxPool(
      kernel: window.rows.kernel, stride: window.rows.stride, padding: window.rows.before,
      rectangle: window.isSquare ? nil : window)
  }

  /// The mean over windows.
  public static func average(over windows: AveragingWindow) -> Operation {
    let window = windows.window
    let isPlain = window.isSquare && (windows.countsPadding || window.isUnpadded)
    return .averagePool(
      kernel: window.rows.kernel, stride: window.rows.stride, padding: window.rows.before,
      windows: isPlain ? nil : windows)
  }

  /// The windows of a pooling; nil for every other operation.
  public var pooling: PoolingWindow? {
    switch self {
    case .maxPool(let kernel, let stride, let padding, let rectangle):
      rectangle ?? PoolingWindow(kernel: kernel, stride: stride, padding: padding)
    case .averagePool: averaging?.window
    default: nil
    }
  }

  /// The windows of a mean; nil for every other operation.
  public var averaging: AveragingWindow? {
    guard case .averagePool(let kernel, let stride, let padding, let windows) = self else { return nil }
    return windows
      ?? AveragingWindow(PoolingWindow(kernel: kernel, stride: stride, padding: padding), countsPadding: true)
  }
}

extension Graph {
  /// The shape of a pooling's tensor.
  func pooled(_ index: Int, _ from: TensorShape) throws -> TensorShape {
    func invalid(_ reason: String) -> NetworksError {
      .invalidNode(index: index, name: String(nodes[index].name.prefix(64)), reason: reason)
    }
    let operation = nodes[index].operation
    guard let window = operation.pooling else { preconditionFailure("\(nodes[index].name) is no pooling") }
    guard window.fits(from) else {
      throw invalid(
        "its window of \(window.rows.reach)x\(window.columns.reach) does not fit a picture of \(Self.text(from)), "
          + "or is no larger than its padding, or out of range")
    }
    if let averaging = operation.averaging {
      let (rows, columns) = averaging.counts(on: from)
      guard rows.allSatisfy({ $0 > 0 }), columns.allSatisfy({ $0 > 0 }) else {
        throw invalid("a window has no element to be averaged")
      }
      guard operation == .average(over: averaging) else { throw invalid("its window is described in two ways") }
    } else {
      guard window.taps >= 2 else { throw invalid("its window must have two pixels") }
      guard window.meetsPicture(from) else { throw invalid("a window lies outside the picture") }
      guard operation == .maximum(over: window) else { throw invalid("its window is described in two ways") }
    }
    return window.pooled(from)
  }
}
