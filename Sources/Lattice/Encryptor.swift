internal import CKernels
public import Packing
internal import Randomness
public import Rings

/// The data owner's encryption: (C0, C1) = (-a s + e + round(Q m / t), a), a from a public stream in the transform domain.
///
/// Symmetric, so that half a ciphertext is a seed. Where the plaintext may be chosen, C0 is made to begin with a public
/// word u: C0 = round(Q u / t) + low, m = u - floor(t (e - a s) / Q); only `low` travels. As u is uniform and independent
/// of a, s and e, (C0, m) has the distribution it has when m is drawn first.
public final class Encryptor: Sendable {
  private let context: RingContext
  private let key: SecretWords
  private let seed: PolynomialStreams
  private let randomness: PolynomialStreams

  /// - Parameters:
  ///   - key: the secret key's transform in this ring.
  ///   - seed: public streams: a uniform polynomial, then the words of free coefficients.
  ///   - randomness: secret streams: errors.
  public init(context: RingContext, key: SecretWords, seed: PolynomialStreams, randomness: PolynomialStreams) {
    (self.context, self.key, self.seed, self.randomness) = (context, key, seed, randomness)
  }

  /// e - a s, coefficients.
  private func encryptZero(_ polynomial: Int, _ seed: StreamGenerator) -> SecretWords {
    let product = SecretWords(uninitialized: context.words)
    let sum = SecretWords(uninitialized: context.words)
    context.uniform(from: seed, into: product.pointer)
    context.multiply(product.pointer, key.pointer, product.pointer)
    context.inverse(product.pointer)
    context.errors(from: randomness.stream(polynomial), into: sum.pointer)
    context.subtract(sum.pointer, product.pointer, sum.pointer)
    return sum
  }

  /// Encrypts N given words; all of C0 travels.
  ///
  /// - Parameter polynomial: its number in the streams, used once.
  /// - Returns: ``RingContext/residueBytes(_:)`` of N bytes.
  public func encrypt(_ modulus: ModulusKind, _ words: UnsafePointer<UInt64>, polynomial: Int) -> [UInt8] {
    let first = encryptZero(polynomial, seed.stream(polynomial))
    let embedded = SecretWords(uninitialized: context.words)
    context.embed(modulus, words, count: context.degree, embedded.pointer, stride: context.degree)
    context.add(first.pointer, embedded.pointer, first.pointer)
    return context.packResidues(first.pointer, count: context.degree, stride: context.degree)
  }

  /// An input polynomial whose free words are chosen and whose given words are not yet in.
  public struct OpenInput: Sendable {
    let input: Int
    let first: SecretWords
    let layout: InputLayout
    let low: [UInt8]
  }

  /// Begins an input polynomial of a linear layer: draws its errors and chooses its free words.
  ///
  /// Polynomials may be begun in any order, and must all be begun before those that repeat their words are ended.
  /// - Parameters:
  ///   - input: which polynomial, and its number in the streams; used once.
  ///   - masks: one CHW operand an inference. Where `isFree`, the words that this polynomial carries first are chosen here
  ///     and written.
  public func begin(
    _ modulus: ModulusKind, packing: LinearPacking, input: Int, masks: [UnsafeMutablePointer<UInt64>], isFree: Bool
  ) -> OpenInput {
    let stream = seed.stream(input)
    let first = encryptZero(input, stream)
    let layout = InputLayout(packing, input: input, isFree: isFree)
    var low: [UInt8] = []
    if layout.freeCount > 0 {
      let chosen: SecretWords
      (chosen, low) = choose(modulus, layout, first, stream)
      let words = SecretWords(uninitialized: context.degree)
      layout.free.spread(chosen.pointer, into: words.pointer)
      packing.scatter(input: input, words.pointer, to: masks)
    }
    return OpenInput(input: input, first: first, layout: layout, low: low)
  }

  /// Ends an input polynomial.
  ///
  /// - Parameter masks: as in ``begin(_:packing:input:masks:isFree:)``; read.
  /// - Returns: `LinearPacking/inputBytes(_:_:input:isFree:)` bytes.
  public func end(
    _ open: OpenInput, _ modulus: ModulusKind, packing: LinearPacking, masks: [UnsafeMutablePointer<UInt64>]
  ) -> [UInt8] {
    let count = open.layout.fixedCount
    let words = SecretWords(uninitialized: context.degree)
    packing.fill(input: open.input, from: masks.map { UnsafePointer($0) }, into: words.pointer)
    let given = open.layout.fixed.gathered(words.pointer)
    let compact = open.layout.fixed.gathered(
      open.first.pointer, rows: context.primes.count, stride: context.degree)
    let embedded = SecretWords(uninitialized: compact.count)
    context.embed(modulus, given.pointer, count: count, embedded.pointer, stride: count)
    context.add(compact.pointer, embedded.pointer, compact.pointer, count: count)
    return open.low + context.packResidues(compact.pointer, count: count, stride: count)
  }

  /// The words of free coefficients, and the packed low parts of C0.
  private func choose(
    _ modulus: ModulusKind, _ layout: InputLayout, _ first: SecretWords, _ stream: StreamGenerator
  ) -> (SecretWords, [UInt8]) {
    let count = layout.freeCount
    let compact = layout.free.gathered(first.pointer, rows: context.primes.count, stride: context.degree)
    let wide = SecretWords(uninitialized: 2 * count)
    context.fractions(compact.pointer, stride: count, count: count, wide.pointer)
    let tops = SecretWords(uninitialized: count)
    let rests = SecretWords(uninitialized: count)
    ck_split_fractions(Int32(modulus.kernel), wide.pointer, count, tops.pointer, rests.pointer)
    let embedded = SecretWords(uninitialized: compact.count)
    context.embed(modulus, tops.pointer, count: count, embedded.pointer, stride: count)
    context.subtract(compact.pointer, embedded.pointer, compact.pointer, count: count)
    let (q0, q1) = (context.primes[0], context.primes[1])
    let inverse = LatticePrimes.inverse(q0 % q1, q1)
    context.note(.lift, count)
    ck_pair_to_wide(
      q0, q1, inverse, LatticePrimes.shoup(inverse, q1), InputLayout.offset, compact.pointer, compact.pointer + count,
      count, wide.pointer)
    let bits = context.freeBits(modulus)
    context.note(.pack, count)
    let low = [UInt8](unsafeUninitializedCapacity: (count * bits + 7) / 8) { buffer, size in
      ck_pack_wide(wide.pointer, count, UInt32(bits), buffer.baseAddress)
      size = buffer.count
    }
    let words = context.words(modulus, count: count, from: stream)
    context.subtractWords(modulus, words.pointer, tops.pointer, count: count, words.pointer)
    return (words, low)
  }
}

/// The model owner's reading of ciphertexts: both components in the transform domain.
public final class CiphertextReader: Sendable {
  private let context: RingContext
  private let seed: PolynomialStreams

  /// - Parameter seed: the same public streams as the encryptor's.
  public init(context: RingContext, seed: PolynomialStreams) { (self.context, self.seed) = (context, seed) }

  /// Reads what ``Encryptor/encrypt(_:_:polynomial:)`` wrote.
  /// - Returns: C0, then C1.
  /// - Throws: ``LatticeError/malformed(what:)``
  public func read(_ bytes: [UInt8], polynomial: Int) throws(LatticeError) -> SecretWords {
    let out = SecretWords(uninitialized: 2 * context.words)
    context.uniform(from: seed.stream(polynomial), into: out.pointer + context.words)
    try context.unpackResidues(bytes, count: context.degree, into: out.pointer, stride: context.degree)
    context.forward(out.pointer)
    return out
  }

  /// Reads an input polynomial of a linear layer.
  /// - Returns: C0, then C1; idle coefficients of C0 are zero.
  /// - Throws: ``LatticeError/malformed(what:)``
  public func read(
    _ modulus: ModulusKind, packing: LinearPacking, input: Int, isFree: Bool, bytes: [UInt8]
  ) throws(LatticeError) -> SecretWords {
    let out = SecretWords(zeros: 2 * context.words)
    let stream = seed.stream(input)
    context.uniform(from: stream, into: out.pointer + context.words)
    let layout = InputLayout(packing, input: input, isFree: isFree)
    let free = layout.freeBytes(context, modulus)
    guard bytes.count == free + context.residueBytes(layout.fixedCount) else {
      throw .malformed(what: "\(bytes.count) bytes of an input polynomial")
    }
    if layout.freeCount > 0 {
      let rows = self.free(modulus, layout, bytes, stream)
      layout.free.spread(rows.pointer, into: out.pointer, rows: context.primes.count, stride: context.degree)
    }
    let count = layout.fixedCount
    let fixed = SecretWords(uninitialized: context.primes.count * count)
    try context.unpackResidues(Array(bytes[free...]), count: count, into: fixed.pointer, stride: count)
    layout.fixed.spread(fixed.pointer, into: out.pointer, rows: context.primes.count, stride: context.degree)
    context.forward(out.pointer)
    return out
  }

  private func free(
    _ modulus: ModulusKind, _ layout: InputLayout, _ bytes: [UInt8], _ stream: StreamGenerator
  ) -> SecretWords {
    let count = layout.freeCount
    let wide = SecretWords(uninitialized: 2 * count)
    context.note(.pack, count)
    ck_unpack_wide(bytes, count, UInt32(context.freeBits(modulus)), wide.pointer)
    let words = context.words(modulus, count: count, from: stream)
    let rows = SecretWords(uninitialized: context.primes.count * count)
    context.embed(modulus, words.pointer, count: count, rows.pointer, stride: count)
    context.add(wide.pointer, less: UInt128(InputLayout.offset), to: rows.pointer, count: count)
    return rows
  }
}
