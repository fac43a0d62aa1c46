/// What a quantity measures: exponents of the base units second, bit, joule and operation. Hertz is 1/s, watt J/s, byte 8 bit.
public struct Dimension: Hashable, Sendable {
  /// Exponent of the second.
  public var second: Int
  /// Exponent of the bit.
  public var bit: Int
  /// Exponent of the joule.
  public var joule: Int
  /// Exponent of the operation.
  public var operation: Int

  /// A dimension by its exponents.
  public init(second: Int = 0, bit: Int = 0, joule: Int = 0, operation: Int = 0) {
    self.second = second
    self.bit = bit
    self.joule = joule
    self.operation = operation
  }

  /// A plain number.
  public static let none = Dimension()
  /// Time.
  public static let time = Dimension(second: 1)
  /// A frequency.
  public static let frequency = Dimension(second: -1)
  /// Data, whose base unit is the bit.
  public static let data = Dimension(bit: 1)
  /// Data a time.
  public static let dataRate = Dimension(second: -1, bit: 1)
  /// Energy.
  public static let energy = Dimension(joule: 1)
  /// Power.
  public static let power = Dimension(second: -1, joule: 1)
  /// Operations.
  public static let operations = Dimension(operation: 1)
  /// Time an operation.
  public static let timeOfOperation = Dimension(second: 1, operation: -1)
  /// s/byte.
  public static let timeOfData = Dimension(second: 1, bit: -1)
  /// Energy an operation.
  public static let energyOfOperation = Dimension(joule: 1, operation: -1)

  /// The dimension of a product.
  public static func * (a: Dimension, b: Dimension) -> Dimension { a.scaled(1, b, 1) }
  /// The dimension of a quotient.
  public static func / (a: Dimension, b: Dimension) -> Dimension { a.scaled(1, b, -1) }
  /// The dimension of a power.
  func power(_ exponent: Int) -> Dimension { scaled(exponent, .none, 0) }

  private func scaled(_ own: Int, _ other: Dimension, _ factor: Int) -> Dimension {
    Dimension(
      second: own * second + factor * other.second, bit: own * bit + factor * other.bit,
      joule: own * joule + factor * other.joule, operation: own * operation + factor * other.operation)
  }
}

extension Dimension: CustomStringConvertible {
  /// The base units, such as `bit/s`; `1` for a plain number.
  public var description: String {
    let parts = [("J", joule), ("bit", bit), ("op", operation), ("s", second)]
    func text(_ sign: Int) -> [String] {
      parts.filter { $0.1 * sign > 0 }.map { $0.1 * sign == 1 ? $0.0 : "\($0.0)^\($0.1 * sign)" }
    }
    let above = text(1).isEmpty ? "1" : text(1).joined(separator: "*")
    return ([above] + text(-1)).joined(separator: "/")
  }
}

/// A number with its dimension, in base units.
public struct Measure: Hashable, Sendable {
  /// The number, in base units (seconds, bits, joules, operations).
  public var value: Double
  /// What it measures.
  public var dimension: Dimension

  /// A number of a dimension, in base units.
  public init(_ value: Double, _ dimension: Dimension = .none) { (self.value, self.dimension) = (value, dimension) }

  /// The product.
  public static func * (a: Measure, b: Measure) -> Measure { Measure(a.value * b.value, a.dimension * b.dimension) }
  /// The quotient.
  public static func / (a: Measure, b: Measure) -> Measure { Measure(a.value / b.value, a.dimension / b.dimension) }
  /// The sum.
  /// - Throws: ``HardwareError/units(place:found:expected:)``
  public static func + (a: Measure, b: Measure) throws -> Measure {
    Measure(a.value + (try b.number(as: a.dimension, at: "a sum")), a.dimension)
  }

  /// The number, if it is of the dimension that a place needs.
  /// - Throws: ``HardwareError/units(place:found:expected:)``
  public func number(as wanted: Dimension, at place: String) throws -> Double {
    guard dimension == wanted else {
      throw HardwareError.units(place: place, found: dimension.description, expected: wanted.description)
    }
    return value
  }
}
