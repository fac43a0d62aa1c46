import CGMP
import Rings
import Testing

/// A GMP integer of the tests.
private final class Big {
  var value = mpz_t()
  init(_ word: UInt64) {
    withUnsafeMutablePointer(to: &value) { __gmpz_init_set_ui($0, CUnsignedLong(word)) }
  }
  deinit { withUnsafeMutablePointer(to: &value) { __gmpz_clear($0) } }

  static func combine(
    _ a: Big, _ b: Big,
    _ operation: (UnsafeMutablePointer<mpz_t>, UnsafeMutablePointer<mpz_t>, UnsafeMutablePointer<mpz_t>) -> Void
  ) -> Big {
    let result = Big(0)
    withUnsafeMutablePointer(to: &result.value) { r in
      withUnsafeMutablePointer(to: &a.value) { x in
        var copy = b.value
        withUnsafeMutablePointer(to: &copy) { y in operation(r, x, y) }
      }
    }
    return result
  }
  static func + (a: Big, b: Big) -> Big { combine(a, b) { __gmpz_add($0, $1, $2) } }
  static func - (a: Big, b: Big) -> Big { combine(a, b) { __gmpz_sub($0, $1, $2) } }
  static func * (a: Big, b: Big) -> Big { combine(a, b) { __gmpz_mul($0, $1, $2) } }
  /// The remainder by `modulus`, which is not negative.
  func modulo(_ modulus: Big) -> UInt64 {
    let remainder = Big.combine(self, modulus) { __gmpz_fdiv_r($0, $1, $2) }
    return withUnsafeMutablePointer(to: &remainder.value) { UInt64(__gmpz_get_ui($0)) }
  }
}

@Suite struct ModulusTests {
  private func check<M: Modulus>(_ m: M.Type, modulus: Big, _ a: UInt64, _ b: UInt64) {
    let (x, y) = (Big(a), Big(b))
    #expect(M.add(a, b) == (x + y).modulo(modulus))
    #expect(M.subtract(a, b) == (x - y).modulo(modulus))
    #expect(M.multiply(a, b) == (x * y).modulo(modulus))
    #expect(M.negate(a) == (Big(0) - x).modulo(modulus))
    let turn = Big(1 << 63) * Big(2)
    #expect(M.reduce(low: a, high: b) == (x + y * turn).modulo(modulus))
    let signed = Int64(bitPattern: a)
    let magnitude = Big(signed.magnitude)
    #expect(M.reduce(signed: signed) == (signed < 0 ? Big(0) - magnitude : magnitude).modulo(modulus))
    let shift = Int(b % 64)
    #expect(M.shiftLeft(a, by: shift) == (x * Big(1 << UInt64(shift))).modulo(modulus))
    let centered = M.centered(a)
    #expect(M.reduce(signed: centered) == a)
  }

  @Test func fieldAgreesWithGMP() {
    let modulus = Big(p)
    let edges = edgeWords.filter { $0 < p }
    for a in edges { for b in edges { check(PrimeField.self, modulus: modulus, a, b) } }
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<5000 {
      check(PrimeField.self, modulus: modulus, word(.field, &generator), word(.field, &generator))
    }
  }

  @Test func wordsAgreeWithGMP() {
    let modulus = Big(1 << 63) * Big(2)
    for a in edgeWords { for b in edgeWords { check(Word64.self, modulus: modulus, a, b) } }
  }

  @Test func reductionTakesAnyDoubleWord() {
    let modulus = Big(p)
    let turn = Big(1 << 63) * Big(2)
    let words = edgeWords + [UInt64.max, UInt64.max - 1, p, p + 1]
    for low in words {
      for high in words {
        #expect(PrimeField.reduce(low: low, high: high) == (Big(low) + Big(high) * turn).modulo(modulus))
      }
    }
  }

  @Test func embedsEverySignedInteger() {
    for value in [Int64.min, .min + 1, -(1 << 32), -1, 0, 1, .max - 1, .max] {
      let expected = (Int128(value) % Int128(p) + Int128(p)) % Int128(p)
      #expect(PrimeField.reduce(signed: value) == UInt64(expected))
      #expect(Word64.centered(Word64.reduce(signed: value)) == value)
    }
  }

  @Test func centeredIsNearestZero() {
    #expect(PrimeField.centered(p / 2) == Int64(p / 2))
    #expect(PrimeField.centered(p / 2 + 1) == -Int64(p / 2))
    #expect(PrimeField.centered(p - 1) == -1)
    #expect(PrimeField.half == p / 2 + 1)
    #expect(PrimeField.topBit(p / 2) == 0)
    #expect(PrimeField.topBit(p / 2 + 1) == 1)
    #expect(PrimeField.topBit(0) == 0)
    #expect(PrimeField.topBit(p - 1) == 1)
  }
}
