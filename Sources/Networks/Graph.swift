import Foundation
public import Rings

/// How raw input values become the network's input: `x = (raw / pixelMaximum - mean) / deviation`, per channel.
/// Raw values lie in `pixelMinimum...pixelMaximum`.
public struct InputNormalization: Codable, Hashable, Sendable {
  /// The least raw value; `0` for pictures.
  public var pixelMinimum: Float
  /// The greatest raw value, such as `255`, and the divisor.
  public var pixelMaximum: Float
  /// What is subtracted after the division, one value per channel.
  public var mean: [Float]
  /// What the difference is divided by, one value per channel.
  public var deviation: [Float]

  /// Describes a normalisation.
  public init(pixelMinimum: Float = 0, pixelMaximum: Float, mean: [Float], deviation: [Float]) {
    self.pixelMinimum = pixelMinimum
    self.pixelMaximum = pixelMaximum
    self.mean = mean
    self.deviation = deviation
  }

  /// No change: raw values in `-magnitude...magnitude` are the input (`magnitude` is then divided out and back).
  public static func none(channels: Int, magnitude: Float = 1) -> InputNormalization {
    InputNormalization(
      pixelMinimum: -magnitude, pixelMaximum: magnitude, mean: [Float](repeating: 0, count: channels),
      deviation: [Float](repeating: 1 / magnitude, count: channels))
  }

  /// Whether raw values are the input themselves.
  public var isIdentity: Bool {
    mean.allSatisfy { $0 == 0 } && deviation.allSatisfy { abs($0 * pixelMaximum - 1) < 1e-6 }
  }

  /// The normalised value of one raw value of a channel.
  public func apply(_ raw: Float, channel: Int) -> Float { (raw / pixelMaximum - mean[channel]) / deviation[channel] }

  /// The greatest magnitude that a normalised value can have.
  public var maximumMagnitude: Double {
    mean.indices.reduce(0) {
      max($0, abs(Double(apply(pixelMinimum, channel: $1))), abs(Double(apply(pixelMaximum, channel: $1))))
    }
  }
}

/// One layer of a ``Graph``.
public struct Node: Codable, Hashable, Sendable, Identifiable {
  /// The node's index in the graph.
  public var id: Int
  /// The layer's name, for people.
  public var name: String
  /// Indices of the nodes whose tensors are the operands; each precedes this node.
  public var inputs: [Int]
  /// What is computed.
  public var operation: Operation

  /// Makes a node.
  public init(id: Int, name: String, inputs: [Int], operation: Operation) {
    self.id = id
    self.name = name
    self.inputs = inputs
    self.operation = operation
  }
}

extension Node {
  /// Whether it adds a bias.
  var hasBias: Bool {
    switch operation {
    case .convolution(let spec): spec.bias
    case .linear(_, let bias): bias
    default: false
    }
  }
}

/// A float network: nodes in an order in which operands precede their uses. Node 0 is the input, the last node's
/// tensor is the output (logits).
public struct Graph: Codable, Hashable, Sendable {
  /// The network's name, for people.
  public var name: String
  /// Shape of one input sample.
  public var input: TensorShape
  /// How raw values become the input.
  public var inputNormalization: InputNormalization
  /// The layers.
  public var nodes: [Node]
  /// Names of the output's elements; may be empty.
  public var classes: [String]
  /// What the data owner does to the output; nil where the values are wanted as they are.
  public var finish: OutputFinish?

  /// Makes a graph of the given nodes; nothing is checked yet.
  public init(
    name: String, input: TensorShape, inputNormalization: InputNormalization, nodes: [Node] = [],
    classes: [String] = []
  ) {
    self.name = name
    self.input = input
    self.inputNormalization = inputNormalization
    self.nodes = nodes
    self.classes = classes
    if nodes.isEmpty { self.nodes = [Node(id: 0, name: "input", inputs: [], operation: .input)] }
  }

  /// Appends a layer.
  ///
  /// - Returns: the new node's index.
  @discardableResult
  public mutating func append(_ operation: Operation, name: String, from inputs: [Int]) -> Int {
    nodes.append(Node(id: nodes.count, name: name, inputs: inputs, operation: operation))
    return nodes.count - 1
  }

  /// Appends a layer that reads the last one.
  ///
  /// - Returns: the new node's index.
  @discardableResult
  public mutating func append(_ operation: Operation, name: String) -> Int {
    append(operation, name: name, from: [nodes.count - 1])
  }

  /// JSON with sorted keys: equal graphs have equal bytes.
  public func canonicalJSON() throws -> [UInt8] { try CanonicalJSON.encode(self) }

  /// Reads a graph from JSON and validates it.
  ///
  /// - Throws: ``NetworksError``
  public static func decode(json: [UInt8]) throws -> Graph {
    let graph = try CanonicalJSON.decode(Graph.self, from: json, what: "graph")
    try graph.validate()
    return graph
  }
}

/// JSON whose bytes depend on the value alone.
enum CanonicalJSON {
  static func encode(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return [UInt8](try encoder.encode(value))
  }

  static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8], what: String) throws -> Value {
    do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
      throw NetworksError.malformed(what: what, reason: reason(error))
    }
  }

  /// Where and why decoding failed, in one clause.
  private static func reason(_ error: any Error) -> String {
    func place(_ context: DecodingError.Context) -> String {
      let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
      return path.isEmpty ? "at the top" : "at \(path)"
    }
    switch error {
    case DecodingError.keyNotFound(let key, let context):
      return "the field \(key.stringValue) is missing \(place(context))"
    case DecodingError.typeMismatch(_, let context): return "a value has the wrong type \(place(context))"
    case DecodingError.valueNotFound(_, let context): return "a value is missing \(place(context))"
    case DecodingError.dataCorrupted(let context): return "\(context.debugDescription) (\(place(context)))"
    default: return "it is not JSON of the expected form"
    }
  }
}
