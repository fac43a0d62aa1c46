import Randomness
import Rings

let p = PrimeField.modulus

extension StreamGenerator {
  /// A word of a ring, uniform enough for tests.
  func ring(_ kind: ModulusKind) -> UInt64 { kind == .field ? word() % p : word() }
}

/// Shares at which carries, borrows and signs change.
let edgeShares: [UInt64] = [
  0, 1, p / 2 - 1, p / 2, p / 2 + 1, p / 2 + 2, p - 1, p - 2, 1 << 61, 1 << 62, p - (1 << 61), 0xFFFF_FFFF,
]
