import CGMP
import Glibc

/// An integer of GMP. Unchecked because of GMP's struct, which is written by its creator only.
final class Big: Equatable, CustomStringConvertible, @unchecked Sendable {
  private var value = mpz_t()
  init(_ word: UInt64 = 0) { with { __gmpz_init_set_ui($0, CUnsignedLong(word)) } }
  /// Little-endian words.
  convenience init(words: [UInt64]) {
    self.init()
    with { target in words.withUnsafeBytes { __gmpz_import(target, words.count, -1, 8, 0, 0, $0.baseAddress) } }
  }
  deinit { with { __gmpz_clear($0) } }
  private func with<R>(_ body: (UnsafeMutablePointer<mpz_t>) -> R) -> R {
    withUnsafeMutablePointer(to: &value, body)
  }
  private typealias Operation = (
    UnsafeMutablePointer<mpz_t>, UnsafeMutablePointer<mpz_t>, UnsafeMutablePointer<mpz_t>
  ) -> Void
  private static func combine(_ a: Big, _ b: Big, _ operation: Operation) -> Big {
    let result = Big()
    // Copies, for GMP may be given one operand twice and Swift may not lend one variable twice.
    var left = a.value
    var right = b.value
    result.with { operation($0, &left, &right) }
    return withExtendedLifetime((a, b)) { result }
  }
  static func + (a: Big, b: Big) -> Big { combine(a, b) { __gmpz_add($0, $1, $2) } }
  static func - (a: Big, b: Big) -> Big { combine(a, b) { __gmpz_sub($0, $1, $2) } }
  static func * (a: Big, b: Big) -> Big { combine(a, b) { __gmpz_mul($0, $1, $2) } }
  /// Rounded towards minus infinity.
  static func / (a: Big, b: Big) -> Big { combine(a, b) { __gmpz_fdiv_q($0, $1, $2) } }
  static func % (a: Big, b: Big) -> Big { combine(a, b) { __gmpz_fdiv_r($0, $1, $2) } }
  static func << (a: Big, bits: Int) -> Big {
    combine(a, a) { target, left, _ in __gmpz_mul_2exp(target, left, CUnsignedLong(bits)) }
  }
  /// Nearest integer to a / b, halves up.
  static func rounded(_ a: Big, by b: Big) -> Big { (a + a + b) / (b + b) }
  static func == (a: Big, b: Big) -> Bool {
    var left = a.value
    var right = b.value
    return withExtendedLifetime((a, b)) { __gmpz_cmp(&left, &right) == 0 }
  }
  static func < (a: Big, b: Big) -> Bool {
    var left = a.value
    var right = b.value
    return withExtendedLifetime((a, b)) { __gmpz_cmp(&left, &right) < 0 }
  }
  /// Words of the absolute value, little-endian, `count` of them.
  func words(_ count: Int) -> [UInt64] {
    var result = [UInt64](repeating: 0, count: count)
    let needed = with { (__gmpz_sizeinbase($0, 2) + 63) / 64 }
    precondition(needed <= count)
    _ = with { source in result.withUnsafeMutableBytes { __gmpz_export($0.baseAddress, nil, -1, 8, 0, 0, source) } }
    return result
  }
  /// Low 64 bits of a number that is not negative.
  var word: UInt64 { with { UInt64(__gmpz_get_ui($0)) } }
  var description: String {
    with { pointer in
      let text = __gmpz_get_str(nil, 10, pointer)!
      defer { free(text) }
      return String(cString: text)
    }
  }
}

extension Big {
  /// a b mod X^n + 1 with coefficients mod q, by one product of integers that hold a coefficient in 128 bits each.
  static func negacyclicProduct(_ a: [UInt64], _ b: [UInt64], q: UInt64) -> [UInt64] {
    let n = a.count
    let left = Big(words: a.flatMap { [$0, 0] })
    let right = Big(words: b.flatMap { [$0, 0] })
    let words = (left * right).words(4 * n)
    let field = SlowField(q: q)
    let sums = (0..<2 * n).map {
      field.add(field.multiply(words[2 * $0 + 1] % q, field.power(2, 64)), words[2 * $0] % q)
    }
    return (0..<n).map { field.add(sums[$0], field.negate(sums[$0 + n])) }
  }
}
