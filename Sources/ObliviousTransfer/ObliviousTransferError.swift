/// What a peer can do wrong in an oblivious transfer, apart from what `TransportError` names. Carries no secret.
public enum ObliviousTransferError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A point of a base transfer is no point of the curve in its one encoding. `index` counts points of the message.
  case malformedPoint(message: String, index: Int)
  /// The receiver's point equals the sender's, which makes a key predictable; it happens by chance never.
  case degeneratePoint(index: Int)
  /// A word of F_p in the peer's message is not below p.
  case wordNotReduced

  /// A sentence: what was wrong, where, and what to do.
  public var description: String {
    switch self {
    case .malformedPoint(let message, let index):
      "point \(index) of the peer's \(message) is not an affine point of P-256 in uncompressed form: the peer is damaged or "
        + "runs another version; close the session and compare versions"
    case .degeneratePoint(let index):
      "point \(index) of the peer's base transfers repeats the point it was sent, which an honest peer does with "
        + "probability 2^-256: close the session and do not trust this peer"
    case .wordNotReduced:
      "a word of the peer's masked message is not below p: the peer is damaged or runs another version; close the session "
        + "and compare versions"
    }
  }
}
