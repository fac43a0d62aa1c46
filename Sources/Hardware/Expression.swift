/// An integer expression over named symbols, as descriptors state costs.
///
/// Grammar, loosest first: sums (`+ -`), products (`* / %`), negation, then numbers, symbols, parentheses and calls of
/// `ceil(a, b)`, `floor(a, b)` (quotients rounded up or down), `max`, `min` (two or more arguments) and `log2(a)` (the
/// least e with 2^e >= a). `ceil` and `floor` with one argument take a quotient: `ceil(n*B/8)`. A bare `/` must divide
/// without remainder, so that no rounding happens unseen. Every operation is checked for overflow.
public struct Expression: Hashable, Sendable, CustomStringConvertible {
  /// The text as it was written.
  public let text: String
  let root: Node

  indirect enum Node: Hashable, Sendable {
    case number(Int)
    case symbol(String)
    case negate(Node)
    case binary(Character, Node, Node)
    case call(Function, [Node])
  }

  enum Function: String, Hashable, Sendable, CaseIterable { case ceil, floor, max, min, log2 }

  /// Reads an expression.
  /// - Throws: ``HardwareError/malformedExpression(text:column:reason:)``
  public init(_ text: String) throws {
    self.text = text
    var parser = try ExpressionParser(text)
    root = try parser.parse()
  }

  /// The text.
  public var description: String { text }

  /// Names of the symbols used.
  public var symbols: Set<String> {
    func collect(_ node: Node) -> Set<String> {
      switch node {
      case .number: []
      case .symbol(let name): [name]
      case .negate(let inner): collect(inner)
      case .binary(_, let left, let right): collect(left).union(collect(right))
      case .call(_, let arguments): arguments.reduce(into: []) { $0.formUnion(collect($1)) }
      }
    }
    return collect(root)
  }

  /// The value under the given symbols.
  /// - Throws: ``HardwareError/unknownSymbol(name:text:)``, ``HardwareError/arithmetic(text:reason:)``
  public func value(_ symbols: [String: Int]) throws -> Int { try evaluate(root, symbols) }

  private func evaluate(_ node: Node, _ symbols: [String: Int]) throws -> Int {
    switch node {
    case .number(let value): return value
    case .symbol(let name):
      guard let value = symbols[name] else { throw HardwareError.unknownSymbol(name: name, text: text) }
      return value
    case .negate(let inner): return try checked(0.subtractingReportingOverflow(try evaluate(inner, symbols)))
    case .binary(let operation, let left, let right):
      let (a, b) = (try evaluate(left, symbols), try evaluate(right, symbols))
      switch operation {
      case "+": return try checked(a.addingReportingOverflow(b))
      case "-": return try checked(a.subtractingReportingOverflow(b))
      case "*": return try checked(a.multipliedReportingOverflow(by: b))
      case "%": return try remainder(a, b)
      default:
        guard try remainder(a, b) == 0 else { throw failure("\(a) / \(b) leaves a remainder; say ceil or floor") }
        return try checked(a.dividedReportingOverflow(by: b))
      }
    case .call(let function, let arguments): return try call(function, arguments, symbols)
    }
  }

  private func call(_ function: Function, _ arguments: [Node], _ symbols: [String: Int]) throws -> Int {
    switch function {
    case .ceil, .floor:
      let (above, below): (Int, Int)
      if arguments.count == 2 {
        (above, below) = (try evaluate(arguments[0], symbols), try evaluate(arguments[1], symbols))
      } else if case .binary("/", let left, let right) = arguments[0] {
        (above, below) = (try evaluate(left, symbols), try evaluate(right, symbols))
      } else {
        return try evaluate(arguments[0], symbols)
      }
      let rest = try remainder(above, below)
      let quotient = try checked(above.dividedReportingOverflow(by: below))
      let isNegative = (rest < 0) != (below < 0)
      if rest == 0 { return quotient }
      if function == .ceil { return isNegative ? quotient : quotient + 1 }
      return isNegative ? quotient - 1 : quotient
    case .max: return try arguments.map { try evaluate($0, symbols) }.max()!
    case .min: return try arguments.map { try evaluate($0, symbols) }.min()!
    case .log2:
      let value = try evaluate(arguments[0], symbols)
      guard value > 0 else { throw failure("log2 of \(value)") }
      return value == 1 ? 0 : Int.bitWidth - (value - 1).leadingZeroBitCount
    }
  }

  private func remainder(_ a: Int, _ b: Int) throws -> Int {
    guard b != 0 else { throw failure("a division by zero") }
    return try checked(a.remainderReportingOverflow(dividingBy: b))
  }

  private func checked(_ result: (partialValue: Int, overflow: Bool)) throws -> Int {
    guard !result.overflow else { throw failure("an intermediate result overflows") }
    return result.partialValue
  }

  private func failure(_ reason: String) -> HardwareError { .arithmetic(text: text, reason: reason) }
}

extension Expression: Codable {
  /// Reads a JSON string.
  public init(from decoder: any Decoder) throws {
    try self.init(try decoder.singleValueContainer().decode(String.self))
  }

  /// Writes the text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}
