extension Expression {
  /// The value under symbols that have units: sums, `max`, `min` and `%` need equal dimensions, `log2`, `ceil` and `floor` plain
  /// numbers. `/` divides exactly here; `ceil(a, b)` and `floor(a, b)` round the quotient, which must be a plain number.
  ///
  /// - Parameters:
  ///   - symbols: their values.
  ///   - place: file and key, for the error.
  /// - Throws: ``HardwareError/units(place:found:expected:)``, ``HardwareError/unknownSymbol(name:text:)``,
  ///   ``HardwareError/arithmetic(text:reason:)``
  public func measure(_ symbols: [String: Measure], at place: String) throws -> Measure {
    let result = try MeasureEvaluation(expression: self, symbols: symbols, place: place).value(root)
    guard result.value.isFinite else { throw HardwareError.arithmetic(text: text, reason: "it is not finite") }
    return result
  }
}

private struct MeasureEvaluation {
  let expression: Expression
  let symbols: [String: Measure]
  let place: String

  func value(_ node: Expression.Node) throws -> Measure {
    switch node {
    case .number(let number): return Measure(Double(number))
    case .symbol(let name):
      guard let value = symbols[name] else { throw HardwareError.unknownSymbol(name: name, text: expression.text) }
      return value
    case .negate(let inner):
      let inner = try value(inner)
      return Measure(-inner.value, inner.dimension)
    case .binary("*", let left, let right): return try value(left) * value(right)
    case .binary("/", let left, let right):
      let divisor = try value(right)
      guard divisor.value != 0 else { throw failure("a division by zero") }
      return try value(left) / divisor
    case .binary(let operation, let left, let right):
      let (a, b) = try alike(value(left), value(right))
      switch operation {
      case "+": return Measure(a.value + b.value, a.dimension)
      case "-": return Measure(a.value - b.value, a.dimension)
      default:
        guard b.value != 0 else { throw failure("a division by zero") }
        return Measure(a.value.truncatingRemainder(dividingBy: b.value), a.dimension)
      }
    case .call(let function, let arguments): return try call(function, arguments.map(value))
    }
  }

  private func call(_ function: Expression.Function, _ arguments: [Measure]) throws -> Measure {
    switch function {
    case .ceil, .floor:
      if arguments.count == 2, arguments[1].value == 0 { throw failure("a division by zero") }
      let quotient = arguments.count == 2 ? arguments[0] / arguments[1] : arguments[0]
      let plain = try quotient.number(as: .none, at: site)
      return Measure(plain.rounded(function == .ceil ? .up : .down))
    case .max, .min:
      return try arguments.dropFirst().reduce(arguments[0]) { best, next in
        let (a, b) = try alike(best, next)
        return (function == .max) == (a.value >= b.value) ? a : b
      }
    case .log2:
      let plain = try arguments[0].number(as: .none, at: site)
      guard plain > 0, plain < 0x1p62 else { throw failure("log2 of \(plain)") }
      let whole = Int(plain.rounded(.up))
      return Measure(whole == 1 ? 0 : Double(Int.bitWidth - (whole - 1).leadingZeroBitCount))
    }
  }

  private func alike(_ a: Measure, _ b: Measure) throws -> (Measure, Measure) {
    _ = try b.number(as: a.dimension, at: site)
    return (a, b)
  }

  private var site: String { "\(place), \"\(expression.text)\"" }
  private func failure(_ reason: String) -> HardwareError { .arithmetic(text: expression.text, reason: reason) }
}
