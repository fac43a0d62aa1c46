public import Networks
import Rings

/// The layers of a network that have two forms: an activation is a comparison (ReLU, or ReLU clipped at `clip`) or the
/// quadratic, a pooling the maximum or the mean.
public struct SearchSpace: Codable, Hashable, Sendable {
  /// One layer with two forms.
  public struct Layer: Codable, Hashable, Sendable {
    /// The node's index.
    public var node: Int
    /// The node's name.
    public var name: String
    /// Whether it is a pooling.
    public var isPool: Bool
    /// Comparisons that its first form takes in one sample: one an element, `k - 1` a maximum over `k` pixels.
    public var comparisons: Int

    /// The form of a choice, as latency tables call it.
    public func choice(keepsComparison: Bool) -> LatencyTable.Choice {
      switch (isPool, keepsComparison) {
      case (false, true): .relu
      case (false, false): .x2act
      case (true, true): .maxPool
      case (true, false): .averagePool
      }
    }
  }

  /// The network with every choice polynomial.
  public let polynomial: Graph
  /// Where clipped ReLU stops; infinite for ReLU itself.
  public let clip: Float
  /// The layers that have a choice, in the graph's order.
  public let layers: [Layer]

  private enum CodingKeys: String, CodingKey { case polynomial, clip, layers }

  /// The choices of a network: its quadratic activations, and its mean poolings where `pools`. Layers that compare stay
  /// as they are.
  ///
  /// - Throws: `NetworksError` where the graph is invalid.
  public init(_ graph: Graph, clip: Float = .infinity, pools: Bool = true) throws {
    let shapes = try graph.shapes()
    polynomial = graph
    self.clip = clip
    layers = graph.nodes.compactMap { node in
      switch node.operation {
      case .x2act:
        Layer(node: node.id, name: node.name, isPool: false, comparisons: shapes[node.id].count)
      case .averagePool where pools:
        node.operation.pooling.flatMap { window in
          window.taps >= 2 && window.meetsPicture(shapes[node.inputs[0]])
            ? Layer(
              node: node.id, name: node.name, isPool: true, comparisons: shapes[node.id].count * (window.taps - 1))
            : nil
        }
      default: nil
      }
    }
  }

  /// Where the activation of a named network is clipped when it is a comparison: 6 in MobileNetV2.
  public static func clip(network: String) -> Float {
    NetworkName(network)?.architecture == .mobilenetv2 ? 6 : .infinity
  }

  /// The comparison in a node's place.
  func comparison(_ node: Int) -> Operation {
    switch polynomial.nodes[node].operation {
    case .averagePool: .maximum(over: polynomial.nodes[node].operation.pooling!)
    default: clip.isFinite ? .clippedRelu(upper: clip) : .relu
    }
  }

  /// The network with the given choices, one a layer; true keeps the comparison.
  public func derive(keepsComparison: [Bool]) -> Graph {
    precondition(keepsComparison.count == layers.count, "one choice a layer")
    var graph = polynomial
    for (layer, keeps) in zip(layers, keepsComparison) where keeps {
      graph.nodes[layer.node].operation = comparison(layer.node)
    }
    return graph
  }

  /// The parameters that a derived network needs, out of those of the polynomial one.
  public static func parameters(_ parameters: Parameters, for graph: Graph) -> Parameters {
    var result = parameters
    for node in graph.nodes {
      switch node.operation {
      case .x2act, .batchNorm: continue
      default: for name in [.w1, .w2, .b] + ParameterName.normalization { result[node.id, name] = [] }
      }
    }
    return result
  }

  // `clip` may be infinite, which JSON cannot say: it is left out then.
  /// Reads a space.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    polynomial = try container.decode(Graph.self, forKey: .polynomial)
    clip = try container.decodeIfPresent(Float.self, forKey: .clip) ?? .infinity
    layers = try container.decode([Layer].self, forKey: .layers)
  }

  /// Writes a space.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(polynomial, forKey: .polynomial)
    if clip.isFinite { try container.encode(clip, forKey: .clip) }
    try container.encode(layers, forKey: .layers)
  }
}

/// What each form of each layer costs, in one unit.
public struct ChoiceCosts: Hashable, Sendable {
  /// Both forms of a layer.
  public struct Pair: Hashable, Sendable {
    /// ReLU or maximum.
    public var comparison: Double
    /// Quadratic or mean.
    public var polynomial: Double
  }

  /// Cost of what has no choice.
  public var fixed: Double
  /// One pair a layer of the space.
  public var layers: [Pair]

  /// Milliseconds, from a table of the hardware model.
  ///
  /// - Throws: ``TrainingError/badTable(reason:)`` where a layer or a form of it is missing.
  public init(_ table: LatencyTable, space: SearchSpace) throws {
    let rows = Dictionary(table.rows.map { ($0.layer, $0) }, uniquingKeysWith: { first, _ in first })
    fixed = table.fixedMilliseconds
    layers = try space.layers.map { layer in
      guard let row = rows[layer.name] else {
        throw TrainingError.badTable(
          reason: "the layer \(layer.name) of \(space.polynomial.name) has no row in the table of \(table.network)")
      }
      func milliseconds(_ keeps: Bool) throws -> Double {
        let choice = layer.choice(keepsComparison: keeps)
        guard let value = row.milliseconds[choice] else {
          throw TrainingError.badTable(reason: "the layer \(layer.name) has no latency of \(choice.rawValue)")
        }
        return value
      }
      return Pair(comparison: try milliseconds(true), polynomial: try milliseconds(false))
    }
  }

  /// Comparisons: a polynomial costs none.
  public init(comparisonsOf space: SearchSpace) {
    fixed = 0
    layers = space.layers.map { Pair(comparison: Double($0.comparisons), polynomial: 0) }
  }

  /// Cost of a network with the given choices.
  public func total(keepsComparison: [Bool]) -> Double {
    zip(layers, keepsComparison).reduce(fixed) { $0 + ($1.1 ? $1.0.comparison : $1.0.polynomial) }
  }

  /// Expected cost where each layer keeps its comparison with the given probability.
  public func expected(_ shares: [Double]) -> Double {
    zip(layers, shares).reduce(fixed) { $0 + $1.1 * $1.0.comparison + (1 - $1.1) * $1.0.polynomial }
  }
}
