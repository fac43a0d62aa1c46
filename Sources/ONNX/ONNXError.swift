/// Why an ONNX file, a tensor file or a network was refused. Names come from files and are shortened; values never appear.
public enum ONNXError: Error, CustomStringConvertible, Equatable {
  /// The system refused to read or write a file.
  case fileSystem(path: String, action: String, reason: String)
  /// Bytes that are no message of the expected kind.
  case notProtobuf(path: String, kind: String)
  /// A model of a version that this build does not know.
  case unsupportedVersion(what: String, found: Int, supported: ClosedRange<Int>)
  /// A tensor's shape, encoding or length is inconsistent or too large.
  case invalidTensor(name: String, reason: String)
  /// A reference to a file beside the model is refused.
  case externalData(tensor: String, reason: String)
  /// The graph as a whole is inconsistent.
  case invalidGraph(reason: String)
  /// Operators that cannot be computed privately, all of them.
  case unsupported([UnsupportedOperator])
  /// A network that this format cannot express.
  case notExportable(node: String, reason: String)
  /// A safetensors file that breaks the format.
  case invalidSafetensors(reason: String)

  /// A sentence for people, or one line an operator.
  public var description: String {
    switch self {
    case .fileSystem(let path, let action, let reason): "\(path) could not be \(action): \(reason)."
    case .notProtobuf(let path, let kind): "\(path) is not \(kind): its bytes are no such protobuf message."
    case .unsupportedVersion(let what, let found, let supported):
      "The model has \(what) \(found), and this build reads \(supported.lowerBound) to \(supported.upperBound): "
        + "convert it with onnx.version_converter, or export it again."
    case .invalidTensor(let name, let reason): "The tensor \(name) is invalid: \(reason)."
    case .externalData(let tensor, let reason): "The data of the tensor \(tensor) cannot be read: \(reason)."
    case .invalidGraph(let reason): "The ONNX graph is invalid: \(reason)."
    case .unsupported(let operators):
      (["The network has \(operators.count) operator\(operators.count == 1 ? "" : "s") that cannot be imported:"]
        + operators.map { "  \($0)" }).joined(separator: "\n")
    case .notExportable(let node, let reason): "The layer \(node) cannot be written as ONNX: \(reason)."
    case .invalidSafetensors(let reason): "The safetensors file is invalid: \(reason)."
    }
  }

  /// A name from a file, fit for a message: short, and without control characters.
  static func shown(_ name: String) -> String {
    String(String.UnicodeScalarView(name.unicodeScalars.prefix(64).filter { $0.value >= 32 && $0.value != 127 }))
  }
}

/// One operator that cannot be imported, why, and what to do instead.
public struct UnsupportedOperator: Error, Hashable, Sendable, CustomStringConvertible {
  /// The node's name, or that of its first output.
  public var node: String
  /// The operator, such as `Sigmoid`.
  public var operation: String
  /// Why it cannot be imported.
  public var reason: String
  /// What to do instead.
  public var advice: String

  /// `node (operator): reason; advice`.
  public var description: String { "\(node) (\(operation)): \(reason); \(advice)" }
}
