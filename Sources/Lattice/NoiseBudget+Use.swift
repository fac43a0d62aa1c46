import Glibc

/// What is multiplied under encryption, and what of a response travels back. The plaintext modulus is 2^64 or
/// 2^64 - 2^32 + 1, which is 2^64 for a budget.
public struct NoiseUse: Hashable, Sendable {
  enum Factors: Hashable {
    /// Known weights; the Euclidean norm of all that meet in one output coefficient.
    case weights(norm: Double)
    /// One uniform polynomial modulo the plaintext modulus, coefficients centred.
    case uniform
  }

  let factors: Factors
  /// k1: bits that the second component of a response is switched to.
  public let switchedBits: Int
  /// g: bits below the unit that are sent of the first component.
  public let lowBits: Int
  /// Whether results must be exact, not merely close.
  public let isExact: Bool

  /// A linear correlation, with an error of a few units in the last place.
  ///
  /// - Parameter weightNorm: bound, known to both parties, on the Euclidean norm of all weight coefficients that meet in
  ///   one output coefficient. It must not depend on the weights' values beyond what is public, for the flood's width
  ///   shows it.
  /// - Throws: ``NoiseBudgetError/weights``.
  public static func linear(weightNorm: Double) throws(NoiseBudgetError) -> NoiseUse {
    guard weightNorm >= 1, weightNorm <= 0x1p60 else { throw .weights }
    return NoiseUse(factors: .weights(norm: weightNorm), switchedBits: 70, lowBits: 0, isExact: false)
  }

  /// A linear correlation with at most `terms` weights, |w| <= weightBound, that meet in one output coefficient.
  public static func linear(terms: Int, weightBound: Int) throws(NoiseBudgetError) -> NoiseUse {
    guard terms > 0, weightBound > 0 else { throw .weights }
    return try linear(weightNorm: Double(terms).squareRoot() * Double(weightBound))
  }

  /// A linear correlation with at most `terms` weights that meet in one output coefficient, each any word of the plaintext
  /// modulus, centred: shares of weights. The bound is that of the worst words.
  /// - Throws: ``NoiseBudgetError/weights``.
  public static func linearShares(terms: Int) throws(NoiseBudgetError) -> NoiseUse {
    guard (1...1 << 24).contains(terms) else { throw .weights }
    return NoiseUse(
      factors: .weights(norm: Double(terms).squareRoot() * 0x1p63), switchedBits: 70, lowBits: 0, isExact: false)
  }

  /// An oblivious linear evaluation alpha c - u in slots, exact: alpha is one uniform polynomial.
  public static let ole = NoiseUse(factors: .uniform, switchedBits: 74, lowBits: 3, isExact: true)

  /// Norm of the factors: root mean square over their randomness, if they have any.
  func meanNorm(degree: Int) -> Double {
    switch factors {
    case .weights(let norm): norm
    case .uniform: (Double(degree) / 12).squareRoot() * 0x1p64
    }
  }

  /// A norm that is exceeded with probability e^-exponent at most. Squares of uniform coefficients lie in [0, 2^126], so
  /// Hoeffding's inequality bounds their sum.
  func normBound(degree: Int, bounds: TailBounds) -> Double {
    let n = Double(degree)
    return switch factors {
    case .weights(let norm): norm
    case .uniform: (n / 3 + (n * bounds.exponent / 2).squareRoot()).squareRoot() * 0x1p63
    }
  }
}

/// Why a use of encryption was refused.
public enum NoiseBudgetError: Error, Equatable, CustomStringConvertible {
  /// The ring degree is not a power of two from 1024 to 32768.
  case degree(Int)
  /// There are no primes, more than eight, or one of more than 50 bits.
  case primes
  /// The number of output coefficients is not in 1...2^26.
  case outputs(Int)
  /// The weights' norm is not in 1...2^60.
  case weights
  /// The noise does not fit the ciphertext modulus.
  case doesNotFit(required: Double, available: Double)

  /// What was wrong, where, and what to do.
  public var description: String {
    switch self {
    case .degree(let degree):
      return "The ring degree of a noise budget is \(degree); it must be a power of two from 1024 to 32768."
    case .primes:
      return "The ciphertext modulus of a noise budget needs 1 to 8 primes of at most 50 bits."
    case .outputs(let count):
      return "A noise budget was asked for \(count) output coefficients; ask for 1 to 67108864 an inference."
    case .weights:
      return "The norm of the weights that meet in one output must be between 1 and 2^60; rescale the layer."
    case .doesNotFit(let required, let available):
      let found = (available * 10).rounded(.down) / 10
      guard required.isFinite else {
        return "The results of this use cannot be decrypted at any ciphertext modulus; use a smaller ring degree."
      }
      return
        "The noise needs a ciphertext modulus of \((required * 10).rounded(.up) / 10) bits and there are \(found); "
        + "use fewer fraction bits for the weights, or prepare fewer outputs together."
    }
  }
}
