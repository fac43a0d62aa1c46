import Programs
import Rings

/// Steps that compare, and how they drop bits.
extension PlanEmitter {
  func spec(_ node: Node, _ function: ComparisonFunction) -> ComparisonSpec {
    let scaling = solver.comparison[node.id]!
    return ComparisonSpec(
      droppedBits: scaling.droppedBits,
      digits: ComparisonDigits(bits: scaling.bits, preferring: solver.options.comparisons), function: function)
  }

  var isFaithful: Bool { solver.ringTruncation == .faithful }

  /// Whether a comparison drops bits at each party alone, come what may.
  private func dropsAlone(_ node: Node, _ operation: StepOperation) -> Bool {
    // A sign is taken of bits that no turn reaches.
    if solver.ringTruncation == .local || (node.operation == .sign && !isFaithful) { return true }
    let turns = solver.comparison[node.id]!.expectedTurns
    return solver.options.ringTruncation == .automatic && turns <= solver.sharing.share[node.id] ?? 0
  }

  /// The comparison with turns tracked, where it can be.
  private func tracked(_ spec: ComparisonSpec, _ modulus: ModulusKind) -> ComparisonSpec? {
    guard solver.ringTruncation == .tracked, modulus == .word, spec.digits.count >= 2,
      spec.droppedBits + spec.digits.bits <= 62
    else { return nil }
    var result = spec
    result.tracksTurns = true
    return result
  }

  /// The step of a comparison; where bits are to be dropped together, with a floor before it, or for maxima behind it, where fewer
  /// values are left. A comparison of shares that stay whole words of Z_2^64 turns as the values do, and nothing goes wrong.
  mutating func appendComparison(
    _ node: Node, _ operation: StepOperation, _ operand: Int, _ tensor: TensorInfo, _ detail: inout StepDetail
  ) -> Int {
    let scaling = solver.comparison[node.id]!
    let (dropped, isField) = (scaling.droppedBits, tensor.modulus == .field)
    detail.rangeBits = bits(scaling.largest)
    guard dropped > 0, !dropsAlone(node, operation) else {
      failures.append((dropped > 0 && node.operation != .sign) || isField ? scaling.expectedTurns : 0)
      quantizeComparison(node, scaling.operand)
      return append(node.name, operation, [operand], tensor, detail)
    }
    if case .comparison(let spec) = operation, let spec = tracked(spec, tensor.modulus) {
      failures.append(0)
      quantizeComparison(node, scaling.operand)
      return append(node.name, .comparison(spec), [operand], tensor, detail)
    }
    if case .maxPool(let spec) = operation {
      var whole = spec
      whole.droppedBits = 0
      let width = ScaleSolver.width(scaling.largest * Scalar.power(dropped))
      whole.digits = ComparisonDigits(
        bits: solver.widened(width, dropped: 0), preferring: solver.options.comparisons)
      var between = tensor
      between.modulus = .word
      between.fractionBits = min(tensor.fractionBits + dropped, 62)
      failures.append(0)
      let maxima = append(node.name, .maxPool(whole), [operand], between, detail)
      return appendFloor(node.name + ".floor", dropped, maxima, detail)
    }
    guard case .comparison(var spec) = operation else { preconditionFailure("\(node.name) compares nothing") }
    spec.droppedBits = 0
    spec.digits = ComparisonDigits(
      bits: solver.widened(scaling.bits, dropped: 0), preferring: solver.options.comparisons)
    let floor = appendFloor(node.name + ".floor", dropped, operand, details[operand])
    failures.append(isField ? scaling.expectedTurns * Scalar.power(-dropped) : 0)
    quantizeComparison(node, scaling.operand.map { $0 * Scalar.power(-dropped) })
    return append(node.name, .comparison(spec), [floor], tensor, detail)
  }

  /// The integers of the next step, where it is a ReLU that takes up a normalisation and reads a tensor of the given scale.
  mutating func quantizeComparison(_ node: Node, _ operand: [Double]) {
    guard let affine = solver.affine[node.id] else { return }
    let results = solver.scale[node.id]!
    let channels = operand.indices
    quantized.comparison[steps.count] = QuantizedComparison(
      threshold: channels.map { operand[$0].isNaN ? 0 : Int64((affine.threshold[$0] * operand[$0]).rounded()) },
      flips: channels.map { affine.gain[$0] * operand[$0] < 0 },
      offset: channels.map { results[$0].isNaN ? 0 : Int64((affine.offset[$0] * results[$0]).rounded()) })
  }

  /// A step that drops bits exactly; nothing of it can turn.
  mutating func appendFloor(
    _ name: String, _ dropped: Int, _ operand: Int, _ detail: StepDetail
  ) -> Int {
    let from = steps[operand].tensor
    let digits = ComparisonDigits(bits: dropped + 1, preferring: solver.options.comparisons)
    var detail = detail
    detail.weightBits = nil
    detail.clampedChannels = nil
    detail.rangeBits = max(detail.rangeBits - Double(dropped), 0)
    failures.append(0)
    return append(
      name, .comparison(ComparisonSpec(droppedBits: dropped, digits: digits, function: .floor)), [operand],
      TensorInfo(shape: from.shape, modulus: .word, fractionBits: max(from.fractionBits - dropped, 0)), detail)
  }
}
