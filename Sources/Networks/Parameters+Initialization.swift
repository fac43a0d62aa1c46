import Rings

extension Parameters {
  /// Initial parameters: weights by He et al. (normal, variance `2 / fan-in`; `1 / fan-in` for the layer that makes
  /// the output), biases zero, BN the identity, and X2act by straight-through polynomial activation initialisation
  /// (PolyMPCNet, STPAI): `w2 = 1`, `b = 0`, and `w1` at `square`, so that each activation starts near the identity.
  ///
  /// - Throws: ``NetworksError`` where the graph is invalid.
  public static func initialize(_ graph: Graph, seed: UInt64, square: Float = 0.005) throws -> Parameters {
    let shapes = try graph.parameterShapes()
    var generator = SeededGenerator(seed: seed)
    var result = Parameters()
    for key in shapes.keys.sorted() {
      let shape = shapes[key]!
      let count = shape.reduce(1, *)
      func constant(_ value: Float) -> [Float] { [Float](repeating: value, count: count) }
      switch key.name {
      case .weight:
        let fanIn = Double(count / shape[0])
        let variance = key.node == graph.nodes.count - 1 ? 1 / fanIn : 2 / fanIn
        result[key.node, .weight] = normal(count, variance.squareRoot(), &generator)
      case .bias, .beta, .mean, .b: result[key.node, key.name] = constant(0)
      case .gamma, .variance, .w2: result[key.node, key.name] = constant(1)
      case .w1: result[key.node, .w1] = constant(square)
      }
    }
    return result
  }

  /// The parameters that the benchmarks give to every system alike: random weights by He (factor 0.7 for the first
  /// and 0.4 for the second convolution of a residual block, 0.7 for a projection), biases of deviation 0.05, and the
  /// activation `0.01 x^2 + x` everywhere. BN, where the graph has it, is the identity.
  ///
  /// - Throws: ``NetworksError`` where the graph is invalid.
  public static func benchmarkPolynomial(_ graph: Graph, seed: UInt64) throws -> Parameters {
    var result = try initialize(graph, seed: seed)
    let shapes = try graph.shapes()
    var generator = SeededGenerator(seed: seed ^ 0xBEEF)
    for node in graph.nodes {
      switch node.operation {
      case .convolution, .linear:
        let count = result[node.id, .weight].count
        let fanIn = Double(count / shapes[node.id].channels)
        var deviation = (2 / fanIn).squareRoot()
        if case .linear = node.operation { deviation = (1 / fanIn).squareRoot() }
        if node.name.hasSuffix(".conv1") || node.name.hasSuffix(".projection") { deviation *= 0.7 }
        if node.name.hasSuffix(".conv2") { deviation *= 0.4 }
        result[node.id, .weight] = normal(count, deviation, &generator)
        let biases = result[node.id, .bias].count
        if biases > 0 { result[node.id, .bias] = normal(biases, 0.05, &generator) }
      case .x2act:
        result.setActivation(of: graph, shapes: shapes, node: node.id, square: 0.01, linear: 1, constant: 0)
      default: break
      }
    }
    return result
  }

  /// The parameters of benchmarks that no other system is measured with: random weights, scaled layer after layer so that
  /// every linear layer's results on a sample have a mean square of one, however deep the network; biases of deviation
  /// 0.05 before, and the activation `0.01 x^2 + x` everywhere. BN, where the graph has it, is the identity.
  ///
  /// - Throws: ``NetworksError`` where graph or sample is invalid.
  public static func benchmarkUnit(_ graph: Graph, seed: UInt64, sample: [Float]) throws -> Parameters {
    let (shapes, wanted) = (try graph.shapes(), try graph.parameterShapes())
    var result = Parameters()
    var generator = SeededGenerator(seed: seed)
    for key in wanted.keys.sorted() {
      let shape = wanted[key]!
      let count = shape.reduce(1, *)
      switch key.name {
      case .weight:
        let fanIn = Double(count / shape[0])
        result[key.node, .weight] = normal(count, 1 / fanIn.squareRoot(), &generator)
      case .bias: result[key.node, .bias] = normal(count, 0.05, &generator)
      case .gamma, .variance: result[key.node, key.name] = [Float](repeating: 1, count: count)
      case .beta, .mean, .w1, .w2, .b: result[key.node, key.name] = [Float](repeating: 0, count: count)
      }
    }
    for node in graph.nodes {
      guard case .x2act = node.operation else { continue }
      result.setActivation(of: graph, shapes: shapes, node: node.id, square: 0.01, linear: 1, constant: 0)
    }
    var executor = try FloatExecutor(graph: graph, parameters: result)
    return try executor.equalize(on: sample)
  }

  /// Sets one activation to `square x^2 + linear x + constant` in every channel, whatever its scale `c / sqrt(Nx)` is.
  ///
  /// - Throws: ``NetworksError`` where the graph is invalid or the node is not an X2act.
  public mutating func setActivation(
    of graph: Graph, node: Int, square: Float, linear: Float, constant: Float
  ) throws {
    setActivation(
      of: graph, shapes: try graph.shapes(), node: node, square: square, linear: linear, constant: constant)
  }

  private mutating func setActivation(
    of graph: Graph, shapes: [TensorShape], node: Int, square: Float, linear: Float, constant: Float
  ) {
    guard case .x2act(let spec) = graph.nodes[node].operation else { preconditionFailure("node \(node) is no X2act") }
    let count = spec.perChannel ? shapes[node].channels : 1
    let factor = spec.squareFactor(elements: shapes[node].count)
    self[node, .w1] = [Float](repeating: square / factor, count: count)
    self[node, .w2] = [Float](repeating: linear, count: count)
    self[node, .b] = [Float](repeating: constant, count: count)
  }

  private static func normal(_ count: Int, _ deviation: Double, _ generator: inout SeededGenerator) -> [Float] {
    (0..<count).map { _ in Float(generator.normal() * deviation) }
  }
}
