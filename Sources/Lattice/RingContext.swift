internal import CKernels
public import Rings

/// A ring Z_Q[X]/(X^N + 1) in residues: transforms of each prime, and constants that lead to and from plaintexts.
public final class RingContext: @unchecked Sendable {
  // Unchecked because of the C struct of constants, written in the initialiser only.
  /// Degree and primes.
  public let parameters: LatticeParameters
  /// One transform a prime.
  public let tables: [NTTTables]
  private(set) var constants = ck_rns()

  /// N.
  public var degree: Int { parameters.degree }
  /// Primes.
  public var primes: [UInt64] { parameters.primes }
  /// The kernels' name of the instruction set in use.
  var isa: Int32 { Int32(tables[0].variant.rawValue) }
  /// Words of a polynomial.
  public var words: Int { degree * primes.count }
  /// Bits in which a residue travels.
  public let residueBits: Int
  /// Where work is counted, in tests.
  public let counter: OperationCounter?
  private let transformName: String

  /// Builds the tables: a few milliseconds.
  /// - Parameter counter: counts work, in tests.
  public init(_ parameters: LatticeParameters, variant: TransformVariant = .best, counter: OperationCounter? = nil) {
    self.parameters = parameters
    self.counter = counter
    transformName = "ntt.\(parameters.degree)"
    tables = parameters.primes.map { NTTTables(degree: parameters.degree, prime: $0, variant: variant) }
    residueBits = parameters.primes.map { 64 - $0.leadingZeroBitCount }.max()!
    constants.primes = parameters.primes.count
    for (index, q) in parameters.primes.enumerated() {
      let others = parameters.primes.filter { $0 != q }.reduce(1) { LatticePrimes.multiply($0, $1 % q, q) }
      let inverse = LatticePrimes.inverse(others, q)
      // floor(2^128 / q): two long divisions.
      let (high, rest) = q.dividingFullWidth((1, 0))
      let low = q.dividingFullWidth((rest, 0)).quotient
      Self.set(&constants.q, index, q)
      Self.set(&constants.inverse, index, inverse)
      Self.set(&constants.inverse_shoup, index, LatticePrimes.shoup(inverse, q))
      Self.set(&constants.reciprocal_high, index, high)
      Self.set(&constants.reciprocal_low, index, low)
    }
  }

  private static func set(_ row: inout (UInt64, UInt64, UInt64, UInt64), _ index: Int, _ value: UInt64) {
    withUnsafeMutableBytes(of: &row) { $0.bindMemory(to: UInt64.self)[index] = value }
  }

  /// Q mod t.
  func modulus(mod kind: ModulusKind) -> UInt64 {
    switch kind {
    case .word: primes.reduce(1) { $0 &* $1 }
    case .field: primes.reduce(1) { PrimeField.multiply($0, $1) }
    }
  }

  /// Bits of a free coefficient: of floor(Q / t) and what rounding adds, so that the sum never overflows.
  public func freeBits(_ kind: ModulusKind) -> Int {
    // In double precision with a margin of 2^-11, which covers the fractions' error and that of t against 2^64.
    let quotient = primes.reduce(0x1p-64) { $0 * Double($1) } * (1 + 0x1p-10)
    precondition(quotient > 0x1p20 && quotient < 0x1p91, "free coefficients need 2^20 < Q / t < 2^91")
    return Int(quotient.exponent) + 1
  }

  /// Transforms every prime's residues, in place.
  func forward(_ words: UnsafeMutablePointer<UInt64>) {
    counter?.add(transformName, tables.count)
    for (index, table) in tables.enumerated() { table.forward(words + index * degree) }
  }

  /// The way back.
  func inverse(_ words: UnsafeMutablePointer<UInt64>) {
    counter?.add(transformName, tables.count)
    for (index, table) in tables.enumerated() { table.inverse(words + index * degree) }
  }

  /// Residues of small signed integers.
  func residues(_ values: UnsafePointer<Int32>, _ out: UnsafeMutablePointer<UInt64>) {
    note(.reduce, words)
    for (index, q) in primes.enumerated() { ck_residue_signed(isa, q, degree, values, out + index * degree) }
  }

  /// Residues of any signed integers.
  func residues(_ values: UnsafePointer<Int64>, _ out: UnsafeMutablePointer<UInt64>) {
    note(.reduce, words)
    for (index, q) in primes.enumerated() { ck_residue_signed64(q, degree, values, out + index * degree) }
  }

  /// Counts an operation.
  func note(_ operation: LatticeOperation, _ count: Int) { counter?.add(operation.rawValue, count) }

  /// round(Q m / t) of `count` words, prime j's residues from out + j * stride.
  package func embed(
    _ kind: ModulusKind, _ words: UnsafePointer<UInt64>, count: Int, _ out: UnsafeMutablePointer<UInt64>, stride: Int
  ) {
    note(.embed, primes.count * count)
    let modulus = modulus(mod: kind)
    for (index, q) in primes.enumerated() {
      let t = kind == .field ? PrimeField.modulus % q : LatticePrimes.power(2, 64, q)
      let scale = LatticePrimes.inverse(t, q)
      let half = kind == .field ? PrimeField.half - 1 : UInt64(1) << 63
      ck_embed(
        Int32(kind.kernel), modulus, q, scale, LatticePrimes.shoup(scale, q),
        LatticePrimes.multiply(half % q, scale, q),
        words, count, out + index * stride)
    }
  }

  /// 2^128 c / Q of `count` coefficients, two words each.
  package func fractions(
    _ residues: UnsafePointer<UInt64>, stride: Int, count: Int, _ out: UnsafeMutablePointer<UInt64>
  ) {
    note(.lift, count)
    withUnsafePointer(to: constants) { ck_rns_fractions($0, residues, stride, count, out) }
  }
}

extension ModulusKind {
  /// The kernels' name of this modulus.
  var kernel: UInt32 { self == .field ? CK_FIELD.rawValue : CK_WORD.rawValue }
}
