public import Programs
import Rings

/// The fixed-point twin: executes a program and a quantised model in plain integers.
///
/// Its integers are those that the two parties reconstruct, except that an exact truncation may differ by two units,
/// a local one by one, and the output by one.
public struct Twin: Sendable {
  /// What one run met.
  public struct Result: Sendable {
    /// The tensors of all steps; those that nothing reads any more are empty unless all are kept.
    public var tensors: [[Int64]]
    /// Activation elements whose `|Y|` is 2^61 or more, or whose operand has 62 bits or more, and comparisons of values
    /// that their k bits do not hold: results that depend on them are wrong.
    public var outOfRange: Int
    /// The output's integers.
    public var output: [Int64] { tensors[tensors.count - 1] }
  }

  /// The plan.
  public let plan: Plan
  private let model: QuantizedModel
  private let lastUses: [Int]
  private let comparisons: [Int: ComparisonSchedule]

  /// Prepares runs.
  ///
  /// - Throws: ``NetworksError`` where plan and integers do not belong together.
  public init(_ plan: Plan, _ model: QuantizedModel) throws {
    try plan.validate()
    try model.validate(for: plan.program)
    self.plan = plan
    self.model = model
    lastUses = plan.program.lastUses()
    comparisons = plan.program.comparisonSchedules
  }

  /// Runs one sample of integers (``InputSpec/quantize(normalized:)``).
  ///
  /// - Throws: ``NetworksError/invalidInput(reason:)`` where the sample has the wrong number of values.
  public func run(_ sample: [Int64], keepingAll: Bool = false) throws -> Result {
    try InputSpec.check(count: sample.count, plan.input.shape)
    let steps = plan.program.steps
    var tensors = [[Int64]](repeating: [], count: steps.count)
    var outOfRange = 0
    for (index, step) in steps.enumerated() {
      let operands = step.inputs.map { tensors[$0] }
      tensors[index] = compute(index, step, operands, sample, &outOfRange)
      if !keepingAll { for operand in step.inputs where lastUses[operand] == index { tensors[operand] = [] } }
    }
    return Result(tensors: tensors, outOfRange: outOfRange)
  }

  /// Label and scores of one normalised sample, as the plan reveals them, and how many values were out of range.
  ///
  /// - Throws: ``NetworksError/invalidInput(reason:)``
  public func result(normalized sample: [Float]) throws -> (label: Int, scores: [Double], outOfRange: Int) {
    let result = try run(plan.input.quantize(normalized: sample))
    let (label, scores) = plan.result(of: result.output)
    return (label, scores, result.outOfRange)
  }

  /// The real logits of one normalised sample, and how many values were out of range; of a plan that reveals labels, the
  /// label.
  ///
  /// - Throws: ``NetworksError/invalidInput(reason:)``
  public func logits(normalized sample: [Float]) throws -> (values: [Double], outOfRange: Int) {
    let result = try run(plan.input.quantize(normalized: sample))
    return (plan.input.dequantize(output: result.output), result.outOfRange)
  }

  private func compute(
    _ index: Int, _ step: Step, _ operands: [[Int64]], _ sample: [Int64], _ outOfRange: inout Int
  ) -> [Int64] {
    let shape = step.tensor.shape
    let from = step.inputs.first.map { plan.program.steps[$0].tensor.shape } ?? shape
    switch step.operation {
    case .input: return sample
    case .linear(let geometry):
      let layer = model.linear[index]!
      return TwinKernels.linear(operands[0], geometry, layer.weights, layer.bias)
    case .activation(let spec):
      return TwinKernels.activation(operands[0], shape, model.activation[index]!, spec, &outOfRange)
    case .sumPool(let geometry, let balance):
      return TwinKernels.sumPool(operands[0], from, geometry.window, balance)
    case .globalSumPool:
      let area = from.height * from.width
      return (0..<from.channels).map { channel in
        operands[0][channel * area..<(channel + 1) * area].reduce(0, &+)
      }
    case .add(let left, let right):
      return operands[0].indices.map { (operands[0][$0] << left) &+ (operands[1][$0] << right) }
    case .concatenate(let shifts):
      return zip(operands, shifts).flatMap { operand, shift in operand.map { $0 << Int64(shift) } }
    case .reshape, .changeRing: return operands[0]
    case .comparison(let spec):
      guard let layer = model.comparison[index] else {
        return TwinKernels.comparison(operands[0], spec, &outOfRange)
      }
      return TwinKernels.comparison(operands[0], shape, spec, layer, &outOfRange)
    case .offset: return zip(operands[0], model.offset[index]!).map { $0 &+ $1 }
    case .maxPool(let spec):
      let values = operands[0].map { TwinKernels.dropped($0, spec.droppedBits) }
      return TwinKernels.tournament(values, comparisons[index]!.tournament!, spec.digits.bits, &outOfRange)
    case .argMax(let spec): return TwinKernels.argMax(operands[0], comparisons[index]!.tournament!, spec, &outOfRange)
    case .subsamplePad(let stride, let before, _):
      return TwinKernels.subsamplePad(operands[0], from, shape, stride: stride, before: before)
    case .output(let dropped): return operands[0].map { $0 >> dropped }
    }
  }
}

extension QuantizedModel {
  /// Checks that there are integers for exactly the program's linear, activation and offset steps, and that they fit.
  ///
  /// - Throws: ``NetworksError``
  public func validate(for program: Program) throws {
    func refuse(_ index: Int, _ reason: String) -> NetworksError {
      .invalidParameters(node: program.steps[index].name, reason: reason)
    }
    guard Set(linear.keys) == Set(program.linearSteps), Set(activation.keys) == Set(program.activationSteps),
      Set(offset.keys) == Set(program.offsetSteps)
    else {
      throw NetworksError.invalidParameters(node: program.name, reason: "they belong to another program")
    }
    for (index, layer) in linear {
      guard case .linear(let geometry) = program.steps[index].operation,
        layer.weights.count == geometry.weightCount, layer.bias.count == geometry.outChannels
      else { throw refuse(index, "the number of weights is wrong") }
      guard layer.weights.allSatisfy({ $0.magnitude < 1 << 16 }) else {
        throw refuse(index, "a weight has 17 bits or more")
      }
    }
    for (index, layer) in comparison {
      guard program.steps.indices.contains(index), case .comparison(let spec) = program.steps[index].operation,
        spec.function == .relu
      else { throw NetworksError.invalidParameters(node: program.name, reason: "they belong to another program") }
      let channels = program.steps[index].tensor.shape.channels
      guard [layer.threshold.count, layer.flips.count, layer.offset.count] == [channels, channels, channels] else {
        throw refuse(index, "the number of thresholds is wrong")
      }
    }
    for (index, values) in offset {
      guard values.count == program.steps[index].tensor.shape.count,
        values.allSatisfy({ $0.magnitude < 1 << 62 })
      else { throw refuse(index, "the number of its constants is wrong, or one has 63 bits") }
    }
    for (index, layer) in activation {
      let channels = program.steps[index].tensor.shape.channels
      guard layer.linear.count == channels, layer.constant.count == channels else {
        throw refuse(index, "the number of coefficients is wrong")
      }
      guard layer.constant.allSatisfy({ $0.magnitude < 1 << 61 }) else { throw refuse(index, "a constant has 62 bits") }
    }
  }
}
