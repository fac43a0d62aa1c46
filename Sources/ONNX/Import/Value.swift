import Networks
import Rings

/// A tensor of the network under construction, under the shape that the file gives one sample of it.
struct SampleTensor: Equatable {
  /// The node that makes it.
  var node: Int
  /// Its dimensions, without the batch axis.
  var dims: [Int]

  var count: Int { dims.reduce(1, *) }

  /// The CHW shape of a sample: the first dimension counts channels, a sequence is a picture of one row.
  static func shape(_ dims: [Int]) -> TensorShape {
    switch dims.count {
    case 0: TensorShape(vector: 1)
    case 1: TensorShape(vector: dims[0])
    case 2: TensorShape(channels: dims[0], height: 1, width: dims[1])
    default: TensorShape(channels: dims[0], height: dims[1], width: dims[2...].reduce(1, *))
    }
  }

  var shape: TensorShape { Self.shape(dims) }
}

/// `square x^2 + slope x + offset`, per channel of `base` or per element of it: what elementwise operators with constants make.
/// Kept until something reads it, so that several of them become one layer.
struct Polynomial {
  var base: SampleTensor
  var square: [Double]
  var slope: [Double]
  var offset: [Double]

  init(_ base: SampleTensor) {
    let channels = base.shape.channels
    self.base = base
    square = [Double](repeating: 0, count: channels)
    slope = [Double](repeating: 1, count: channels)
    offset = square
  }

  var isSquare: Bool { square.contains { $0 != 0 } }
  var isIdentity: Bool { !isSquare && slope.allSatisfy { $0 == 1 } && offset.allSatisfy { $0 == 0 } }
  /// Whether there are coefficients of each element, and not of each channel.
  var isPerElement: Bool { slope.count != base.shape.channels }

  mutating func scale(by factors: [Double]) {
    let factors = aligned(factors)
    for index in slope.indices {
      square[index] *= factors[index]
      slope[index] *= factors[index]
      offset[index] *= factors[index]
    }
  }

  mutating func scale(by factor: Double) { scale(by: [Double](repeating: factor, count: slope.count)) }

  mutating func add(_ values: [Double]) {
    let values = aligned(values)
    for index in offset.indices { offset[index] += values[index] }
  }

  mutating func add(_ other: Polynomial) {
    let other = aligned(other)
    for index in slope.indices {
      square[index] += other.square[index]
      slope[index] += other.slope[index]
      offset[index] += other.offset[index]
    }
  }

  /// The product of two polynomials of degree one on one base; nil where its degree would be higher than two.
  func times(_ other: Polynomial) -> Polynomial? {
    guard !isSquare, !other.isSquare else { return nil }
    var result = self
    let other = result.aligned(other)
    for index in result.slope.indices {
      let (a, b, c, d) = (result.slope[index], result.offset[index], other.slope[index], other.offset[index])
      result.square[index] = a * c
      result.slope[index] = a * d + b * c
      result.offset[index] = b * d
    }
    return result
  }

  // MARK: Channels and elements

  /// The same with coefficients of each element.
  var spread: Polynomial {
    var result = self
    (result.square, result.slope, result.offset) = (spread(square), spread(slope), spread(offset))
    return result
  }

  private func spread(_ values: [Double]) -> [Double] {
    guard values.count != base.count else { return values }
    let area = base.count / values.count
    return values.flatMap { [Double](repeating: $0, count: area) }
  }

  /// Values per channel or element as this polynomial has them, which may become one per element for them.
  private mutating func aligned(_ values: [Double]) -> [Double] {
    guard values.count != slope.count else { return values }
    self = spread
    return spread(values)
  }

  private mutating func aligned(_ other: Polynomial) -> Polynomial {
    guard other.slope.count != slope.count else { return other }
    self = spread
    return other.spread
  }

  /// One value a channel where the elements of each have equal ones; nil elsewhere.
  static func gathered(_ values: [Double], channels: Int) -> [Double]? {
    let area = values.count / channels
    for index in values.indices where values[index] != values[index / area * area] { return nil }
    return (0..<channels).map { values[$0 * area] }
  }

  /// The same with coefficients of each channel, where there are such.
  var gathered: Polynomial {
    let channels = base.shape.channels
    guard isPerElement, let square = Self.gathered(square, channels: channels),
      let slope = Self.gathered(slope, channels: channels), let offset = Self.gathered(offset, channels: channels)
    else { return self }
    var result = self
    (result.square, result.slope, result.offset) = (square, slope, offset)
    return result
  }
}

/// Zeros around a picture that no layer has taken up yet.
struct Border: Equatable {
  var top = 0
  var left = 0
  var bottom = 0
  var right = 0

  var isEmpty: Bool { self == Border() }
}

/// What a name of the file stands for.
enum Value {
  /// Known while importing.
  case constant(DenseTensor)
  /// Computed from the input.
  case tensor(SampleTensor)
  /// A polynomial of a tensor, not yet a layer.
  case polynomial(Polynomial)
  /// A picture with a border of zeros, not yet a layer.
  case bordered(SampleTensor, Border)
  /// A part of a tensor, not yet a layer.
  case selected(SampleTensor, Selection)
  /// A tensor's elements in another order, not yet a layer.
  case moved(Movement)
  /// A comparison with constants, which only `Where` reads.
  case condition(Condition)
  /// The network's output but for what its reader does.
  case finished(OutputFinish, SampleTensor)
  /// Refused, or made of what was refused.
  case refused
}
