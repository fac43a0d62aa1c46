/// Primes q = 1 mod 2N, found by search and proven: no list that one has to believe.
public enum LatticePrimes {
  /// Primes are 1 mod this, so that they serve every degree up to 16384.
  static let step: UInt64 = 32768

  /// The `count` largest primes that are 1 mod 32768 and below 0.995 * 2^bits, in falling order.
  ///
  /// Below 0.995: quotients Q / t then stay under a power of two, which saves a bit of each free coefficient.
  /// - Parameter bits: 30 to 50.
  public static func largest(bits: Int, count: Int) -> [UInt64] {
    precondition((30...50).contains(bits) && count >= 0)
    let limit = (UInt64(1) << UInt64(bits)) / 1000 * 995
    var candidate = limit / step * step + 1
    var found: [UInt64] = []
    while found.count < count {
      if isPrime(candidate) { found.append(candidate) }
      candidate -= step
    }
    return found
  }

  /// Whether n is prime; certain for every 64-bit n (Sorenson and Webster 2015: the first twelve primes as bases).
  public static func isPrime(_ n: UInt64) -> Bool {
    let bases: [UInt64] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37]
    if n < 2 { return false }
    for base in bases where n % base == 0 { return n == base }
    let shift = (n - 1).trailingZeroBitCount
    let odd = (n - 1) >> UInt64(shift)
    return bases.allSatisfy { base in
      var x = power(base, odd, n)
      if x == 1 || x == n - 1 { return true }
      for _ in 1..<shift {
        x = multiply(x, x, n)
        if x == n - 1 { return true }
      }
      return false
    }
  }

  /// a b mod n, for public numbers.
  static func multiply(_ a: UInt64, _ b: UInt64, _ n: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return n.dividingFullWidth((product.high % n, product.low)).remainder
  }

  /// a^e mod n, for public numbers.
  static func power(_ a: UInt64, _ exponent: UInt64, _ n: UInt64) -> UInt64 {
    var (result, base, rest) = (UInt64(1), a % n, exponent)
    while rest > 0 {
      if rest & 1 == 1 { result = multiply(result, base, n) }
      base = multiply(base, base, n)
      rest >>= 1
    }
    return result
  }

  /// 1 / a mod a prime.
  static func inverse(_ a: UInt64, _ prime: UInt64) -> UInt64 { power(a, prime - 2, prime) }

  /// A primitive 2N-th root of unity mod a prime that is 1 mod 2N.
  static func rootOfUnity(degree: Int, prime: UInt64) -> UInt64 {
    let exponent = (prime - 1) / UInt64(2 * degree)
    for base in UInt64(2)... {
      let root = power(base, exponent, prime)
      if power(root, UInt64(degree), prime) == prime - 1 { return root }
    }
    preconditionFailure("every prime field has a generator")
  }

  /// floor(w 2^64 / q): Shoup's companion of a factor w < q.
  static func shoup(_ w: UInt64, _ q: UInt64) -> UInt64 { q.dividingFullWidth((w, 0)).quotient }
}
