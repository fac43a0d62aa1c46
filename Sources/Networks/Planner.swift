import Programs
import Rings

/// Turns a trained, folded network into the integers and the public program of a private inference.
///
/// See <doc:Planning> for scales, gains and bounds.
public enum Planner {
  /// Plans a network.
  ///
  /// - Parameters:
  ///   - graph: a folded network (``Folding/fold(_:_:)``) whose activations are X2act.
  ///   - parameters: its parameters.
  ///   - calibration: ranges of its tensors on sample inputs.
  ///   - options: fraction bits and truncation.
  /// - Throws: ``NetworksError`` naming the layer that cannot be planned, or
  ///   ``NetworksError/failureBudget(expected:budget:)``.
  public static func plan(
    _ graph: Graph, _ parameters: Parameters, _ calibration: Calibration, options: PlannerOptions = PlannerOptions()
  ) throws -> PlannedModel {
    try options.validate()
    try graph.validate()
    try parameters.validate(for: graph)
    try calibration.validate(for: graph)
    try checkSupported(graph)
    let rings = rings(of: graph)
    var solver = try ScaleSolver(graph: graph, parameters: parameters, calibration: calibration, options: options)
    try solver.solve()
    var emitter = PlanEmitter(solver: solver, rings: rings)
    try emitter.emit()
    let planned = emitter.finish()
    try planned.plan.validate()
    let expected = planned.plan.expectedFailuresPerInference
    guard expected <= options.failureBudget || options.allowExceeding else {
      throw NetworksError.failureBudget(expected: expected, budget: options.failureBudget)
    }
    return planned
  }
}

/// Writes the steps of a program once all scales are known.
struct PlanEmitter {
  let solver: ScaleSolver
  let rings: [ModulusKind]
  var steps: [Step] = []
  var details: [StepDetail] = []
  var quantized = QuantizedModel()
  var failures: [Double] = []
  var place: [Int] = []
  /// Steps whose tensor was brought into the other ring, and where.
  var changed: [Int: Int] = [:]
  var errors: ErrorAnalysis

  init(solver: ScaleSolver, rings: [ModulusKind]) {
    self.solver = solver
    self.rings = rings
    errors = ErrorAnalysis(solver)
  }

  mutating func emit() throws {
    let graph = solver.graph
    for node in graph.nodes {
      if solver.absorbed.contains(node.id) {
        errors.follow(node, [errors.nodes[node.inputs[0]]])
        place.append(place[node.inputs[0]])
        continue
      }
      let ring = Planner.operandRing(node, rings[node.id])
      let inputs = solver.operands(of: node).enumerated().map {
        reading($1, ScaleSolver.Edge(consumer: node.id, slot: $0), ring)
      }
      errors.follow(node, node.inputs.indices.map { error(node.inputs[$0], .init(consumer: node.id, slot: $0)) })
      let operation = operation(of: node)
      let scale = solver.scale[node.id]!
      let tensor = TensorInfo(
        shape: solver.shapes[node.id], modulus: rings[node.id], fractionBits: solver.label[node.id])
      var detail = StepDetail(
        gains: gains(scale, solver.label[node.id] - solver.units[node.id]), rangeBits: range(node, scale),
        errorBound: errors.nodes[node.id].largestBound, errorEstimate: errors.nodes[node.id].estimate)
      switch node.operation {
      case .convolution, .linear:
        let layer = LinearScaling(solver, node).quantized(
          scale, solver.scale[node.inputs[0]]!, mean: solver.mean(node.inputs[0]))
        detail.weightBits = weightBits(layer)
        quantized.linear[steps.count] = layer
      case .x2act:
        emitActivation(node, &detail)
      case .offset: quantized.offset[steps.count] = offsets(node, scale)
      case let compared where compared.isComparison:
        place.append(appendComparison(node, operation, inputs[0], tensor, &detail))
        continue
      default: break
      }
      place.append(append(node.name, operation, inputs, tensor, detail))
    }
    let last = graph.nodes.count - 1
    let operand = reading(last, ScaleSolver.Edge(consumer: graph.nodes.count, slot: 0), .word)
    if solver.options.reveals == .label { try appendLabel(operand, range: logitRange) } else { appendOutput(operand) }
  }

  private mutating func appendOutput(_ given: Int) {
    let from = steps[given].tensor
    let surplus = min(max(from.fractionBits - solver.options.outputBits, 0), 56)
    let isFloored = isFaithful && (1...40).contains(surplus)
    let operand = isFloored ? appendFloor("output.floor", surplus, given, details[given]) : given
    let dropped = isFloored ? 0 : surplus
    let tensor = TensorInfo(shape: from.shape, modulus: .word, fractionBits: from.fractionBits - surplus)
    var detail = details[operand]
    detail.weightBits = nil
    detail.clampedChannels = nil
    detail.rangeBits -= Double(dropped)
    let unit = surplus > 0 ? Scalar.power(outputUnit - tensor.fractionBits) : 0
    detail.errorBound += 2 * unit
    detail.errorEstimate = (detail.errorEstimate * detail.errorEstimate + unit * unit).squareRoot()
    _ = append("output", .output(droppedBits: dropped), [operand], tensor, detail)
  }

  /// The power of two in which the output counts.
  private var outputUnit: Int { solver.units[solver.graph.nodes.count - 1] }

  /// Largest planned magnitude of the output's values, in its unit.
  private var logitRange: Double {
    let largest = Double(solver.calibration.nodes[solver.graph.nodes.count - 1].largest) * Scalar.power(-outputUnit)
    return max(largest, 0x1p-10) * solver.calibration.margin
  }

  /// An argmax over the values, so that only the index leaves. No bit is dropped as long as a word has room, so that the
  /// label is that of the very integers.
  private mutating func appendLabel(_ operand: Int, range: Double) throws {
    let from = steps[operand].tensor
    let indexBits = ArgMaxSpec.indexBits(for: from.shape.count)
    guard from.shape.count <= 1 << (indexBits - 1) else {
      throw NetworksError.outOfRange(
        node: steps[operand].name, reason: "a label is one of at most 32768 classes; reveal scores instead")
    }
    func width(_ dropped: Int) -> Int {
      ScaleSolver.width(2 * range * Scalar.power(from.fractionBits - dropped)) + indexBits
    }
    guard let dropped = (0...min(from.fractionBits, 40)).first(where: { width($0) + $0 <= 64 }) else {
      throw NetworksError.outOfRange(
        node: steps[operand].name, reason: "its values leave no room for an index in a word; reveal scores instead")
    }
    let bits = solver.widened(width(dropped), dropped: dropped)
    let tensor = TensorInfo(shape: TensorShape(vector: 1), modulus: .word, fractionBits: 64 - indexBits)
    var detail = details[operand]
    detail.weightBits = nil
    detail.clampedChannels = nil
    // Each share is floored apart where bits are dropped.
    let mean = Double(solver.calibration.nodes[solver.graph.nodes.count - 1].rootMeanSquare)
    let turns = mean * Scalar.power(from.fractionBits - outputUnit - 64) * Double(from.shape.count)
    failures.append(dropped > 0 ? turns : 0)
    let spec = ArgMaxSpec(
      droppedBits: dropped, indexBits: indexBits,
      digits: ComparisonDigits(bits: bits, preferring: solver.options.comparisons))
    let label = append("label", .argMax(spec), [operand], tensor, detail)
    let output = TensorInfo(shape: TensorShape(vector: 1), modulus: .word, fractionBits: 0)
    detail.rangeBits = self.bits(Double(from.shape.count))
    _ = append("output", .output(droppedBits: 64 - indexBits), [label], output, detail)
  }

  mutating func append(
    _ name: String, _ operation: StepOperation, _ inputs: [Int], _ tensor: TensorInfo, _ detail: StepDetail
  ) -> Int {
    steps.append(Step(name: name, operation: operation, inputs: inputs, tensor: tensor))
    details.append(detail)
    return steps.count - 1
  }

  /// The step whose tensor a consumer reads: the operand's own, or a diagonal linear step put behind it.
  mutating func source(_ operand: Int, _ edge: ScaleSolver.Edge) -> Int {
    guard let rescaled = solver.rescaled[edge] else { return place[operand] }
    let from = steps[place[operand]]
    let scaling = LinearScaling(diagonal: from.tensor.shape)
    let layer = scaling.quantized(rescaled.scale, solver.scale[operand]!)
    quantized.linear[steps.count] = layer
    var tensor = from.tensor
    tensor.fractionBits = rescaled.label
    let largest = Double(solver.calibration.nodes[operand].largest) * solver.calibration.margin
    let detail = StepDetail(
      gains: gains(rescaled.scale, rescaled.label - solver.units[operand]), weightBits: weightBits(layer),
      rangeBits: bits(largest * (rescaled.scale.max() ?? 1)), errorBound: error(operand, edge).largestBound,
      errorEstimate: error(operand, edge).estimate)
    return append(from.name + ".rescale", .linear(scaling.geometry), [place[operand]], tensor, detail)
  }

  /// The error of what a consumer reads.
  func error(_ operand: Int, _ edge: ScaleSolver.Edge) -> ErrorAnalysis.TensorError {
    guard let rescaled = solver.rescaled[edge] else { return errors.nodes[operand] }
    return errors.rescaled(operand, to: rescaled.scale)
  }

  func operation(of node: Node) -> StepOperation {
    switch node.operation {
    case .input: return .input
    case .convolution, .linear: return .linear(LinearScaling(solver, node).geometry)
    case .x2act:
      return .activation(ActivationSpec(droppedBits: solver.droppedBits[node.id]!, truncation: variant(node)))
    case .averagePool:
      let windows = node.operation.averaging!
      return .sumPool(WindowGeometry(windows.window), balance: windows.balance(on: solver.shapes[node.inputs[0]]))
    case .globalAveragePool: return .globalSumPool
    case .flatten, .reshape: return .reshape
    case .offset: return .offset
    case .add:
      let shifts = solver.shifts[node.id]!
      return .add(leftShift: shifts[0], rightShift: shifts[1])
    case .concatenate:
      return .concatenate(leftShifts: solver.shifts[node.id] ?? node.inputs.map { _ in 0 })
    case .subsamplePad(let stride, let before, let after):
      return .subsamplePad(stride: stride, before: before, after: after)
    case .relu: return .comparison(spec(node, .relu))
    case .leakyRelu(let shift): return .comparison(spec(node, .leakyReLU(shift: shift)))
    case .slopedRelu(let numerator, let denominator):
      return .comparison(spec(node, .slopedReLU(numerator: numerator, denominator: denominator)))
    case .clippedRelu, .clip:
      let scale = solver.comparison[node.id]!.scale[0]
      let bounds = node.operation.clipBounds!
      func integer(_ bound: Float) -> Int64 { Int64((Double(bound) * scale).rounded()) }
      return .comparison(spec(node, .clip(lower: integer(bounds.lower), upper: integer(bounds.upper))))
    case .absolute: return .comparison(spec(node, .absolute))
    case .sign: return .comparison(spec(node, .sign))
    case .maxPool:
      let found = spec(node, .relu)
      return .maxPool(
        MaxPoolSpec(
          window: WindowGeometry(node.operation.pooling!), droppedBits: found.droppedBits, digits: found.digits))
    case .batchNorm: preconditionFailure("refused before")
    }
  }

  /// The integers of an offset, element by element.
  func offsets(_ node: Node, _ scale: [Double]) -> [Int64] {
    let values = solver.parameters[node.id, .bias]
    let area = values.count / scale.count
    return values.indices.map { Int64((Double(values[$0]) * scale[$0 / area]).rounded()) }
  }

  // MARK: Activations

  /// The scale at which an activation reads its operand.
  func operandScale(_ node: Node) -> [Double] {
    solver.rescaled[ScaleSolver.Edge(consumer: node.id, slot: 0)]?.scale ?? solver.scale[node.inputs[0]]!
  }

  func localFailures(_ node: Node) -> Double {
    let shape = solver.shapes[node.id]
    return solver.square[node.id]!.expectedLocalFailures(operandScale(node), area: shape.height * shape.width)
  }

  func variant(_ node: Node) -> TruncationVariant {
    switch solver.options.truncation {
    case .exact: return .exact
    case .local: return .local
    case .automatic:
      return localFailures(node) <= solver.options.failureBudget / Double(solver.square.count) ? .local : .exact
    }
  }

  mutating func emitActivation(_ node: Node, _ detail: inout StepDetail) {
    let coefficients = solver.square[node.id]!
    let scale = operandScale(node)
    let results = coefficients.squareScale(scale)
    let offset = ActivationSpec(droppedBits: solver.droppedBits[node.id]!, truncation: variant(node)).roundingOffset
    quantized.activation[steps.count] = QuantizedActivation(
      linear: scale.indices.map { Int64((coefficients.a1[$0] * scale[$0] / coefficients.a2[$0]).rounded()) },
      constant: scale.indices.map { Int64((coefficients.a0[$0] * results[$0]).rounded()) + offset })
    failures.append(variant(node) == .local ? localFailures(node) : 0)
    detail.clampedChannels = coefficients.clamped
    detail.rangeBits = bits(results.indices.reduce(0) { max($0, abs(results[$1]) * coefficients.resultLimit[$1]) })
  }

  /// A step's tensor in the ring in which it is read: behind a change of ring, if it lives in the other one.
  mutating func reading(_ node: Int, _ edge: ScaleSolver.Edge, _ ring: ModulusKind) -> Int {
    let index = source(node, edge)
    let from = steps[index]
    guard from.tensor.modulus != ring else { return index }
    if let known = changed[index] { return known }
    var tensor = from.tensor
    tensor.modulus = ring
    let scale = solver.rescaled[edge]?.scale ?? solver.scale[node]!
    let mean = solver.calibration.nodes[node].mean
    let area = Double(from.tensor.shape.count / max(mean.count, 1))
    failures.append(
      scale.indices.reduce(0) {
        scale[$1].isNaN ? $0 : $0 + abs(scale[$1]) * Double(mean[$1]) * area * Scalar.power(-63)
      })
    var detail = details[index]
    detail.weightBits = nil
    detail.clampedChannels = nil
    changed[index] = append(from.name + ".ring", .changeRing, [index], tensor, detail)
    return changed[index]!
  }

  // MARK: Ranges

  func bits(_ magnitude: Double) -> Double { magnitude > 0 ? Scalar.log2(magnitude) : 0 }

  func weightBits(_ layer: QuantizedLinear) -> Double { bits(Double(layer.weights.map { $0.magnitude }.max() ?? 0)) }

  func gains(_ scale: [Double], _ label: Int) -> [Double] {
    let magnitudes = scale.filter { !$0.isNaN }.map { abs($0) * Scalar.power(-label) }
    return [magnitudes.min() ?? 1, magnitudes.max() ?? 1]
  }

  func range(_ node: Node, _ scale: [Double]) -> Double {
    let seen = solver.calibration.nodes[node.id].maximum
    return bits(
      scale.indices.reduce(0) { scale[$1].isNaN ? $0 : max($0, abs(scale[$1]) * Double(seen[$1])) }
        * solver.calibration.margin)
  }

  func finish() -> PlannedModel {
    let graph = solver.graph
    let program = Program(name: graph.name, steps: steps)
    let input = InputSpec(
      shape: graph.input, normalization: graph.inputNormalization, fractionBits: solver.options.inputBits,
      outputFractionBits: program.output.fractionBits - (program.labels == nil ? outputUnit : 0),
      classes: graph.classes, finish: graph.finish)
    let plan = Plan(program: program, input: input, expectedFailures: failures)
    return PlannedModel(plan: plan, quantized: quantized, details: details)
  }
}
