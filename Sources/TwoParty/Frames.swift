import Correlations
import Rings
public import Transport

extension FrameKind {
  /// Data owner -> model owner, 12 bytes: first serial and batch of a query.
  public static let query = FrameKind(rawValue: 0x30)
  /// Data owner -> model owner: x - r, 8 bytes an element.
  public static let maskedInput = FrameKind(rawValue: 0x31)
  /// Model owner -> data owner: d and, for exact truncation, a bit an element.
  public static let activationOpen = FrameKind(rawValue: 0x32)
  /// Data owner -> model owner: m_0 and m_1, or its truncated share.
  public static let activationAnswer = FrameKind(rawValue: 0x33)
  /// Model owner -> data owner: its share of the output without the low bits.
  public static let output = FrameKind(rawValue: 0x34)
}

extension FrameKind {
  // Outsourced (Protocols/outsourced/spec.md).
  /// Server 1 -> server 0, 60 bytes: first serial and batch of a query, the client and its number of it.
  public static let sharedQuery = FrameKind(rawValue: 0x38)
  /// Server 0 -> server 1, 1 byte: whether it holds the client's share.
  public static let queryVerdict = FrameKind(rawValue: 0x39)
  /// Server 0 -> server 1: x0 - r~, 8 bytes an element.
  public static let linearOpen = FrameKind(rawValue: 0x3a)
  /// Server 1 -> server 0: its part of a linear step, less its share, 8 bytes an output.
  public static let linearAnswer = FrameKind(rawValue: 0x3b)
}

extension FramedChannel {
  /// Sends words of a batch in one frame.
  func sendWords(_ kind: FrameKind, _ samples: [SecretWords]) throws {
    try beginSend(kind, byteCount: 8 * samples.reduce(0) { $0 + $1.count })
    for words in samples { try write(UnsafeRawBufferPointer(words.buffer)) }
    try endSend()
  }

  /// Receives words of a batch in one frame; those of F_p are checked to be reduced.
  func receiveWords(_ kind: FrameKind, batch: Int, count: Int, modulus: ModulusKind, message: String) throws
    -> [SecretWords]
  {
    try beginReceive(kind, byteCount: 8 * count * batch)
    let samples = try (0..<batch).map { _ in
      let words = SecretWords(uninitialized: count)
      try read(into: UnsafeMutableRawBufferPointer(words.buffer))
      guard modulus == .word || words.areReduced else { throw TwoPartyError.wordNotReduced(message: message) }
      return words
    }
    endReceive()
    return samples
  }
}

/// What went wrong in an online operator.
public enum TwoPartyError: Error, CustomStringConvertible, Equatable {
  /// A word of F_p that is not below p: the peer is faulty.
  case wordNotReduced(message: String)
  /// An input value that the program's input cannot hold.
  case inputOutOfRing(sample: Int)
  /// A client's batch of an unacceptable size.
  case batchOutOfRange(found: Int, limit: Int)

  /// A sentence for people.
  public var description: String {
    switch self {
    case .wordNotReduced(let message):
      "The peer sent a word that is not below p in its \(message) message; the session is ended."
    case .batchOutOfRange(let found, let limit):
      "A client announced \(found) samples, and a query has between 1 and \(limit); its connection is ended."
    case .inputOutOfRing(let sample): "Sample \(sample) of the batch holds a value beyond the ring's range."
    }
  }
}

/// Elements of one tile of an activation's messages; a multiple of 8. Both parties must agree on it, since the bits of
/// a tile follow its words on the wire.
enum ActivationTile {
  static let elements = 8192

  /// Payload bytes of an opening for `count` elements.
  static func openBytes(_ count: Int, exact: Bool) -> Int { 8 * count + (exact ? (count + 7) / 8 : 0) }
  /// Payload bytes of an answer.
  static func answerBytes(_ count: Int, exact: Bool) -> Int { count * (exact ? 16 : 8) }

  /// Calls `body` with the range of each tile of `count` elements.
  static func forEach(_ count: Int, _ body: (Range<Int>) throws -> Void) rethrows {
    var start = 0
    while start < count {
      let end = min(start + elements, count)
      try body(start..<end)
      start = end
    }
  }

  /// Splits a tile over equally long samples: calls `body` with sample, range within the sample, and position in the tile.
  static func forEachSample(
    _ tile: Range<Int>, elementsPerSample: Int, _ body: (_ sample: Int, _ range: Range<Int>, _ position: Int) -> Void
  ) {
    var start = tile.lowerBound
    while start < tile.upperBound {
      let sample = start / elementsPerSample
      let end = min((sample + 1) * elementsPerSample, tile.upperBound)
      let base = sample * elementsPerSample
      body(sample, (start - base)..<(end - base), start - tile.lowerBound)
      start = end
    }
  }
}
