public import Correlations
import Randomness

/// What server 0 has beside its share of the model: the source of the reverse run, and what clients handed to it.
public struct ServerZero {
  /// Source of the reverse run.
  public let reverse: any DataOwnerSource
  /// Clients' shares.
  public let clients: any ClientShares

  /// Collects them.
  public init(reverse: any DataOwnerSource, clients: any ClientShares) {
    (self.reverse, self.clients) = (reverse, clients)
  }
}

/// What server 1 has beside a plan: its share of the model, and the source of the reverse run.
public struct ServerOne {
  /// Its share of the model.
  public let share: ServerShare
  /// Source of the reverse run.
  public let reverse: any ModelOwnerSource

  /// Collects them.
  public init(share: ServerShare, reverse: any ModelOwnerSource) {
    precondition(share.server == 1, "server 1 computes with share 1")
    (self.share, self.reverse) = (share, reverse)
  }
}

/// The announcement of a query between servers: serials (12 bytes), the client (32), its number of the query (16).
struct SharedQuery: Equatable {
  static let byteCount = SerialRange.byteCount + 32 + SharedQueryName.numberBytes
  let range: SerialRange
  let name: SharedQueryName

  init(range: SerialRange, name: SharedQueryName) { (self.range, self.name) = (range, name) }

  /// - Throws: `CorrelationError`
  init(_ bytes: [UInt8]) throws {
    let start = SerialRange.byteCount
    guard bytes.count == Self.byteCount, let client = Digest32(bytes: bytes[start..<start + 32]) else {
      throw CorrelationError.unexpectedAnswer(what: "the length of a query's name")
    }
    range = try SerialRange(Array(bytes[..<start]))
    name = SharedQueryName(client: client, number: Array(bytes[(start + 32)...]))
  }

  var bytes: [UInt8] { range.bytes + name.client.bytes + name.number }
}
