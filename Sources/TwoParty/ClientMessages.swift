public import Randomness
public import Rings
public import Transport

extension FrameKind {
  // Between a client and servers (Protocols/outsourced/spec.md).
  /// Client -> server, 20 bytes: its number of the query, 16 bytes, and the batch.
  public static let clientQuery = FrameKind(rawValue: 0x3c)
  /// Client -> server 0: x - x1, 8 bytes an element.
  public static let clientShare = FrameKind(rawValue: 0x3d)
  /// Server 0 -> client, empty: the share is there.
  public static let clientHeld = FrameKind(rawValue: 0x3e)
  /// Client -> server 1, 32 bytes: the seed of x1.
  public static let clientSeed = FrameKind(rawValue: 0x3f)
  /// Server -> client: its share of the result without the low bits.
  public static let outputShare = FrameKind(rawValue: 0x40)
  /// Server -> client, 1 byte: why there is none.
  public static let clientRefused = FrameKind(rawValue: 0x41)
}

/// A client's announcement of a query.
public struct ClientQuery: Equatable, Sendable {
  /// Bytes of the number.
  public static let numberBytes = 16
  /// Bytes on the wire.
  public static let byteCount = numberBytes + 4
  /// The client's number of the query.
  public let number: [UInt8]
  /// Samples.
  public let batch: Int

  /// Names a query of at most 2^32 - 1 samples.
  public init(number: [UInt8], batch: Int) {
    precondition(number.count == Self.numberBytes && batch > 0)
    (self.number, self.batch) = (number, batch)
  }

  /// Reads 20 bytes.
  /// - Throws: ``TwoPartyError/batchOutOfRange(found:limit:)``
  public init(_ bytes: [UInt8], limit: Int) throws {
    precondition(bytes.count == Self.byteCount)
    let batch = (0..<4).reduce(0) { $0 | Int(bytes[Self.numberBytes + $1]) << (8 * $1) }
    guard (1...limit).contains(batch) else { throw TwoPartyError.batchOutOfRange(found: batch, limit: limit) }
    self.init(number: Array(bytes[..<Self.numberBytes]), batch: batch)
  }

  /// The 20 bytes.
  public var bytes: [UInt8] { number + (0..<4).map { UInt8(truncatingIfNeeded: batch >> (8 * $0)) } }
}

/// How an input becomes two shares, and how they travel.
public enum ClientShare {
  /// Bytes of the seed of x1.
  public static let seedBytes = 32
  private static let purpose = Purpose(label: "client share")

  /// x1 of each sample: uniform words of the input's ring, out of the seed.
  public static func second(
    seed: SecretKey, query: ClientQuery, count: Int, modulus: ModulusKind
  ) -> [SecretWords] {
    (0..<query.batch).map { sample in
      let key = KeyDerivation.derive(
        secret: seed, context: query.number, purpose: purpose, layer: 0, serial: UInt64(sample), length: 16)
      return StreamGenerator(key: key).secretWords(modulus, count: count)
    }
  }

  /// x - x1 of each sample.
  ///
  /// - Parameter samples: fixed-point inputs, CHW, as many as the query's batch.
  public static func first(_ samples: [[Int64]], seed: SecretKey, query: ClientQuery, modulus: ModulusKind)
    -> [SecretWords]
  {
    precondition(samples.count == query.batch)
    let seconds = second(seed: seed, query: query, count: samples[0].count, modulus: modulus)
    return zip(samples, seconds).map { sample, second in
      let words = SecretWords(uninitialized: sample.count)
      for (index, value) in sample.enumerated() {
        words.pointer[index] = modulus == .field ? PrimeField.reduce(signed: value) : Word64.reduce(signed: value)
      }
      Elementwise.subtract(modulus, words.pointer, second.pointer, count: sample.count, output: words.pointer)
      return withExtendedLifetime(second) { words }
    }
  }

  /// The client's message to server 0, after the query.
  public static func send(_ shares: [SecretWords], over channel: FramedChannel) throws {
    try channel.sendWords(.clientShare, shares)
  }

  /// Server 0's side.
  /// - Throws: `TransportError`, ``TwoPartyError``
  public static func receive(
    query: ClientQuery, count: Int, modulus: ModulusKind, from channel: FramedChannel
  ) throws -> [SecretWords] {
    try channel.receiveWords(
      .clientShare, batch: query.batch, count: count, modulus: modulus, message: "client's share")
  }

  /// Server 1's side: the seed of x1.
  /// - Throws: `TransportError`
  public static func receiveSeed(from channel: FramedChannel) throws -> SecretKey {
    try SecretKey(count: seedBytes) { try channel.receive(.clientSeed, into: $0) }
  }
}
