public import Randomness

/// What both servers of an outsourced session agree on.
public enum OutsourcedSession {
  /// The id under which the reverse run is prepared, from the session's own: no key serves both runs.
  public static func reverseID(_ sessionID: Digest32) -> Digest32 {
    .sha256(Array("polympc outsourced reverse".utf8), sessionID.bytes)
  }
}
