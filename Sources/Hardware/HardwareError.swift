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
  /// A batch or bulk that is not positive.
  case invalidCount(what: String, found: Int)

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
    case .invalidCount(let what, let found):
      "The \(what) is \(found), and at least 1 is needed."
    }
  }
}
