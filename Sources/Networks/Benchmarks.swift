import Programs
import Rings

/// The models that benchmarks give to every system alike: known shapes, random weights, `0.01 x^2 + x` (or `x^2`).
public enum Benchmarks {
  /// A calibrated model by the name of a benchmark case.
  ///
  /// - Parameters:
  ///   - name: a ``NetworkName``, without BN but where it stands before activations (DenseNet), with `:relu` behind it for ReLU instead of the polynomial; or `square:N`, `relu:N:BITS`, `maxpool:N:BITS` for N independent squares, ReLUs, maxima of 2x2
  ///     pixels, compared in BITS bits, with a `ComparisonPreference` behind if it is not the options'.
  ///   - seed: seed of the weights.
  ///   - options: how it is to be planned.
  /// - Returns: nil where there is no such case.
  /// - Throws: ``NetworksError`` where N is out of range.
  public static func model(
    _ name: String, seed: UInt64 = 1, options: PlannerOptions = PlannerOptions()
  ) throws -> ModelFile? {
    let graph: Graph
    var parameters: Parameters
    var options = options
    let parts = name.split(separator: ":")
    if parts.count == 2, parts[0] == "square", let elements = Int(parts[1]) {
      graph = Builders.square(elements: elements)
      parameters = try Parameters.initialize(graph, seed: seed)
      try parameters.setActivation(of: graph, node: 1, square: 1, linear: 0, constant: 0)
    } else if (3...4).contains(parts.count), ["relu", "maxpool"].contains(parts[0]), let elements = Int(parts[1]),
      let bits = Int(parts[2])
    {
      if parts.count == 4 {
        guard let preference = ComparisonPreference(rawValue: String(parts[3])) else { return nil }
        options.comparisons = preference
      }
      // Twice the largest sample is planned for, and differences of maxima take another bit: just above half of that.
      // Beyond 32 bits, which floats would not fill, the width alone grows.
      let exponent = min(bits, 32) - (parts[0] == "relu" ? 3 : 4) - options.inputBits
      let magnitude = Float(Scalar.power(exponent)) * 1.01
      graph =
        parts[0] == "relu"
        ? Builders.relu(elements: elements, magnitude: magnitude)
        : Builders.maxPool(outputs: elements, magnitude: magnitude)
      parameters = try Parameters.initialize(graph, seed: seed)
      if bits > 32 { options.comparisonBits = bits }
    } else if parts.count == 2, parts[1] == "relu",
      let named = named(String(parts[0]), .relu)
    {
      graph = named
      parameters = try self.parameters(of: graph, String(parts[0]), seed)
    } else if let named = named(name, .x2act(X2actSpec())) {
      graph = named
      parameters = try self.parameters(of: graph, name, seed)
    } else {
      return nil
    }
    var model = ModelFile(graph: graph, parameters: parameters, options: options)
    // Uniform pixels reach further than pictures do; two samples of thousands of elements show the ranges.
    try model.calibrate(samples: (0..<2).map { randomSample(graph, seed: seed &+ 1000 &+ $0) })
    return model
  }

  /// Normalisation becomes part of convolutions in front of it; where there is none, it is part of what the network costs.
  private static func named(_ name: String, _ activation: ActivationChoice) -> Graph? {
    Builders.named(name, activation: activation, batchNorm: NetworkName(name)?.architecture == .densenet121)
  }

  /// The weights that other systems are given for the same networks, which suit shallow ones and blocks of two convolutions.
  private static func parameters(of graph: Graph, _ name: String, _ seed: UInt64) throws -> Parameters {
    switch NetworkName(name)?.architecture {
    case .lenet, .digits, .resnet20, .resnet32, .resnet18, .resnet34:
      try Parameters.benchmarkPolynomial(graph, seed: seed)
    default:
      try Parameters.benchmarkUnit(graph, seed: seed, sample: randomSample(graph, seed: seed &+ 999))
    }
  }

  /// A normalised sample whose raw values are uniform over their range.
  public static func randomSample(_ graph: Graph, seed: UInt64) -> [Float] {
    let normalization = graph.inputNormalization
    return randomRawSample(graph, seed: seed).enumerated().map { index, value in
      normalization.apply(value, channel: index / (graph.input.height * graph.input.width))
    }
  }

  /// A raw sample, uniform over the range of raw values.
  public static func randomRawSample(_ graph: Graph, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    let normalization = graph.inputNormalization
    let span = normalization.pixelMaximum - normalization.pixelMinimum
    return (0..<graph.input.count).map { _ in normalization.pixelMinimum + span * Float(generator.uniform()) }
  }
}
