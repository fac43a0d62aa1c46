public import Programs
import Rings

/// What a program's cost depends on and a graph does not say: choices that a plan makes from ranges and weights.
public struct OutlineOptions: Hashable, Sendable {
  /// Bits of every comparison's words; plans choose a layer's own from its calibrated range.
  public var comparisonBits: Int
  /// What the digits of comparisons are chosen for.
  public var comparisons: ComparisonPreference
  /// How activations truncate.
  public var truncation: TruncationVariant

  /// Makes options; `comparisonBits` is 2...40.
  public init(
    comparisonBits: Int = 20, comparisons: ComparisonPreference = .messages, truncation: TruncationVariant = .exact
  ) {
    self.comparisonBits = comparisonBits
    self.comparisons = comparisons
    self.truncation = truncation
  }
}

extension Planner {
  /// The program that a network would be planned into, without parameters or ranges: its steps, rings and shapes, with
  /// typical fraction bits (12 of the input, of weights and of activations' results) and one width for all comparisons.
  ///
  /// It costs what a plan costs, but for comparisons of other widths and for the diagonal steps that bring residual operands
  /// of a plan to one scale where shifts do not. It cannot be run.
  ///
  /// - Parameter graph: with or without batch normalisation, which is folded.
  /// - Throws: ``NetworksError``, `ProgramError` where the engine could not run the network.
  public static func outline(_ graph: Graph, options: OutlineOptions = OutlineOptions()) throws -> Program {
    precondition((2...40).contains(options.comparisonBits), "comparisons of an outline have 2 to 40 bits")
    let folded = try Folding.structure(graph)
    var writer = OutlineWriter(
      options: options, shapes: try folded.shapes(), rings: rings(of: folded),
      digits: ComparisonDigits(bits: options.comparisonBits, preferring: options.comparisons))
    let absorbed = try Folding.absorbed(in: folded)
    for node in folded.nodes {
      if absorbed.contains(node.id) { writer.pass(node) } else { writer.append(node) }
    }
    writer.finish()
    let program = Program(name: graph.name, steps: writer.steps)
    try program.validate()
    return program
  }
}

private struct OutlineWriter {
  static let activationBits = 12
  static let weightBits = 12

  let options: OutlineOptions
  let shapes: [TensorShape]
  let rings: [ModulusKind]
  let digits: ComparisonDigits
  var steps: [Step] = []
  private var place: [Int] = []
  private var changed: [Int: Int] = [:]

  init(options: OutlineOptions, shapes: [TensorShape], rings: [ModulusKind], digits: ComparisonDigits) {
    self.options = options
    self.shapes = shapes
    self.rings = rings
    self.digits = digits
  }

  mutating func append(_ node: Node) {
    let ring = Planner.operandRing(node, rings[node.id])
    let inputs = node.inputs.map { reading($0, ring) }
    let bits = inputs.map { steps[$0].tensor.fractionBits }
    let (operation, fraction) = operation(node, bits)
    let tensor = TensorInfo(shape: shapes[node.id], modulus: rings[node.id], fractionBits: fraction)
    steps.append(Step(name: node.name, operation: operation, inputs: inputs, tensor: tensor))
    place.append(steps.count - 1)
  }

  /// A node that is part of its reader: that one reads the operand.
  mutating func pass(_ node: Node) { place.append(place[node.inputs[0]]) }

  mutating func finish() {
    let operand = reading(shapes.count - 1, .word)
    let from = steps[operand].tensor
    let dropped = min(max(from.fractionBits - Self.activationBits, 0), 56)
    let tensor = TensorInfo(shape: from.shape, modulus: .word, fractionBits: from.fractionBits - dropped)
    steps.append(Step(name: "output", operation: .output(droppedBits: dropped), inputs: [operand], tensor: tensor))
  }

  private mutating func reading(_ node: Int, _ ring: ModulusKind) -> Int {
    let index = place[node]
    guard steps[index].tensor.modulus != ring else { return index }
    if let known = changed[index] { return known }
    var tensor = steps[index].tensor
    tensor.modulus = ring
    steps.append(Step(name: steps[index].name + ".ring", operation: .changeRing, inputs: [index], tensor: tensor))
    changed[index] = steps.count - 1
    return steps.count - 1
  }

  private func operation(_ node: Node, _ bits: [Int]) -> (StepOperation, Int) {
    func linear(_ geometry: LinearGeometry) -> (StepOperation, Int) {
      (.linear(geometry), min(bits[0] + Self.weightBits, 48))
    }
    func comparison(_ function: ComparisonFunction) -> (StepOperation, Int) {
      let dropped = max(bits[0] - Self.activationBits, 0)
      let spec = ComparisonSpec(droppedBits: min(dropped, 40), digits: digits, function: function)
      return (.comparison(spec), min(bits[0], Self.activationBits))
    }
    switch node.operation {
    case .input: return (.input, Self.activationBits)
    case .convolution(let spec): return linear(LinearGeometry(spec, on: shapes[node.inputs[0]]))
    case .linear(let features, _):
      return linear(LinearGeometry(inFeatures: shapes[node.inputs[0]].channels, outFeatures: features))
    case .x2act:
      let spec = ActivationSpec(
        droppedBits: min(max(2 * bits[0] - Self.activationBits, 1), 60), truncation: options.truncation)
      return (.activation(spec), Self.activationBits)
    case .relu: return comparison(.relu)
    case .leakyRelu(let shift): return comparison(.leakyReLU(shift: shift))
    case .slopedRelu(let numerator, let denominator):
      return comparison(.slopedReLU(numerator: numerator, denominator: denominator))
    case .clippedRelu, .clip:
      let bounds = node.operation.clipBounds!
      let limit = Double(Int64(1) << Int64(digits.bits - 2))
      func integer(_ bound: Float) -> Int64 {
        Int64(max(-limit, min(limit, (Double(bound) * Scalar.power(Self.activationBits)).rounded())))
      }
      let lower = integer(bounds.lower)
      return comparison(.clip(lower: lower, upper: max(lower + 1, integer(bounds.upper))))
    case .absolute: return comparison(.absolute)
    case .sign: return (comparison(.sign).0, 0)
    case .maxPool:
      let spec = MaxPoolSpec(
        window: WindowGeometry(node.operation.pooling!), droppedBits: min(max(bits[0] - Self.activationBits, 0), 40),
        digits: digits)
      return (.maxPool(spec), min(bits[0], Self.activationBits))
    case .averagePool:
      let windows = node.operation.averaging!
      return (.sumPool(WindowGeometry(windows.window), balance: windows.balance(on: shapes[node.inputs[0]])), bits[0])
    case .globalAveragePool: return (.globalSumPool, bits[0])
    case .flatten, .reshape: return (.reshape, bits[0])
    case .offset: return (.offset, bits[0])
    case .add:
      let most = max(bits[0], bits[1])
      return (.add(leftShift: most - bits[0], rightShift: most - bits[1]), most)
    case .concatenate:
      let most = bits.max()!
      return (.concatenate(leftShifts: bits.map { most - $0 }), most)
    case .subsamplePad(let stride, let before, let after):
      return (.subsamplePad(stride: stride, before: before, after: after), bits[0])
    case .batchNorm: preconditionFailure("folded before")
    }
  }
}
