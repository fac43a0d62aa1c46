public import Rings

extension CorrelatedSender {
  /// Transfers handled between draws: bounds the memory of blocks.
  static let piece = 1 << 12

  /// `count` random 1-of-2 transfers: both pads of each, uniform words of the ring. The receiver runs
  /// ``CorrelatedReceiver/randomWords(_:modulus:)``. Nothing travels but what the extension sends.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func randomWords(_ count: Int, modulus: ModulusKind) throws -> (zeros: SecretWords, ones: SecretWords) {
    let (zeros, ones) = (SecretWords(uninitialized: count), SecretWords(uninitialized: count))
    let (first, second) = (zeros.pointer, ones.pointer)
    try eachPiece(count) { place, size, pads in
      PadWord.words(pads, count: size, modulus, to: first + place)
      PadWord.words(pads + 2 * TransferHash.chunk, count: size, modulus, to: second + place)
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
        PadBits.pack(pads, bit: plane, count: size, to: zeros[plane], at: place, variant)
        PadBits.pack(
          pads + 2 * TransferHash.chunk, bit: plane, count: size, to: ones[plane], at: place, variant)
      }
    }
    return (zeros, ones)
  }

  /// `count` random triples of bits: shares a, b, c with (a0 ^ a1)(b0 ^ b1) = c0 ^ c1, of two random transfers each.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func bitTriples(_ count: Int) throws -> BitTriples {
    let (x, y) = (try randomBits(count), try randomBits(count))
    return BitTriples(x.zeros[0], x.ones[0], y.zeros[0], y.ones[0]) { x0, x1, y0, y1 in
      let (a, b) = (x0 ^ x1, y0 ^ y1)
      return (a, b, a & b ^ x0 ^ y0)
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
    let target = words.pointer
    try eachPiece(count, choices: choices) { place, size, pads in
      PadWord.words(pads, count: size, modulus, to: target + place)
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
      for plane in 0..<width { PadBits.pack(pads, bit: plane, count: size, to: planes[plane], at: place, variant) }
    }
    return (choices, planes)
  }

  /// The receiver's shares of ``CorrelatedSender/bitTriples(_:)``.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func bitTriples(_ count: Int) throws -> BitTriples {
    // x_r = x_0 ^ a0 r with a0 = x_0 ^ x_1: shares of a0 b1 for b1 = r, and of b0 a1 likewise.
    let (x, y) = (try randomBits(count), try randomBits(count))
    return BitTriples(x.choices, x.pads[0], y.choices, y.pads[0]) { b, x, a, y in (a, b, a & b ^ x ^ y) }
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
      PadBits.pack(blocks.pointer, bit: 0, count: size, to: choices, at: start, variant)
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

  /// Made byte by byte of four strings of bits.
  @inline(__always)
  init(
    _ p: PackedBits, _ q: PackedBits, _ r: PackedBits, _ s: PackedBits,
    _ combine: (UInt8, UInt8, UInt8, UInt8) -> (UInt8, UInt8, UInt8)
  ) {
    let count = p.count
    let (a, b, c) = (PackedBits(zeros: count), PackedBits(zeros: count), PackedBits(zeros: count))
    let from = (p.storage.pointer, q.storage.pointer, r.storage.pointer, s.storage.pointer)
    let to = (a.storage.pointer, b.storage.pointer, c.storage.pointer)
    withExtendedLifetime((p, q, r, s)) {
      for place in 0..<PackedBits.byteCount(count) {
        (to.0[place], to.1[place], to.2[place]) = combine(from.0[place], from.1[place], from.2[place], from.3[place])
      }
    }
    (self.a, self.b, self.c) = (a, b, c)
  }
}

/// What a pad of 128 bits is cut down to.
enum PadWord {
  /// Uniform elements: the low words, or all 128 bits reduced mod p (at a distance below 2^-63 from uniform).
  static func words(
    _ pads: UnsafePointer<UInt64>, count: Int, _ modulus: ModulusKind, to out: UnsafeMutablePointer<UInt64>
  ) {
    switch modulus {
    case .word:
      for index in 0..<count { out[index] = pads[2 * index] }
    case .field:
      for index in 0..<count { out[index] = PrimeField.reduce(low: pads[2 * index], high: pads[2 * index + 1]) }
    }
  }
}
