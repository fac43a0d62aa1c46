import Rings

/// How the comparisons of a plan that drops bits locally share its failure budget, and how many fraction bits they keep.
///
/// An element turns with probability `|x| / 2^64`, so the budget bounds the bits of operands: those of activations and of the
/// weights that meet them together. A layer of `c` (elements times mean magnitude) and `T` bits turns `c 2^T / 2^64` times, and
/// its weights are off by a part that halves with each bit. The sum of squared errors is least where
/// `2^-2T` and `c 2^T` are in one proportion, which gives each layer a share proportional to `c^(2/3)`.
struct TurnSharing {
  /// Expected turns that each comparison may have.
  private(set) var share: [Int: Double] = [:]
  /// Fraction bits that comparisons keep: as many as were asked for, or fewer where the budget leaves weights too few.
  private(set) var keptBits: Int

  /// Whether the budget leaves every comparison as many bits as are asked for, and weights some more.
  private(set) var isAmple = true

  /// Bits of weights beyond those that were asked for that are worth having: rounded weights err most.
  static let spareWeightBits = 2
  /// Fewest fraction bits that are kept.
  private static let leastKept = 7

  init(_ solver: ScaleSolver) {
    let options = solver.options
    keptBits = options.activationBits
    let comparisons = solver.graph.nodes.filter(\.operation.isComparison)
    guard !comparisons.isEmpty else { return }
    // Changes of ring and labels turn too.
    let isAlone = !solver.graph.nodes.contains { if case .x2act = $0.operation { true } else { false } }
    let budget = options.failureBudget * (isAlone && options.reveals == .scores ? 0.9 : 0.5)
    var load: [Int: Double] = [:]
    for node in comparisons {
      let seen = solver.calibration.nodes[node.inputs[0]]
      let area = Double(solver.shapes[node.inputs[0]].count / max(seen.mean.count, 1))
      let size = Scalar.power(-solver.units[node.id])
      load[node.id] = max(seen.mean.reduce(0.0) { $0 + Double($1) } * area * size, 1e-30)
    }
    func weight(_ load: Double) -> Double { Scalar.exp2(Scalar.log2(load) * 2 / 3) }
    let sum = load.values.reduce(0) { $0 + weight($1) }
    for (node, load) in load { share[node] = budget * weight(load) / sum }
    let layers = layers(solver, comparisons, load)
    isAmple = layers.allSatisfy { $0.bits >= options.activationBits + options.weightBits + Self.spareWeightBits }
    if options.ringTruncation == .local { keptBits = balanced(layers, options) }
  }

  /// A layer of weights before a comparison.
  private struct Layer {
    /// Bits of its weights and of what they meet, together, that the budget leaves.
    var bits: Int
    /// Relative errors of a unit of the activations and of a unit of the weights, squared.
    var activation, weight: Double
  }

  private func layers(_ solver: ScaleSolver, _ comparisons: [Node], _ load: [Int: Double]) -> [Layer] {
    comparisons.compactMap { node in
      guard let source = Self.linear(solver.graph, node.inputs[0]) else { return nil }
      let scaling = LinearScaling(solver, solver.graph.nodes[source])
      let input = solver.graph.nodes[source].inputs[0]
      let unit = solver.units[input]
      let operand = Double(solver.calibration.nodes[input].rootMeanSquare) * Scalar.power(-unit)
      let weights = scaling.rootMeanSquare
      guard operand > 0, weights > 0 else { return nil }
      // A budget of zero leaves no bits.
      let scale = min(max(share[node.id]! / load[node.id]!, 0x1p-64), 0x1p64)
      let bits = Int(Scalar.log2(scale).rounded(.down)) + 64 + unit - solver.units[node.id]
      return Layer(bits: bits, activation: 1 / (6 * operand * operand), weight: 1 / (12 * weights * weights))
    }
  }

  /// The fraction bits at which rounded activations and rounded weights together err least.
  private func balanced(_ layers: [Layer], _ options: PlannerOptions) -> Int {
    guard options.activationBits > Self.leastKept else { return options.activationBits }
    func error(_ kept: Int) -> Double {
      layers.reduce(0) { sum, layer in
        // More bits of weights than were asked for are not taken.
        let weightBits = min(layer.bits - kept, options.weightBits + Self.spareWeightBits)
        return sum + layer.activation * Scalar.power(-2 * kept) + layer.weight * Scalar.power(-2 * weightBits)
      }
    }
    let range = Self.leastKept...options.activationBits
    return layers.isEmpty ? options.activationBits : range.reversed().min { error($0) < error($1) }!
  }

  /// The layer with weights whose result a comparison reads, through local steps; nil where it reads another tensor.
  private static func linear(_ graph: Graph, _ index: Int) -> Int? {
    let node = graph.nodes[index]
    switch node.operation {
    case .convolution, .linear: return index
    case .add, .averagePool, .globalAveragePool, .flatten, .reshape, .offset, .subsamplePad:
      return node.inputs.lazy.compactMap { linear(graph, $0) }.first
    default: return nil
    }
  }
}

extension ScaleSolver {
  /// Means of a tensor's channels, where no value of it is negative: those of magnitudes are seen; nil elsewhere.
  func mean(_ index: Int) -> [Double]? {
    isNonnegative(index) ? calibration.nodes[index].mean.map(Double.init) : nil
  }

  private func isNonnegative(_ index: Int) -> Bool {
    let node = graph.nodes[index]
    switch node.operation {
    case .relu, .clippedRelu, .absolute: return true
    case .clip(let lower, _): return lower >= 0
    case .maxPool, .averagePool, .globalAveragePool, .flatten, .reshape, .add, .subsamplePad:
      return node.inputs.allSatisfy { isNonnegative($0) }
    default: return false
    }
  }
}
