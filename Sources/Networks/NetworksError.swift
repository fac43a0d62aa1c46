/// Why a network, a plan, an input or a file was refused. Messages hold no weights and no input values.
public enum NetworksError: Error, CustomStringConvertible, Equatable {
  /// A node of a graph cannot be what it says.
  case invalidNode(index: Int, name: String, reason: String)
  /// A graph as a whole is wrong.
  case invalidGraph(reason: String)
  /// Parameters do not belong to the graph.
  case invalidParameters(node: String, reason: String)
  /// A node cannot be planned for private inference.
  case unsupportedNode(name: String, operation: String, advice: String)
  /// The numbers of a layer do not fit.
  case outOfRange(node: String, reason: String)
  /// The plan would fail more often than allowed.
  case failureBudget(expected: Double, budget: Double)
  /// An input sample was refused.
  case invalidInput(reason: String)
  /// JSON that is not what was expected.
  case malformed(what: String, reason: String)
  /// A file does not begin with the mark of its kind.
  case notAModelFile(path: String, kind: String)
  /// A file of another version.
  case unsupportedVersion(path: String, found: Int, supported: Int)
  /// A file is shorter or longer than it says.
  case wrongLength(path: String, found: Int, expected: Int)
  /// A file's content does not have its digest.
  case digestMismatch(path: String)
  /// A file's sections are inconsistent.
  case invalidSection(path: String, section: String, reason: String)
  /// The system refused to read or write a file.
  case fileSystem(path: String, action: String, reason: String)

  /// A sentence for people.
  public var description: String {
    switch self {
    case .invalidNode(let index, let name, let reason): "Node \(index) (\(name)) of the graph is invalid: \(reason)."
    case .invalidGraph(let reason): "The graph is invalid: \(reason)."
    case .invalidParameters(let node, let reason): "The parameters of \(node) are invalid: \(reason)."
    case .unsupportedNode(let name, let operation, let advice): "The layer \(name) (\(operation)) \(advice)."
    case .outOfRange(let node, let reason): "The numbers of \(node) do not fit: \(reason)."
    case .failureBudget(let expected, let budget):
      "The plan expects \(expected) wrong results per inference, above the budget of \(budget): choose exact truncation, "
        + "or allow the plan to exceed its budget."
    case .invalidInput(let reason): "The input is refused: \(reason)."
    case .malformed(let what, let reason): "The \(what) cannot be read: \(reason)."
    case .notAModelFile(let path, let kind): "\(path) is not a \(kind) file of this software."
    case .unsupportedVersion(let path, let found, let supported):
      "\(path) has format version \(found), and this build reads version \(supported): export it again."
    case .wrongLength(let path, let found, let expected):
      "\(path) is damaged: it has \(found) bytes and should have \(expected). Copy it again."
    case .digestMismatch(let path):
      "\(path) is damaged: its content does not have the digest that it ends with. Copy it again."
    case .invalidSection(let path, let section, let reason): "\(path) is invalid in its section \(section): \(reason)."
    case .fileSystem(let path, let action, let reason): "\(path) could not be \(action): \(reason)."
    }
  }
}
