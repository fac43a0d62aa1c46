import Networks
import Rings
import Testing

/// Random networks and samples for tests; fixed seeds.
enum Samples {
  static func normal(_ count: Int, seed: UInt64, deviation: Double = 1) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float(generator.normal() * deviation) }
  }

  /// Normalised samples, uniform over the range of raw values.
  static func inputs(_ graph: Graph, count: Int, seed: UInt64) -> [[Float]] {
    (0..<count).map { Benchmarks.randomSample(graph, seed: seed &+ UInt64($0)) }
  }

  /// Random BN statistics and activation coefficients of both signs, so that nothing is the identity.
  static func disturb(_ parameters: Parameters, seed: UInt64, square: Double = 1) -> Parameters {
    var generator = SeededGenerator(seed: seed)
    var result = parameters
    for key in parameters.keys {
      result.values[key] = result.values[key]!.map { value in
        switch key.name {
        case .weight: value
        case .bias, .beta, .mean, .b: Float(generator.normal() * 0.1)
        case .gamma, .w2: Float(0.7 + 0.6 * generator.uniform())
        case .variance: Float(0.5 + generator.uniform())
        case .w1: Float((1 + 2 * generator.uniform()) * (generator.uniform() < 0.4 ? -square : square))
        }
      }
    }
    return result
  }

  /// Largest difference, and root mean square of the reference.
  static func difference(_ values: [Double], _ reference: [Float]) -> (largest: Double, scale: Double) {
    var (largest, squares) = (0.0, 0.0)
    for (value, wanted) in zip(values, reference) {
      largest = max(largest, abs(value - Double(wanted)))
      squares += Double(wanted) * Double(wanted)
    }
    return (largest, (squares / Double(reference.count)).squareRoot())
  }

  /// Folds, calibrates and plans.
  static func plan(
    _ graph: Graph, _ parameters: Parameters, count: Int = 4, options: PlannerOptions = PlannerOptions()
  ) throws -> (folded: Graph, parameters: Parameters, planned: PlannedModel, samples: [[Float]]) {
    let folded = try Folding.fold(graph, parameters)
    let samples = inputs(folded.graph, count: count, seed: 99)
    let calibration = try Calibration.run(folded.graph, folded.parameters, samples: samples)
    let planned = try Planner.plan(folded.graph, folded.parameters, calibration, options: options)
    return (folded.graph, folded.parameters, planned, samples)
  }

  /// Random parameters under which values neither grow nor vanish over many layers.
  static func tame(_ graph: Graph, seed: UInt64) throws -> Parameters {
    var result = disturb(try Parameters.initialize(graph, seed: seed), seed: seed + 20)
    let shapes = try graph.parameterShapes()
    for node in graph.nodes {
      switch node.operation {
      case .x2act(let spec):
        try result.setActivation(of: graph, node: node.id, square: 0.02, linear: 1, constant: 0.05)
        if spec.perChannel { result[node.id, .w1][0] *= -2 }
      case .convolution:
        // Quadratics nearly keep the mean square, ReLU halves it.
        let quadratic = graph.nodes.contains { if case .x2act = $0.operation { true } else { false } }
        let count = result[node.id, .weight].count
        let fanIn = count / shapes[ParameterKey(node.id, .weight)]![0]
        let deviation = ((quadratic ? 1 : 2) / Double(fanIn)).squareRoot()
        result[node.id, .weight] = normal(count, seed: seed + UInt64(node.id), deviation: deviation)
      default: break
      }
    }
    return result
  }

  /// Plans a network and holds the twin to the float network, and folding to both.
  static func expectAgreement(
    _ graph: Graph, _ parameters: Parameters, options: PlannerOptions = PlannerOptions()
  ) throws -> PlannedModel {
    let (folded, weights, planned, samples) = try plan(graph, parameters, options: options)
    #expect(try Folding.structure(graph) == folded)
    try planned.plan.validate()
    let executor = try FloatExecutor(graph: folded, parameters: weights)
    let original = try FloatExecutor(graph: graph, parameters: parameters)
    let twin = try Twin(planned.plan, planned.quantized)
    for sample in samples {
      let wanted = try original.output(of: sample)
      let (folding, scale) = difference(try executor.output(of: sample).map(Double.init), wanted)
      #expect(folding < 1e-3 * max(scale, 1))
      let result = try twin.logits(normalized: sample)
      let (largest, _) = difference(result.values, wanted)
      #expect(result.outOfRange == 0)
      #expect(largest < 0.03 * max(scale, 0.2), "\(largest) of \(scale)")
    }
    return planned
  }
}
