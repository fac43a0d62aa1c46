/// Recursive descent over the characters of one expression; nesting is bounded, for the text may come from a file.
struct ExpressionParser {
  private static let maximumLength = 1024
  private static let maximumDepth = 32

  private let text: String
  private let characters: [Character]
  private var position = 0
  private var depth = 0

  init(_ text: String) throws {
    self.text = text
    characters = Array(text)
    guard characters.count <= Self.maximumLength else {
      throw failure("it is longer than \(Self.maximumLength) characters")
    }
  }

  mutating func parse() throws -> Expression.Node {
    let node = try sum()
    guard peek() == nil else { throw failure("an operator or the end was expected") }
    return node
  }

  private mutating func sum() throws -> Expression.Node {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maximumDepth else { throw failure("it is nested too deeply") }
    var node = try product()
    while let sign = take("+-") { node = .binary(sign, node, try product()) }
    return node
  }

  private mutating func product() throws -> Expression.Node {
    var node = try factor()
    while let sign = take("*/%") { node = .binary(sign, node, try factor()) }
    return node
  }

  private mutating func factor() throws -> Expression.Node {
    var negations = 0
    while take("-") != nil { negations += 1 }
    let node = try atom()
    return negations % 2 == 1 ? .negate(node) : node
  }

  private mutating func atom() throws -> Expression.Node {
    guard let next = peek() else { throw failure("it ends where a value was expected") }
    if take("(") != nil {
      let node = try sum()
      guard take(")") != nil else { throw failure("a closing parenthesis is missing") }
      return node
    }
    if Self.isDigit(next) {
      let digits = run(Self.isDigit)
      guard let value = Int(digits) else { throw failure("\(digits) is too large") }
      return .number(value)
    }
    guard Self.isLetter(next) else { throw failure("\"\(next)\" is not a value") }
    let name = run { Self.isLetter($0) || Self.isDigit($0) }
    guard take("(") != nil else { return .symbol(name) }
    return try call(name)
  }

  private mutating func call(_ name: String) throws -> Expression.Node {
    guard let function = Expression.Function(rawValue: name) else { throw failure("there is no function \(name)") }
    var arguments = [try sum()]
    while take(",") != nil { arguments.append(try sum()) }
    guard take(")") != nil else { throw failure("a closing parenthesis is missing") }
    let fits =
      switch function {
      case .ceil, .floor: (1...2).contains(arguments.count)
      case .log2: arguments.count == 1
      case .max, .min: arguments.count >= 2
      }
    guard fits else { throw failure("\(name) does not take \(arguments.count) arguments") }
    return .call(function, arguments)
  }

  private mutating func peek() -> Character? {
    while position < characters.count, characters[position] == " " { position += 1 }
    return position < characters.count ? characters[position] : nil
  }

  private mutating func take(_ set: String) -> Character? {
    guard let next = peek(), set.contains(next) else { return nil }
    position += 1
    return next
  }

  private mutating func run(_ belongs: (Character) -> Bool) -> String {
    let start = position
    while position < characters.count, belongs(characters[position]) { position += 1 }
    return String(characters[start..<position])
  }

  private static func isDigit(_ character: Character) -> Bool { ("0"..."9").contains(character) }
  private static func isLetter(_ character: Character) -> Bool {
    ("a"..."z").contains(character) || ("A"..."Z").contains(character)
  }

  private func failure(_ reason: String) -> HardwareError {
    .malformedExpression(text: text, column: position + 1, reason: reason)
  }
}
