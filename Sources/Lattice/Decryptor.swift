internal import CKernels
internal import Randomness
public import Rings

/// The data owner's end: words of results from responses.
///
/// C1' s is an integer product below 2^(k1 + 13) in magnitude, exact in two 50-bit primes.
public final class Decryptor: Sendable {
  private let context: RingContext
  private let key: SecretWords
  private let publicWords: PolynomialStreams

  /// The ring in which C1' s is computed.
  public static func makeContext(
    degree: Int, variant: TransformVariant = .best, counter: OperationCounter? = nil
  ) -> RingContext {
    let primes = LatticePrimes.largest(bits: 50, count: 2)
    // Secure or not does not matter: nothing is encrypted in this ring.
    guard let parameters = try? LatticeParameters(insecureForTests: degree, primes: primes) else {
      preconditionFailure("decryption works at degrees from 16 to 16384")
    }
    return RingContext(parameters, variant: variant, counter: counter)
  }

  /// - Parameters:
  ///   - context: from ``makeContext(degree:variant:counter:)``.
  ///   - key: the secret key's transform in that ring.
  ///   - publicWords: the same public streams as the responder's.
  public init(context: RingContext, key: SecretWords, publicWords: PolynomialStreams) {
    self.context = context
    self.key = key
    self.publicWords = publicWords
  }

  /// This party's additive share of each result, in the order of `ranges`.
  ///
  /// - Parameter number: the response's number in the streams.
  /// - Throws: ``LatticeError/malformed(what:)``
  func read(
    _ bytes: [UInt8], number: Int, modulus: ModulusKind, format: ResponseFormat, ranges: CoefficientRanges
  ) throws(LatticeError) -> SecretWords {
    let degree = context.degree
    guard bytes.count == format.byteCount(degree: degree, count: ranges.count) else {
      throw .malformed(what: "\(bytes.count) bytes of a response")
    }
    let wide = SecretWords(uninitialized: 2 * degree)
    context.note(.pack, degree)
    context.note(.reduce, context.words)
    ck_unpack_wide(bytes, degree, UInt32(format.switchedBits), wide.pointer)
    let residues = SecretWords(uninitialized: context.words)
    for (index, q) in context.primes.enumerated() {
      ck_wide_residues(q, wide.pointer, degree, residues.pointer + index * degree)
    }
    context.forward(residues.pointer)
    context.multiply(residues.pointer, key.pointer, residues.pointer)
    context.inverse(residues.pointer)
    let compact = ranges.gathered(residues.pointer, rows: 2, stride: degree)
    let count = ranges.count
    let fractions = SecretWords(uninitialized: 2 * count)
    context.note(.lift, count)
    let (q0, q1) = (context.primes[0], context.primes[1])
    let inverse = LatticePrimes.inverse(q0 % q1, q1)
    ck_pair_to_fractions(
      q0, q1, inverse, LatticePrimes.shoup(inverse, q1), UInt32(format.switchedBits), compact.pointer,
      compact.pointer + count, count, fractions.pointer)
    let low = Array(bytes[((degree * format.switchedBits + 7) / 8)...])
    return combine(fractions, low, modulus, format, count, publicWords.stream(number))
  }

  /// w + floor(t f + low part + 1/2).
  private func combine(
    _ fractions: SecretWords, _ low: [UInt8], _ modulus: ModulusKind, _ format: ResponseFormat, _ count: Int,
    _ stream: StreamGenerator
  ) -> SecretWords {
    let integers = SecretWords(uninitialized: count)
    let rests = SecretWords(uninitialized: count)
    ck_split_fractions(Int32(modulus.kernel), fractions.pointer, count, integers.pointer, rests.pointer)
    let lows = SecretWords(zeros: count)
    if format.lowBits > 0 && count > 0 {
      context.note(.pack, count)
      ck_unpack_words(low, count, UInt32(format.lowBits), lows.pointer)
    }
    for index in 0..<count {
      // The half unit below the last bit that was sent stands for what was cut off.
      let first =
        format.lowBits == 0
        ? 0
        : (lows.pointer[index] << UInt64(64 - format.lowBits)) | (UInt64(1) << UInt64(63 - format.lowBits))
      let sum = UInt128(rests.pointer[index]) + UInt128(first) + (1 << 63)
      rests.pointer[index] = UInt64(truncatingIfNeeded: sum >> 64)
    }
    context.addWords(modulus, integers.pointer, rests.pointer, count: count, integers.pointer)
    let words = context.words(modulus, count: count, from: stream)
    context.addWords(modulus, integers.pointer, words.pointer, count: count, integers.pointer)
    return integers
  }
}
