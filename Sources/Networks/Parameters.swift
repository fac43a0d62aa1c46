import Rings

/// What one parameter of a node is.
public enum ParameterName: String, Codable, Hashable, Sendable, CaseIterable, Comparable {
  /// Convolution OIHW, or linear `[out][in]`.
  case weight
  /// One value per output channel, or an offset's per element.
  case bias
  /// BN's factor.
  case gamma
  /// BN's offset.
  case beta
  /// BN's running mean.
  case mean
  /// BN's running variance.
  case variance
  /// X2act's coefficient of the scaled square.
  case w1
  /// X2act's coefficient of the operand.
  case w2
  /// X2act's constant.
  case b

  /// The parameters of a batch normalisation.
  public static let normalization: [ParameterName] = [.gamma, .beta, .mean, .variance]

  /// Order by name, for files.
  public static func < (left: ParameterName, right: ParameterName) -> Bool { left.rawValue < right.rawValue }

  /// Whether training updates it by gradients; running statistics are not.
  public var isTrainable: Bool { self != .mean && self != .variance }
}

/// Names one parameter tensor of a graph.
public struct ParameterKey: Codable, Hashable, Sendable, Comparable {
  /// The node's index.
  public var node: Int
  /// Which of the node's parameters.
  public var name: ParameterName

  /// Names a parameter.
  public init(_ node: Int, _ name: ParameterName) {
    self.node = node
    self.name = name
  }

  /// Order by node, then name.
  public static func < (left: ParameterKey, right: ParameterKey) -> Bool {
    left.node != right.node ? left.node < right.node : left.name < right.name
  }
}

/// The float32 parameters of a ``Graph``, each row-major in the shape that ``Graph/parameterShapes()`` gives.
public struct Parameters: Hashable, Sendable {
  /// All tensors.
  public var values: [ParameterKey: [Float]]

  /// Makes a set of parameters.
  public init(_ values: [ParameterKey: [Float]] = [:]) { self.values = values }

  /// One tensor; empty where the node has no such parameter. Assigning an empty array removes it.
  public subscript(node: Int, name: ParameterName) -> [Float] {
    get { values[ParameterKey(node, name)] ?? [] }
    set { values[ParameterKey(node, name)] = newValue.isEmpty ? nil : newValue }
    _modify {
      let key = ParameterKey(node, name)
      var value = values[key] ?? []
      values[key] = nil
      defer { values[key] = value.isEmpty ? nil : value }
      yield &value
    }
  }

  /// The keys, in the order of files and optimisers.
  public var keys: [ParameterKey] { values.keys.sorted() }

  /// Numbers altogether.
  public var count: Int { values.values.reduce(0) { $0 + $1.count } }

  /// Checks that these are exactly the graph's parameters, all finite.
  ///
  /// - Throws: ``NetworksError``
  public func validate(for graph: Graph) throws {
    let shapes = try graph.parameterShapes()
    for key in shapes.keys.sorted() {
      let node = graph.nodes[key.node].name
      guard let value = values[key] else {
        throw NetworksError.invalidParameters(node: node, reason: "\(key.name.rawValue) is missing")
      }
      let wanted = shapes[key]!.reduce(1, *)
      guard value.count == wanted else {
        throw NetworksError.invalidParameters(
          node: node, reason: "\(key.name.rawValue) has \(value.count) values and needs \(wanted)")
      }
      guard value.allSatisfy(\.isFinite) else {
        throw NetworksError.invalidParameters(node: node, reason: "\(key.name.rawValue) has a value that is not finite")
      }
      if key.name == .variance, !value.allSatisfy({ $0 >= 0 }) {
        throw NetworksError.invalidParameters(node: node, reason: "a variance is negative")
      }
    }
    for key in values.keys where shapes[key] == nil {
      throw NetworksError.invalidParameters(
        node: "node \(key.node)", reason: "\(key.name.rawValue) belongs to no layer of this graph")
    }
  }
}

extension Graph {
  /// The shape of every parameter of the graph.
  ///
  /// - Throws: ``NetworksError`` where the graph is invalid.
  public func parameterShapes() throws -> [ParameterKey: [Int]] {
    let shapes = try shapes()
    var result: [ParameterKey: [Int]] = [:]
    for node in nodes {
      guard let operand = node.inputs.first.map({ shapes[$0] }) else { continue }
      switch node.operation {
      case .convolution(let spec):
        result[ParameterKey(node.id, .weight)] = [
          spec.outChannels, operand.channels / spec.groups, spec.window.kernelHeight, spec.window.kernelWidth,
        ]
        if spec.bias { result[ParameterKey(node.id, .bias)] = [spec.outChannels] }
      case .linear(let outFeatures, let bias):
        result[ParameterKey(node.id, .weight)] = [outFeatures, operand.channels]
        if bias { result[ParameterKey(node.id, .bias)] = [outFeatures] }
      case .offset: result[ParameterKey(node.id, .bias)] = [operand.channels, operand.height, operand.width]
      case .batchNorm:
        for name in ParameterName.normalization { result[ParameterKey(node.id, name)] = [operand.channels] }
      case .x2act(let spec):
        for name in [ParameterName.w1, .w2, .b] {
          result[ParameterKey(node.id, name)] = [spec.perChannel ? operand.channels : 1]
        }
        if spec.normalizationEpsilon != nil {
          for name in ParameterName.normalization { result[ParameterKey(node.id, name)] = [operand.channels] }
        }
      default: break
      }
    }
    return result
  }
}

/// A small seeded generator (SplitMix64) for initial weights and test data. It is not cryptographic.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Starts the sequence of a seed.
  public init(seed: UInt64) { state = seed }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform in [0, 1), 53 bits.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// One sample of the standard normal distribution (Box and Muller).
  public mutating func normal() -> Double {
    let radius = Scalar.sqrt(-2 * Scalar.log(1 - uniform()))
    return radius * Scalar.cos(2 * Double.pi * uniform())
  }
}
