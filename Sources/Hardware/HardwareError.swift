/// What went wrong around descriptors and predictions. Everything here is public information.
public enum HardwareError: Error, CustomStringConvertible, Equatable {
  /// An expression that cannot be read; `column` counts characters from 1.
  case malformedExpression(text: String, column: Int, reason: String)
  /// A symbol without a value.
  case unknownSymbol(name: String, text: String)
  /// A result beyond 64-bit integers, or a division by zero.
  case arithmetic(text: String, reason: String)
  /// A descriptor that cannot be used.
  case invalidDescriptor(name: String, reason: String)
  /// No descriptor of that name.
  case missingDescriptor(name: String)
  /// Units that do not fit: at a place (file and key, or descriptor and entry), with both dimensions.
  case units(place: String, found: String, expected: String)
  /// A model file with a mistake at a key; the key is empty where the whole file is meant.
  case schema(file: String, key: String, reason: String)
  /// No model of that name; `known` are those that exist.
  case unknownName(what: String, name: String, known: [String])
  /// A folder of model files that was not installed.
  case missingModels(folder: String)
  /// A class of operations for which a device has no kernel, or a host no measurement.
  case noKernel(operation: String, place: String, advice: String)
  /// A batch or bulk that is not positive.
  case invalidCount(what: String, found: Int)
  /// Tasks that cannot be scheduled.
  case invalidSchedule(reason: String)
  /// A host on which a routine of the engine was not measured.
  case noRoutine(routine: String, host: String)

  /// A sentence for people.
  public var description: String {
    switch self {
    case .malformedExpression(let text, let column, let reason):
      "The expression \"\(text.prefix(120))\" is malformed at column \(column): \(reason)."
    case .unknownSymbol(let name, let text):
      "The expression \"\(text.prefix(120))\" uses \(name.prefix(64)), which has no value here; declare it or correct its name."
    case .arithmetic(let text, let reason):
      "The expression \"\(text.prefix(120))\" has no 64-bit value: \(reason)."
    case .invalidDescriptor(let name, let reason):
      "The descriptor \(name.prefix(64)) was refused: \(reason)."
    case .missingDescriptor(let name):
      "There is no protocol descriptor \(name.prefix(64)); install the resources that belong to this build."
    case .units(let place, let found, let expected):
      "Units do not fit in \(place.prefix(240)): it is in \(found), and \(expected) is needed."
    case .schema(let file, let key, let reason):
      key.isEmpty ? "\(file): \(reason)." : "\(file), key \(key.prefix(120)): \(reason)."
    case .unknownName(let what, let name, let known):
      "There is no \(what) \(name.prefix(64)); known are \(known.joined(separator: ", "))."
    case .missingModels(let folder):
      "The hardware models \(folder.prefix(64)) are missing; install the resources that belong to this build."
    case .noKernel(let operation, let place, let advice):
      "\(place.prefix(64)) does no \(operation.prefix(64)); \(advice)."
    case .invalidCount(let what, let found):
      "The \(what) is \(found), and at least 1 is needed."
    case .invalidSchedule(let reason):
      "This cannot be scheduled: \(reason)."
    case .noRoutine(let routine, let host):
      "The routine \(routine.prefix(64)) was not measured on the host \(host.prefix(64)); calibrate it again with polympc hw calibrate."
    }
  }
}
