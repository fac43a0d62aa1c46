/// What went wrong around trace files. Everything here is public information.
public enum TraceError: Error, CustomStringConvertible, Equatable {
  /// A file that is no trace of the expected form.
  case malformed(file: String, reason: String)
  /// A file that cannot be read or written.
  case fileSystem(path: String, action: String, reason: String)
  /// Two files that cannot be laid side by side.
  case notAligned(reason: String)

  /// A sentence for people.
  public var description: String {
    switch self {
    case .malformed(let file, let reason): "\(file) is not a trace that can be read: \(reason)."
    case .fileSystem(let path, let action, let reason): "\(path) cannot be \(action): \(reason)."
    case .notAligned(let reason): "The clocks of the two traces cannot be aligned: \(reason)."
    }
  }
}
