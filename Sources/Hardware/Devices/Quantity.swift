/// How a number came to be known.
public enum Provenance: String, Codable, Hashable, Sendable, CaseIterable {
  /// Measured, by what the source names.
  case measured
  /// Stated by the maker or in a standard.
  case datasheet
  /// Computed from other numbers; the source says how.
  case derived
  /// Neither: a guess, whose reason the source gives.
  case assumed
}

/// One number of a hardware model, with all that makes it worth believing.
public struct Quantity: Hashable, Sendable {
  /// The number, in ``unit``.
  public var value: Double
  /// Its unit.
  public var unit: UnitName
  /// How it is known.
  public var kind: Provenance
  /// Where it comes from, or why it was assumed.
  public var source: String
  /// Relative half-width within which it holds: 0 for a count, 0.05 for ±5 %.
  public var accuracy: Double
  /// Optional, derived numbers only: the expression over the other numbers of the same object that gives it. Checked.
  public var formula: Expression?

  /// States a number; the unit must be one that ``UnitName`` reads.
  public init(
    _ value: Double, _ unit: String, kind: Provenance, source: String, accuracy: Double, formula: Expression? = nil
  ) {
    guard let name = UnitName(unit) else { preconditionFailure("\(unit) is no unit") }
    self.value = value
    self.unit = name
    self.kind = kind
    self.source = source
    self.accuracy = accuracy
    self.formula = formula
  }

  /// The number in base units, with its dimension.
  public var measure: Measure { Measure(value * unit.measure.value, unit.measure.dimension) }
}

extension Quantity: Encodable {
  private enum CodingKeys: String, CodingKey { case value, unit, kind, source, accuracy, formula }

  /// Writes the object as it stands in files.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(value, forKey: .value)
    try container.encode(unit.text, forKey: .unit)
    try container.encode(kind, forKey: .kind)
    try container.encode(source, forKey: .source)
    try container.encode(accuracy, forKey: .accuracy)
    try container.encodeIfPresent(formula, forKey: .formula)
  }
}

extension ModelReader {
  /// A number of a dimension, not negative.
  func quantity(_ key: String, _ dimension: Dimension, positive: Bool = true) throws -> Quantity {
    let reader = try object(key)
    let value = try reader.number("value")
    let text = try reader.string("unit")
    guard let unit = UnitName(text) else { throw reader.failure("unit", "\"\(text.prefix(32))\" is not a unit") }
    guard unit.measure.dimension == dimension else {
      throw reader.failure(
        "unit", "\"\(text)\" measures \(unit.measure.dimension), and \(dimension) is needed here")
    }
    guard value > 0 || !positive && value == 0 else {
      throw reader.failure("value", "it is \(value), and must be \(positive ? "positive" : "at least 0")")
    }
    let word = try reader.string("kind")
    guard let kind = Provenance(rawValue: word) else {
      throw reader.failure(
        "kind",
        "\"\(word.prefix(32))\" is none of \(Provenance.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    let accuracy = try reader.number("accuracy")
    guard (0...10).contains(accuracy) else { throw reader.failure("accuracy", "it lies outside 0...10") }
    var result = Quantity(value, text, kind: kind, source: try reader.string("source"), accuracy: accuracy)
    if reader.has("formula") {
      guard kind == .derived else { throw reader.failure("formula", "only a derived number has a formula") }
      do { result.formula = try Expression(try reader.string("formula")) } catch {
        throw reader.failure("formula", "\(error)")
      }
    }
    try reader.finish()
    return result
  }

  func quantityIfPresent(_ key: String, _ dimension: Dimension, positive: Bool = true) throws -> Quantity? {
    has(key) ? try quantity(key, dimension, positive: positive) : nil
  }

  /// Holds every formula among the numbers of one object to the number that it gives, within a thousandth. Units may be used as
  /// symbols by their names (`op`, `byte`, `bit`, `s`).
  func checkFormulas(_ quantities: [String: Quantity]) throws {
    var symbols = quantities.mapValues(\.measure)
    for (name, unit) in UnitName.named where name != "1" { symbols[name] = symbols[name] ?? unit }
    for (key, quantity) in quantities.sorted(by: { $0.key < $1.key }) {
      guard let formula = quantity.formula else { continue }
      let stated = quantity.measure
      let found: Double
      do {
        found = try formula.measure(symbols, at: "\(file), \(path.isEmpty ? key : "\(path).\(key)")")
          .number(as: stated.dimension, at: "\(file), \(path.isEmpty ? key : "\(path).\(key)")")
      } catch { throw failure("\(key).formula", "\(error)") }
      guard abs(found - stated.value) <= 1e-3 * abs(stated.value) else {
        throw failure(
          "\(key).formula", "it gives \(found / quantity.unit.measure.value), and the value is \(quantity.value)")
      }
    }
  }
}
