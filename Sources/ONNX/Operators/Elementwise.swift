import Networks

extension Lowering {
  // MARK: Polynomials

  /// The two operands of a binary operator: polynomials, and constants per channel or element of the other operand.
  private enum Pair {
    case both(Polynomial, Polynomial)
    case right(Polynomial, [Double])
    case left([Double], Polynomial)
  }

  private mutating func pair(_ node: OperatorNode) throws -> Pair {
    guard node.inputs.count == 2 else { throw Refusal("it has \(node.inputs.count) operands") }
    if case .constant(let constant) = try value(node, 0) {
      let other = try polynomial(node, 1)
      return .left(try coefficients(broadcast(node, constant, other.base), other.base), other)
    }
    if case .constant(let constant) = try value(node, 1) {
      let other = try polynomial(node, 0)
      return .right(other, try coefficients(broadcast(node, constant, other.base), other.base))
    }
    return .both(try polynomial(node, 0), try polynomial(node, 1))
  }

  /// Before operator set 7 a constant's axes begin where `axis` says.
  private func broadcast(_ node: OperatorNode, _ constant: DenseTensor, _ other: SampleTensor) throws -> DenseTensor {
    guard node.opset < 7, node.has(attribute: "axis"), constant.count > 1 else { return constant }
    let rank = other.dims.count + (hasBatchAxis ? 1 : 0)
    let first = try Self.axis(try node.int("axis", 0), rank: rank)
    guard first + constant.dims.count <= rank else { throw Refusal("its axis is out of range") }
    return constant.reshaped(constant.dims + [Int](repeating: 1, count: rank - first - constant.dims.count))
  }

  /// The sum of two polynomials: on one base a polynomial, otherwise a layer.
  private mutating func sum(_ left: Polynomial, _ right: Polynomial, _ node: OperatorNode) throws -> Value {
    guard left.base.dims == right.base.dims else {
      throw Refusal(
        "its operands have different shapes, \(left.base.dims) and \(right.base.dims) a sample",
        "add tensors of one shape")
    }
    if left.base == right.base {
      var result = left
      result.add(right)
      return .polynomial(result)
    }
    let operands = [
      try materialize(left, name: node.name + ".left"), try materialize(right, name: node.name + ".right"),
    ]
    return .tensor(try append(.add, node.name, operands.map(\.node), left.base.dims))
  }

  mutating func sum(_ node: OperatorNode) throws -> Value {
    if node.type == "Sum" || node.type == "Mean" { return try sumOfMany(node) }
    let sign: Double = node.type == "Sub" ? -1 : 1
    switch try pair(node) {
    case .both(let left, var right):
      right.scale(by: [Double](repeating: sign, count: right.slope.count))
      return try sum(left, right, node)
    case .right(var left, let constant):
      left.add(constant.map { sign * $0 })
      return .polynomial(left)
    case .left(let constant, var right):
      right.scale(by: [Double](repeating: sign, count: right.slope.count))
      right.add(constant)
      return .polynomial(right)
    }
  }

  private mutating func sumOfMany(_ node: OperatorNode) throws -> Value {
    var total: Value?
    for index in node.inputs.indices {
      let next = try polynomial(node, index)
      switch total {
      case nil: total = .polynomial(next)
      case .polynomial(let sum): total = try self.sum(sum, next, node)
      case .tensor(let sum): total = try self.sum(Polynomial(sum), next, node)
      default: preconditionFailure("a sum is a polynomial or a layer")
      }
    }
    guard let total else { throw Refusal("it has no operands") }
    guard node.type == "Mean" else { return total }
    var mean: Polynomial
    if case .polynomial(let sum) = total {
      mean = sum
    } else {
      guard case .tensor(let sum) = total else { preconditionFailure("a sum is a polynomial or a layer") }
      mean = Polynomial(sum)
    }
    mean.scale(by: [Double](repeating: 1 / Double(node.inputs.count), count: mean.slope.count))
    return .polynomial(mean)
  }

  mutating func product(_ node: OperatorNode) throws -> Value {
    switch try pair(node) {
    case .left(let factors, var polynomial), .right(var polynomial, let factors):
      polynomial.scale(by: factors)
      return .polynomial(polynomial)
    case .both(let left, let right):
      guard left.base == right.base, let product = left.times(right) else {
        throw Refusal(
          "it multiplies two hidden tensors, or makes a polynomial of degree three",
          "only products with constants and polynomials up to degree two of one tensor are computed")
      }
      return .polynomial(product)
    }
  }

  mutating func quotient(_ node: OperatorNode) throws -> Value {
    guard case .right(var polynomial, let divisors) = try pair(node) else {
      throw Refusal("it divides by a hidden tensor", "divide by constants")
    }
    guard divisors.allSatisfy({ $0 != 0 }) else { throw Refusal("it divides by zero") }
    polynomial.scale(by: divisors.map { 1 / $0 })
    return .polynomial(polynomial)
  }

  mutating func scaled(_ node: OperatorNode, _ factor: Double) throws -> Value {
    var result = try polynomial(node, 0)
    result.scale(by: [Double](repeating: factor, count: result.slope.count))
    return .polynomial(result)
  }

  mutating func power(_ node: OperatorNode) throws -> Value {
    let base = try polynomial(node, 0)
    let exponents = try coefficients(try constant(node, 1, "exponent"), base.base)
    if exponents.allSatisfy({ $0 == 1 }) { return .polynomial(base) }
    guard exponents.allSatisfy({ $0 == 2 }), let square = base.times(base) else {
      throw Refusal("its exponent is not 2", "only squares of polynomials of degree one are computed")
    }
    return .polynomial(square)
  }

  // MARK: Activations

  mutating func activation(_ node: OperatorNode) throws -> Value {
    switch node.type {
    case "Abs": return .tensor(try pointwise(.absolute, node, try tensor(node)))
    case "Relu": return .tensor(try pointwise(.relu, node, try tensor(node)))
    case "LeakyRelu": return .tensor(try leaky(node, slope: Double(try node.float("alpha", 0.01))))
    case "PRelu":
      let source = try tensor(node)
      let slopes = try perChannel(try constant(node, 1, "slope"), source)
      guard Self.isUniform(slopes) else {
        throw Refusal("its slopes differ between channels", "share one slope of 2^-1 to 2^-20")
      }
      return .tensor(try leaky(node, slope: slopes[0]))
    case "HardSigmoid":
      var scaled = try polynomial(node, 0)
      let channels = scaled.slope.count
      scaled.scale(by: [Double](repeating: Double(try node.float("alpha", 0.2)), count: channels))
      scaled.add([Double](repeating: Double(try node.float("beta", 0.5)), count: channels))
      return try clipped(node, scaled, 0, 1)
    default: return try clip(node)
    }
  }

  private mutating func pointwise(
    _ operation: Operation, _ node: OperatorNode, _ source: SampleTensor, suffix: String = ""
  ) throws -> SampleTensor {
    try append(operation, node.name + suffix, [source.node], source.dims)
  }

  private mutating func leaky(_ node: OperatorNode, slope: Double) throws -> SampleTensor {
    let source = try tensor(node)
    if slope == 0 { return try pointwise(.relu, node, source) }
    for shift in 1...20 where slope == 1 / Double(1 << shift) {
      return try pointwise(.leakyRelu(shift: shift), node, source)
    }
    if let (numerator, denominator) = Self.fraction(slope) {
      return try pointwise(.slopedRelu(numerator: numerator, denominator: denominator), node, source)
    }
    throw Refusal(
      "its slope is neither a power of two of 2^-1 to 2^-20 nor a fraction below one with a denominator of at most 4096",
      "train with a fixed slope such as 0.01 or 1/64")
  }

  /// The smallest fraction below one that rounds to a float32; nil where its denominator is larger than 4096.
  private static func fraction(_ value: Double) -> (numerator: Int, denominator: Int)? {
    guard value > 0, value < 1 else { return nil }
    for denominator in 2...4096 {
      let numerator = Int((value * Double(denominator)).rounded())
      if (1..<denominator).contains(numerator), Float(numerator) / Float(denominator) == Float(value) {
        return (numerator, denominator)
      }
    }
    return nil
  }

  private mutating func clip(_ node: OperatorNode) throws -> Value {
    func bound(_ key: String, _ index: Int, _ standard: Double) throws -> Double {
      if node.opset < 11 { return node.has(attribute: key) ? Double(try node.float(key, 0)) : standard }
      guard node.has(index) else { return standard }
      let constant = try self.constant(node, index, "bound")
      guard constant.count == 1 else { throw Refusal("its bound is no scalar") }
      let value = Double(constant.floats[0])
      // Writers say "unbounded" by the largest number.
      return abs(value) >= Double(Float.greatestFiniteMagnitude) ? standard : value
    }
    let (lower, upper) = (try bound("min", 1, -.infinity), try bound("max", 2, .infinity))
    return try clipped(node, try polynomial(node, 0), lower, upper)
  }

  /// `min(max(x, lower), upper)`; a bound that is missing leaves one comparison.
  private mutating func clipped(
    _ node: OperatorNode, _ source: Polynomial, _ lower: Double, _ upper: Double
  ) throws -> Value {
    guard !lower.isNaN, !upper.isNaN, lower < upper else { throw Refusal("its bounds are not in order") }
    let channels = source.slope.count
    if lower.isInfinite && upper.isInfinite { return .polynomial(source) }
    if lower.isInfinite {
      return try smaller(node, source, [Double](repeating: upper, count: channels))
    }
    if upper.isInfinite { return try larger(node, source, [Double](repeating: lower, count: channels)) }
    let operand = try materialize(source, name: node.name + ".operand")
    let bounds = (lower: Float(lower), upper: Float(upper))
    guard lower <= 0, upper > 0, upper - lower < 65536 else {
      throw Refusal("its bounds do not enclose zero, or are more than 65536 apart", "bound values around zero")
    }
    return .tensor(
      try pointwise(
        lower == 0 ? .clippedRelu(upper: bounds.upper) : .clip(lower: bounds.lower, upper: bounds.upper), node, operand)
    )
  }

  /// `max(x, c) = relu(x - c) + c`.
  private mutating func larger(_ node: OperatorNode, _ source: Polynomial, _ bound: [Double]) throws -> Value {
    var shifted = source
    shifted.add(bound.map { -$0 })
    let operand = try materialize(shifted, name: node.name + ".shift")
    var result = Polynomial(try pointwise(.relu, node, operand))
    result.add(bound)
    return .polynomial(result)
  }

  /// `min(x, c) = c - relu(c - x)`.
  private mutating func smaller(_ node: OperatorNode, _ source: Polynomial, _ bound: [Double]) throws -> Value {
    var turned = source
    let minus = [Double](repeating: -1, count: bound.count)
    turned.scale(by: minus)
    turned.add(bound)
    let operand = try materialize(turned, name: node.name + ".shift")
    var result = Polynomial(try pointwise(.relu, node, operand))
    result.scale(by: minus)
    result.add(bound)
    return .polynomial(result)
  }

  mutating func extremum(_ node: OperatorNode) throws -> Value {
    if node.inputs.count == 1 { return .polynomial(try polynomial(node, 0)) }
    let isMaximum = node.type == "Max"
    switch try pair(node) {
    case .left(let bound, let source), .right(let source, let bound):
      return try isMaximum ? larger(node, source, bound) : smaller(node, source, bound)
    case .both(let left, let right):
      // max(a, b) = b + relu(a - b); min(a, b) = b - relu(b - a).
      guard left.base.dims == right.base.dims else { throw Refusal("its operands have different shapes") }
      var first = left
      var second = right
      let minus = [Double](repeating: -1, count: left.slope.count)
      if isMaximum { second.scale(by: minus) } else { first.scale(by: minus) }
      var difference: Polynomial
      switch try sum(first, second, node) {
      case .polynomial(let polynomial): difference = polynomial
      case .tensor(let tensor): difference = Polynomial(tensor)
      default: preconditionFailure("a sum is a polynomial or a layer")
      }
      let operand = try materialize(difference, name: node.name + ".difference")
      difference = Polynomial(try pointwise(.relu, node, operand, suffix: ".relu"))
      if !isMaximum { difference.scale(by: minus) }
      return try sum(difference, right, node)
    }
  }
}
