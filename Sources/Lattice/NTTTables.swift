internal import CKernels
internal import Rings

/// Instruction set of the transforms. All variants give the same words in the same order.
public enum TransformVariant: Int, Sendable, CaseIterable {
  /// Portable C.
  case scalar = 0
  /// Double precision with fused multiply-add, 256-bit vectors.
  case avx2 = 1
  /// 52-bit integer multiply-add, 512-bit vectors.
  case avx512 = 2

  /// True where this processor runs the variant.
  public var isAvailable: Bool { ck_ntt_available(Int32(rawValue)) }
  /// The fastest variant that this processor runs.
  public static var best: TransformVariant { allCases.last(where: \.isAvailable) ?? .scalar }
}

/// Negacyclic number-theoretic transform of Z_q[X]/(X^N + 1): powers of a 2N-th root of unity in bit-reversed order
/// (Longa and Naehrig, CANS 2016).
public final class NTTTables: @unchecked Sendable {
  // Unchecked because of the pointers: the memory is written in the initialiser only.
  /// N, 16 to 16384.
  public let degree: Int
  /// q < 2^50, 1 mod 2N.
  public let prime: UInt64
  /// The instruction set in use.
  public let variant: TransformVariant
  private let storage: UnsafeMutablePointer<UInt64>
  private var table: ck_ntt
  /// q^-1 mod 2^52.
  private let inverse52: UInt64

  /// - Parameters:
  ///   - degree: a power of two in 16...16384.
  ///   - prime: a prime below 2^50 that is 1 mod 2N.
  public init(degree: Int, prime: UInt64, variant: TransformVariant = .best) {
    precondition((16...16384).contains(degree) && degree & (degree - 1) == 0, "degree \(degree)")
    precondition(prime >> 50 == 0 && prime % UInt64(2 * degree) == 1, "prime \(prime)")
    precondition(variant.isAvailable, "this processor lacks the instruction set \(variant)")
    (self.degree, self.prime, self.variant) = (degree, prime, variant)
    storage = .allocate(capacity: 4 * degree)
    let root = LatticePrimes.rootOfUnity(degree: degree, prime: prime)
    let bits = degree.trailingZeroBitCount
    for (part, base) in [root, LatticePrimes.inverse(root, prime)].enumerated() {
      let powers = storage + 2 * part * degree
      var power: UInt64 = 1
      for exponent in 0..<degree {
        let index = Self.reversed(exponent, bits: bits)
        powers[index] = power
        powers[degree + index] = LatticePrimes.shoup(power, prime)
        power = LatticePrimes.multiply(power, base, prime)
      }
    }
    // Newton: q is its own inverse mod 8, and each step doubles the bits.
    inverse52 = (0..<5).reduce(prime) { found, _ in found &* (2 &- prime &* found) } & (1 << 52 - 1)
    let inverse = LatticePrimes.inverse(UInt64(degree), prime)
    table = ck_ntt(
      q: prime, n: UInt64(degree), root: UnsafePointer(storage), root_shoup: UnsafePointer(storage + degree),
      inverse_root: UnsafePointer(storage + 2 * degree), inverse_root_shoup: UnsafePointer(storage + 3 * degree),
      inverse_n: inverse, inverse_n_shoup: LatticePrimes.shoup(inverse, prime))
  }

  deinit { storage.deallocate() }

  static func reversed(_ value: Int, bits: Int) -> Int {
    (0..<bits).reduce(0) { $0 | (value >> $1 & 1) << (bits - 1 - $1) }
  }

  /// Residues (N words, each below q) to the transform domain, in place.
  public func forward(_ words: UnsafeMutablePointer<UInt64>) { ck_ntt_forward(Int32(variant.rawValue), &table, words) }

  /// Back, in place.
  public func inverse(_ words: UnsafeMutablePointer<UInt64>) { ck_ntt_inverse(Int32(variant.rawValue), &table, words) }

  /// Transforms of eight polynomials in X^(N / length) side by side, a word a block; `words` is overwritten.
  public func short(
    _ length: Int, _ words: UnsafeMutablePointer<UInt64>, _ out: UnsafeMutablePointer<UInt64>, stride: Int
  ) {
    ck_ntt_short(Int32(variant.rawValue), &table, length, words, out, stride)
  }

  /// A tile of both components of a ciphertext, twisted where there is a twist (times 2^52).
  func gather(
    _ first: UnsafePointer<UInt64>, _ second: UnsafePointer<UInt64>, twist: UnsafePointer<UInt64>?, count: Int,
    row: Int,
    into out: UnsafeMutablePointer<UInt64>
  ) {
    ck_ntt_gather(Int32(variant.rawValue), prime, inverse52, first, second, twist, count, row, out)
  }
}

/// The same transform over F_p, p = 2^64 - 2^32 + 1: slots of plaintexts. Slot products are polynomial products.
public final class FieldNTT: @unchecked Sendable {
  /// N.
  public let degree: Int
  private let storage: UnsafeMutablePointer<UInt64>
  private let inverseDegree: UInt64
  private let counter: OperationCounter?
  private let name: String

  /// - Parameters:
  ///   - degree: a power of two in 2...65536.
  ///   - counter: counts transforms, in tests.
  public init(degree: Int, counter: OperationCounter? = nil) {
    precondition((2...65536).contains(degree) && degree & (degree - 1) == 0, "degree \(degree)")
    self.degree = degree
    self.counter = counter
    name = "ntt.field.\(degree)"
    storage = .allocate(capacity: 2 * degree)
    let root = LatticePrimes.rootOfUnity(degree: degree, prime: PrimeField.modulus)
    let bits = degree.trailingZeroBitCount
    for (part, base) in [root, LatticePrimes.inverse(root, PrimeField.modulus)].enumerated() {
      var power: UInt64 = 1
      for exponent in 0..<degree {
        storage[part * degree + NTTTables.reversed(exponent, bits: bits)] = power
        power = PrimeField.multiply(power, base)
      }
    }
    inverseDegree = LatticePrimes.inverse(UInt64(degree), PrimeField.modulus)
  }

  deinit { storage.deallocate() }

  /// Coefficients (N reduced words) to slots, in place.
  public func slots(_ words: UnsafeMutablePointer<UInt64>) {
    counter?.add(name, 1)
    ck_field_ntt_forward(storage, degree, words)
  }
  /// Slots to coefficients, in place.
  public func coefficients(_ words: UnsafeMutablePointer<UInt64>) {
    counter?.add(name, 1)
    ck_field_ntt_inverse(storage + degree, inverseDegree, degree, words)
  }
}
