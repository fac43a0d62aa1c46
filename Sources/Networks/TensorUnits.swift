import Rings

/// The power of two in which each tensor of a network counts, where its values are far from the size of one.
///
/// Fraction bits say how fine a value near one is kept. A tensor of values near `2^40` needs them as little as one of values
/// near `2^-10` could do with them: what is kept of it are multiples of `2^(e - activationBits)` instead of `2^-activationBits`.
/// Nothing has to be computed for that: weights absorb the quotient of two tensors' units as they absorb scales, and what lies
/// between them (maxima, means, ReLU and its kin) lets positive factors pass. The data owner multiplies the output by its unit,
/// which is public as its fraction bits are.
struct TensorUnits {
  /// Values up to `2^8` and from `2^-3` on are of the size that fraction bits are meant for, and count in ones.
  private static let ordinary = 0x1p-3..<0x1p8
  /// The largest value of any other tensor becomes one of `1 ..< 2`, or this many bits more.
  private static let headroom = 2

  /// e, by node.
  let exponents: [Int]

  init(_ graph: Graph, _ calibration: Calibration) {
    exponents = graph.nodes.map { node in
      // The input's fraction bits are settled.
      if node.operation == .input { return 0 }
      // What is kept of a sign, or of values that are bounded, has to tell the operand's values apart.
      let seen = node.operation == .sign ? node.inputs[0] : node.id
      return Self.exponent(Double(calibration.nodes[seen].largest))
    }
  }

  private static func exponent(_ largest: Double) -> Int {
    if largest == 0 || ordinary.contains(largest) { return 0 }
    return Int(Scalar.log2(largest).rounded(.down)) - (largest < 1 ? 0 : headroom)
  }

  subscript(_ node: Int) -> Int { exponents[node] }
}
