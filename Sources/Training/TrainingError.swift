/// What can go wrong while data are loaded, a net is trained, or its state is written and read.
public enum TrainingError: Error, Equatable, CustomStringConvertible {
  /// A file could not be opened or read; `reason` is the system's or zlib's word.
  case unreadable(path: String, reason: String)
  /// A file is not what its format says; `reason` names the field and the numbers.
  case malformed(path: String, reason: String)
  /// A file ends before its header says.
  case truncated(path: String, expectedBytes: Int, foundBytes: Int)
  /// A file goes on after its header says that it ends.
  case trailingBytes(path: String, expectedBytes: Int)
  /// Pictures and labels do not belong together.
  case countMismatch(images: Int, labels: Int)
  /// The data set does not have the shape or the classes of the net.
  case dataDoesNotFit(reason: String)
  /// The graph holds something that cannot be trained.
  case unsupportedGraph(node: Int, reason: String)
  /// A parameter of the graph is missing or has another size.
  case badParameter(node: Int, name: String, expected: Int, found: Int)
  /// A value of the configuration is out of range.
  case badConfiguration(field: String, reason: String)
  /// The loss is not a finite number any more.
  case diverged(epoch: Int, step: Int)
  /// The checkpoint could not be written; the one before it is untouched.
  case checkpointNotWritten(path: String, reason: String)
  /// A latency table does not fit the network.
  case badTable(reason: String)
  /// The checkpoint belongs to another configuration or graph.
  case checkpointMismatch(path: String, reason: String)

  /// A sentence: what was wrong, where, what to do.
  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "cannot read \(path): \(reason)"
    case .malformed(let path, let reason): "\(path) is not in the expected format: \(reason)"
    case .truncated(let path, let expected, let found):
      "\(path) is cut short: \(expected) bytes announced, \(found) found; fetch the file again"
    case .trailingBytes(let path, let expected):
      "\(path) goes on after the \(expected) bytes that its header announces; fetch the file again"
    case .countMismatch(let images, let labels):
      "\(images) pictures but \(labels) labels: the two files do not belong together"
    case .dataDoesNotFit(let reason): "the data set does not fit the net: \(reason)"
    case .unsupportedGraph(let node, let reason): "node \(node) of the graph cannot be trained: \(reason)"
    case .badParameter(let node, let name, let expected, let found):
      "parameter \"\(name)\" of node \(node) has \(found) values where the graph needs \(expected)"
    case .badConfiguration(let field, let reason): "training configuration, \(field): \(reason)"
    case .diverged(let epoch, let step):
      "the loss is not finite in epoch \(epoch), step \(step): lower the learning rate or raise the range penalty"
    case .checkpointNotWritten(let path, let reason):
      "checkpoint \(path) was not written (\(reason)); the one before it, if any, is untouched"
    case .badTable(let reason):
      "the latency table does not fit: \(reason); write it for this network with `polympc hw table`"
    case .checkpointMismatch(let path, let reason):
      "checkpoint \(path) cannot be resumed: \(reason)"
    }
  }
}
