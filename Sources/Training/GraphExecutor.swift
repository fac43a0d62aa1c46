public import Networks
import Rings

/// Runs a graph forwards and backwards on batches of float tensors, and holds its parameters while they are trained.
///
/// The result of every method depends on its arguments and the parameters alone, not on the number of threads.
public final class GraphExecutor {
  /// What keeps a polynomial net in range while it learns.
  public struct LossOptions: Codable, Hashable, Sendable {
    /// Label smoothing, 0 ..< 1.
    public var labelSmoothing: Float
    /// Largest magnitude of an activation's operand that costs nothing.
    public var rangeBound: Float
    /// Weight of the mean of `max(|z| - rangeBound, 0)^2` over each activation's operand `z`; 0 leaves the penalty out.
    public var rangeWeight: Float

    /// Options of a loss.
    public init(labelSmoothing: Float = 0, rangeBound: Float = 0, rangeWeight: Float = 0) {
      self.labelSmoothing = labelSmoothing
      self.rangeBound = rangeBound
      self.rangeWeight = rangeWeight
    }
  }

  /// What a batch came to in training mode.
  struct StepLoss {
    /// Cross-entropy alone.
    var loss: Float = 0
    /// Range penalty.
    var penalty: Float = 0
    /// Divergence from the teacher, before its weight.
    var distillation: Float = 0
    /// Samples classified correctly.
    var correct = 0
  }

  /// What a step may add to the loss of the batch.
  struct StepTerms {
    /// The teacher's logits on the batch, the weight of the divergence from them (the cross-entropy weighs the rest),
    /// and the temperature.
    var teacher: (logits: FloatTensor, weight: Float, temperature: Float)?
    /// Cost of both forms of each gated layer, times its multiplier.
    var costs: [(comparison: Float, polynomial: Float)]?
    /// Whether running statistics of batch normalisation move.
    var movesStatistics = true
  }

  /// How the layers of a search space are computed while both forms are in play.
  enum GateMode {
    /// `p` is the softmax of two trained numbers a layer.
    case learned
    /// `p` is given: ``setPolynomialShare(_:)``.
    case scheduled
  }

  /// A layer with two forms; `numbers` holds alpha or p, comparison first.
  struct Gate {
    let layer: SearchSpace.Layer
    let numbers: FloatTensor
    let gradient: FloatTensor
  }

  /// A parameter with its gradient.
  struct Slot {
    let key: ParameterKey
    let value: FloatTensor
    let gradient: FloatTensor
  }

  /// The network.
  public let graph: Graph
  /// Trainable parameters, in the order of the keys.
  let slots: [Slot]
  let slotOfKey: [ParameterKey: Int]
  let statistics: [Int: BatchStatistics]
  let shapes: [TensorShape]
  let tape: Tape
  /// What every quadratic of the network last recorded reads, behind its normalisation.
  var quadraticOperands: [Int: Tape.Variable] = [:]
  let gateMode: GateMode
  let clip: Float
  /// Layers of which both forms are computed, in the order of the search space.
  let gates: [Gate]
  let gateOfNode: [Int: Int]
  /// The last node that reads each node's tensor.
  let lastReader: [Int: Int]

  /// Copies the parameters.
  ///
  /// - Throws: `NetworksError` where graph and parameters do not fit; ``TrainingError/unsupportedGraph(node:reason:)``.
  public convenience init(graph: Graph, parameters: Parameters, workers: Workers) throws {
    try self.init(graph: graph, parameters: parameters, workers: workers, layers: [], mode: .scheduled)
  }

  /// Both forms of every layer of a space; alphas start at (0, 0), shares at the polynomial alone.
  convenience init(space: SearchSpace, parameters: Parameters, workers: Workers, mode: GateMode) throws {
    try self.init(
      graph: space.polynomial, parameters: parameters, workers: workers, layers: space.layers, clip: space.clip,
      mode: mode)
  }

  private init(
    graph: Graph, parameters: Parameters, workers: Workers, layers: [SearchSpace.Layer], clip: Float = .infinity,
    mode: GateMode
  ) throws {
    gateMode = mode
    self.clip = clip
    let pair = BatchShape(channels: 2, samples: 1)
    gates = layers.map { layer in
      Gate(
        layer: layer, numbers: FloatTensor(shape: pair, values: mode == .learned ? [0, 0] : [0, 1]),
        gradient: FloatTensor(shape: pair))
    }
    gateOfNode = Dictionary(uniqueKeysWithValues: layers.enumerated().map { ($1.node, $0) })
    try graph.validate()
    try parameters.validate(for: graph)
    self.graph = graph
    shapes = try graph.shapes()
    tape = Tape(workers: workers)
    let output = shapes[shapes.count - 1]
    guard output.height == 1, output.width == 1 else {
      throw TrainingError.unsupportedGraph(node: shapes.count - 1, reason: "the output is not a vector of logits")
    }
    var slots: [Slot] = []
    var slotOfKey: [ParameterKey: Int] = [:]
    var statistics: [Int: BatchStatistics] = [:]
    for key in parameters.keys {
      let values = parameters[key.node, key.name]
      let shape = BatchShape(channels: values.count, samples: 1)
      if key.name.isTrainable {
        slotOfKey[key] = slots.count
        slots.append(
          Slot(key: key, value: FloatTensor(shape: shape, values: values), gradient: FloatTensor(shape: shape)))
      } else {
        let entry = statistics[key.node] ?? BatchStatistics(channels: values.count)
        statistics[key.node] = entry
        let tensor = key.name == .mean ? entry.mean : entry.variance
        values.withUnsafeBufferPointer { tensor.pointer.update(from: $0.baseAddress!, count: values.count) }
      }
    }
    self.slots = slots
    self.slotOfKey = slotOfKey
    self.statistics = statistics
    lastReader = Dictionary(
      graph.nodes.flatMap { node in node.inputs.map { ($0, node.id) } }, uniquingKeysWith: { max($0, $1) })
  }

  /// A copy of the parameters, running statistics included.
  public var parameters: Parameters {
    var result = Parameters()
    for slot in slots { result[slot.key.node, slot.key.name] = slot.value.values }
    for (node, entry) in statistics {
      result[node, .mean] = entry.mean.values
      result[node, .variance] = entry.variance.values
    }
    return result
  }

  /// Sets every parameter and running statistic.
  ///
  /// - Throws: `NetworksError` where they are not the graph's.
  func load(_ parameters: Parameters) throws {
    try parameters.validate(for: graph)
    for slot in slots { try slot.value.load(parameters[slot.key.node, slot.key.name], for: slot.key) }
    for (node, entry) in statistics {
      try entry.mean.load(parameters[node, .mean], for: ParameterKey(node, .mean))
      try entry.variance.load(parameters[node, .variance], for: ParameterKey(node, .variance))
    }
  }

  /// A copy of the gradient that the last ``differentiate(batch:labels:options:)`` left.
  public func gradient(_ key: ParameterKey) -> [Float]? { slotOfKey[key].map { slots[$0].gradient.values } }

  /// Weighs the polynomial form of every gated layer by `share`, the comparison by the rest.
  func setPolynomialShare(_ share: Float) {
    precondition(gateMode == .scheduled)
    for gate in gates {
      gate.numbers.pointer[0] = 1 - share
      gate.numbers.pointer[1] = share
    }
  }
}
