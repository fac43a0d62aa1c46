internal import CKernels
public import Randomness
public import Rings

/// The data owner's encryption: (C0, C1) = (-a s + e + round(Q m / t), a), a from a public stream in the transform domain.
///
/// Symmetric, so that half a ciphertext is a seed. Where the plaintext may be chosen, C0 is made to begin with a public
/// word u: C0 = round(Q u / t) + low, m = u - floor(t (e - a s) / Q); only `low` travels. As u is uniform and independent
/// of a, s and e, (C0, m) has the distribution it has when m is drawn first.
public final class Encryptor {
  private let context: RingContext
  private let key: SecretWords
  private let seed: StreamGenerator
  private let randomness: StreamGenerator
  private let first: SecretWords
  private let second: SecretWords

  /// - Parameters:
  ///   - key: the secret key's transform in this ring.
  ///   - seed: public stream: uniform polynomials and words, in the order of encryptions.
  ///   - randomness: secret stream: errors.
  public init(context: RingContext, key: SecretWords, seed: StreamGenerator, randomness: StreamGenerator) {
    (self.context, self.key, self.seed, self.randomness) = (context, key, seed, randomness)
    first = SecretWords(uninitialized: context.words)
    second = SecretWords(uninitialized: context.words)
  }

  /// e - a s, coefficients, in `first`.
  private func encryptZero() {
    context.uniform(from: seed, into: second.pointer)
    context.multiply(second.pointer, key.pointer, second.pointer)
    context.inverse(second.pointer)
    context.errors(from: randomness, into: first.pointer)
    context.subtract(first.pointer, second.pointer, first.pointer)
  }

  /// Encrypts N given words; all of C0 travels.
  /// - Returns: ``RingContext/residueBytes(_:)`` of N bytes.
  public func encrypt(_ modulus: ModulusKind, _ words: UnsafePointer<UInt64>) -> [UInt8] {
    encryptZero()
    context.embed(modulus, words, count: context.degree, second.pointer, stride: context.degree)
    context.add(first.pointer, second.pointer, first.pointer)
    return context.packResidues(first.pointer, count: context.degree, stride: context.degree)
  }

  /// Encrypts an input polynomial of a linear layer.
  ///
  /// - Parameters:
  ///   - masks: one CHW operand an inference. Where `isFree`, the words that this polynomial carries first are chosen here
  ///     and written; other words are read.
  /// - Returns: ``LinearPacking/inputBytes(_:_:_:isFree:)`` bytes.
  public func encrypt(
    _ modulus: ModulusKind, packing: LinearPacking, input: Int, masks: [UnsafeMutablePointer<UInt64>], isFree: Bool
  ) -> [UInt8] {
    encryptZero()
    let layout = InputLayout(packing, input: input, isFree: isFree)
    let words = SecretWords(zeros: context.degree)
    var bytes: [UInt8] = []
    if layout.freeCount > 0 {
      let (chosen, low) = choose(modulus, layout)
      layout.free.spread(chosen.pointer, into: words.pointer)
      packing.scatter(input: input, words.pointer, to: masks)
      bytes = low
    }
    packing.fill(input: input, from: masks.map { UnsafePointer($0) }, into: words.pointer)
    let given = layout.fixed.gathered(words.pointer)
    let compact = layout.fixed.gathered(first.pointer, rows: context.primes.count, stride: context.degree)
    let embedded = SecretWords(uninitialized: compact.count)
    let count = layout.fixedCount
    context.embed(modulus, given.pointer, count: count, embedded.pointer, stride: count)
    for (index, q) in context.primes.enumerated() {
      let row = compact.pointer + index * count
      ck_residue_add(q, count, row, embedded.pointer + index * count, row)
    }
    return bytes + context.packResidues(compact.pointer, count: count, stride: count)
  }

  /// The words of free coefficients, and the packed low parts of C0.
  private func choose(_ modulus: ModulusKind, _ layout: InputLayout) -> (SecretWords, [UInt8]) {
    let count = layout.freeCount
    let compact = layout.free.gathered(first.pointer, rows: context.primes.count, stride: context.degree)
    let wide = SecretWords(uninitialized: 2 * count)
    context.fractions(compact.pointer, stride: count, count: count, wide.pointer)
    let tops = SecretWords(uninitialized: count)
    let rests = SecretWords(uninitialized: count)
    ck_split_fractions(Int32(modulus.kernel), wide.pointer, count, tops.pointer, rests.pointer)
    let embedded = SecretWords(uninitialized: compact.count)
    context.embed(modulus, tops.pointer, count: count, embedded.pointer, stride: count)
    let (q0, q1) = (context.primes[0], context.primes[1])
    for (index, q) in [q0, q1].enumerated() {
      let row = compact.pointer + index * count
      ck_residue_subtract(q, count, row, embedded.pointer + index * count, row)
    }
    let inverse = LatticePrimes.inverse(q0 % q1, q1)
    ck_pair_to_wide(
      q0, q1, inverse, LatticePrimes.shoup(inverse, q1), InputLayout.offset, compact.pointer, compact.pointer + count,
      count, wide.pointer)
    let bits = context.freeBits(modulus)
    let low = [UInt8](unsafeUninitializedCapacity: (count * bits + 7) / 8) { buffer, size in
      ck_pack_wide(wide.pointer, count, UInt32(bits), buffer.baseAddress)
      size = buffer.count
    }
    let words = seed.secretWords(modulus, count: count)
    Elementwise.subtract(modulus, words.pointer, tops.pointer, count: count, output: words.pointer)
    return (words, low)
  }
}

/// The model owner's reading of ciphertexts: both components in the transform domain.
public final class CiphertextReader {
  private let context: RingContext
  private let seed: StreamGenerator

  /// - Parameter seed: the same public stream as the encryptor's.
  public init(context: RingContext, seed: StreamGenerator) { (self.context, self.seed) = (context, seed) }

  /// Reads what ``Encryptor/encrypt(_:_:)`` wrote.
  /// - Returns: C0, then C1.
  /// - Throws: ``LatticeError/malformed(what:)``
  public func read(_ bytes: [UInt8]) throws(LatticeError) -> SecretWords {
    let out = SecretWords(uninitialized: 2 * context.words)
    context.uniform(from: seed, into: out.pointer + context.words)
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
    context.uniform(from: seed, into: out.pointer + context.words)
    let layout = InputLayout(packing, input: input, isFree: isFree)
    let free = layout.freeBytes(context, modulus)
    guard bytes.count == free + context.residueBytes(layout.fixedCount) else {
      throw .malformed(what: "\(bytes.count) bytes of an input polynomial")
    }
    if layout.freeCount > 0 {
      let rows = self.free(modulus, layout, bytes)
      layout.free.spread(rows.pointer, into: out.pointer, rows: context.primes.count, stride: context.degree)
    }
    let count = layout.fixedCount
    let fixed = SecretWords(uninitialized: context.primes.count * count)
    try context.unpackResidues(Array(bytes[free...]), count: count, into: fixed.pointer, stride: count)
    layout.fixed.spread(fixed.pointer, into: out.pointer, rows: context.primes.count, stride: context.degree)
    context.forward(out.pointer)
    return out
  }

  private func free(_ modulus: ModulusKind, _ layout: InputLayout, _ bytes: [UInt8]) -> SecretWords {
    let count = layout.freeCount
    let wide = SecretWords(uninitialized: 2 * count)
    ck_unpack_wide(bytes, count, UInt32(context.freeBits(modulus)), wide.pointer)
    let words = seed.secretWords(modulus, count: count)
    let rows = SecretWords(uninitialized: context.primes.count * count)
    context.embed(modulus, words.pointer, count: count, rows.pointer, stride: count)
    let low = SecretWords(uninitialized: count)
    for (index, q) in context.primes.enumerated() {
      ck_wide_residues(q, wide.pointer, count, low.pointer)
      let row = rows.pointer + index * count
      ck_residue_add(q, count, row, low.pointer, row)
      for position in 0..<count { low.pointer[position] = InputLayout.offset }
      ck_residue_subtract(q, count, row, low.pointer, row)
    }
    return rows
  }
}
