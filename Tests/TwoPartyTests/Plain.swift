import Randomness
import Rings

let p = PrimeField.modulus

/// Field arithmetic by long division, which shares no code with the kernels under test.
enum Plain {
  static func add(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (sum, carry) = a.addingReportingOverflow(b)
    return p.dividingFullWidth((carry ? 1 : 0, sum)).remainder
  }

  static func negate(_ a: UInt64) -> UInt64 { a == 0 ? 0 : p - a }

  static func multiply(_ a: UInt64, _ b: UInt64) -> UInt64 {
    p.dividingFullWidth(a.multipliedFullWidth(by: b)).remainder
  }

  static func residue(_ value: Int64) -> UInt64 { value >= 0 ? UInt64(value) : p - value.magnitude }

  static func centered(_ a: UInt64) -> Int64 { a <= p / 2 ? Int64(a) : -Int64(p - a) }

  /// In the ring that `kind` names.
  static func add(_ kind: ModulusKind, _ a: UInt64, _ b: UInt64) -> UInt64 { kind == .field ? add(a, b) : a &+ b }
  static func negate(_ kind: ModulusKind, _ a: UInt64) -> UInt64 { kind == .field ? negate(a) : 0 &- a }
  static func multiply(_ kind: ModulusKind, _ a: UInt64, _ b: UInt64) -> UInt64 {
    kind == .field ? multiply(a, b) : a &* b
  }
  static func residue(_ kind: ModulusKind, _ value: Int64) -> UInt64 {
    kind == .field ? residue(value) : UInt64(bitPattern: value)
  }
  static func centered(_ kind: ModulusKind, _ a: UInt64) -> Int64 {
    kind == .field ? centered(a) : Int64(bitPattern: a)
  }
}

extension StreamGenerator {
  /// A word of a ring, uniform enough for tests.
  func ring(_ kind: ModulusKind) -> UInt64 { kind == .field ? word() % p : word() }
}

/// Shares at which carries, borrows and signs change.
let edgeShares: [UInt64] = [
  0, 1, p / 2 - 1, p / 2, p / 2 + 1, p / 2 + 2, p - 1, p - 2, 1 << 61, 1 << 62, p - (1 << 61), 0xFFFF_FFFF,
]
