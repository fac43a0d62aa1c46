import Rings

/// Finds the scale of every tensor: the factor, per channel, between a true value and the stored integer.
///
/// Scales of activations and of the input are *stored*: nothing after them can change one, short of a linear step. A
/// linear step is *open* until the activation (or output) that reads it asks for a scale; its weights then absorb the
/// quotient. `NaN` marks a channel of zeros, which fits any scale.
struct ScaleSolver {
  /// A place between a node and one of its consumers; slot `-1` of node `nodes.count` is the output.
  struct Edge: Hashable {
    var consumer: Int
    var slot: Int
  }

  /// Limits on a linear step's weights while scales are chosen.
  struct Limits {
    /// Largest magnitude of a quantised weight.
    var weight: Double
    /// Largest quotient of output and input scale.
    var quotient: Double
    /// Whether the quotient is that of a layer whose largest weight is one or more; smaller weights then get as many bits.
    var isRelative = false
  }

  let graph: Graph
  let shapes: [TensorShape]
  let parameters: Parameters
  let calibration: Calibration
  let options: PlannerOptions
  /// Largest magnitude of each layer's weights, which many scales are held to.
  let largestWeights: [Int: Double]
  /// The units in which fraction bits are counted.
  let units: TensorUnits

  var scale: [[Double]?]
  /// Fraction bits that are published of each node's tensor.
  var label: [Int]
  /// Whether a mask drawn in advance covers the tensor, so that a linear step may read it.
  var masked: [Bool]
  var shifts: [Int: [Int]] = [:]
  /// Diagonal linear steps to be put on edges: the scale that each makes.
  var rescaled: [Edge: (scale: [Double], label: Int)] = [:]
  var droppedBits: [Int: Int] = [:]
  var square: [Int: SquareCoefficients] = [:]
  /// What each comparison drops and in how many bits it runs.
  var comparison: [Int: ComparisonScaling] = [:]
  /// Steps with weights that are part of the comparison behind them.
  let absorbed: Set<Int>
  /// What comparisons take up of them.
  var affine: [Int: ComparisonAffine] = [:]
  /// Open tensors that a reader reaches on several ways.
  var severalWays: Set<Int> = []
  /// What readers ask of each tensor's scale.
  var demands: [ReaderDemand] = []
  /// How comparisons share the failure budget.
  private(set) var sharing: TurnSharing!
  /// How tensors of Z_2^64 lose low bits; never automatically.
  private(set) var ringTruncation: RingTruncation

  static let largestWeight = 65535.0
  /// Weights before the output are not squared afterwards: 14 bits are as fine as the activations they meet.
  static let largestOutputWeight = 16383.0
  static let squareLimit = 0x1p61
  static let wordLimit = 0x1p62
  /// Unequal gains are squared at every further block: above this spread a shortcut gets its own linear step.
  static let largestSpread = 4.0
  /// Bits by which a shift may raise a scale.
  static let largestShift = 40
  /// A scale of which a comparison drops no more bits than these is coarse enough already, and is left to the plan's own check.
  static let fewDroppedBits = 6
  /// Bits that a comparison may drop (`Program.validate()`).
  static let mostDroppedBits = 40

  init(graph: Graph, parameters: Parameters, calibration: Calibration, options: PlannerOptions) throws {
    self.graph = graph
    self.shapes = try graph.shapes()
    self.parameters = parameters
    self.calibration = calibration
    self.options = options
    largestWeights = Dictionary(
      uniqueKeysWithValues: graph.nodes.compactMap { node in
        switch node.operation {
        case .convolution, .linear: (node.id, LinearScaling.largest(parameters[node.id, .weight]))
        default: nil
        }
      })
    units = TensorUnits(graph, calibration)
    scale = [[Double]?](repeating: nil, count: graph.nodes.count)
    label = [Int](repeating: 0, count: graph.nodes.count)
    masked = [Bool](repeating: false, count: graph.nodes.count)
    absorbed = try Folding.absorbed(in: graph)
    ringTruncation = options.ringTruncation
    sharing = TurnSharing(self)
    if ringTruncation == .automatic { ringTruncation = sharing.isAmple ? .local : .tracked }
  }

  /// Finds all scales.
  mutating func solve() throws {
    for node in graph.nodes {
      if case .x2act(let spec) = node.operation {
        square[node.id] = SquareCoefficients(
          node, spec: spec, shape: shapes[node.id], parameters: parameters, calibration: calibration,
          bits: options.activationBits, units: (units[node.inputs[0]], units[node.id]))
      } else if node.operation == .relu, absorbed.contains(node.inputs[0]) {
        let (step, root) = (node.inputs[0], compared(by: node))
        affine[node.id] = ComparisonAffine(
          factors: parameters[step, .weight],
          offsets: graph.nodes[step].hasBias
            ? parameters[step, .bias] : [Float](repeating: 0, count: shapes[root].channels),
          operand: calibration.nodes[root], result: calibration.nodes[step], margin: calibration.margin,
          bits: options.activationBits - units[node.id])
      }
    }
    findDemands()
    for node in graph.nodes {
      switch node.operation {
      case .input:
        store(
          0, [Double](repeating: Scalar.power(options.inputBits), count: shapes[0].channels), options.inputBits, true)
      case .x2act: try solveActivation(node)
      case let operation where operation.isComparison: try solveComparison(node)
      default: break
      }
    }
    try solveOutput()
  }

  /// The tensor that a comparison compares: the operand, or what a normalisation that it takes up reads.
  func compared(by node: Node) -> Int {
    let operand = node.inputs[0]
    return absorbed.contains(operand) ? graph.nodes[operand].inputs[0] : operand
  }

  /// The tensors that a step of a node reads.
  func operands(of node: Node) -> [Int] {
    node.operation.isComparison ? [compared(by: node)] : node.inputs
  }

  mutating func store(_ node: Int, _ value: [Double], _ bits: Int, _ isMasked: Bool) {
    scale[node] = value
    label[node] = bits
    masked[node] = isMasked
  }

  /// Whether a scale can still be chosen: a linear step without one is beneath, through local steps only.
  func isOpen(_ node: Int) -> Bool {
    if scale[node] != nil { return false }
    switch graph.nodes[node].operation {
    case .convolution, .linear: return true
    default: return graph.nodes[node].inputs.contains { isOpen($0) }
    }
  }

  /// The scale of a tensor that is made of stored ones by local steps.
  mutating func stored(_ index: Int) throws -> [Double] {
    if let known = scale[index] { return known }
    let node = graph.nodes[index]
    let operands = try node.inputs.map { try stored($0) }
    if case .add = node.operation { return try storedSum(node, operands) }
    if case .concatenate = node.operation {
      let label = node.inputs.map { self.label[$0] }.max()!
      store(index, Array(operands.joined()), label, node.inputs.allSatisfy { masked[$0] })
      return scale[index]!
    }
    let from = node.inputs[0]
    if case .reshape = node.operation { return try storedReshape(node, operands[0]) }
    let result = forward(node, operands[0])
    store(index, result, label[from], masked[from])
    return result
  }

  func forward(_ node: Node, _ operand: [Double]) -> [Double] {
    let from = shapes[node.inputs[0]]
    switch node.operation {
    case .averagePool, .globalAveragePool: return operand.map { $0 * poolFactor(node) }
    case .flatten:
      let area = from.height * from.width
      return operand.flatMap { [Double](repeating: $0, count: area) }
    // A constant is no zero: a channel of zeros takes a scale with it.
    case .offset: return Self.filled(operand)
    case .subsamplePad(_, let before, let after):
      return [Double](repeating: .nan, count: before) + operand + [Double](repeating: .nan, count: after)
    default: preconditionFailure("\(node.name) is no local step of one operand")
    }
  }

  private mutating func storedSum(_ node: Node, _ operands: [[Double]]) throws -> [Double] {
    let merged = operands[0].indices.map { operands[0][$0].isNaN ? operands[1][$0] : operands[0][$0] }
    let sources = node.inputs
    if let shift = Self.powerOfTwo(operands[0], over: operands[1]), abs(shift) <= 40 {
      // Positive: the left operand is the finer one, so the right one is shifted up to it.
      shifts[node.id] = shift >= 0 ? [0, shift] : [-shift, 0]
      let result = shift >= 0 ? merged : merged.map { $0 * Scalar.power(-shift) }
      store(node.id, result, label[sources[0]] + max(-shift, 0), masked[sources[0]] && masked[sources[1]])
      return result
    }
    throw NetworksError.unsupportedNode(
      name: node.name, operation: "add",
      advice:
        "adds two activations whose gains differ, and no linear layer can absorb the difference; put a convolution "
        + "on one of the two branches")
  }

  /// The exponent `n` with `left = 2^n right` in all channels that are not zero, if there is one. Coefficients are
  /// float32, so a part in a million is equal enough: it is below a unit of every value that a plan allows.
  static func powerOfTwo(_ left: [Double], over right: [Double]) -> Int? {
    var found: Int?
    for (a, b) in zip(left, right) where !a.isNaN && !b.isNaN {
      let quotient = a / b
      guard quotient > 0, quotient.isFinite else { return nil }
      let exponent = Int(Scalar.log2(quotient).rounded())
      guard abs(quotient * Scalar.power(-exponent) - 1) < 1e-6, found == nil || found == exponent else { return nil }
      found = exponent
    }
    return found ?? 0
  }

  static func geometricMean(_ values: [Double]) -> Double {
    let logs = values.filter { !$0.isNaN && $0 != 0 }.map { Scalar.log2(abs($0)) }
    guard !logs.isEmpty else { return 1 }
    return Scalar.exp2(logs.reduce(0, +) / Double(logs.count))
  }
}
