internal import CKernels
internal import Randomness
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

  /// Products after which accumulators are folded: whole calls, what was folded and re-randomisation fit beside them.
  static let foldAfter = (Int(CK_NTT_PRODUCTS) - 16) / Int(CK_NTT_PAIRS) * Int(CK_NTT_PAIRS)

  /// A sum of nothing.
  public init(context: RingContext) {
    self.context = context
    accumulators = SecretWords(zeros: 4 * context.words)
  }

  /// Adds sum_j ciphertext_j * weight_j for one prime; ciphertexts as ``CiphertextReader`` gives them, weights transforms of
  /// N words. At most 8 pairs.
  func add(prime: Int, _ ciphertexts: [UnsafePointer<UInt64>], _ weights: [UnsafePointer<UInt64>]) {
    context.note(.multiplyAccumulate, 2 * context.degree * ciphertexts.count)
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
    guard products >= Self.foldAfter else { return }
    products -= Self.foldAfter
    context.note(.fold, 2 * context.words)
    let folded = SecretWords(uninitialized: context.degree)
    for row in 0..<2 * context.primes.count {
      let place = accumulators.pointer + 2 * row * context.degree
      ck_ntt_fold(context.isa, context.primes[row / 2], context.degree, place, folded.pointer)
      place.update(from: folded.pointer, count: context.degree)
      (place + context.degree).update(repeating: 0, count: context.degree)
    }
  }

  /// Component 0 or 1 in coefficients.
  func component(_ part: Int) -> SecretWords {
    context.note(.fold, context.words)
    let out = SecretWords(uninitialized: context.words)
    for (index, q) in context.primes.enumerated() {
      ck_ntt_fold(
        context.isa, q, context.degree, accumulators.pointer + (4 * index + 2 * part) * context.degree,
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
public final class Responder: Sendable {
  let context: RingContext
  private let publicKey: LatticePublicKey
  private let publicWords: PolynomialStreams
  private let randomness: PolynomialStreams

  /// - Parameters:
  ///   - publicWords: public streams of the words that shares are chosen by, one a response.
  ///   - randomness: secret streams.
  public init(publicKey: LatticePublicKey, publicWords: PolynomialStreams, randomness: PolynomialStreams) {
    context = publicKey.context
    (self.publicKey, self.publicWords, self.randomness) = (publicKey, publicWords, randomness)
  }

  /// Ends a response.
  ///
  /// - Parameters:
  ///   - number: the response's number in the streams, used once.
  ///   - ranges: coefficients that are results.
  /// - Returns: what travels, and this party's additive share of each result.
  func respond(
    _ sum: ProductSum, number: Int, modulus: ModulusKind, format: ResponseFormat, flood: Flood,
    ranges: CoefficientRanges
  ) -> (bytes: [UInt8], shares: SecretWords) {
    let randomness = randomness.stream(number)
    rerandomise(sum, randomness)
    let second = sum.component(1)
    let errors = SecretWords(uninitialized: context.words)
    context.errors(from: randomness, into: errors.pointer)
    context.add(second.pointer, errors.pointer, second.pointer)
    let fractions = SecretWords(uninitialized: 2 * context.degree)
    context.fractions(second.pointer, stride: context.degree, count: context.degree, fractions.pointer)
    let whole = sum.component(0)
    let first = ranges.gathered(whole.pointer, rows: context.primes.count, stride: context.degree)
    addFlood(flood, randomness, to: first, count: ranges.count)
    let (shares, low) = shares(first, modulus, format, ranges.count, publicWords.stream(number))
    let size = (context.degree * format.switchedBits + 7) / 8
    context.note(.pack, context.degree)
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      ck_pack_fractions(fractions.pointer, context.degree, UInt32(format.switchedBits), buffer.baseAddress)
      count = size
    }
    return (bytes + low, shares)
  }

  /// Adds v times the public key, v ternary.
  private func rerandomise(_ sum: ProductSum, _ randomness: StreamGenerator) {
    let v = SecretWords(uninitialized: context.words)
    context.ternary(from: randomness, into: v.pointer)
    context.forward(v.pointer)
    context.note(.multiplyAccumulate, 2 * context.words)
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
    _ first: SecretWords, _ modulus: ModulusKind, _ format: ResponseFormat, _ count: Int, _ stream: StreamGenerator
  ) -> (SecretWords, [UInt8]) {
    let fractions = SecretWords(uninitialized: 2 * count)
    context.fractions(first.pointer, stride: count, count: count, fractions.pointer)
    let integers = SecretWords(uninitialized: count)
    let rests = SecretWords(uninitialized: count)
    ck_split_fractions(Int32(modulus.kernel), fractions.pointer, count, integers.pointer, rests.pointer)
    let words = context.words(modulus, count: count, from: stream)
    var low: [UInt8] = []
    if format.lowBits == 0 {
      roundUp(modulus, integers, rests)
    } else {
      for index in 0..<count { rests.pointer[index] >>= UInt64(64 - format.lowBits) }
      context.note(.pack, count)
      low = [UInt8](unsafeUninitializedCapacity: (count * format.lowBits + 7) / 8) { buffer, size in
        if let base = buffer.baseAddress { ck_pack_words(rests.pointer, count, UInt32(format.lowBits), base) }
        size = (count * format.lowBits + 7) / 8
      }
    }
    context.subtractWords(modulus, integers.pointer, words.pointer, count: count, integers.pointer)
    return (integers, low)
  }

  /// Adds one where the rest is at least a half.
  private func roundUp(_ modulus: ModulusKind, _ integers: SecretWords, _ rests: SecretWords) {
    for index in 0..<rests.count { rests.pointer[index] >>= 63 }
    context.addWords(modulus, integers.pointer, rests.pointer, count: rests.count, integers.pointer)
  }

  private func addFlood(_ flood: Flood, _ randomness: StreamGenerator, to rows: SecretWords, count: Int) {
    // Offset to a positive number of 127 bits, whose residues the kernel takes; then the offset goes again.
    let storage = SecretWords(uninitialized: 2 * count)
    context.note(.flood, count)
    context.note(.block, (flood.streamWords * count + 1) / 2)
    storage.pointer.withMemoryRebound(to: Int128.self, capacity: count) { values in
      flood.fill(values, count: count, from: randomness)
      for index in 0..<count { values[index] &+= 1 << 126 }
    }
    context.add(storage.pointer, less: 1 << 126, to: rows.pointer, count: count)
  }
}
