public import Randomness

/// What a connection can do wrong. Frame errors name what was expected and what came.
///
/// After an error the stream or channel is of no further use: close it and connect anew.
public enum TransportError: Error, Equatable, Sendable, CustomStringConvertible {
  // Frames
  case unexpectedKind(expected: [FrameKind], found: FrameKind)
  case unexpectedLength(kind: FrameKind, expected: UInt64, found: UInt64)
  case lengthAboveBound(kind: FrameKind, bound: UInt64, found: UInt64)
  case unexpectedSequence(kind: FrameKind, expected: UInt32, found: UInt32)
  case nonzeroFlags(kind: FrameKind, found: UInt16)
  case sequenceExhausted
  case channelBroken
  // Streams
  case timedOut(activity: String, seconds: Double)
  case peerClosed(activity: String)
  case interrupted
  case socketFailed(activity: String, reason: String)
  case inboundLimitReached(bytes: Int)
  // Addresses
  case cannotResolve(host: String, reason: String)
  case cannotConnect(host: String, port: UInt16, reason: String)
  case addressInUse(host: String, port: UInt16)
  case cannotListen(host: String, port: UInt16, reason: String)
  // TLS
  case handshakeFailed(reason: String)
  case notTLS(reason: String)
  case fingerprintMismatch(seen: Digest32, pinned: [Digest32])
  case refusedByPeer(own: Digest32, reason: String)
  case noPinnedFingerprint
  // Identities
  case malformedFingerprint(text: String)
  case identityExists(path: String)
  case identityUnreadable(path: String, reason: String)
  case identityNotWritten(path: String, reason: String)
  case keyReadableByOthers(path: String, mode: UInt32)
  // Hello
  case malformedHello(reason: String)
  case helloMismatch(field: String, ours: String, theirs: String, advice: String)

  /// A sentence: what was wrong, where, and what to do.
  public var description: String {
    switch self {
    case .unexpectedKind(let expected, let found):
      let names = expected.map(\.description).joined(separator: " or ")
      return
        "the peer sent a frame of kind \(found) where \(names) belongs: the two ends are out of step or of different "
        + "versions; close the session and compare versions"
    case .unexpectedLength(let kind, let expected, let found):
      return
        "the peer announced \(found) bytes for a frame of kind \(kind) that has \(expected) bytes: it runs another "
        + "plan or is damaged; close the session and compare plan digests"
    case .lengthAboveBound(let kind, let bound, let found):
      return "the peer announced \(found) bytes for a frame of kind \(kind), for which \(bound) bytes are the most: "
        + "refused before any memory was taken; close the session"
    case .unexpectedSequence(let kind, let expected, let found):
      return "a frame of kind \(kind) carries sequence number \(found) where \(expected) is due: a frame was lost, "
        + "repeated or reordered; close the session"
    case .nonzeroFlags(let kind, let found):
      return
        "a frame of kind \(kind) carries the flags \(found), which this version does not know: close the session and "
        + "compare versions"
    case .sequenceExhausted:
      return "this channel has sent 2^32 - 1 frames, the most that it can number: open a new session"
    case .channelBroken:
      return "this channel failed before and cannot be used any more: close it and open a new session"
    case .timedOut(let activity, let seconds):
      return
        "nothing moved for \(seconds) s while \(activity): the peer stalls or the network is cut; check the peer's "
        + "log, or raise the time-out if the peer needs longer"
    case .peerClosed(let activity):
      return "the peer closed the connection while \(activity): look for the reason in the peer's log"
    case .interrupted:
      return "the connection was interrupted on this side, because the process stops or the session was cancelled"
    case .socketFailed(let activity, let reason):
      return "the connection failed while \(activity): \(reason)"
    case .inboundLimitReached(let bytes):
      return "the peer sent \(bytes) bytes that nobody asked for yet while this side could not send: raise the inbound "
        + "limit on this side if that is the plan's true size"
    case .cannotResolve(let host, let reason):
      return "the host name \(host) does not resolve: \(reason); check the name or give an address"
    case .cannotConnect(let host, let port, let reason):
      return "cannot connect to \(host) port \(port): \(reason); check that the peer's daemon runs and listens there"
    case .addressInUse(let host, let port):
      return "port \(port) on \(host) is in use by another process: stop that process or choose another port"
    case .cannotListen(let host, let port, let reason):
      return "cannot listen on \(host) port \(port): \(reason)"
    case .handshakeFailed(let reason):
      return "the TLS handshake failed: \(reason)"
    case .notTLS(let reason):
      return "the other end does not speak TLS: \(reason); check that both ends use the same port and both use TLS"
    case .fingerprintMismatch(let seen, let pinned):
      let known = pinned.isEmpty ? "none" : pinned.map { "sha256:\($0)" }.joined(separator: ", ")
      return
        "the peer's certificate has the fingerprint sha256:\(seen), which is not pinned here (pinned: \(known)): ask "
        + "the peer's operator for their fingerprint over a trusted path; if it is this one, add it to the configuration, "
        + "if not, someone else answers at this address"
    case .refusedByPeer(let own, let reason):
      return "the peer refused this side's certificate, sha256:\(own) (\(reason)): give that fingerprint to the peer's "
        + "operator, to be pinned there"
    case .noPinnedFingerprint:
      return "no fingerprint of a peer is pinned, so nobody could be authenticated: add the peer's to the configuration"
    case .malformedFingerprint(let text):
      return "\"\(text.prefix(100))\" is not a fingerprint: it has 64 hexadecimal digits, with or without the prefix "
        + "sha256: and with or without colons"
    case .identityExists(let path):
      return "\(path) exists already: choose another directory, or say that it may be overwritten (peers must then pin "
        + "the new fingerprint)"
    case .identityUnreadable(let path, let reason):
      return "the identity file \(path) cannot be used: \(reason)"
    case .identityNotWritten(let path, let reason):
      return "the identity file \(path) was not written: \(reason)"
    case .keyReadableByOthers(let path, let mode):
      return "the key file \(path) has mode \(String(mode, radix: 8)), so others can read or change it: run "
        + "chmod 600 on it, and make a new identity if others may have read it"
    case .malformedHello(let reason):
      return "the peer's hello is malformed: \(reason); it is not a PolyMPCNet daemon or of a version that differs"
    case .helloMismatch(let field, let ours, let theirs, let advice):
      return "the \(field) differs: \(ours) here, \(theirs) at the peer; \(advice)"
    }
  }
}
