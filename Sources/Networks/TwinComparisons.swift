import Programs
import Rings

extension TwinKernels {
  /// x / 2^bits, rounded to the nearest integer, halves up. Shares that lose their low bits apart give one of the two integers beside it,
  /// and it on average.
  static func dropped(_ x: Int64, _ bits: Int) -> Int64 { bits == 0 ? x : (x &+ 1 << Int64(bits - 1)) >> Int64(bits) }

  /// Whether the k low bits of a value stand for a number that is not negative, and whether they stand for the value.
  private static func compare(_ value: Int64, _ bits: Int, _ outOfRange: inout Int) -> Bool {
    let low = (value << Int64(64 - bits)) >> Int64(64 - bits)
    if low != value { outOfRange += 1 }
    return low >= 0
  }

  static func comparison(_ input: [Int64], _ spec: ComparisonSpec, _ outOfRange: inout Int) -> [Int64] {
    let bits = spec.digits.bits
    if spec.function == .floor {
      // What the parties compute wraps outside, by a turn of 2^64 less the dropped bits.
      let limit = Int64(1) << 62
      for word in input where word < -limit || word >= limit { outOfRange += 1 }
    }
    return input.map { word in
      if spec.function == .floor { return word >> Int64(spec.droppedBits) }
      let x = dropped(word, spec.droppedBits)
      if case .clip(let lower, let upper) = spec.function {
        let isInside = compare(x &- lower, bits, &outOfRange)
        let isAbove = compare(x &- upper, bits, &outOfRange)
        return lower &+ (isInside ? x &- lower : 0) &- (isAbove ? x &- upper : 0)
      }
      let isPositive = compare(x, bits, &outOfRange)
      switch spec.function {
      case .relu: return isPositive ? x : 0
      case .leakyReLU(let shift): return isPositive ? x << Int64(shift) : x
      case .slopedReLU(let numerator, let denominator):
        return x &* Int64(isPositive ? denominator : numerator)
      case .absolute: return isPositive ? x : 0 &- x
      case .sign: return isPositive ? 1 : -1
      case .clip, .floor: preconditionFailure("handled above")
      }
    }
  }

  /// A ReLU that takes up a normalisation.
  static func comparison(
    _ input: [Int64], _ shape: TensorShape, _ spec: ComparisonSpec, _ layer: QuantizedComparison,
    _ outOfRange: inout Int
  ) -> [Int64] {
    let area = shape.height * shape.width
    return input.indices.map { index in
      let channel = index / area
      let x = dropped(input[index] &+ layer.threshold[channel], spec.droppedBits)
      let isKept = compare(x, spec.digits.bits, &outOfRange) != layer.flips[channel]
      return (isKept ? x : 0) &+ layer.offset[channel]
    }
  }

  /// The results of a tournament, in the order of its last round.
  static func tournament(_ input: [Int64], _ tournament: Tournament, _ bits: Int, _ outOfRange: inout Int) -> [Int64] {
    var values = input
    for stage in tournament.stages {
      let winners = zip(stage.left, stage.right).map { left, right -> Int64 in
        let (a, b) = (values[Int(left)], values[Int(right)])
        return compare(a &- b, bits, &outOfRange) ? a : b
      }
      values = winners + stage.rest.map { values[Int($0)] }
    }
    return values
  }

  /// The index in the top bits.
  static func argMax(
    _ input: [Int64], _ tournament: Tournament, _ spec: ArgMaxSpec, _ outOfRange: inout Int
  ) -> [Int64] {
    let last = Int64(input.count - 1)
    let values = input.enumerated().map { index, word in
      (dropped(word, spec.droppedBits) << Int64(spec.indexBits)) &+ (last - Int64(index))
    }
    return Self.tournament(values, tournament, spec.digits.bits, &outOfRange).map {
      (last &- $0) << Int64(64 - spec.indexBits)
    }
  }
}
