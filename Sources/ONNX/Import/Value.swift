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

/// `square x^2 + slope x + offset`, per channel of `base`: what elementwise operators with constants make. Kept until
/// something reads it, so that several of them become one layer.
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

  mutating func scale(by factors: [Double]) {
    for channel in slope.indices {
      square[channel] *= factors[channel]
      slope[channel] *= factors[channel]
      offset[channel] *= factors[channel]
    }
  }

  mutating func add(_ values: [Double]) { for channel in offset.indices { offset[channel] += values[channel] } }

  mutating func add(_ other: Polynomial) {
    for channel in slope.indices {
      square[channel] += other.square[channel]
      slope[channel] += other.slope[channel]
      offset[channel] += other.offset[channel]
    }
  }

  /// The product of two polynomials of degree one on one base; nil where its degree would be higher than two.
  func times(_ other: Polynomial) -> Polynomial? {
    guard !isSquare, !other.isSquare else { return nil }
    var result = self
    for channel in slope.indices {
      let (a, b, c, d) = (slope[channel], offset[channel], other.slope[channel], other.offset[channel])
      result.square[channel] = a * c
      result.slope[channel] = a * d + b * c
      result.offset[channel] = b * d
    }
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
  /// A comparison with constants, which only `Where` reads.
  case condition(Condition)
  /// The network's output but for what its reader does.
  case finished(OutputFinish, SampleTensor)
  /// Refused, or made of what was refused.
  case refused
}
