public import Rings

extension CorrelatedSender {
  /// Transfers handled between draws: bounds the memory of blocks.
  static let piece = 1 << 12

  /// `count` random 1-of-2 transfers: both pads of each, uniform words of the ring. The receiver runs
  /// ``CorrelatedReceiver/randomWords(_:modulus:)``. Nothing travels but what the extension sends.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func randomWords(_ count: Int, modulus: ModulusKind) throws -> (zeros: SecretWords, ones: SecretWords) {
    let (zeros, ones) = (SecretWords(uninitialized: count), SecretWords(uninitialized: count))
    try eachPiece(count) { place, size, pads in
      let other = pads + 2 * TransferHash.chunk
      for index in 0..<size {
        zeros.pointer[place + index] = PadWord.word(pads + 2 * index, modulus)
        ones.pointer[place + index] = PadWord.word(other + 2 * index, modulus)
      }
    }
    return (zeros, ones)
  }

  /// `count` random transfers of `width` bits (1 to 64): bit i of plane p belongs to transfer i.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func randomBits(_ count: Int, width: Int = 1) throws -> (zeros: [PackedBits], ones: [PackedBits]) {
    precondition(1...64 ~= width, "a transfer has 1 to 64 bits here, not \(width)")
    let zeros = (0..<width).map { _ in PackedBits(zeros: count) }
    let ones = (0..<width).map { _ in PackedBits(zeros: count) }
    try eachPiece(count) { place, size, pads in
      for plane in 0..<width {
        PadWord.pack(pads, plane: plane, count: size, to: zeros[plane], at: place)
        PadWord.pack(pads + 2 * TransferHash.chunk, plane: plane, count: size, to: ones[plane], at: place)
      }
    }
    return (zeros, ones)
  }

  /// `count` random triples of bits: shares a, b, c with (a0 ^ a1)(b0 ^ b1) = c0 ^ c1, of two random transfers each.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func bitTriples(_ count: Int) throws -> BitTriples {
    let (x, y) = (try randomBits(count), try randomBits(count))
    return BitTriples(count: count) { byte in
      let (a, b) = (
        x.zeros[0].storage.pointer[byte] ^ x.ones[0].storage.pointer[byte],
        y.zeros[0].storage.pointer[byte] ^ y.ones[0].storage.pointer[byte]
      )
      return (a, b, a & b ^ x.zeros[0].storage.pointer[byte] ^ y.zeros[0].storage.pointer[byte])
    }
  }

  private func eachPiece(
    _ count: Int, _ body: (_ place: Int, _ size: Int, _ pads: UnsafeMutablePointer<UInt64>) -> Void
  ) throws {
    let hash = TransferHash(session: session, variant: variant)
    let offsets = TransferHash.multiples(of: offset, m: 1)
    let blocks = SecretWords(uninitialized: 2 * min(count, Self.piece))
    for start in stride(from: 0, to: count, by: Self.piece) {
      let size = min(Self.piece, count - start)
      let first = try draw(size, into: blocks.pointer)
      hash.pads(first: first, blocks.pointer, count: size, offsets: offsets) { body(start + $0, $1, $2) }
    }
  }
}

extension CorrelatedReceiver {
  /// `count` random 1-of-2 transfers: uniform choices, and the pad of each choice.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func randomWords(_ count: Int, modulus: ModulusKind) throws -> (choices: PackedBits, pads: SecretWords) {
    let (choices, words) = (PackedBits(zeros: count), SecretWords(uninitialized: count))
    try eachPiece(count, choices: choices) { place, size, pads in
      for index in 0..<size { words.pointer[place + index] = PadWord.word(pads + 2 * index, modulus) }
    }
    return (choices, words)
  }

  /// `count` random transfers of `width` bits (1 to 64): uniform choices, and the planes of the chosen pads.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func randomBits(_ count: Int, width: Int = 1) throws -> (choices: PackedBits, pads: [PackedBits]) {
    precondition(1...64 ~= width, "a transfer has 1 to 64 bits here, not \(width)")
    let choices = PackedBits(zeros: count)
    let planes = (0..<width).map { _ in PackedBits(zeros: count) }
    try eachPiece(count, choices: choices) { place, size, pads in
      for plane in 0..<width { PadWord.pack(pads, plane: plane, count: size, to: planes[plane], at: place) }
    }
    return (choices, planes)
  }

  /// The receiver's shares of ``CorrelatedSender/bitTriples(_:)``.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func bitTriples(_ count: Int) throws -> BitTriples {
    // x_r = x_0 ^ a0 r with a0 = x_0 ^ x_1: shares of a0 b1 for b1 = r, and of b0 a1 likewise.
    let (x, y) = (try randomBits(count), try randomBits(count))
    return BitTriples(count: count) { byte in
      let (a, b) = (y.choices.storage.pointer[byte], x.choices.storage.pointer[byte])
      return (a, b, a & b ^ x.pads[0].storage.pointer[byte] ^ y.pads[0].storage.pointer[byte])
    }
  }

  private func eachPiece(
    _ count: Int, choices: PackedBits,
    _ body: (_ place: Int, _ size: Int, _ pads: UnsafeMutablePointer<UInt64>) -> Void
  ) throws {
    let hash = TransferHash(session: session, variant: variant)
    let none = SecretWords(zeros: 2)
    let blocks = SecretWords(uninitialized: 2 * min(count, CorrelatedSender.piece))
    for start in stride(from: 0, to: count, by: CorrelatedSender.piece) {
      let size = min(CorrelatedSender.piece, count - start)
      let first = try draw(size, into: blocks.pointer)
      PadWord.pack(blocks.pointer, plane: 0, count: size, to: choices, at: start)
      hash.pads(first: first, blocks.pointer, count: size, offsets: none) { body(start + $0, $1, $2) }
    }
  }
}

/// One party's shares of products of random bits. Used once.
public struct BitTriples: ~Copyable {
  /// Shares of the factors.
  public let a: PackedBits, b: PackedBits
  /// Shares of the products.
  public let c: PackedBits

  init(count: Int, _ byte: (Int) -> (UInt8, UInt8, UInt8)) {
    (a, b, c) = (PackedBits(zeros: count), PackedBits(zeros: count), PackedBits(zeros: count))
    for place in 0..<PackedBits.byteCount(count) {
      (a.storage.pointer[place], b.storage.pointer[place], c.storage.pointer[place]) = byte(place)
    }
  }
}

/// What a pad of 128 bits is cut down to.
enum PadWord {
  /// A uniform element: the low word, or all 128 bits reduced mod p (at a distance below 2^-63 from uniform).
  @inline(__always)
  static func word(_ pad: UnsafePointer<UInt64>, _ modulus: ModulusKind) -> UInt64 {
    switch modulus {
    case .word: pad[0]
    case .field: PrimeField.reduce(low: pad[0], high: pad[1])
    }
  }

  /// Bit `plane` of each of `count` blocks to bits `place` on; `place` is a multiple of 8.
  static func pack(
    _ blocks: UnsafePointer<UInt64>, plane: Int, count: Int, to bits: PackedBits, at place: Int
  ) {
    let out = bits.storage.pointer + place / 8
    for start in stride(from: 0, to: count, by: 8) {
      var byte: UInt64 = 0
      for index in 0..<min(8, count - start) {
        byte |= (blocks[2 * (start + index)] >> UInt64(plane) & 1) << UInt64(index)
      }
      out[start / 8] = UInt8(truncatingIfNeeded: byte)
    }
  }
}
