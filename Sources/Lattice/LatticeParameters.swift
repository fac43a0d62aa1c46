internal import Glibc
internal import Rings

/// Why parameters were refused.
public enum LatticeError: Error, Equatable, CustomStringConvertible {
  /// The ciphertext modulus is too large for 128-bit security at this degree.
  case insecure(degree: Int, bits: Int, limit: Int)
  /// A degree for which no bound is tabled, or primes out of range.
  case unsupported(reason: String)
  /// A peer's bytes are not what they must be.
  case malformed(what: String)

  /// What was wrong, and what to do.
  public var description: String {
    switch self {
    case .insecure(let degree, let bits, let limit):
      "A modulus of \(bits) bits at ring degree \(degree) falls short of 128-bit security; at most \(limit) bits are allowed."
    case .unsupported(let reason): "These lattice parameters are not supported: \(reason)."
    case .malformed(let what):
      "The peer's ciphertexts are malformed: \(what); see that both sides run the same version."
    }
  }
}

/// Degree and ciphertext modulus of a ring, checked for security when they are made.
///
/// Security: decision ring-LWE with a uniform ternary secret and errors of standard deviation 3.24 (the tables assume 3.19),
/// 128-bit classical level of the HomomorphicEncryption.org standard (Albrecht et al., "Homomorphic Encryption
/// Standard", 2018, table 1).
public struct LatticeParameters: Hashable, Sendable {
  /// Largest log2 q by degree, ternary secret, 128 bits, from the standard.
  static let modulusLimit = [1024: 27, 2048: 54, 4096: 109, 8192: 218, 16384: 438]

  /// N.
  public let degree: Int
  /// Primes of q, each below 2^50 and 1 mod 2N, distinct.
  public let primes: [UInt64]

  /// - Throws: ``LatticeError``
  public init(degree: Int, primes: [UInt64]) throws(LatticeError) {
    guard let limit = Self.modulusLimit[degree] else {
      throw .unsupported(reason: "no bound is tabled for ring degree \(degree)")
    }
    try self.init(unchecked: degree, primes)
    let bits = Int(primes.reduce(0) { $0 + log2(Double($1)) }.rounded(.up))
    guard bits <= limit else { throw .insecure(degree: degree, bits: bits, limit: limit) }
  }

  /// Small rings that any laptop breaks, for tests.
  package init(insecureForTests degree: Int, primes: [UInt64]) throws(LatticeError) {
    try self.init(unchecked: degree, primes)
  }

  private init(unchecked degree: Int, _ primes: [UInt64]) throws(LatticeError) {
    guard (1...4).contains(primes.count), Set(primes).count == primes.count else {
      throw .unsupported(reason: "a modulus has one to four distinct primes")
    }
    for prime in primes where prime >> 50 != 0 || prime % UInt64(2 * degree) != 1 || !LatticePrimes.isPrime(prime) {
      throw .unsupported(reason: "\(prime) is not a prime below 2^50 that is 1 mod \(2 * degree)")
    }
    (self.degree, self.primes) = (degree, primes)
  }

  /// Linear correlations: three primes of 46 bits. ``NoiseBudget`` says what fits.
  public static let linear = made(bits: 46, count: 3)
  /// OLE correlations: four primes of 48 bits.
  public static let ole = made(bits: 48, count: 4)

  private static func made(bits: Int, count: Int) -> LatticeParameters {
    guard
      let made = try? LatticeParameters(degree: 8192, primes: LatticePrimes.largest(bits: bits, count: count))
    else { preconditionFailure("the product's own parameters are within the standard's table") }
    return made
  }
}
