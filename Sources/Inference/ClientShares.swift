public import Randomness
public import Rings

/// Names a query of an outsourced run: the client, and the number it gave.
public struct SharedQueryName: Hashable, Sendable {
  /// Bytes of a number.
  public static let numberBytes = 16
  /// Fingerprint of the client.
  public let client: Digest32
  /// Its number of the query, 16 bytes.
  public let number: [UInt8]

  /// Names a query.
  public init(client: Digest32, number: [UInt8]) {
    precondition(number.count == Self.numberBytes)
    (self.client, self.number) = (client, number)
  }
}

/// Where server 0 finds what clients handed to it, and leaves its shares of results.
public protocol ClientShares: AnyObject {
  /// x0 of each sample, reduced words of the input's ring; nil where no client gave so many samples under that name.
  func input(of query: SharedQueryName, samples: Int) -> [SecretWords]?
  /// Takes this server's share of the result, for the client.
  func deliver(_ output: SecretBytes, of query: SharedQueryName)
}
