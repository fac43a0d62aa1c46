import Networks
import Rings

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
}
