import CKernels

/// Arithmetic mod q < 2^63 by the standard library's 128-bit division, which shares no code with the kernels.
struct SlowField {
  let q: UInt64

  func multiply(_ a: UInt64, _ b: UInt64) -> UInt64 { q.dividingFullWidth(a.multipliedFullWidth(by: b)).remainder }
  func add(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (sum, carry) = a.addingReportingOverflow(b)
    return q.dividingFullWidth((carry ? 1 : 0, sum)).remainder
  }
  func negate(_ a: UInt64) -> UInt64 { a == 0 ? 0 : q - a }
  func power(_ base: UInt64, _ exponent: UInt64) -> UInt64 {
    var result: UInt64 = 1
    var square = base
    var rest = exponent
    while rest > 0 {
      if rest & 1 == 1 { result = multiply(result, square) }
      square = multiply(square, square)
      rest >>= 1
    }
    return result
  }
  func inverse(_ a: UInt64) -> UInt64 { power(a, q - 2) }
  func shoup(_ w: UInt64) -> UInt64 { q.dividingFullWidth((w, 0)).quotient }

  /// A primitive root of unity of order 2 n, the first that small candidates give.
  func root(order: Int) -> UInt64 {
    for candidate in 2...UInt64(1000) {
      let root = power(candidate, (q - 1) / UInt64(order))
      if power(root, UInt64(order / 2)) == q - 1 { return root }
    }
    fatalError("no root of order \(order) mod \(q)")
  }
}

/// By trial of the first twelve primes as Miller-Rabin bases, which decides below 2^64.
func isPrime(_ n: UInt64) -> Bool {
  let bases: [UInt64] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37]
  if n < 2 { return false }
  for base in bases where n % base == 0 { return n == base }
  let field = SlowField(q: n)
  let twos = (n - 1).trailingZeroBitCount
  return bases.allSatisfy { base in
    var x = field.power(base, (n - 1) >> UInt64(twos))
    if x == 1 || x == n - 1 { return true }
    for _ in 1..<max(twos, 1) {
      x = field.multiply(x, x)
      if x == n - 1 { return true }
    }
    return false
  }
}

/// The largest prime below 2^bits that is 1 mod 2 n, or the next ones.
func primes(bits: Int, degree: Int, count: Int = 1) -> [UInt64] {
  let step = UInt64(2 * degree)
  var candidate = (1 << UInt64(bits)) - step + 1
  var found: [UInt64] = []
  while found.count < count {
    if isPrime(candidate) { found.append(candidate) }
    candidate -= step
  }
  return found
}

func reverseBits(_ value: Int, count: Int) -> Int {
  (0..<count).reduce(0) { $0 | (value >> $1 & 1) << (count - 1 - $1) }
}

/// Tables of one prime, made by definition.
final class SlowTables {
  let field: SlowField
  let degree: Int
  let psi: UInt64
  private let root: [UInt64]
  private let rootShoup: [UInt64]
  private let inverseRoot: [UInt64]
  private let inverseRootShoup: [UInt64]

  init(q: UInt64, degree: Int) {
    let field = SlowField(q: q)
    self.field = field
    self.degree = degree
    psi = field.root(order: 2 * degree)
    let bits = degree.trailingZeroBitCount
    var powers: [UInt64] = [1]
    for _ in 1..<degree { powers.append(field.multiply(powers.last!, psi)) }
    root = (0..<degree).map { powers[reverseBits($0, count: bits)] }
    // psi^-e = -psi^(n - e).
    inverseRoot = (0..<degree).map {
      let e = reverseBits($0, count: bits)
      return e == 0 ? 1 : field.negate(powers[degree - e])
    }
    rootShoup = root.map(field.shoup)
    inverseRootShoup = inverseRoot.map(field.shoup)
  }

  /// Lends the tables to kernels.
  func with<R>(_ body: (UnsafePointer<ck_ntt>) -> R) -> R {
    root.withUnsafeBufferPointer { root in
      rootShoup.withUnsafeBufferPointer { rootShoup in
        inverseRoot.withUnsafeBufferPointer { inverse in
          inverseRootShoup.withUnsafeBufferPointer { inverseShoup in
            let n = field.inverse(UInt64(degree))
            var tables = ck_ntt(
              q: field.q, n: UInt64(degree), root: root.baseAddress, root_shoup: rootShoup.baseAddress,
              inverse_root: inverse.baseAddress, inverse_root_shoup: inverseShoup.baseAddress, inverse_n: n,
              inverse_n_shoup: field.shoup(n))
            return body(&tables)
          }
        }
      }
    }
  }

  func forward(_ isa: Int32, _ x: [UInt64]) -> [UInt64] {
    var x = x
    with { ck_ntt_forward(isa, $0, &x) }
    return x
  }

  func inverse(_ isa: Int32, _ x: [UInt64]) -> [UInt64] {
    var x = x
    with { ck_ntt_inverse(isa, $0, &x) }
    return x
  }
}

/// Instruction sets that this processor transforms with.
let transformSets: [Int32] = [0, 1, 2].filter { ck_ntt_available($0) }

/// Equality of long lists. A failed expectation on `==` would print their difference, which takes minutes.
func same<Values: Collection>(_ a: Values, _ b: Values) -> Bool where Values.Element: Equatable { a.elementsEqual(b) }
