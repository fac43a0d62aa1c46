import Rings

/// Removes batch normalisation from a trained network.
public enum Folding {
  /// An equal network without BN: a BN that directly follows a convolution or linear layer nobody else reads becomes
  /// part of its weights and bias, one inside an X2act, or before one and read by nothing else, part of its coefficients,
  /// channel by channel; any other BN becomes part of the layer behind it where that
  /// can be (``forward(_:_:)``), or a 1x1 convolution with one channel per group. A maximum that reads a
  /// monotone activation changes places with it, and an identity stands between two layers with weights.
  ///
  /// - Throws: ``NetworksError`` where graph and parameters do not fit each other.
  public static func fold(_ graph: Graph, _ parameters: Parameters) throws -> (graph: Graph, parameters: Parameters) {
    try graph.validate()
    try parameters.validate(for: graph)
    let (graph, parameters) = try forward(graph, parameters)
    let shapes = try graph.shapes()
    let readers = readers(of: graph)
    var entering: [Int: Affine] = [:]

    var folded = graph
    folded.nodes = []
    var result = Parameters()
    var place = [Int](repeating: 0, count: graph.nodes.count)
    for node in graph.nodes {
      let inputs = node.inputs.map { place[$0] }
      if case .x2act(let spec) = node.operation,
        let affine = spec.normalizationEpsilon.map({ Affine(parameters, node.id, $0) }) ?? entering[node.id]
      {
        place[node.id] = folded.append(.x2act(absorbing(spec)), name: node.name, from: inputs)
        let factor = Double(spec.squareFactor(elements: shapes[node.id].count))
        affine.absorb(into: &result, activation: place[node.id], of: parameters, node.id, squareFactor: factor)
        continue
      }
      guard case .batchNorm(let epsilon, _) = node.operation else {
        place[node.id] = folded.append(node.operation, name: node.name, from: inputs)
        for name in ParameterName.allCases { result[place[node.id], name] = parameters[node.id, name] }
        continue
      }
      let affine = Affine(parameters, node.id, epsilon)
      let operand = node.inputs[0]
      if readers[operand].count == 1, let operation = withBias(graph.nodes[operand].operation) {
        place[node.id] = inputs[0]
        folded.nodes[inputs[0]].operation = operation
        affine.absorb(into: &result, node: inputs[0])
      } else if let activation = absorber(of: node, graph, readers) {
        place[node.id] = inputs[0]
        entering[activation] = affine
      } else {
        let channels = shapes[node.id].channels
        let spec = ConvolutionSpec(outChannels: channels, kernel: 1, groups: channels)
        place[node.id] = folded.append(.convolution(spec), name: node.name, from: inputs)
        result[place[node.id], .weight] = affine.factors.map { Float($0) }
        result[place[node.id], .bias] = affine.offsets.map { Float($0) }
      }
    }
    let (joined, kept) = try joined(folded, result)
    let equal = withEqualGains(poolingFirst(joined), kept)
    return withOpenings(equal.graph, equal.parameters)
  }

  /// What an activation is once a normalisation of its operand is part of its coefficients.
  static func absorbing(_ spec: X2actSpec) -> X2actSpec { X2actSpec(scale: spec.scale, perChannel: true) }

  /// The X2act that takes up a normalisation which it alone reads; nil where there is none.
  static func absorber(of node: Node, _ graph: Graph, _ readers: [[Int]]) -> Int? {
    guard readers[node.id].count == 1, case .x2act(let spec) = graph.nodes[readers[node.id][0]].operation,
      spec.normalizationEpsilon == nil
    else { return nil }
    return readers[node.id][0]
  }

  /// The nodes that read each node, once for every operand.
  static func readers(of graph: Graph) -> [[Int]] {
    var result = [[Int]](repeating: [], count: graph.nodes.count)
    for node in graph.nodes { for operand in node.inputs { result[operand].append(node.id) } }
    return result
  }

  /// Takes maxima before the monotone activation that they would read: the results are the same, and fewer elements are
  /// compared.
  static func poolingFirst(_ graph: Graph) -> Graph {
    var graph = graph
    for node in graph.nodes {
      guard case .maxPool = node.operation, graph.nodes[node.inputs[0]].operation.isMonotone else { continue }
      let operand = node.inputs[0]
      guard graph.nodes.allSatisfy({ $0.id == node.id || !$0.inputs.contains(operand) }) else { continue }
      let activation = graph.nodes[operand]
      (graph.nodes[operand].operation, graph.nodes[node.id].operation) = (node.operation, activation.operation)
      (graph.nodes[operand].name, graph.nodes[node.id].name) = (node.name, activation.name)
    }
    return graph
  }

  static func withBias(_ operation: Operation) -> Operation? {
    switch operation {
    case .convolution(var spec):
      spec.bias = true
      return .convolution(spec)
    case .linear(let outFeatures, _): return .linear(outFeatures: outFeatures, bias: true)
    default: return nil
    }
  }

  /// `factor x + offset` per channel, in double so that folding itself adds one rounding only.
  struct Affine {
    var factors: [Double]
    var offsets: [Double]

    init(_ parameters: Parameters, _ node: Int, _ epsilon: Float) {
      let (gamma, beta) = (parameters[node, .gamma], parameters[node, .beta])
      let (mean, variance) = (parameters[node, .mean], parameters[node, .variance])
      let slopes = gamma.indices.map { Double(gamma[$0]) / (Double(variance[$0]) + Double(epsilon)).squareRoot() }
      factors = slopes
      offsets = gamma.indices.map { Double(beta[$0]) - Double(mean[$0]) * slopes[$0] }
    }

    /// Coefficients of `q(factor x + offset)` out of those of `q`, where `squareFactor` multiplies every `w1`.
    func absorb(
      into folded: inout Parameters, activation: Int, of parameters: Parameters, _ node: Int, squareFactor: Double
    ) {
      let (w1, w2, b) = (parameters[node, .w1], parameters[node, .w2], parameters[node, .b])
      var terms = (w1: [Float](), w2: [Float](), b: [Float]())
      for channel in factors.indices {
        let index = w1.count == 1 ? 0 : channel
        let (slope, offset) = (factors[channel], offsets[channel])
        let square = squareFactor * Double(w1[index])
        terms.w1.append(Float(Double(w1[index]) * slope * slope))
        terms.w2.append(Float((2 * square * offset + Double(w2[index])) * slope))
        terms.b.append(Float((square * offset + Double(w2[index])) * offset + Double(b[index])))
      }
      (folded[activation, .w1], folded[activation, .w2], folded[activation, .b]) = terms
    }

    func absorb(into parameters: inout Parameters, node: Int) {
      var weight = parameters[node, .weight]
      var bias = parameters[node, .bias]
      if bias.isEmpty { bias = [Float](repeating: 0, count: factors.count) }
      let taps = weight.count / factors.count
      for channel in factors.indices {
        for index in channel * taps..<(channel + 1) * taps {
          weight[index] = Float(Double(weight[index]) * factors[channel])
        }
        bias[channel] = Float(Double(bias[channel]) * factors[channel] + offsets[channel])
      }
      parameters[node, .weight] = weight
      parameters[node, .bias] = bias
    }
  }
}
