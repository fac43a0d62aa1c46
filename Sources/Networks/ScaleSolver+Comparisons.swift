import Programs
import Rings

/// How one comparison reads its operand.
struct ComparisonScaling {
  /// Low bits that are dropped first.
  var droppedBits: Int
  /// Scale of the values that are compared, per channel; of a ReLU that takes up a normalisation, that of its results.
  var scale: [Double]
  /// Scale of the step's operand, before bits are dropped.
  var operand: [Double]
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
    // Finer weights make larger operands, which cost nothing where these may turn: a bit more is dropped.
    let finer = ringTruncation == .local ? 0 : TurnSharing.spareWeightBits
    let limits = Limits(
      weight: Self.largestWeight, quotient: Scalar.power(options.weightBits + finer), isRelative: true)
    let root = compared(by: node)
    if isOpen(root) {
      var visited: Set<Int> = [root]
      try prepareOperands(root, &visited)
      let parts = parts(of: root)
      if isJoined(parts) || affine[node.id] != nil {
        if solveJoined(node, root, parts, limits) { return }
      } else if solveOpen(node, root, limits) {
        return
      }
      if let refusal = refusalOfWays(root) { throw refusal }
    } else if case .concatenate = graph.nodes[root].operation, scale[root] == nil {
      for operand in graph.nodes[root].inputs { _ = try stored(operand) }
      if solveJoined(node, root, parts(of: root), limits) { return }
      if try solveStored(node, root, limits) { return }
    } else if try solveStored(node, root, limits) {
      return
    }
    throw NetworksError.outOfRange(
      node: node.name,
      reason: "no scale keeps its operand below 2^62 and the weights before it below 2^16; train with smaller weights, "
        + "or plan with fewer weight bits")
  }

  /// A comparison of an open tensor that is not joined of several.
  private mutating func solveOpen(_ node: Node, _ root: Int, _ limits: Limits) -> Bool {
    for forced in forcedScales(root) where Self.isPositive(forced.scale) && suits(node, forced.scale) {
      let growth = growth(node, forced.scale, from: forced.unit)
      for shift in stride(from: 24, through: 0, by: -1) {
        guard shift + growth <= Self.mostDroppedBits,
          let wanted = settled(root, forced.scale.map { $0 * Scalar.power(shift) }),
          fits(node, wanted, dropped: shift + growth), suits(node, wanted),
          turnsRarely(node, root, wanted, dropped: shift + growth), assign(root, wanted, nil, limits)
        else { continue }
        let label = growth > 0 ? bits(wanted, root) : forced.label + shift
        finish(node, wanted, label: label, dropped: shift + growth, limits)
        return true
      }
    }
    let gains = gainsOfReaders(of: root, first: node)
    for dropped in stride(from: 30, through: 0, by: -1) {
      guard let wanted = settled(root, gains.map { $0 * unit(node, sharing.keptBits + dropped) }),
        fits(node, wanted, dropped: dropped),
        turnsRarely(node, root, wanted, dropped: dropped), suits(node, wanted), assign(root, wanted, nil, limits)
      else { continue }
      finish(node, wanted, label: sharing.keptBits + dropped, dropped: dropped, limits)
      return true
    }
    return false
  }

  /// A comparison of parts of which some are stored, or one that takes up a normalisation: every part is shifted until its
  /// results have their bits, whatever its gains.
  private mutating func solveJoined(_ node: Node, _ root: Int, _ parts: [Part], _ limits: Limits) -> Bool {
    let gains = gainsOfReaders(of: root, first: node)
    let own = affine[node.id]?.gain.map(abs) ?? gains.map { _ in 1 }
    let isFree = channelsWithoutScale(parts, count: gains.count)
    for dropped in stride(from: 30, through: 0, by: -1) {
      let unit = unit(node, sharing.keptBits + dropped)
      let least = gains.indices.map { (isFree[$0] ? max(gains[$0], own[$0]) : own[$0]) * unit }
      guard let joined = joined(parts, atLeast: least), let wanted = settled(root, joined), suits(node, wanted),
        canCompare(node, wanted), fits(node, wanted, dropped: dropped),
        turnsRarely(node, root, wanted, dropped: dropped), assign(root, wanted, nil, limits)
      else { continue }
      finish(node, wanted, label: sharing.keptBits + dropped, dropped: dropped, limits)
      return true
    }
    return false
  }

  /// Bits of its shortcut's that a sum drops where it grows out of the shortcut's unit.
  private func growth(_ node: Node, _ forced: [Double], from unit: Int) -> Int {
    if units[node.id] == 0, unit == 0 { return 0 }
    let given = Int(Scalar.log2(Self.geometricMean(forced)).rounded(.down))
    return min(max(given - (sharing.keptBits - units[node.id]), 0), 30)
  }

  /// The scale of so many fraction bits of a node's unit.
  private func unit(_ node: Node, _ bits: Int) -> Double { Scalar.power(bits - units[node.id]) }

  private func channelsWithoutScale(_ parts: [Part], count: Int) -> [Bool] {
    var result = [Bool](repeating: false, count: count)
    for part in parts where part.known == nil { for channel in part.channels { result[channel] = true } }
    return result
  }

  /// The factors by which comparisons multiply a tensor's channels, the largest of all its readers' and none far below the
  /// others; one where nothing multiplies.
  private func gainsOfReaders(of root: Int, first node: Node) -> [Double] {
    let gains = demands[root].gain
    let greatest = max(gains.max() ?? 1, 0x1p-30)
    // Bounds are public, so what is clipped has one scale.
    return gains.map { node.operation.clipBounds == nil ? max($0, greatest / 256) : greatest }
  }

  /// Whether a comparison can read a scale of these signs: a ReLU's bit can be turned.
  private func canCompare(_ node: Node, _ scale: [Double]) -> Bool {
    node.operation == .relu || Self.isPositive(scale)
  }

  /// A comparison of a tensor whose scale nothing can change any more, but a linear step of its own.
  private mutating func solveStored(_ node: Node, _ root: Int, _ limits: Limits) throws -> Bool {
    let given = try stored(root)
    if affine[node.id] != nil || (node.operation == .relu && !masked[root] && !Self.isPositive(given)) {
      return solveKnown(node, given, label: label[root])
    }
    let finest = Self.geometricMean(given)
    // Large values keep the bits that they have, as long as those fit.
    let bits = options.activationBits
    for kept in [bits - min(units[node.id], 0), bits - units[node.id]] {
      let dropped = min(max(Int(Scalar.log2(finest).rounded()) - kept, 0), 30)
      if Self.isPositive(given), suits(node, given), fits(node, given, dropped: dropped) {
        complete(node, given, label: label[root], dropped: dropped)
        return true
      }
    }
    guard masked[root] else { return false }
    for dropped in stride(from: 16, through: 0, by: -1) {
      let wanted = [Double](repeating: unit(node, options.activationBits + dropped), count: given.count)
      guard fits(node, wanted, dropped: dropped), diagonalFits(wanted, given, limits) else { continue }
      rescaled[Edge(consumer: node.id, slot: 0)] = (wanted, options.activationBits + dropped)
      complete(node, wanted, label: options.activationBits + dropped, dropped: dropped)
      return true
    }
    return false
  }

  /// A ReLU of a tensor whose scale nothing can change, whatever its signs: it drops what it can without losing bits that
  /// results should have.
  private mutating func solveKnown(_ node: Node, _ given: [Double], label: Int) -> Bool {
    let own = affine[node.id]?.gain.map(abs) ?? given.map { _ in 1 }
    for dropped in stride(from: 30, through: 0, by: -1) {
      let unit = unit(node, sharing.keptBits + dropped) * (1 - 1e-9)
      let isFine = dropped == 0 || zip(given, own).allSatisfy { $0.isNaN || abs($0) >= $1 * unit }
      guard isFine, fits(node, given, dropped: dropped) else { continue }
      if affine[node.id] == nil { affine[node.id] = ComparisonAffine(identityOf: reach(node)) }
      complete(node, given, label: label, dropped: dropped)
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
    let done = assign(compared(by: node), wanted, label, limits)
    precondition(done, "a scale was checked before")
    if affine[node.id] == nil, !Self.isPositive(wanted) {
      affine[node.id] = ComparisonAffine(identityOf: reach(node))
    }
    complete(node, wanted, label: label, dropped: dropped)
  }

  private mutating func complete(_ node: Node, _ operand: [Double], label bits: Int, dropped: Int) {
    let root = compared(by: node)
    let kept = operand.map { $0 * Scalar.power(-dropped) }
    let largest = largest(node, kept)
    var result = kept
    if let affine = affine[node.id] { result = zip(kept, affine.gain).map { $0 / $1 } }
    comparison[node.id] = ComparisonScaling(
      droppedBits: dropped, scale: result.map(abs), operand: operand,
      bits: widened(Self.width(largest), dropped: dropped), largest: largest,
      expectedTurns: expectedTurns(root, operand, affine[node.id]))
    var resultBits = max(bits - dropped, 0)
    switch node.operation {
    case .leakyRelu(let shift):
      result = kept.map { $0 * Scalar.power(shift) }
      resultBits += shift
    case .slopedRelu(_, let denominator):
      result = kept.map { $0 * Double(denominator) }
      resultBits += Int(Scalar.log2(Double(denominator)).rounded())
    case .sign:
      // An integer, whatever the operand's scale: a channel of zeros has the sign of zero.
      result = kept.map { _ in 1 }
      resultBits = 0
    default: break
    }
    if absorbed.contains(node.inputs[0]) { store(node.inputs[0], result, min(resultBits, 62), false) }
    store(node.id, result, min(resultBits, 62), true)
  }

  /// Expected elements of an inference whose shares, floored apart, differ by a whole turn: the sum of |x|/2^64.
  func expectedTurns(_ root: Int, _ operand: [Double], _ affine: ComparisonAffine? = nil) -> Double {
    let mean = calibration.nodes[root].mean
    let area = Double(shapes[root].count / max(operand.count, 1))
    return operand.indices.reduce(0) {
      guard !operand[$1].isNaN else { return $0 }
      let magnitude = Double(mean[$1]) + abs(affine?.threshold[$1] ?? 0)
      return $0 + abs(operand[$1]) * magnitude * area * Scalar.power(-64)
    }
  }

  /// Whether dropping bits of an operand stays within the comparison's share of the failure budget: finer weights
  /// make larger operands. A scale that drops few bits is coarse enough already, and is left to the plan's own check.
  private func turnsRarely(_ node: Node, _ root: Int, _ operand: [Double], dropped: Int) -> Bool {
    if ringTruncation != .local { return true }
    return dropped <= Self.fewDroppedBits
      || expectedTurns(root, operand, affine[node.id]) <= sharing.share[node.id] ?? 0
  }

  /// A comparison's width, no less than what was asked for, as far as a word has so many bits.
  func widened(_ bits: Int, dropped: Int) -> Int { max(bits, min(options.comparisonBits ?? 0, 64 - dropped)) }

  /// Bits of a signed integer up to a magnitude, rounding of two parties included.
  static func width(_ magnitude: Double) -> Int {
    max(Int(Scalar.log2(magnitude + 2).rounded(.down)) + 2, 4)
  }

  /// Largest planned magnitude per channel of what a comparison reads, in units of its operand.
  func reach(_ node: Node) -> [Double] {
    let seen = calibration.nodes[node.inputs[0]].maximum
    // A channel that calibration saw nearly silent may speak up later: none is planned below 1/16 of the layer's range.
    let floor = Double(seen.max() ?? 0) / 16
    let bound = node.operation.clipBounds.map { Double(max(abs($0.lower), abs($0.upper))) } ?? 0
    let factor = if case .maxPool = node.operation { 2.0 } else { 1.0 }
    return seen.map { factor * max(Double($0), floor) * calibration.margin + bound }
  }

  /// Largest magnitude that a comparison of values at a scale meets within the planned ranges.
  private func largest(_ node: Node, _ scale: [Double]) -> Double {
    let reach = affine[node.id]?.reach ?? self.reach(node)
    return scale.indices.reduce(0) { scale[$1].isNaN ? $0 : max($0, abs(scale[$1]) * reach[$1]) }
  }

  /// Whether operand and comparison stay inside their words.
  private func fits(_ node: Node, _ operand: [Double], dropped: Int) -> Bool {
    let largest = largest(node, operand.map { $0 * Scalar.power(-dropped) })
    let bits = Self.width(largest)
    guard largest * Scalar.power(dropped) < Self.wordLimit, bits + dropped <= 62 else { return false }
    switch node.operation {
    case .leakyRelu(let shift): return bits + shift <= 50
    case .slopedRelu(_, let denominator): return largest * Double(denominator) < Scalar.power(49)
    case let operation:
      guard let (lower, upper) = operation.clipBounds else { return true }
      return Double(upper - lower) * operand[0] * Scalar.power(-dropped) >= 2 && bits <= 40
    }
  }
}
