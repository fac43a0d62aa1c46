import Randomness
public import Rings
public import Transport

extension FrameKind {
  /// Either way, empty: the sender leaves in good order.
  public static let goodbye = FrameKind(rawValue: 0x1f)
  // Parties, once a session.
  /// Data owner -> model owner, 1 byte: whether it lacks D = W - A for the dealer's tag.
  public static let weightRequest = FrameKind(rawValue: 0x10)
  /// Model owner -> data owner, one a linear step: D, 8 bytes a weight, OIHW.
  public static let weightDifference = FrameKind(rawValue: 0x11)
  // Parties, once a bulk.
  /// Data owner -> model owner, 12 bytes: first serial, count.
  public static let prepare = FrameKind(rawValue: 0x12)
  /// Data owner -> model owner, one an activation step: c - gamma, 8 bytes an element.
  public static let oleDelta = FrameKind(rawValue: 0x13)
  /// Model owner -> data owner, 12 bytes: the bulk is complete.
  public static let prepared = FrameKind(rawValue: 0x14)
  // Dealer.
  /// Party -> dealer, JSON: what will be dealt, to whom.
  public static let order = FrameKind(rawValue: 0x20)
  /// Dealer -> party: the tag of the masks A, and for the model owner their seed.
  public static let dealerReady = FrameKind(rawValue: 0x21)
  /// Party -> dealer, 12 bytes: first serial, count.
  public static let deal = FrameKind(rawValue: 0x22)
  /// Dealer -> party, 32 bytes: the seed of everything uniform in a bulk.
  public static let seed = FrameKind(rawValue: 0x23)
  /// Dealer -> data owner, one a linear step: A r - s, 8 bytes an output.
  public static let linearCorrection = FrameKind(rawValue: 0x24)
  /// Dealer -> model owner, one an activation step: u' = alpha gamma - v, 8 bytes an element.
  public static let oleCorrection = FrameKind(rawValue: 0x25)
  /// Dealer -> model owner, one an exactly truncated activation step: pad_rho, 8 bytes an element.
  public static let transferPads = FrameKind(rawValue: 0x26)
  /// Server 1 -> dealer, one an offset step of an outsourced program: its share of the constants, 8 bytes an element.
  public static let offsetShares = FrameKind(rawValue: 0x27)
}

extension FrameKind {
  // Comparison material by the dealer, once a bulk and run of comparisons. Online frames take 0x70 to 0x74.
  /// Dealer -> data owner: chosen pads, then h1, for each inference.
  public static let comparisonDealt = FrameKind(rawValue: 0x78)
  /// Dealer -> model owner: products of the triples, then w0, for each inference.
  public static let comparisonProducts = FrameKind(rawValue: 0x79)
  /// Data owner -> model owner: what moves its random digits to those of its share, and c' less its random word.
  public static let comparisonDelta = FrameKind(rawValue: 0x7a)
}

/// A run of inferences as announced on the wire: first serial (8 bytes) and count (4 bytes), little-endian.
public struct SerialRange: Equatable, Sendable {
  /// Bytes on the wire.
  public static let byteCount = 12
  /// Serial numbers.
  public var serials: Range<UInt64>

  /// Wraps a range of at most 2^32 - 1 serial numbers.
  public init(_ serials: Range<UInt64>) { self.serials = serials }

  /// Reads 12 bytes; the count is checked against ``BulkLimits``.
  /// - Throws: ``CorrelationError``
  public init(_ bytes: [UInt8]) throws {
    guard bytes.count == Self.byteCount else { throw CorrelationError.unexpectedAnswer(what: "the length of a range") }
    let first = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[$1]) << (8 * $1) }
    let count = (0..<4).reduce(UInt64(0)) { $0 | UInt64(bytes[8 + $1]) << (8 * $1) }
    try BulkLimits.check(Int(count))
    guard first <= UInt64.max - count else {
      throw CorrelationError.serialOutOfOrder(found: first, expected: 0)
    }
    serials = first..<(first + count)
  }

  /// The 12 bytes.
  public var bytes: [UInt8] {
    let count = UInt32(serials.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: serials.lowerBound >> (8 * $0)) }
      + (0..<4).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) }
  }
}

extension FramedChannel {
  /// Sends one frame whose payload is the words of `tensors`, little-endian, one after the other.
  func send(_ kind: FrameKind, words tensors: [SecretWords], flush: Bool = true) throws {
    try beginSend(kind, byteCount: 8 * tensors.reduce(0) { $0 + $1.count })
    for tensor in tensors { try write(UnsafeRawBufferPointer(tensor.buffer)) }
    try endSend(flush: flush)
  }

  /// Receives a key into memory that is erased when the last reference goes.
  func receiveKey(_ kind: FrameKind, byteCount: Int) throws -> SecretKey {
    try SecretKey(count: byteCount) { try receive(kind, into: $0) }
  }

  /// Receives one frame of `tensorCount` tensors of `count` words each. Field words are checked to be reduced.
  func receiveWords(_ kind: FrameKind, tensorCount: Int, count: Int, modulus: ModulusKind) throws -> [SecretWords] {
    try beginReceive(kind, byteCount: 8 * count * tensorCount)
    let tensors = try (0..<tensorCount).map { _ in
      let words = SecretWords(uninitialized: count)
      try read(into: UnsafeMutableRawBufferPointer(words.buffer))
      if modulus == .field {
        guard words.areReduced else { throw CorrelationError.unexpectedAnswer(what: "a word is not below p") }
      }
      return words
    }
    endReceive()
    return tensors
  }
}

extension SecretWords {
  /// Whether every word is below p. The time taken depends on the count only.
  public var areReduced: Bool { areReduced(count: count) }

  /// Whether the first `count` words are below p.
  public func areReduced(count: Int) -> Bool {
    precondition(count <= self.count)
    var over: UInt64 = 0
    let words = pointer
    for index in 0..<count { over |= words[index] >= PrimeField.modulus ? 1 : 0 }
    return over == 0
  }
}
