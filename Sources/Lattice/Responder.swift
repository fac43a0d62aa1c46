internal import CKernels
public import Randomness
internal import Rings

/// What of a response travels, beside C1.
public struct ResponseFormat: Hashable, Sendable {
  /// k1: bits of a coefficient of C1.
  public let switchedBits: Int
  /// g: bits below the unit of C0.
  public let lowBits: Int

  /// The format that a use's noise budget assumes.
  public init(_ use: NoiseUse) { (switchedBits, lowBits) = (use.switchedBits, use.lowBits) }

  /// Bytes of a response with `count` coefficients that are read.
  public func byteCount(degree: Int, count: Int) -> Int {
    (degree * switchedBits + 7) / 8 + (count * lowBits + 7) / 8
  }
}

/// Sums of plaintext products in the transform domain, several responses at once so that each weight is transformed once.
public final class ProductSum {
  let context: RingContext
  let accumulators: SecretWords
  private var products = 0

  /// A sum of nothing.
  public init(context: RingContext) {
    self.context = context
    accumulators = SecretWords(zeros: 4 * context.words)
  }

  /// Adds sum_j ciphertext_j * weight_j for one prime; ciphertexts as ``CiphertextReader`` gives them, weights transforms of
  /// N words. At most 8 pairs.
  func add(prime: Int, _ ciphertexts: [UnsafePointer<UInt64>], _ weights: [UnsafePointer<UInt64>]) {
    let offset = prime * context.degree
    let x0 = ciphertexts.map { Optional($0 + offset) }
    let x1 = ciphertexts.map { Optional($0 + context.words + offset) }
    ck_ntt_accumulate(
      Int32(context.tables[prime].variant.rawValue), context.primes[prime], context.degree, ciphertexts.count, x0, x1,
      weights.map { Optional($0) }, accumulators.pointer + 4 * offset)
  }

  /// Counts products, and folds before an accumulator could overflow.
  func note(products count: Int) {
    products += count
    guard products + 16 > Int(CK_NTT_PRODUCTS) else { return }
    products = 1
    let folded = SecretWords(uninitialized: context.degree)
    for row in 0..<2 * context.primes.count {
      let place = accumulators.pointer + 2 * row * context.degree
      ck_ntt_fold(context.primes[row / 2], context.degree, place, folded.pointer)
      place.update(from: folded.pointer, count: context.degree)
      (place + context.degree).update(repeating: 0, count: context.degree)
    }
  }

  /// Component 0 or 1 in coefficients.
  func component(_ part: Int) -> SecretWords {
    let out = SecretWords(uninitialized: context.words)
    for (index, q) in context.primes.enumerated() {
      ck_ntt_fold(
        q, context.degree, accumulators.pointer + (4 * index + 2 * part) * context.degree,
        out.pointer + index * context.degree)
    }
    context.inverse(out.pointer)
    return out
  }
}

/// The model owner's responses: re-randomised, flooded, and reduced to what the data owner needs.
///
/// Every response is an encryption under fresh v and e1, so that C1 tells nothing of the weights (ring-LWE), and C0's noise
/// is hidden statistically (``Flood``). The share of each result is the model owner's to choose, uniform: it
/// is chosen so that the top of C0 is a public word, which need not travel.
public final class Responder {
  let context: RingContext
  private let publicKey: LatticePublicKey
  private let publicWords: StreamGenerator
  let randomness: StreamGenerator

  /// - Parameters:
  ///   - publicWords: public stream of the words that shares are chosen by.
  ///   - randomness: secret stream.
  public init(publicKey: LatticePublicKey, publicWords: StreamGenerator, randomness: StreamGenerator) {
    context = publicKey.context
    (self.publicKey, self.publicWords, self.randomness) = (publicKey, publicWords, randomness)
  }

  /// Ends a response.
  ///
  /// - Parameter ranges: coefficients that are results.
  /// - Returns: what travels, and this party's additive share of each result.
  func respond(
    _ sum: ProductSum, modulus: ModulusKind, format: ResponseFormat, flood: Flood, ranges: CoefficientRanges
  ) -> (bytes: [UInt8], shares: SecretWords) {
    rerandomise(sum)
    let second = sum.component(1)
    let errors = SecretWords(uninitialized: context.words)
    context.errors(from: randomness, into: errors.pointer)
    context.add(second.pointer, errors.pointer, second.pointer)
    let fractions = SecretWords(uninitialized: 2 * context.degree)
    context.fractions(second.pointer, stride: context.degree, count: context.degree, fractions.pointer)
    let (shares, low) = shares(sum.component(0), modulus, format, flood, ranges)
    let size = (context.degree * format.switchedBits + 7) / 8
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      ck_pack_fractions(fractions.pointer, context.degree, UInt32(format.switchedBits), buffer.baseAddress)
      count = size
    }
    return (bytes + low, shares)
  }

  /// Adds v times the public key, v ternary.
  private func rerandomise(_ sum: ProductSum) {
    let v = SecretWords(uninitialized: context.words)
    context.ternary(from: randomness, into: v.pointer)
    context.forward(v.pointer)
    for (index, table) in context.tables.enumerated() {
      let offset = index * context.degree
      let first: [UnsafePointer<UInt64>?] = [UnsafePointer(publicKey.first.pointer + offset)]
      let second: [UnsafePointer<UInt64>?] = [UnsafePointer(publicKey.second.pointer + offset)]
      let factor: [UnsafePointer<UInt64>?] = [UnsafePointer(v.pointer + offset)]
      ck_ntt_accumulate(
        Int32(table.variant.rawValue), context.primes[index], context.degree, 1, first, second, factor,
        sum.accumulators.pointer + 4 * offset)
    }
    withExtendedLifetime(v) {}
  }

  private func shares(
    _ first: SecretWords, _ modulus: ModulusKind, _ format: ResponseFormat, _ flood: Flood, _ ranges: CoefficientRanges
  ) -> (SecretWords, [UInt8]) {
    let count = ranges.count
    let compact = ranges.gathered(first.pointer, rows: context.primes.count, stride: context.degree)
    addFlood(flood, to: compact, count: count)
    let fractions = SecretWords(uninitialized: 2 * count)
    context.fractions(compact.pointer, stride: count, count: count, fractions.pointer)
    let integers = SecretWords(uninitialized: count)
    let rests = SecretWords(uninitialized: count)
    ck_split_fractions(Int32(modulus.kernel), fractions.pointer, count, integers.pointer, rests.pointer)
    let words = publicWords.secretWords(modulus, count: count)
    var low: [UInt8] = []
    if format.lowBits == 0 {
      roundUp(modulus, integers, rests)
    } else {
      for index in 0..<count { rests.pointer[index] >>= UInt64(64 - format.lowBits) }
      low = [UInt8](unsafeUninitializedCapacity: (count * format.lowBits + 7) / 8) { buffer, size in
        if let base = buffer.baseAddress { ck_pack_words(rests.pointer, count, UInt32(format.lowBits), base) }
        size = (count * format.lowBits + 7) / 8
      }
    }
    Elementwise.subtract(modulus, integers.pointer, words.pointer, count: count, output: integers.pointer)
    return (integers, low)
  }

  /// Adds one where the rest is at least a half.
  private func roundUp(_ modulus: ModulusKind, _ integers: SecretWords, _ rests: SecretWords) {
    for index in 0..<rests.count { rests.pointer[index] >>= 63 }
    Elementwise.add(modulus, integers.pointer, rests.pointer, count: rests.count, output: integers.pointer)
  }

  private func addFlood(_ flood: Flood, to rows: SecretWords, count: Int) {
    // Offset to a positive number of 127 bits, whose residues the kernel takes; then the offset goes again.
    let storage = SecretWords(uninitialized: 2 * count)
    let residues = SecretWords(uninitialized: count)
    storage.pointer.withMemoryRebound(to: Int128.self, capacity: count) { values in
      flood.fill(values, count: count, from: randomness)
      for index in 0..<count { values[index] += 1 << 126 }
    }
    for (index, q) in context.primes.enumerated() {
      ck_wide_residues(q, storage.pointer, count, residues.pointer)
      let row = rows.pointer + index * count
      ck_residue_add(q, count, row, residues.pointer, row)
      residues.pointer.update(repeating: LatticePrimes.power(2, 126, q), count: count)
      ck_residue_subtract(q, count, row, residues.pointer, row)
    }
  }
}
