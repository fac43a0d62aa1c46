import Randomness
import Rings

@testable import Lattice

/// A data owner and a model owner on seeded streams.
struct LatticeParties {
  let context: RingContext
  let key: LatticeSecretKey
  let publicKey: LatticePublicKey
  let seed: UInt64

  init(_ parameters: LatticeParameters, seed: UInt64, variant: TransformVariant = .best) throws {
    context = RingContext(parameters, variant: variant)
    self.seed = seed
    key = LatticeSecretKey(in: context, from: StreamGenerator(publicSeed: seed))
    let made = LatticePublicKey(
      context: context, key: key.transformed(in: context), seed: StreamGenerator(publicSeed: seed + 1),
      randomness: StreamGenerator(publicSeed: seed + 2))
    publicKey = try LatticePublicKey(
      context: context, bytes: made.bytes, seed: StreamGenerator(publicSeed: seed + 1))
  }

  private func streams(_ number: UInt64) -> PolynomialStreams {
    let bytes = (0..<16).map { $0 < 8 ? UInt8(truncatingIfNeeded: (seed + number) >> (8 * UInt64($0))) : 0 }
    return PolynomialStreams(key: SecretKey(bytes: bytes))
  }

  func encryptor() -> Encryptor {
    Encryptor(
      context: context, key: key.transformed(in: context), seed: streams(3), randomness: streams(4))
  }
  func reader() -> CiphertextReader { CiphertextReader(context: context, seed: streams(3)) }
  func responder() -> Responder {
    Responder(publicKey: publicKey, publicWords: streams(5), randomness: streams(6))
  }
  func decryptor() -> Decryptor {
    let ring = Decryptor.makeContext(degree: context.degree)
    return Decryptor(context: ring, key: key.transformed(in: ring), publicWords: streams(5))
  }

  /// C0 + C1 s - round(Q m / t) in coefficients of the first prime, nearest zero: noise of a fresh ciphertext.
  func noise(_ ciphertext: SecretWords, _ modulus: ModulusKind, plaintext: [UInt64]) -> [Int] {
    let words = context.words
    let key = key.transformed(in: context)
    let phase = SecretWords(zeros: words)
    context.multiply(ciphertext.pointer + words, key.pointer, phase.pointer)
    context.add(phase.pointer, ciphertext.pointer, phase.pointer)
    context.inverse(phase.pointer)
    let embedded = SecretWords(zeros: words)
    context.embed(modulus, plaintext, count: context.degree, embedded.pointer, stride: context.degree)
    context.subtract(phase.pointer, embedded.pointer, phase.pointer)
    let rows = context.primes.indices.map { row in
      (0..<context.degree).map { index in
        let residue = phase.pointer[row * context.degree + index]
        let prime = context.primes[row]
        return residue > prime / 2 ? Int(residue) - Int(prime) : Int(residue)
      }
    }
    // Small numbers have one representative in all residues; others are marked.
    return (0..<context.degree).map { index in
      rows.allSatisfy { $0[index] == rows[0][index] } ? rows[0][index] : .max
    }
  }
}

/// Masks of some inferences: words that encryption may choose are written by it.
struct Operands {
  let memory: [SecretWords]
  init(_ words: [[UInt64]]) { memory = words.map { SecretWords($0) } }
  var pointers: [UnsafeMutablePointer<UInt64>] { memory.map(\.pointer) }
  var arrays: [[UInt64]] { memory.map { $0.array() } }
}

func difference(_ kind: ModulusKind, _ a: UInt64, _ b: UInt64) -> Int64 {
  switch kind {
  case .word: Int64(bitPattern: a &- b)
  case .field: PrimeField.centered(PrimeField.subtract(a, b))
  }
}

func sum(_ kind: ModulusKind, _ a: UInt64, _ b: UInt64) -> UInt64 {
  kind == .word ? a &+ b : PrimeField.add(a, b)
}
