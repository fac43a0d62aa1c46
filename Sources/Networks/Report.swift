import Programs
import Rings

/// A readable account of a network or plan, layer by layer; also `Codable`, for machines.
///
/// Made from a ``Plan`` it holds public facts only. Made from a ``PlannedModel`` it adds ranges, gains and weights' bits,
/// which are statistics of the weights and for the model owner's eyes.
public struct Report: Codable, Hashable, Sendable {
  /// One layer or step.
  public struct Layer: Codable, Hashable, Sendable {
    /// Index of the node or step.
    public var index: Int
    /// Its name.
    public var name: String
    /// What it does.
    public var operation: String
    /// Shape of its tensor: channels, height, width.
    public var shape: [Int]
    /// Multiplications with weights in one sample.
    public var multiplyAccumulates: Int
    /// Weights and biases, or trained parameters.
    public var parameters: Int
    /// The ring of its tensor.
    public var modulus: String?
    /// Fraction bits of its tensor.
    public var fractionBits: Int?
    /// Low bits that it drops.
    public var droppedBits: Int?
    /// How it drops them.
    public var truncation: String?
    /// Expected elements per inference that its truncation or change of ring gets wrong.
    public var expectedFailures: Double?
    /// k: bits in which it compares.
    public var comparisonBits: Int?
    /// Comparisons in one sample.
    public var comparisons: Int?
    /// One-way messages that it takes.
    public var messages: Int?
    /// Secret: gains, ranges, weights' bits, error bounds.
    public var detail: StepDetail?
  }

  /// The network's name.
  public var name: String
  /// The layers.
  public var layers: [Layer]
  /// Elements of all activations in one sample.
  public var activationElements: Int
  /// Expected wrong elements per inference, over all layers; nil before planning.
  public var expectedFailures: Double?
  /// What a result tells the data owner; nil before planning.
  public var reveals: Revelation?

  /// Multiplications with weights in one sample.
  public var multiplyAccumulates: Int { layers.reduce(0) { $0 + $1.multiplyAccumulates } }
  /// Comparisons in one sample.
  public var comparisons: Int { layers.reduce(0) { $0 + ($1.comparisons ?? 0) } }
  /// Weights, biases and trained parameters.
  public var parameters: Int { layers.reduce(0) { $0 + $1.parameters } }

  /// Reports an unplanned network.
  ///
  /// - Throws: ``NetworksError`` where the graph is invalid.
  public init(_ graph: Graph) throws {
    let shapes = try graph.shapes()
    let parameters = try graph.parameterShapes()
    name = graph.name
    activationElements = graph.nodes.reduce(0) { $1.operation.isActivation ? $0 + shapes[$1.id].count : $0 }
    layers = graph.nodes.map { node in
      var products = 0
      if let weight = parameters[ParameterKey(node.id, .weight)] {
        products = weight.reduce(1, *) * shapes[node.id].height * shapes[node.id].width
      }
      let count = parameters.reduce(0) { $1.key.node == node.id ? $0 + $1.value.reduce(1, *) : $0 }
      return Layer(
        index: node.id, name: node.name, operation: node.operation.label, shape: Self.sides(shapes[node.id]),
        multiplyAccumulates: products, parameters: count)
    }
  }

  /// Reports a plan's public facts.
  public init(_ plan: Plan) {
    let program = plan.program
    name = program.name
    activationElements = program.activationElements
    expectedFailures = plan.expectedFailuresPerInference
    reveals = plan.reveals
    let failures = Dictionary(uniqueKeysWithValues: zip(program.turningSteps, plan.expectedFailures))
    layers = program.steps.enumerated().map { index, step in
      var layer = Layer(
        index: index, name: step.name, operation: Self.label(step.operation), shape: Self.sides(step.tensor.shape),
        multiplyAccumulates: 0, parameters: 0, modulus: step.tensor.modulus.rawValue,
        fractionBits: step.tensor.fractionBits)
      switch step.operation {
      case .linear(let geometry):
        layer.multiplyAccumulates = geometry.multiplyAccumulates
        layer.parameters = geometry.weightCount + geometry.outChannels
      case .activation(let spec):
        layer.droppedBits = spec.droppedBits
        layer.truncation = spec.truncation.rawValue
        layer.expectedFailures = failures[index]
        layer.messages = 2
      case .comparison, .maxPool, .argMax:
        let schedule = program.comparisonSchedule(index)!
        layer.droppedBits = program.comparisonDrops(index)
        if layer.droppedBits! > 0 { layer.truncation = TruncationVariant.local.rawValue }
        if case .comparison(let spec) = step.operation {
          if spec.tracksTurns { layer.truncation = RingTruncation.tracked.rawValue }
          if spec.function == .floor {
            (layer.droppedBits, layer.truncation) = (spec.droppedBits, TruncationVariant.exact.rawValue)
          }
        }
        layer.expectedFailures = failures[index]
        layer.comparisonBits = schedule.stages[0].digits.bits
        layer.comparisons = schedule.stages.reduce(0) { $0 + $1.count }
        layer.messages = schedule.stages.reduce(0) { $0 + $1.digits.messages }
      case .changeRing: layer.expectedFailures = failures[index]
      case .output(let dropped): layer.droppedBits = dropped
      default: break
      }
      return layer
    }
  }

  /// Reports a plan with what only the model owner may see.
  public init(_ planned: PlannedModel) {
    self.init(planned.plan)
    for index in layers.indices { layers[index].detail = planned.details[index] }
  }

  private static func sides(_ shape: TensorShape) -> [Int] { [shape.channels, shape.height, shape.width] }

  private static func label(_ operation: StepOperation) -> String {
    switch operation {
    case .input: "input"
    case .linear(let geometry): geometry.isFullyConnected ? "linear" : "conv"
    case .activation: "x2act"
    case .sumPool: "sum-pool"
    case .globalSumPool: "global-sum"
    case .comparison(let spec):
      switch spec.function {
      case .relu: "relu"
      case .leakyReLU, .slopedReLU: "leaky-relu"
      case .absolute: "abs"
      case .sign: "sign"
      case .clip: "clip"
      case .floor: "floor"
      }
    case .maxPool: "max-pool"
    case .argMax: "argmax"
    case .changeRing: "change-ring"
    case .add: "add"
    case .concatenate: "concat"
    case .reshape: "reshape"
    case .offset: "offset"
    case .subsamplePad: "subsample-pad"
    case .output: "output"
    }
  }

  // MARK: Table

  /// The report as a table for a terminal.
  public func table() -> String {
    let planned = layers.contains { $0.modulus != nil }
    let detailed = layers.contains { $0.detail != nil }
    var header = ["#", "layer", "operation", "shape", "MACs", "parameters"]
    let compares = layers.contains { $0.comparisons != nil }
    if planned { header += ["ring", "f", "T", "truncation", "failures"] }
    if compares { header += ["k", "comparisons", "messages"] }
    if detailed { header += ["w bits", "range bits", "gain", "error rms", "error max"] }
    var rows = [header]
    for layer in layers {
      var row = [
        "\(layer.index)", layer.name, layer.operation, layer.shape.map(String.init).joined(separator: "x"),
        Self.count(layer.multiplyAccumulates), Self.count(layer.parameters),
      ]
      if planned {
        row += [
          layer.modulus ?? "", layer.fractionBits.map(String.init) ?? "", layer.droppedBits.map(String.init) ?? "",
          layer.truncation ?? "", layer.expectedFailures.map(Self.number) ?? "",
        ]
      }
      if compares {
        row += [layer.comparisonBits.map(String.init) ?? "", layer.comparisons.map(Self.count) ?? ""]
        row += [layer.messages.map(String.init) ?? ""]
      }
      if detailed { row += Self.cells(layer.detail) }
      rows.append(row)
    }
    var lines = Self.align(rows)
    lines.append("")
    var summary = "\(name): \(Self.count(multiplyAccumulates)) MACs, \(Self.count(parameters)) parameters, "
    summary += "\(Self.count(activationElements)) activation elements per inference"
    lines.append(summary)
    if let expectedFailures {
      lines.append("expected truncation failures per inference: \(Self.number(expectedFailures))")
    }
    if let reveals {
      lines.append("a result reveals: \(reveals == .label ? "the label, nothing else" : "the scores of all classes")")
    }
    if compares {
      lines.append(
        "\(Self.count(comparisons)) comparisons per inference; a value outside -2^(k-1) ..< 2^(k-1) takes the sign of its "
          + "bit k - 1 and gives a wrong result, not a leak (`evaluate` counts such values)")
    }
    if let clamped = clampedChannels, clamped > 0 {
      lines.append("channels with a square coefficient raised to the smallest that fits: \(clamped)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private var clampedChannels: Int? {
    let counts = layers.compactMap { $0.detail?.clampedChannels }
    return counts.isEmpty ? nil : counts.reduce(0, +)
  }

  private static func cells(_ detail: StepDetail?) -> [String] {
    guard let detail else { return ["", "", "", "", ""] }
    let gain = detail.gains.map(number)
    return [
      detail.weightBits.map(number) ?? "", number(detail.rangeBits),
      gain[0] == gain[1] ? gain[0] : gain.joined(separator: ".."), number(detail.errorEstimate),
      number(detail.errorBound),
    ]
  }

  /// Columns of equal width; text to the left, numbers to the right.
  private static func align(_ rows: [[String]]) -> [String] {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let left: Set<String> = ["layer", "operation", "shape", "ring", "truncation"]
    return rows.map { row in
      let cells = row.indices.map { column -> String in
        let fill = String(repeating: " ", count: widths[column] - row[column].count)
        return left.contains(rows[0][column]) ? row[column] + fill : fill + row[column]
      }
      var line = cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  private static func count(_ value: Int) -> String {
    var digits = String(value)
    var groups: [String] = []
    while digits.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return ([digits] + groups).joined(separator: ",")
  }

  /// Three significant digits, or a power of ten.
  static func number(_ value: Double) -> String { Scalar.format(value) }
}
