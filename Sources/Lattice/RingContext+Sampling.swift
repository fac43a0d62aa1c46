internal import CKernels
public import Randomness
public import Rings

extension RingContext {
  /// A uniform polynomial, residues of one prime after the other, from a public stream: both parties draw the same.
  ///
  /// By rejection from 64-bit words; what a block of N words leaves over is dropped.
  package func uniform(from stream: StreamGenerator, into out: UnsafeMutablePointer<UInt64>) {
    note(.uniform, words)
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: degree) { words in
      for (index, q) in primes.enumerated() {
        var made = 0
        while made < degree {
          let asked = made == 0 ? degree : min(degree, 64 + 2 * (degree - made))
          stream.fillWords(words.baseAddress!, count: asked)
          made += ck_sample_residues(q, words.baseAddress!, asked, out + index * degree + made, degree - made)
        }
      }
    }
  }

  /// Residues of a fresh error: centred binomial of 21 pairs of bits, standard deviation 3.24.
  package func errors(from stream: StreamGenerator, into out: UnsafeMutablePointer<UInt64>) {
    note(.binomial, degree)
    small(from: stream, into: out, ck_sample_binomial)
  }

  /// Residues of a fresh ternary polynomial.
  package func ternary(from stream: StreamGenerator, into out: UnsafeMutablePointer<UInt64>) {
    note(.ternary, degree)
    small(from: stream, into: out, ck_sample_ternary)
  }

  private func small(
    from stream: StreamGenerator, into out: UnsafeMutablePointer<UInt64>,
    _ sample: (UnsafePointer<UInt64>?, Int, UnsafeMutablePointer<Int32>?) -> Void
  ) {
    let random = SecretWords(uninitialized: degree)
    let values = SecretWords(uninitialized: (degree + 1) / 2)
    note(.block, degree / 2)
    stream.fillWords(random.pointer, count: degree)
    values.pointer.withMemoryRebound(to: Int32.self, capacity: degree) { values in
      sample(random.pointer, degree, values)
      residues(values, out)
    }
    withExtendedLifetime((random, values)) {}
  }

  /// x0 w for transforms, all primes; reduced.
  func multiply(_ x: UnsafePointer<UInt64>, _ w: UnsafePointer<UInt64>, _ out: UnsafeMutablePointer<UInt64>) {
    note(.multiplyAccumulate, words)
    note(.fold, words)
    let accumulator = SecretWords(uninitialized: 2 * degree)
    for (index, table) in tables.enumerated() {
      accumulator.pointer.update(repeating: 0, count: 2 * degree)
      let offset = index * degree
      var (left, right): (UnsafePointer<UInt64>?, UnsafePointer<UInt64>?) = (x + offset, w + offset)
      ck_ntt_accumulate(
        Int32(table.variant.rawValue), primes[index], degree, 1, &left, nil, &right, accumulator.pointer)
      ck_ntt_fold(Int32(table.variant.rawValue), primes[index], degree, accumulator.pointer, out + offset)
    }
  }
}

/// The data owner's key: a uniform ternary polynomial, overwritten when it goes. One a session.
public final class LatticeSecretKey: Sendable {
  /// N.
  public let degree: Int
  private let values: SecretWords

  /// - Parameters:
  ///   - context: any ring of the key's degree.
  ///   - stream: secret.
  public init(in context: RingContext, from stream: StreamGenerator) {
    let degree = context.degree
    self.degree = degree
    context.note(.ternary, degree)
    context.note(.block, degree / 2)
    values = SecretWords(uninitialized: (degree + 1) / 2)
    let random = SecretWords(uninitialized: degree)
    stream.fillWords(random.pointer, count: degree)
    values.pointer.withMemoryRebound(to: Int32.self, capacity: degree) {
      ck_sample_ternary(random.pointer, degree, $0)
    }
  }

  /// The key in a ring's transform domain.
  public func transformed(in context: RingContext) -> SecretWords {
    precondition(context.degree == degree, "a key of another degree")
    let out = SecretWords(uninitialized: context.words)
    values.pointer.withMemoryRebound(to: Int32.self, capacity: degree) { context.residues($0, out.pointer) }
    context.forward(out.pointer)
    return out
  }
}

/// An encryption of zero with which the model owner re-randomises what it sends back: (pk0 = -a s + e, a), a from a public
/// seed, in the transform domain.
public final class LatticePublicKey: Sendable {
  /// The ring.
  public let context: RingContext
  let first: SecretWords
  let second: SecretWords

  /// Bytes on the wire: pk0 only.
  public static func byteCount(_ context: RingContext) -> Int {
    context.primes.count * ((context.degree * context.residueBits + 7) / 8)
  }

  /// The data owner's side.
  /// - Parameters:
  ///   - seed: stream of a public seed, fresh for this key.
  ///   - randomness: secret stream.
  public init(context: RingContext, key: SecretWords, seed: StreamGenerator, randomness: StreamGenerator) {
    self.context = context
    first = SecretWords(uninitialized: context.words)
    second = SecretWords(uninitialized: context.words)
    context.uniform(from: seed, into: second.pointer)
    let product = SecretWords(uninitialized: context.words)
    context.multiply(second.pointer, key.pointer, product.pointer)
    context.errors(from: randomness, into: first.pointer)
    context.forward(first.pointer)
    context.subtract(first.pointer, product.pointer, first.pointer)
  }

  /// The model owner's side.
  /// - Throws: ``LatticeError/malformed(what:)``
  public init(context: RingContext, bytes: [UInt8], seed: StreamGenerator) throws(LatticeError) {
    guard bytes.count == Self.byteCount(context) else { throw .malformed(what: "a public key of \(bytes.count) bytes") }
    self.context = context
    first = SecretWords(uninitialized: context.words)
    second = SecretWords(uninitialized: context.words)
    context.uniform(from: seed, into: second.pointer)
    try context.unpackResidues(bytes, count: context.degree, into: first.pointer, stride: context.degree)
  }

  /// pk0, residues of one prime after the other.
  public var bytes: [UInt8] { context.packResidues(first.pointer, count: context.degree, stride: context.degree) }
}

extension RingContext {
  /// Bytes of `count` coefficients: each prime's residues at ``residueBits``, filled up to whole bytes.
  public func residueBytes(_ count: Int) -> Int { primes.count * ((count * residueBits + 7) / 8) }

  func packResidues(_ residues: UnsafePointer<UInt64>, count: Int, stride: Int) -> [UInt8] {
    note(.pack, primes.count * count)
    let each = (count * residueBits + 7) / 8
    return [UInt8](unsafeUninitializedCapacity: primes.count * each) { buffer, size in
      if let base = buffer.baseAddress {
        for index in primes.indices {
          ck_pack_words(residues + index * stride, count, UInt32(residueBits), base + index * each)
        }
      }
      size = primes.count * each
    }
  }

  /// - Throws: ``LatticeError/malformed(what:)`` where a residue is not below its prime.
  func unpackResidues(
    _ bytes: [UInt8], count: Int, into out: UnsafeMutablePointer<UInt64>, stride: Int
  ) throws(LatticeError) {
    guard bytes.count == residueBytes(count) else { throw .malformed(what: "\(bytes.count) bytes of residues") }
    note(.pack, primes.count * count)
    let each = (count * residueBits + 7) / 8
    for (index, q) in primes.enumerated() {
      bytes.withUnsafeBufferPointer {
        if let base = $0.baseAddress {
          ck_unpack_words(base + index * each, count, UInt32(residueBits), out + index * stride)
        }
      }
      var over: UInt64 = 0
      for position in 0..<count { over |= out[index * stride + position] >= q ? 1 : 0 }
      guard over == 0 else { throw .malformed(what: "a residue is not below its prime") }
    }
  }
}
