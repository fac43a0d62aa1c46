public import Rings
internal import Transport

/// Where products by hidden bits are shared. Agreement between the parties.
public enum ProductRing: Hashable, Sendable {
  /// Integers modulo 2^bits, 1 to 64.
  case bits(Int)
  /// F_p.
  case field

  /// Bits of an element on the wire.
  var wireBits: Int {
    switch self {
    case .bits(let bits): bits
    case .field: 64
    }
  }
  var modulus: ModulusKind { self == .field ? .field : .word }
}

/// Shares of factor times bit, a multiplexer's material: correlated transfer of Asharov, Lindell, Schneider and Zohner (CCS 2013).
extension CorrelatedSender {
  /// Shares of factor i times the receiver's bit i, which the receiver gives to ``CorrelatedReceiver/products(choices:ring:)``; its shares
  /// and these add up to the products.
  ///
  /// Receives ceil(n / 8) bytes, sends ceil(n bits / 8).
  /// - Parameter factors: reduced words; in 2^bits surplus bits are ignored.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func products(_ factors: SecretWords, ring: ProductRing) throws -> SecretWords {
    let shape = TableShape(count: factors.count, choiceBits: 1)
    let pads = PadWords.reduce(try tables(shape, entryBytes: 16), ring.modulus)
    return try send(factors, ring: ring, pads: pads.pointer, other: pads.pointer + 1, stride: 2)
  }

  /// The same with uniform bits that the receiver draws by ``CorrelatedReceiver/randomProducts(_:ring:)``; nothing is received but what the
  /// extension sends.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func randomProducts(_ factors: SecretWords, ring: ProductRing) throws -> SecretWords {
    let (zeros, ones) = try randomWords(factors.count, modulus: ring.modulus)
    return try send(factors, ring: ring, pads: zeros.pointer, other: ones.pointer, stride: 1)
  }

  private func send(
    _ factors: SecretWords, ring: ProductRing, pads: UnsafePointer<UInt64>, other: UnsafePointer<UInt64>, stride: Int
  ) throws -> SecretWords {
    let count = factors.count
    let (differences, shares) = (SecretWords(uninitialized: count), SecretWords(uninitialized: count))
    let (factor, difference, share) = (factors.pointer, differences.pointer, shares.pointer)
    switch ring {
    case .bits(let bits):
      let mask = NarrowWords.mask(bits)
      for index in 0..<count {
        difference[index] = pads[stride * index] &+ factor[index] &- other[stride * index]
        share[index] = (0 &- pads[stride * index]) & mask
      }
    case .field:
      for index in 0..<count {
        difference[index] = PrimeField.subtract(
          PrimeField.add(pads[stride * index], factor[index]), other[stride * index])
        share[index] = PrimeField.negate(pads[stride * index])
      }
    }
    let message = NarrowWords.pack(differences, bits: ring.wireBits)
    try channel.send(.transferMessages, UnsafeRawBufferPointer(message.buffer))
    return shares
  }
}

extension CorrelatedReceiver {
  /// The other shares of ``CorrelatedSender/products(_:ring:)``.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func products(choices: PackedBits, ring: ProductRing) throws -> SecretWords {
    let shape = TableShape(count: choices.count, choiceBits: 1)
    let pads = PadWords.reduce(try tables(shape, choices: [choices], entryBytes: 16), ring.modulus)
    return try receive(pads, choices, ring)
  }

  /// Uniform bits, and the other shares of ``CorrelatedSender/randomProducts(_:ring:)``.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func randomProducts(
    _ count: Int, ring: ProductRing
  ) throws -> (choices: PackedBits, shares: SecretWords) {
    let (choices, pads) = try randomWords(count, modulus: ring.modulus)
    return (choices, try receive(pads, choices, ring))
  }

  /// pad + bit times what was received.
  private func receive(_ pads: SecretWords, _ choices: PackedBits, _ ring: ProductRing) throws -> SecretWords {
    let count = choices.count
    let bytes = SecretBytes(uninitialized: NarrowWords.byteCount(count, bits: ring.wireBits))
    try channel.receive(.transferMessages, into: UnsafeMutableRawBufferPointer(bytes.buffer))
    let differences = NarrowWords.unpack(bytes, count: count, bits: ring.wireBits)
    let (choice, difference, pad) = (choices.storage.pointer, differences.pointer, pads.pointer)
    switch ring {
    case .bits(let bits):
      let mask = NarrowWords.mask(bits)
      for index in 0..<count {
        let one = secretMask(PackedBits.bit(choice, at: index))
        pad[index] = (pad[index] &+ (difference[index] & one)) & mask
      }
    case .field:
      var over: UInt64 = 0
      for index in 0..<count {
        let one = secretMask(PackedBits.bit(choice, at: index))
        over |= difference[index] >= PrimeField.modulus ? 1 : 0
        pad[index] = PrimeField.add(pad[index], difference[index] & one)
      }
      guard over == 0 else { throw ObliviousTransferError.wordNotReduced }
    }
    return pads
  }
}

/// Pads of 16 bytes as words.
enum PadWords {
  static func reduce(_ bytes: SecretBytes, _ modulus: ModulusKind) -> SecretWords {
    let count = bytes.count / 16
    let out = SecretWords(uninitialized: count)
    let pads = UnsafeMutableRawPointer(bytes.pointer).assumingMemoryBound(to: UInt64.self)
    PadWord.words(pads, count: count, modulus, to: out.pointer)
    return out
  }
}
