import Programs
import Rings

/// How one comparison reads its operand.
struct ComparisonScaling {
  /// Low bits that are dropped first.
  var droppedBits: Int
  /// Scale of the values that are compared, per channel.
  var scale: [Double]
  /// k: bits in which the comparison runs.
  var bits: Int
  /// Largest planned magnitude of a compared integer.
  var largest: Double
  /// Expected elements of an inference that dropping bits or reading shares in F_p gets wrong by a whole turn.
  var expectedTurns: Double
}

extension ScaleSolver {
  /// Chooses the scale of a comparison's operand, everything open beneath it, the bits that it drops, and its width.
  mutating func solveComparison(_ node: Node) throws {
    let limits = Limits(weight: Self.largestWeight, quotient: Scalar.power(options.weightBits), isRelative: true)
    let kept = sharing.keptBits
    let root = node.inputs[0]
    let channels = shapes[root].channels
    if isOpen(root) {
      var visited: Set<Int> = [root]
      try prepareOperands(root, &visited)
      let room = roomForReaders(of: root)
      for forced in forcedScales(root) where Self.isPositive(forced.scale) && suits(node, forced.scale) {
        for shift in stride(from: 24, through: 0, by: -1) {
          let wanted = forced.scale.map { $0 * Scalar.power(shift) }
          let largest = wanted.map { room * $0 }
          guard fits(node, largest, dropped: shift), turnsRarely(node, largest, dropped: shift),
            assign(root, wanted, nil, limits)
          else { continue }
          finish(node, wanted, label: forced.label + shift, dropped: shift, limits)
          return
        }
      }
      for dropped in stride(from: 30, through: 0, by: -1) {
        let wanted = [Double](repeating: Scalar.power(kept + dropped), count: channels)
        let largest = wanted.map { room * $0 }
        guard fits(node, largest, dropped: dropped), turnsRarely(node, largest, dropped: dropped),
          assign(root, wanted, nil, limits)
        else { continue }
        finish(node, wanted, label: kept + dropped, dropped: dropped, limits)
        return
      }
    } else if try solveStored(node, root, limits) {
      return
    }
    throw NetworksError.outOfRange(
      node: node.name,
      reason: "no scale keeps its operand below 2^62 and the weights before it below 2^16; train with smaller weights, "
        + "or plan with fewer weight bits")
  }

  /// A comparison of a tensor whose scale nothing can change any more, but a linear step of its own.
  private mutating func solveStored(_ node: Node, _ root: Int, _ limits: Limits) throws -> Bool {
    let given = try stored(root)
    let finest = Self.geometricMean(given)
    let dropped = min(max(Int(Scalar.log2(finest).rounded()) - options.activationBits, 0), 30)
    if Self.isPositive(given), suits(node, given), fits(node, given, dropped: dropped) {
      complete(node, given, label: label[root], dropped: dropped)
      return true
    }
    guard masked[root] else { return false }
    for dropped in stride(from: 16, through: 0, by: -1) {
      let wanted = [Double](repeating: Scalar.power(options.activationBits + dropped), count: given.count)
      guard fits(node, wanted, dropped: dropped), diagonalFits(wanted, given, limits) else { continue }
      rescaled[Edge(consumer: node.id, slot: 0)] = (wanted, options.activationBits + dropped)
      complete(node, wanted, label: options.activationBits + dropped, dropped: dropped)
      return true
    }
    return false
  }

  private static func isPositive(_ scale: [Double]) -> Bool { scale.allSatisfy { $0.isNaN || $0 > 0 } }

  /// A bound or a slope is public, so it must stand for the same value in every channel.
  private func suits(_ node: Node, _ scale: [Double]) -> Bool {
    guard node.operation.clipBounds != nil else { return true }
    let known = scale.filter { !$0.isNaN }
    guard known.count == scale.count, let first = known.first else { return false }
    return known.allSatisfy { abs($0 / first - 1) < 1e-9 }
  }

  private mutating func finish(_ node: Node, _ wanted: [Double], label: Int, dropped: Int, _ limits: Limits) {
    let done = assign(node.inputs[0], wanted, label, limits)
    precondition(done, "a scale was checked before")
    complete(node, wanted, label: label, dropped: dropped)
  }

  private mutating func complete(_ node: Node, _ operand: [Double], label bits: Int, dropped: Int) {
    let root = node.inputs[0]
    let kept = operand.map { $0 * Scalar.power(-dropped) }
    let largest = largest(node, kept)
    comparison[node.id] = ComparisonScaling(
      droppedBits: dropped, scale: kept, bits: widened(Self.width(largest), dropped: dropped), largest: largest,
      expectedTurns: expectedTurns(root, operand))
    var result = kept
    var resultBits = max(bits - dropped, 0)
    switch node.operation {
    case .leakyRelu(let shift):
      result = kept.map { $0 * Scalar.power(shift) }
      resultBits += shift
    case .sign:
      // An integer, whatever the operand's scale: a channel of zeros has the sign of zero.
      result = kept.map { _ in 1 }
      resultBits = 0
    default: break
    }
    store(node.id, result, min(resultBits, 62), true)
  }

  /// Expected elements of an inference whose shares, floored apart, differ by a whole turn: the sum of |x|/2^64.
  private func expectedTurns(_ root: Int, _ operand: [Double]) -> Double {
    let mean = calibration.nodes[root].mean
    let area = Double(shapes[root].count / max(operand.count, 1))
    return operand.indices.reduce(0) {
      operand[$1].isNaN ? $0 : $0 + operand[$1] * Double(mean[$1]) * area * Scalar.power(-64)
    }
  }

  /// Whether dropping bits of an operand stays within the comparison's share of the failure budget: finer weights
  /// make larger operands. A scale that drops few bits is coarse enough already, and is left to the plan's own check.
  private func turnsRarely(_ node: Node, _ operand: [Double], dropped: Int) -> Bool {
    if options.ringTruncation == .faithful { return true }
    return dropped <= 6 || expectedTurns(node.inputs[0], operand) <= sharing.share[node.id] ?? 0
  }

  /// A comparison's width, no less than what was asked for, as far as a word has so many bits.
  func widened(_ bits: Int, dropped: Int) -> Int { max(bits, min(options.comparisonBits ?? 0, 64 - dropped)) }

  /// Bits of a signed integer up to a magnitude, rounding of two parties included.
  static func width(_ magnitude: Double) -> Int {
    max(Int(Scalar.log2(magnitude + 2).rounded(.down)) + 2, 4)
  }

  /// Largest magnitude that a comparison of values at a scale meets within the planned ranges.
  private func largest(_ node: Node, _ scale: [Double]) -> Double {
    let seen = calibration.nodes[node.inputs[0]].maximum
    // A channel that calibration saw nearly silent may speak up later: none is planned below 1/16 of the layer's range.
    let floor = Double(seen.max() ?? 0) / 16
    let values = scale.indices.reduce(0) {
      scale[$1].isNaN ? $0 : max($0, scale[$1] * max(Double(seen[$1]), floor))
    }
    let range = values * calibration.margin
    switch node.operation {
    case .maxPool: return 2 * range
    case let operation:
      guard let (lower, upper) = operation.clipBounds else { return range }
      return range + Double(max(abs(lower), abs(upper))) * (scale.first ?? 1)
    }
  }

  /// Whether operand and comparison stay inside their words.
  private func fits(_ node: Node, _ operand: [Double], dropped: Int) -> Bool {
    let largest = largest(node, operand.map { $0 * Scalar.power(-dropped) })
    let bits = Self.width(largest)
    guard largest * Scalar.power(dropped) < Self.wordLimit, bits + dropped <= 62 else { return false }
    switch node.operation {
    case .leakyRelu(let shift): return bits + shift <= 50
    case let operation:
      guard let (lower, upper) = operation.clipBounds else { return true }
      return Double(upper - lower) * operand[0] * Scalar.power(-dropped) >= 2 && bits <= 40
    }
  }
}
