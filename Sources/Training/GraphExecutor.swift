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
  private let slotOfKey: [ParameterKey: Int]
  private let statistics: [Int: BatchStatistics]
  private let shapes: [TensorShape]
  let tape: Tape
  /// What every quadratic of the network last recorded reads, behind its normalisation.
  private var quadraticOperands: [Int: Tape.Variable] = [:]
  private let gateMode: GateMode
  private let clip: Float
  /// Layers of which both forms are computed, in the order of the search space.
  let gates: [Gate]
  private let gateOfNode: [Int: Int]
  /// The last node that reads each node's tensor.
  private let lastReader: [Int: Int]

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

  /// Loss and gradients of a batch in training mode; running statistics of batch normalisation move.
  ///
  /// - Parameters:
  ///   - batch: normalised inputs, `[channels, samples, height, width]`.
  ///   - labels: one class a sample, each below the number of logits.
  /// - Returns: the loss without range penalty, the penalty, and how many samples were classified correctly.
  public func differentiate(
    batch: FloatTensor, labels: [Int], options: LossOptions
  ) -> (loss: Float, penalty: Float, correct: Int) {
    let result = differentiate(batch: batch, labels: labels, options: options, terms: StepTerms())
    return (result.loss, result.penalty, result.correct)
  }

  /// The same with more terms.
  func differentiate(batch: FloatTensor, labels: [Int], options: LossOptions, terms: StepTerms) -> StepLoss {
    defer { tape.reset() }
    for slot in slots { slot.gradient.fill(0) }
    for gate in gates { gate.gradient.fill(0) }
    var shares: [Tape.Variable] = []
    let variables = record(batch, training: true, movesStatistics: terms.movesStatistics, shares: &shares)
    let logits = variables[variables.count - 1]
    var result = StepLoss()
    var loss = tape.apply(
      .softmaxCrossEntropy(labels: labels, smoothing: options.labelSmoothing), [logits])
    result.loss = tape.value(loss).pointer[0]
    if let teacher = terms.teacher {
      let term = tape.apply(.distillation(teacher: teacher.logits, temperature: teacher.temperature), [logits])
      result.distillation = tape.value(term).pointer[0]
      loss = tape.apply(
        .add, [tape.apply(.scaled(1 - teacher.weight), [loss]), tape.apply(.scaled(teacher.weight), [term])])
    }
    if options.rangeWeight > 0 {
      for node in graph.nodes {
        guard let operand = quadraticOperands[node.id] else { continue }
        let term = tape.apply(.rangePenalty(bound: options.rangeBound, weight: options.rangeWeight), [operand])
        result.penalty += tape.value(term).pointer[0]
        loss = tape.apply(.add, [loss, term])
      }
    }
    if let costs = terms.costs {
      for (share, cost) in zip(shares, costs) {
        loss = tape.apply(.add, [loss, tape.apply(.dot(coefficients: [cost.comparison, cost.polynomial]), [share])])
      }
    }
    result.correct = zip(GraphExecutor.predictions(tape.value(logits)), labels).count { $0 == $1 }
    tape.backward(from: loss)
    return result
  }

  /// Logits of a batch in inference mode, `[classes, samples]`, in memory of their own.
  func logitsTensor(batch: FloatTensor) -> FloatTensor {
    defer { tape.reset() }
    let output = tape.value(infer(batch))
    return FloatTensor(shape: output.shape, values: output.values)
  }

  /// Sets the statistics that inference normalises with to the medians of those of some batches, normalised in training
  /// mode: for the weights as they are now (Y. Wu and J. Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3.2,
  /// who take means).
  ///
  /// Quadratics have heavy tails: one odd picture can make a batch's variance a million times the usual. Training, which
  /// normalises with the batch's own, does not see that; a running average does for a hundred batches, and so would a mean.
  func settleStatistics(batches: Int, _ batch: (Int) -> FloatTensor) {
    for entry in statistics.values { entry.gather(batches: batches) }
    for index in 0..<batches {
      var shares: [Tape.Variable] = []
      _ = record(batch(index), training: true, movesStatistics: true, shares: &shares)
      tape.reset()
      for entry in statistics.values { entry.advance() }
    }
    for entry in statistics.values { entry.settle() }
  }

  /// Calls `body(node, tensor)` with the operand of every quadratic activation on a batch, normalised by the batch's
  /// own statistics, which running ones do not follow.
  func visitOperands(batch: FloatTensor, _ body: (Int, FloatTensor) -> Void) {
    defer { tape.reset() }
    var shares: [Tape.Variable] = []
    let variables = record(batch, training: true, movesStatistics: false, shares: &shares)
    for node in graph.nodes where node.operation.isActivation { body(node.id, tape.value(variables[node.inputs[0]])) }
  }

  /// Logits of a batch in inference mode, `logits[sample][class]`.
  public func logits(batch: FloatTensor) -> [[Float]] {
    defer { tape.reset() }
    let output = tape.value(infer(batch))
    let samples = output.shape.samples
    return (0..<samples).map { sample in
      (0..<output.shape.channels).map { output.pointer[$0 * samples + sample] }
    }
  }

  /// Mean loss times samples, and the class of every sample, of a batch in inference mode.
  public func evaluate(batch: FloatTensor, labels: [Int]) -> (loss: Double, predictions: [Int]) {
    defer { tape.reset() }
    let logits = infer(batch)
    let loss = tape.apply(.softmaxCrossEntropy(labels: labels, smoothing: 0), [logits])
    return (
      Double(tape.value(loss).pointer[0]) * Double(labels.count), GraphExecutor.predictions(tape.value(logits))
    )
  }

  /// Largest magnitude of every node's tensor on a batch in inference mode, by node.
  public func magnitudes(batch: FloatTensor) -> [Float] {
    defer { tape.reset() }
    var magnitudes: [Float] = []
    _ = infer(batch) { tensor in
      var largest: Float = 0
      for index in 0..<tensor.count { largest = max(largest, abs(tensor.pointer[index])) }
      magnitudes.append(largest)
    }
    return magnitudes
  }

  /// The class of the largest logit of every sample; the first one where several are equal.
  static func predictions(_ logits: FloatTensor) -> [Int] {
    let samples = logits.shape.samples
    return (0..<samples).map { sample in
      var best = 0
      for label in 1..<max(logits.shape.channels, 1)
      where logits.pointer[label * samples + sample] > logits.pointer[best * samples + sample] {
        best = label
      }
      return best
    }
  }

  private func leaf(_ node: Int, _ name: ParameterName, training: Bool) -> Tape.Variable? {
    slotOfKey[ParameterKey(node, name)].map { index in
      tape.leaf(slots[index].value, gradient: training ? slots[index].gradient : nil)
    }
  }

  /// The logits of a batch in inference mode. A tensor's memory goes to the next ones when nothing reads it any more;
  /// `visit` sees every node's tensor once, in order.
  private func infer(_ batch: FloatTensor, visit: ((FloatTensor) -> Void)? = nil) -> Tape.Variable {
    var shares: [Tape.Variable] = []
    let variables = record(batch, training: false, movesStatistics: false, shares: &shares) { node, variables in
      visit?(tape.value(variables[node.id]))
      if let operand = quadraticOperands[node.id], operand != variables[node.inputs[0]] { tape.release(operand) }
      for operand in Set(node.inputs) where lastReader[operand] == node.id {
        if case .input = graph.nodes[operand].operation { continue }
        tape.release(variables[operand])
      }
    }
    return variables[variables.count - 1]
  }

  /// The weights of both forms of a gated layer, or nil where only the polynomial is in play.
  private func share(_ node: Int, training: Bool, shares: inout [Tape.Variable]) -> Tape.Variable? {
    guard let gate = gateOfNode[node].map({ gates[$0] }) else { return nil }
    switch gateMode {
    case .scheduled: return gate.numbers.pointer[1] == 1 ? nil : tape.leaf(gate.numbers)
    case .learned:
      shares.append(tape.apply(.softmax, [tape.leaf(gate.numbers, gradient: training ? gate.gradient : nil)]))
      return shares[shares.count - 1]
    }
  }

  /// `shares` takes the weights of every gated layer whose gate is learned, in the order of the gates; `after` is called
  /// when a node has been computed.
  private func record(
    _ batch: FloatTensor, training: Bool, movesStatistics: Bool, shares: inout [Tape.Variable],
    after: (Node, [Tape.Variable]) -> Void = { _, _ in }
  ) -> [Tape.Variable] {
    let input = graph.input
    precondition(
      batch.shape.channels == input.channels && batch.shape.height == input.height && batch.shape.width == input.width,
      "the batch does not have the shape of the graph's input")
    var variables: [Tape.Variable] = []
    quadraticOperands = [:]
    for node in graph.nodes {
      let operands = node.inputs.map { variables[$0] }
      func parameters(_ names: ParameterName...) -> [Tape.Variable] {
        names.compactMap { leaf(node.id, $0, training: training) }
      }
      func normalize(_ epsilon: Float, _ momentum: Float) -> Tape.Variable {
        tape.apply(
          .batchNorm(
            epsilon: epsilon, momentum: movesStatistics ? momentum : 0, training: training,
            statistics: statistics[node.id]!),
          operands + parameters(.gamma, .beta))
      }
      switch node.operation {
      case .input: variables.append(tape.leaf(batch))
      case .convolution(let spec):
        let from = shapes[node.inputs[0]]
        let geometry = LinearGeometry(spec, on: from)
        variables.append(tape.apply(.convolution(geometry), operands + parameters(.weight, .bias)))
      case .linear: variables.append(tape.apply(.linear, operands + parameters(.weight, .bias)))
      case .batchNorm(let epsilon, let momentum): variables.append(normalize(epsilon, momentum))
      case .x2act(let spec):
        let factor = spec.squareFactor(elements: shapes[node.id].count)
        let coefficients = parameters(.w1, .w2, .b)
        var normalized: Tape.Variable?
        if let epsilon = spec.normalizationEpsilon {
          normalized = normalize(epsilon, X2actSpec.normalizationMomentum)
        }
        quadraticOperands[node.id] = normalized ?? operands[0]
        if let share = share(node.id, training: training, shares: &shares) {
          variables.append(
            tape.apply(
              .blendedActivation(squareFactor: factor, upper: clip),
              operands + coefficients + [share] + (normalized.map { [$0] } ?? [])))
        } else {
          variables.append(tape.apply(.x2act(squareFactor: factor), [normalized ?? operands[0]] + coefficients))
        }
      case .relu: variables.append(tape.apply(.relu, operands))
      case .leakyRelu(let shift):
        variables.append(tape.apply(.piecewise(slope: 1 / Float(1 << shift), upper: .infinity), operands))
      case .clippedRelu(let upper): variables.append(tape.apply(.piecewise(slope: 0, upper: upper), operands))
      case .clip(let lower, let upper):
        variables.append(tape.apply(.clip(lower: lower, upper: upper), operands))
      case .sign: variables.append(tape.apply(.sign, operands))
      case .absolute: variables.append(tape.apply(.piecewise(slope: -1, upper: .infinity), operands))
      case .maxPool(let kernel, let stride, let padding):
        variables.append(tape.apply(.maxPool(kernel: kernel, stride: stride, padding: padding), operands))
      case .averagePool(let kernel, let stride, let padding):
        if let share = share(node.id, training: training, shares: &shares) {
          variables.append(
            tape.apply(.blendedPool(kernel: kernel, stride: stride, padding: padding), operands + [share]))
        } else {
          variables.append(tape.apply(.averagePool(kernel: kernel, stride: stride, padding: padding), operands))
        }
      case .globalAveragePool: variables.append(tape.apply(.globalAveragePool, operands))
      case .flatten: variables.append(tape.apply(.flatten, operands))
      case .add: variables.append(tape.apply(.add, operands))
      case .concatenate: variables.append(tape.apply(.concatenate, operands))
      case .subsamplePad(let stride, let front, let back):
        variables.append(tape.apply(.subsamplePad(stride: stride, before: front, after: back), operands))
      }
      after(node, variables)
    }
    return variables
  }
}
