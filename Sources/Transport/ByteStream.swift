public import Randomness

/// A full-duplex byte stream to one peer, used by one thread at a time; only ``interrupt()`` may come from another.
///
/// Every failure is a ``TransportError``, and final: after one the stream can only be closed.
public protocol ByteStream: AnyObject, Sendable {
  /// Takes all the bytes. They may wait in a buffer until ``flush()`` or the next read.
  ///
  /// Never deadlocks when both ends write much: while nothing can leave, incoming bytes are taken into a buffer, up to
  /// ``StreamOptions/inboundLimit``.
  func write(_ bytes: UnsafeRawBufferPointer) throws

  /// Hands everything written so far to the network.
  func flush() throws

  /// Fills the buffer exactly, having flushed the own output first.
  ///
  /// Spins for ``StreamOptions/spin``, then sleeps; throws ``TransportError/timedOut(activity:seconds:)`` when no byte moves
  /// for ``StreamOptions/idleTimeout``.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws

  /// Flushes, then waits until at least one byte can be read, or the time is over (false). Throws if the peer closed.
  func waitReadable(timeout: Duration) throws -> Bool

  /// Ends the connection and frees it. May be called twice. Bytes that were not flushed are lost.
  func close()

  /// Makes a blocked or later call fail with ``TransportError/interrupted``. From any thread, at any time.
  func interrupt()

  /// 32 bytes that both ends know and that no other connection shares (RFC 8446 section 7.5, label "EXPORTER-polympc-v1").
  ///
  /// Streams without cryptography return 32 bytes of 0x50 instead: a session id on them rests on the nonces alone.
  var exporter: [UInt8] { get throws }

  /// SHA-256 of the peer's certificate (DER); on streams without certificates the digest of a fixed text for its end.
  var peerFingerprint: Digest32 { get }

  /// The same for this end.
  var localFingerprint: Digest32 { get }

  /// Whether this end opened the connection. True at exactly one of the two ends.
  var isInitiator: Bool { get }
}

/// What a stream may wait for and hold. Local: no value changes a byte on the wire.
public struct StreamOptions: Sendable {
  /// How long a read polls the socket before the thread sleeps. Worth it where a core is free.
  public var spin: Duration
  /// How long a read or write may go without a byte moved.
  public var idleTimeout: Duration
  /// How long connecting and the handshake may take.
  public var handshakeTimeout: Duration
  /// The most bytes taken in before they are asked for, so that both ends may write at once. Memory grows only as such
  /// bytes come.
  public var inboundLimit: Int

  /// Defaults suit a local or wide-area network and a core of its own for each party.
  public init(
    spin: Duration = .microseconds(50), idleTimeout: Duration = .seconds(60),
    handshakeTimeout: Duration = .seconds(10), inboundLimit: Int = 128 << 20
  ) {
    self.spin = spin
    self.idleTimeout = idleTimeout
    self.handshakeTimeout = handshakeTimeout
    self.inboundLimit = inboundLimit
  }
}

/// The fixed values of streams that have no certificates.
enum PlainEnd {
  static let exporter = [UInt8](repeating: 0x50, count: 32)
  static let initiator = Digest32.sha256(Array("polympc plain initiator".utf8))
  static let acceptor = Digest32.sha256(Array("polympc plain acceptor".utf8))
}

extension Duration {
  /// Seconds as a number, in whole microseconds so that messages stay short.
  var inSeconds: Double {
    Double(components.seconds) + Double(components.attoseconds / 1_000_000_000_000) / 1_000_000
  }
}
