import COpenSSL
public import Randomness

/// TLS 1.3 with TLS_AES_128_GCM_SHA256, both ends authenticated by pinned certificates.
///
/// A peer counts as authenticated when it holds the key of a certificate whose SHA-256 is in the pinned set; names, dates
/// and authorities play no part. No tickets, no resumption, no early data. After the handshake the accepting end sends
/// one byte, 0x01, once it has verified the other's certificate, so that connecting fails with
/// ``TransportError/refusedByPeer(own:reason:)`` rather than the first read.
/// Security: the handshake hides and authenticates all that follows; the sizes and times of records are visible.
public final class TLSStream: ByteStream, @unchecked Sendable {
  // Unchecked: used by one thread, except for `interrupt()`, which the pump makes safe.
  private let pump: SocketPump
  private let session: TLSSession
  private var pending = ByteQueue(capacity: recordSize)
  private var isClosed = false

  /// True on the connecting side.
  public let isInitiator: Bool
  /// SHA-256 of the peer's certificate, one of those pinned.
  public let peerFingerprint: Digest32
  /// SHA-256 of this end's certificate.
  public let localFingerprint: Digest32

  /// The most plaintext in one TLS record.
  private static let recordSize = 1 << 14
  private static let exporterLabel = "EXPORTER-polympc-v1"

  private init(descriptor: Int32, identity: Identity, pinned: [Digest32], options: StreamOptions, isClient: Bool) throws
  {
    let pump = SocketPump(descriptor: descriptor, options: options)
    let session = try TLSSession(identity: identity, pinned: pinned, pump: pump, isClient: isClient)
    pump.deadline = Deadline(after: options.handshakeTimeout)
    peerFingerprint = try session.handshake()
    (self.pump, self.session) = (pump, session)
    localFingerprint = identity.fingerprint
    isInitiator = isClient
    try confirm()
    pump.deadline = nil
  }

  /// Connects and authenticates both ends.
  /// - Parameter pinned: fingerprints of the peers that may answer here; at least one.
  public static func connect(
    host: String, port: UInt16, identity: Identity, pinned: [Digest32], options: StreamOptions = StreamOptions()
  ) throws -> TLSStream {
    guard !pinned.isEmpty else { throw TransportError.noPinnedFingerprint }
    let descriptor = try TCPSocket.connect(host: host, port: port, timeout: options.handshakeTimeout)
    return try TLSStream(descriptor: descriptor, identity: identity, pinned: pinned, options: options, isClient: true)
  }

  /// Takes a connection from a listener and authenticates both ends. Waits for at most the handshake's time-out.
  /// - Parameter pinned: fingerprints of the peers that are served; at least one.
  public static func accept(
    _ connection: AcceptedConnection, identity: Identity, pinned: [Digest32], options: StreamOptions = StreamOptions()
  ) throws -> TLSStream {
    try TLSStream(
      descriptor: connection.take(), identity: identity, pinned: pinned, options: options, isClient: false)
  }

  deinit { close() }

  /// The exporter of RFC 8446 section 7.5, label "EXPORTER-polympc-v1", no context, 32 bytes.
  public var exporter: [UInt8] {
    get throws {
      var bytes = [UInt8](repeating: 0, count: 32)
      let label = Self.exporterLabel
      let result = SSL_export_keying_material(session.ssl, &bytes, bytes.count, label, label.utf8.count, nil, 0, 0)
      guard result == 1 else { throw TransportError.handshakeFailed(reason: "OpenSSL exports no key") }
      return bytes
    }
  }

  /// See ``ByteStream/write(_:)``. Small writes share a record.
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    if !pending.isEmpty || rest.count < Self.recordSize {
      let size = min(rest.count, Self.recordSize - pending.count)
      pending.append(UnsafeRawBufferPointer(rebasing: rest[..<size]))
      rest = UnsafeRawBufferPointer(rebasing: rest[size...])
      guard pending.count == Self.recordSize else { return }
      try sealPending()
    }
    let whole = rest.count & ~(Self.recordSize - 1)
    try session.encrypt(UnsafeRawBufferPointer(rebasing: rest[..<whole]))
    pending.append(UnsafeRawBufferPointer(rebasing: rest[whole...]))
  }

  /// See ``ByteStream/flush()``.
  public func flush() throws {
    try sealPending()
    try pump.flush()
  }

  /// See ``ByteStream/read(into:)``.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws { try read(into: buffer, "receiving", own: nil) }

  /// See ``ByteStream/waitReadable(timeout:)``.
  public func waitReadable(timeout: Duration) throws -> Bool {
    try flush()
    let deadline = Deadline(after: timeout)
    while try !session.hasData() {
      if try !pump.waitForBytes(until: deadline, "waiting") { return false }
    }
    return true
  }

  /// See ``ByteStream/close()``. Tells the peer, if that goes without waiting.
  public func close() {
    guard !isClosed else { return }
    isClosed = true
    session.sayGoodbye()
    pump.close()
  }

  /// See ``ByteStream/interrupt()``.
  public func interrupt() { pump.interrupt() }

  private func sealPending() throws {
    guard !pending.isEmpty else { return }
    try session.encrypt(pending.readable)
    pending.drop(pending.count)
  }

  private func read(into buffer: UnsafeMutableRawBufferPointer, _ activity: String, own: Digest32?) throws {
    try flush()
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let received = try session.decrypt(rest, activity, own: own)
      if received == 0 {
        // Answers of OpenSSL's own, to a key update, must not wait for the next write.
        try pump.flush()
        try pump.fill(activity)
      }
      done += received
    }
  }

  /// The accepting end has verified the client before the client can know it: it says so.
  private func confirm() throws {
    var byte: UInt8 = 1
    if isInitiator {
      byte = 0
      try withUnsafeMutableBytes(of: &byte) {
        try read(into: $0, "waiting for the peer to accept this side's certificate", own: localFingerprint)
      }
      guard byte == 1 else { throw TransportError.handshakeFailed(reason: "the peer runs another protocol") }
    } else {
      try withUnsafeBytes(of: &byte) { try write($0) }
      try flush()
    }
  }
}
