/// Why a daemon, its configuration, an input file or a control connection was refused. Messages hold file names,
/// keys, sizes and system errors, never inputs, keys or shares.
public enum DaemonsError: Error, CustomStringConvertible, Equatable {
  /// A configuration file that cannot be read or is not YAML. `place` is the file, with the line where known.
  case configurationFile(place: String, reason: String)
  /// A key that no part of this configuration knows.
  case unknownKey(key: String, place: String, known: [String])
  /// A key that contradicts the role or another key, or whose value does not fit.
  case invalidKey(key: String, place: String, reason: String)
  /// A key that must be given and is not.
  case missingKey(key: String, place: String, reason: String)
  /// An input file that does not hold what the network needs.
  case input(source: String, reason: String)
  /// The system refused an operation.
  case system(action: String, target: String, code: Int32)
  /// The daemon's answer to a control request was a refusal.
  case refused(code: RefusalCode, reason: String)
  /// The other end of the control socket does not speak the control protocol.
  case controlProtocol(reason: String)
  /// The administration port could not be opened.
  case admin(address: String, reason: String)

  /// A sentence for people.
  public var description: String {
    switch self {
    case .configurationFile(let place, let reason): "The configuration \(place) cannot be used: \(reason)."
    case .unknownKey(let key, let place, let known):
      "The configuration key \"\(key)\" (\(place)) is unknown; known here: \(known.joined(separator: ", "))."
    case .invalidKey(let key, let place, let reason): "The configuration key \"\(key)\" (\(place)) is wrong: \(reason)."
    case .missingKey(let key, let place, let reason):
      "The configuration (\(place)) lacks the key \"\(key)\": \(reason)."
    case .input(let source, let reason): "The input \(source) is refused: \(reason)."
    case .system(let action, let target, let code):
      "\(action) \(target) failed: \(SystemCall.describe(code))."
    case .refused(let code, let reason): "The daemon refused the request (\(code.rawValue)): \(reason)."
    case .controlProtocol(let reason): "The control connection broke the protocol: \(reason)."
    case .admin(let address, let reason): "The administration port \(address) could not be opened: \(reason)."
    }
  }
}
