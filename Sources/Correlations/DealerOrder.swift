import Foundation
public import Programs
public import Randomness
import Rings

/// What a party asks the dealer for.
public struct DealerOrder: Codable, Equatable, Sendable {
  /// Largest encoded order, bytes.
  public static let maximumEncodedBytes = Program.maximumEncodedBytes + 4096

  /// Id of the session between the two parties, the same on both sides.
  public var pairing: Digest32
  /// Which party speaks.
  public var isModelOwner: Bool
  /// Fingerprint of the other party, as this party sees it.
  public var peerFingerprint: Digest32
  /// What will be computed.
  public var program: Program
  /// Names the quantized weights, salted; zeros from the data owner. The masks A depend on it, so that changed weights
  /// never meet the same masks.
  public var weightsDigest: Digest32

  /// Makes an order.
  public init(
    pairing: Digest32, isModelOwner: Bool, peerFingerprint: Digest32, program: Program, weightsDigest: Digest32 = .zero
  ) {
    self.pairing = pairing
    self.isModelOwner = isModelOwner
    self.peerFingerprint = peerFingerprint
    self.program = program
    self.weightsDigest = weightsDigest
  }

  func encoded() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(self))
  }

  /// Reads and checks an order.
  /// - Throws: ``CorrelationError/invalidOrder(reason:)``
  init(decoding bytes: [UInt8]) throws {
    do {
      self = try JSONDecoder().decode(DealerOrder.self, from: Data(bytes))
      try program.validate()
    } catch let error as ProgramError {
      throw CorrelationError.invalidOrder(reason: error.description)
    } catch {
      throw CorrelationError.invalidOrder(reason: "it is not a complete JSON order")
    }
  }
}

/// The uniform streams of a bulk: each party derives them from its own seed, the dealer from both.
struct BulkStreams {
  let seed: SecretKey
  let session: Digest32

  static let seedBytes = 32

  func generator(_ purpose: Purpose, step: Int, serial: UInt64) -> StreamGenerator {
    StreamGenerator(
      key: KeyDerivation.derive(
        secret: seed, context: session.bytes, purpose: purpose, layer: UInt32(step), serial: serial, length: 16))
  }

  /// `count` uniform words of a ring. One key serves one purpose, step and inference.
  func words(_ purpose: Purpose, step: Int, serial: UInt64, modulus: ModulusKind, count: Int) -> SecretWords {
    let words = SecretWords(uninitialized: count)
    generator(purpose, step: step, serial: serial).fill(modulus, words.pointer, count: count)
    return words
  }

  /// pad_0 and pad_1 of a step, from one stream.
  func pads(step: Int, serial: UInt64, modulus: ModulusKind, count: Int) -> (SecretWords, SecretWords) {
    let stream = generator(.transferPads, step: step, serial: serial)
    let (first, second) = (SecretWords(uninitialized: count), SecretWords(uninitialized: count))
    stream.fill(modulus, first.pointer, count: count)
    stream.fill(modulus, second.pointer, count: count)
    return (first, second)
  }

  /// Packed uniform choice bits.
  func choices(step: Int, serial: UInt64, count: Int) -> SecretBytes {
    let bits = SecretBytes(uninitialized: (count + 7) / 8)
    generator(.transferChoice, step: step, serial: serial).fill(UnsafeMutableRawBufferPointer(bits.buffer))
    return bits
  }
}

/// The dealer's masks A of one model and pair of parties. They live as long as the weights.
struct WeightMasks {
  let seed: SecretKey

  /// Derives the seed of A from the dealer's own secret, the weights' digest and both parties.
  init(dealerSecret: SecretKey, weightsDigest: Digest32, modelOwner: Digest32, dataOwner: Digest32, program: Digest32) {
    let context = Digest32.sha256(weightsDigest.bytes, modelOwner.bytes, dataOwner.bytes, program.bytes)
    seed = KeyDerivation.derive(
      secret: dealerSecret, context: context.bytes, purpose: .dealerWeight, layer: 0, serial: 0,
      length: BulkStreams.seedBytes)
  }

  init(seed: SecretKey) { self.seed = seed }

  /// Public name of these masks; reveals nothing of them.
  var tag: Digest32 {
    KeyDerivation.derive(
      secret: seed, context: [], purpose: Purpose(label: "dealer weight tag"), layer: 0, serial: 0, length: 32
    ).withUnsafeBytes { Digest32(bytes: $0)! }
  }

  /// A of one linear step, uniform in its ring, OIHW.
  func words(step: Int, modulus: ModulusKind, count: Int) -> SecretWords {
    let words = SecretWords(uninitialized: count)
    StreamGenerator(
      key: KeyDerivation.derive(
        secret: seed, context: [], purpose: .dealerWeight, layer: UInt32(step), serial: 1, length: 16)
    ).fill(modulus, words.pointer, count: count)
    return words
  }
}
