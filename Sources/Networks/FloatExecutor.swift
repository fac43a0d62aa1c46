public import Rings

/// Runs a graph in float32, one sample at a time: the reference for calibration, tests and evaluation.
///
/// BN uses its running statistics. The executor holds a copy of the parameters and is a value: one per thread.
public struct FloatExecutor: Sendable {
  /// The network.
  public let graph: Graph
  /// Shapes of the nodes' tensors.
  public let shapes: [TensorShape]
  private var parameters: Parameters

  /// Prepares a run.
  ///
  /// - Throws: ``NetworksError`` where graph and parameters do not fit each other.
  public init(graph: Graph, parameters: Parameters) throws {
    try graph.validate()
    try parameters.validate(for: graph)
    self.graph = graph
    self.shapes = try graph.shapes()
    self.parameters = parameters
  }

  /// The output (logits) of one normalised sample.
  ///
  /// - Throws: ``NetworksError/invalidInput(reason:)`` where the sample has the wrong number of values.
  public func output(of sample: [Float]) throws -> [Float] {
    let tensors = try run(sample, keepingAll: false)
    return tensors[tensors.count - 1]
  }

  /// The tensors of all nodes on one normalised sample, CHW.
  ///
  /// - Throws: ``NetworksError/invalidInput(reason:)`` where the sample has the wrong number of values.
  public func tensors(of sample: [Float]) throws -> [[Float]] { try run(sample, keepingAll: true) }

  private func run(_ sample: [Float], keepingAll: Bool) throws -> [[Float]] {
    var executor = self
    return try executor.run(sample, keepingAll: keepingAll) { _, _, _ in }
  }

  /// - Parameter visit: called with each node's tensor, which it may change, and this executor likewise.
  private mutating func run(
    _ sample: [Float], keepingAll: Bool, visit: (inout FloatExecutor, Node, inout [Float]) -> Void
  ) throws -> [[Float]] {
    guard sample.count == graph.input.count else {
      throw NetworksError.invalidInput(
        reason: "it has \(sample.count) values, and the network reads \(graph.input.count)")
    }
    var last = Array(graph.nodes.indices)
    for node in graph.nodes { for operand in node.inputs { last[operand] = node.id } }
    var tensors = [[Float]](repeating: [], count: graph.nodes.count)
    for node in graph.nodes {
      var made = compute(node, node.inputs.map { tensors[$0] }, sample)
      visit(&self, node, &made)
      tensors[node.id] = made
      if !keepingAll { for operand in node.inputs where last[operand] == node.id { tensors[operand] = [] } }
    }
    return tensors
  }

  /// Scales weights and biases of every linear layer, one after the other, so that its results on a normalised sample have a mean square of one.
  ///
  /// - Returns: the scaled parameters.
  /// - Throws: ``NetworksError/invalidInput(reason:)`` where the sample has the wrong number of values.
  mutating func equalize(on sample: [Float]) throws -> Parameters {
    _ = try run(sample, keepingAll: false) { executor, node, values in
      switch node.operation {
      case .convolution, .linear:
        let square = values.reduce(0) { $0 + Double($1) * Double($1) } / Double(values.count)
        guard square > 0 else { return }
        let factor = Float(1 / square.squareRoot())
        for name in [ParameterName.weight, .bias] {
          executor.parameters[node.id, name] = executor.parameters[node.id, name].map { factor * $0 }
        }
        for index in values.indices { values[index] *= factor }
      default: break
      }
    }
    return parameters
  }

  private func compute(_ node: Node, _ operands: [[Float]], _ sample: [Float]) -> [Float] {
    let shape = shapes[node.id]
    let from = node.inputs.first.map { shapes[$0] } ?? shape
    func parameter(_ name: ParameterName) -> [Float] { parameters[node.id, name] }
    switch node.operation {
    case .input: return sample
    case .convolution(let spec):
      let geometry = LinearGeometry(spec, on: from)
      return FloatKernels.convolution(operands[0], geometry, parameter(.weight), parameter(.bias))
    case .linear: return FloatKernels.linear(operands[0], parameter(.weight), parameter(.bias), shape.channels)
    case .batchNorm(let epsilon, _):
      return normalized(operands[0], node.id, shape, epsilon)
    case .x2act(let spec):
      let factor = spec.squareFactor(elements: shape.count)
      let (w1, w2, b) = (parameter(.w1), parameter(.w2), parameter(.b))
      var operand = operands[0]
      if let epsilon = spec.normalizationEpsilon { operand = normalized(operand, node.id, shape, epsilon) }
      return FloatKernels.perChannel(operand, shape) { channel, x in
        let index = spec.perChannel ? channel : 0
        return (factor * w1[index] * x + w2[index]) * x + b[index]
      }
    case .relu: return operands[0].map { max($0, 0) }
    case .leakyRelu(let shift):
      let slope = Float(Scalar.power(-shift))
      return operands[0].map { $0 >= 0 ? $0 : slope * $0 }
    case .slopedRelu(let numerator, let denominator):
      let slope = Float(numerator) / Float(denominator)
      return operands[0].map { $0 >= 0 ? $0 : slope * $0 }
    case .clippedRelu(let upper): return operands[0].map { min(max($0, 0), upper) }
    case .clip(let lower, let upper): return operands[0].map { min(max($0, lower), upper) }
    case .absolute: return operands[0].map { abs($0) }
    case .sign: return operands[0].map { $0 >= 0 ? 1 : -1 }
    case .maxPool: return FloatKernels.maxPool(operands[0], from, node.operation.pooling!)
    case .averagePool: return FloatKernels.averagePool(operands[0], from, node.operation.averaging!)
    case .globalAveragePool:
      let area = from.height * from.width
      return (0..<from.channels).map { channel in
        operands[0][channel * area..<(channel + 1) * area].reduce(0, +) / Float(area)
      }
    case .flatten, .reshape: return operands[0]
    case .offset: return zip(operands[0], parameter(.bias)).map { $0 + $1 }
    case .add: return zip(operands[0], operands[1]).map { $0 + $1 }
    case .concatenate: return Array(operands.joined())
    case .subsamplePad(let stride, let before, _):
      return FloatKernels.subsamplePad(operands[0], from, shape, stride: stride, before: before)
    }
  }

  private func normalized(_ operand: [Float], _ node: Int, _ shape: TensorShape, _ epsilon: Float) -> [Float] {
    let (gamma, beta) = (parameters[node, .gamma], parameters[node, .beta])
    let (mean, variance) = (parameters[node, .mean], parameters[node, .variance])
    return FloatKernels.perChannel(operand, shape) { channel, x in
      (x - mean[channel]) / (variance[channel] + epsilon).squareRoot() * gamma[channel] + beta[channel]
    }
  }
}

extension LinearGeometry {
  /// The geometry of a convolution of a graph on a picture of the given shape.
  public init(_ spec: ConvolutionSpec, on from: TensorShape) {
    let window = spec.window
    self.init(
      inChannels: from.channels, outChannels: spec.outChannels, inHeight: from.height, inWidth: from.width,
      kernelHeight: window.kernelHeight, kernelWidth: window.kernelWidth, strideHeight: window.strideHeight,
      strideWidth: window.strideWidth, padTop: window.padTop, padLeft: window.padLeft, padBottom: window.padBottom,
      padRight: window.padRight, groups: spec.groups)
  }
}
