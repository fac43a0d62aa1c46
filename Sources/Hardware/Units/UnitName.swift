/// A unit as it is written, such as `MHz`, `GB/s`, `pJ/op`: products and quotients of named units, read left to right, with
/// whole exponents (`s^2`). Prefixes are decimal (`k M G T`, `m u n p f`), and binary for bytes (`KiB MiB GiB`).
public struct UnitName: Hashable, Sendable, CustomStringConvertible {
  /// The text.
  public let text: String
  /// One unit in base units.
  public let measure: Measure

  /// The text.
  public var description: String { text }

  /// The named units, without prefixes.
  static let named: [String: Measure] = [
    "1": Measure(1), "cycle": Measure(1), "s": Measure(1, .time), "Hz": Measure(1, .frequency),
    "bit": Measure(1, .data), "byte": Measure(8, .data), "B": Measure(8, .data), "J": Measure(1, .energy),
    "W": Measure(1, .power), "op": Measure(1, .operations),
  ]
  private static let prefixes: [Character: Double] = [
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15,
  ]
  private static let binary = ["KiB": 0x1p13, "MiB": 0x1p23, "GiB": 0x1p33]
  private static let longest = 64

  /// Reads a unit; nil where it is malformed or unknown.
  public init?(_ text: String) {
    guard !text.isEmpty, text.utf8.count <= Self.longest else { return nil }
    var result = Measure(1)
    var sign = 1
    var name = ""
    func apply(_ result: inout Measure) -> Bool {
      guard let factor = Self.factor(name) else { return false }
      result = sign > 0 ? result * factor : result / factor
      return true
    }
    for character in text {
      switch character {
      case "*", "/":
        guard apply(&result) else { return nil }
        (sign, name) = (character == "*" ? 1 : -1, "")
      default: name.append(character)
      }
    }
    guard apply(&result) else { return nil }
    self.text = text
    measure = result
  }

  private static func factor(_ text: String) -> Measure? {
    let parts = text.split(separator: "^", omittingEmptySubsequences: false)
    guard parts.count <= 2, let base = simple(String(parts[0])) else { return nil }
    guard parts.count == 2 else { return base }
    guard let exponent = Int(parts[1]), (-9...9).contains(exponent), exponent != 0 else { return nil }
    let one = (1..<abs(exponent)).reduce(base.value) { product, _ in product * base.value }
    return Measure(exponent > 0 ? one : 1 / one, base.dimension.power(exponent))
  }

  private static func simple(_ name: String) -> Measure? {
    if let unit = named[name] { return unit }
    if let bits = binary[name] { return Measure(bits, .data) }
    guard let first = name.first, let prefix = prefixes[first] else { return nil }
    let rest = String(name.dropFirst())
    guard !["1", "cycle"].contains(rest), let unit = named[rest] else { return nil }
    return Measure(prefix * unit.value, unit.dimension)
  }

  /// Whether the texts are the same.
  public static func == (a: UnitName, b: UnitName) -> Bool { a.text == b.text }
  /// Hashes the text.
  public func hash(into hasher: inout Hasher) { hasher.combine(text) }
}
