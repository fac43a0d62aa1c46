import Networks
import Rings

/// Constants that differ inside a channel.
extension Lowering {
  /// Elements that a layer of their own may scale each by its own factor: each is a convolution by itself.
  private static let largestDiagonal = 4096

  /// The layers of a polynomial with coefficients of each element. What is only added is the model owner's alone and costs
  /// nothing. Factors belong to a layer whose channels are the elements.
  ///
  /// - Throws: ``Refusal`` where there are too many of them.
  mutating func materializeElements(_ polynomial: Polynomial, name: String) throws -> SampleTensor {
    let base = polynomial.base
    var curve = polynomial
    curve.offset = [Double](repeating: 0, count: polynomial.offset.count)
    curve = curve.gathered
    if !curve.isPerElement {
      let made = try materialize(curve, name: name + ".curve")
      return try offset(made, polynomial.offset, name)
    }
    if let (before, inner, after) = Self.completed(polynomial) {
      let made = try materialize(
        Self.polynomial(try offset(base, before, name + ".before"), inner), name: name + ".curve")
      return try offset(made, after, name)
    }
    guard base.count <= Self.largestDiagonal else {
      throw Refusal(
        "it scales each of \(base.count) elements by a factor of its own",
        "up to \(Self.largestDiagonal) are, and any number before a matrix; use one factor per channel")
    }
    let flat = try flattened(polynomial, name: name)
    let made = try materialize(flat, name: name)
    return try reshape(made, to: base.dims, name + ".shape")
  }

  /// `a x^2 + s x + c`, where only `s` and `c` differ inside channels, as a polynomial per channel of `x` plus constants, plus
  /// constants: `a (x + d)^2 + t (x + d) + c - a d^2 - t d` with `d = (s - t) / 2 a`, `t` the channel's mean of `s`.
  private static func completed(
    _ polynomial: Polynomial
  ) -> (before: [Double], inner: Polynomial, after: [Double])? {
    let channels = polynomial.base.shape.channels
    let area = polynomial.base.count / channels
    guard let square = Polynomial.gathered(polynomial.square, channels: channels), square.allSatisfy({ $0 != 0 }) else {
      return nil
    }
    var inner = Polynomial(polynomial.base)
    inner.square = square
    inner.slope = (0..<channels).map { channel in
      polynomial.slope[channel * area..<(channel + 1) * area].reduce(0, +) / Double(area)
    }
    let before = polynomial.slope.indices.map {
      (polynomial.slope[$0] - inner.slope[$0 / area]) / (2 * square[$0 / area])
    }
    let after = before.indices.map { index in
      let (d, channel) = (before[index], index / area)
      return polynomial.offset[index] - (square[channel] * d + inner.slope[channel]) * d
    }
    return (before, inner, after)
  }

  private static func polynomial(_ base: SampleTensor, _ coefficients: Polynomial) -> Polynomial {
    var result = coefficients
    result.base = base
    return result
  }

  /// `a x^2 + s x + c`, where `a` differs inside channels, as an affine map per element of the square `(x + s / 2 a)^2`: a layer
  /// of squares has coefficients per channel.
  private mutating func factored(_ polynomial: Polynomial, name: String) throws -> Polynomial {
    let base = polynomial.base
    guard polynomial.square.allSatisfy({ $0 != 0 }) else {
      throw Refusal("it squares some elements of a channel and not others", "square whole channels")
    }
    let before = polynomial.slope.indices.map { polynomial.slope[$0] / (2 * polynomial.square[$0]) }
    var shifted = Polynomial(base)
    shifted.add(before)
    let inner = Polynomial(try materialize(shifted, name: name + ".before"))
    var result = Polynomial(try materialize(inner.times(inner)!, name: name + ".square")).spread
    result.slope = polynomial.square
    result.offset = before.indices.map { polynomial.offset[$0] - polynomial.square[$0] * before[$0] * before[$0] }
    return result
  }

  /// The same polynomial of the elements as a vector, whose channels they are.
  mutating func flattened(_ given: Polynomial, name: String) throws -> Polynomial {
    var polynomial = given.gathered
    if polynomial.isSquare, polynomial.isPerElement {
      if Self.completed(polynomial) == nil {
        polynomial = try factored(polynomial, name: name)
      } else {
        polynomial = Polynomial(try materialize(polynomial, name: name))
      }
    }
    var result = polynomial.spread
    let count = polynomial.base.count
    result.base = try reshape(polynomial.base, to: [count], name + ".vector")
    return result
  }

  private mutating func offset(_ base: SampleTensor, _ values: [Double], _ name: String) throws -> SampleTensor {
    let result = try append(.offset, name, [base.node], base.dims)
    parameters[result.node, .bias] = values.map { Float($0) }
    return result
  }
}
