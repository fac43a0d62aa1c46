import Glibc

/// What the noise of encrypted responses comes to: how wide the flood must be, and that the results still decrypt.
///
/// A response is sum_j w_j ct_j + v pk + (flood, e1) in Z_q[X]/(X^N + 1): plaintext factors w_j known to the responder,
/// ciphertexts with errors of a centred binomial distribution (21 pairs of bits, variance 21/2) and of embedding
/// (uniform within half a unit, once or twice), secret s and v ternary. Its second component is switched to k1 bits.
///
/// Security: let D be the noise of a response beside the flood, over all `outputs` coefficients. The flood hides D from
/// the owner of the key: statistical distance at most 2^-40 for all coefficients together (``Flood``).
///
/// Correctness: with probability at least 1 - 2^-40 over all `outputs`, no result is off by more than `errorUnits`.
/// Bounds, not estimates: centred binomial and ternary draws and rounding errors are strictly sub-Gaussian, so that a
/// linear form with coefficients a exceeds z |a| sigma with probability at most 2 exp(-z^2 / 2); squared norms of
/// drawn polynomials are bounded by Hsu, Kakade and Zhang, "A tail inequality for quadratic forms of subgaussian random
/// vectors" (2012); the flood is bounded outright. That the rounding errors of the second component are uniform rests
/// on ring learning with errors, like its secrecy.
public struct NoiseBudget: Hashable, Sendable {
  /// Bits of the statistical distance of a flooded inference, and of its failure probability.
  public static let statisticalBits = 40
  /// Units in the last place that a linear correlation may be off by.
  public static let linearLimit = 128.0
  /// Variance of an encryption error: 21 pairs of bits.
  public static let errorVariance = 10.5
  /// Variance of a fresh ciphertext's noise: the error, and twice the rounding of an embedded word, for the plaintext of
  /// a free coefficient is the difference of two words that are embedded apart.
  static let freshVariance = errorVariance + 2 / 12.0

  /// What is multiplied.
  public let use: NoiseUse
  /// Ring degree N.
  public let degree: Int
  /// log2 of the ciphertext modulus.
  public let modulusBits: Double
  /// Coefficients that leave the responder encrypted in one inference, over all its responses.
  public let outputs: Int
  /// Standard deviation of a coefficient of a response's noise beside the flood, at the norm that `use` gives.
  public let noiseDeviation: Double
  /// The flood that hides this noise.
  public let flood: Flood
  /// A bound on the noise of a response, flood included, that holds for all `outputs` but with probability 2^-41.
  public let noiseBound: Double
  /// Units in the last place (linear), or the fraction of a unit before rounding (OLE), that a result may be off by.
  /// Below ``linearLimit`` for linear use, below 1/2 for OLE, which then is exact.
  public let errorUnits: Double
  /// Smallest log2 q for which this use fits.
  public let requiredModulusBits: Double

  /// - Parameters:
  ///   - use: what is multiplied. Its norm must be public, for the flood's width shows it.
  ///   - degree: ring degree N, a power of two in 1024...32768.
  ///   - primes: the primes of q, below 2^50 each.
  ///   - outputs: coefficients that leave the responder encrypted in one inference, 1...2^26.
  /// - Throws: ``NoiseBudgetError`` if an argument is out of range or the noise does not fit q.
  public init(use: NoiseUse, degree: Int, primes: [UInt64], outputs: Int) throws(NoiseBudgetError) {
    guard (1024...32768).contains(degree), degree & (degree - 1) == 0 else { throw .degree(degree) }
    guard !primes.isEmpty, primes.count <= 8, primes.allSatisfy({ $0 > 2 && $0 >> 50 == 0 }) else { throw .primes }
    guard (1...1 << 26).contains(outputs) else { throw .outputs(outputs) }
    let bounds = TailBounds(degree: degree, outputs: outputs)
    let meanNorm = use.meanNorm(degree: degree)
    // e_pk v + e1 s: each coefficient is a sum of N products of variance 21/2 and 2/3.
    let publicKeyVariance = 2 * Double(degree) * Self.errorVariance * 2 / 3
    let deviation = (meanNorm * meanNorm * Self.freshVariance + publicKeyVariance).squareRoot()
    let flood = try Flood(noiseDeviation: deviation, outputs: outputs)

    let normBound = use.normBound(degree: degree, bounds: bounds)
    let spread =
      normBound * normBound * Self.freshVariance + bounds.errorNorm2 * 2 / 3
      + bounds.ternaryNorm2 * Self.errorVariance
    let noise = flood.bound + bounds.factor * spread.squareRoot()

    // t / 2^k1 (epsilon s): rounding to k1 bits, and what the fixed-point fractions 2^128 / q_i are short of.
    let shortfall = exp2(Double(use.switchedBits) - 128) * primes.reduce(0) { $0 + Double($1) }
    let switching =
      exp2(Double(64 - use.switchedBits)) * bounds.factor * ((1 / 12.0).squareRoot() + shortfall)
      * bounds.ternaryNorm2.squareRoot()
    let rounding = use.isExact ? exp2(Double(-use.lowBits - 1)) + 0x1p-10 : 1
    let room = (use.isExact ? 0.5 : Self.linearLimit) - switching - rounding
    let modulusBits = primes.reduce(0) { $0 + log2(Double($1)) }
    let required = room > 0 ? 64 + log2(noise / room) : .infinity
    guard required < modulusBits else { throw .doesNotFit(required: required, available: modulusBits) }

    self.use = use
    self.degree = degree
    self.modulusBits = modulusBits
    self.outputs = outputs
    self.noiseDeviation = deviation
    self.flood = flood
    noiseBound = noise
    errorUnits = noise * exp2(64 - modulusBits) + switching + rounding
    requiredModulusBits = required
  }
}

/// Bounds that fail with probability 2^-41 together.
struct TailBounds {
  /// z such that no one of `outputs` linear forms exceeds z deviations, but with probability 2^-43.
  let factor: Double
  /// x of the norm bounds: each fails with probability e^-x = 2^-46 / outputs; there are at most `outputs` + 2.
  let exponent: Double
  /// Bound on the squared norm of a polynomial of errors.
  let errorNorm2: Double
  /// Bound on the squared norm of a ternary polynomial.
  let ternaryNorm2: Double

  init(degree: Int, outputs: Int) {
    let two = log(2.0)
    factor = (2 * (43 * two + log(2 * Double(outputs)))).squareRoot()
    exponent = 46 * two + log(Double(outputs))
    let n = Double(degree)
    let excess = n + 2 * (n * exponent).squareRoot() + 2 * exponent
    errorNorm2 = NoiseBudget.errorVariance * excess
    ternaryNorm2 = min(n, excess * 2 / 3)
  }
}
