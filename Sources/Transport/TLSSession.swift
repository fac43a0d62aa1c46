import COpenSSL
import Randomness

/// OpenSSL's state of one connection, reading and writing through a pump's buffers.
///
/// The BIO below never blocks and never fails in writing: records gather in `outbound`, so many of them leave with one
/// system call, and `send` runs with MSG_NOSIGNAL. Reading takes what `inbound` has, and asks to be retried when it is
/// empty.
final class TLSSession {
  let ssl: OpaquePointer
  private let context: OpaquePointer
  private let verifier: PeerVerifier
  private let pump: SocketPump
  /// OpenSSL's own state says "in init" after a fatal alert too.
  private var isEstablished = false

  init(identity: Identity, pinned: [Digest32], pump: SocketPump, isClient: Bool) throws {
    guard !pinned.isEmpty else { throw TransportError.noPinnedFingerprint }
    ERR_clear_error()
    guard let context = SSL_CTX_new(TLS_method()) else { throw Self.failure("OpenSSL has no TLS") }
    self.context = context
    self.pump = pump
    verifier = PeerVerifier(pinned: pinned)
    let material = identity.material
    var isReady =
      copenssl_only_tls13(context) == 1 && SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") == 1
      && copenssl_set_groups(context, "X25519:P-256") == 1
      && SSL_CTX_use_certificate(context, material.certificate) == 1
      && SSL_CTX_use_PrivateKey(context, material.key) == 1
    copenssl_set_options(context)
    copenssl_no_session_cache(context)
    isReady = isReady && SSL_CTX_set_num_tickets(context, 0) == 1 && SSL_CTX_set_max_early_data(context, 0) == 1
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    SSL_CTX_set_cert_verify_callback(
      context, { store, argument in PeerVerifier.verify(store, argument) },
      Unmanaged.passUnretained(verifier).toOpaque())
    guard isReady, let ssl = SSL_new(context), let bio = BIO_new(Self.method) else {
      SSL_CTX_free(context)
      throw Self.failure("OpenSSL refused the identity or the cipher suite")
    }
    self.ssl = ssl
    BIO_set_data(bio, Unmanaged.passUnretained(pump).toOpaque())
    BIO_set_init(bio, 1)
    SSL_set_bio(ssl, bio, bio)
    if isClient { SSL_set_connect_state(ssl) } else { SSL_set_accept_state(ssl) }
  }

  deinit {
    SSL_free(ssl)
    SSL_CTX_free(context)
  }

  /// Runs the handshake; afterwards the peer's fingerprint is one of the pinned ones.
  func handshake() throws -> Digest32 {
    while true {
      ERR_clear_error()
      let result = SSL_do_handshake(ssl)
      if result == 1 { break }
      let code = SSL_get_error(ssl, result)
      guard code == SSL_ERROR_WANT_READ else {
        let error = handshakeError(code)
        // The alert tells the peer why.
        pump.sendWhatFits()
        throw error
      }
      try pump.flush("shaking hands by TLS")
      try pump.fill("shaking hands by TLS")
    }
    try pump.flush("shaking hands by TLS")
    guard let certificate = SSL_get1_peer_certificate(ssl) else {
      throw TransportError.handshakeFailed(reason: "the peer showed no certificate")
    }
    defer { X509_free(certificate) }
    let seen = certificateFingerprint(certificate)
    guard verifier.pinned.contains(seen) else {
      throw TransportError.fingerprintMismatch(seen: seen, pinned: verifier.pinned)
    }
    isEstablished = true
    return seen
  }

  /// Encrypts all the bytes into `outbound`, sending whenever `sendThreshold` bytes have gathered.
  func encrypt(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while rest.count > 0 {
      ERR_clear_error()
      let written = SSL_write(ssl, rest.baseAddress, Int32(min(rest.count, 1 << 30)))
      guard written > 0 else { throw transferError(SSL_get_error(ssl, written), "sending", own: nil) }
      rest = UnsafeRawBufferPointer(rebasing: rest[Int(written)...])
      if pump.outbound.count >= Self.sendThreshold { try pump.flush() }
    }
  }

  /// Decrypts at least one byte if there is one without waiting; 0 if more must come first.
  func decrypt(_ buffer: UnsafeMutableRawBufferPointer, _ activity: String, own: Digest32? = nil) throws -> Int {
    ERR_clear_error()
    let received = SSL_read(ssl, buffer.baseAddress, Int32(min(buffer.count, 1 << 30)))
    if received > 0 { return Int(received) }
    let code = SSL_get_error(ssl, received)
    if code == SSL_ERROR_WANT_READ { return 0 }
    throw transferError(code, activity, own: own)
  }

  /// Whether a byte of data can be had without waiting.
  func hasData() throws -> Bool {
    ERR_clear_error()
    var byte: UInt8 = 0
    let received = SSL_peek(ssl, &byte, 1)
    if received > 0 { return true }
    let code = SSL_get_error(ssl, received)
    if code == SSL_ERROR_WANT_READ { return false }
    throw transferError(code, "waiting", own: nil)
  }

  /// Tells the peer that no more comes, as far as that goes without waiting.
  func sayGoodbye() {
    ERR_clear_error()
    if isEstablished, SSL_in_init(ssl) == 0, SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN == 0 { SSL_shutdown(ssl) }
    ERR_clear_error()
    pump.sendWhatFits()
  }

  private static let sendThreshold = 1 << 18

  // MARK: Errors

  private func handshakeError(_ code: Int32) -> TransportError {
    if let seen = verifier.rejected { return .fingerprintMismatch(seen: seen, pinned: verifier.pinned) }
    return transferError(code, "shaking hands by TLS", own: nil)
  }

  private func transferError(_ code: Int32, _ activity: String, own: Digest32?) -> TransportError {
    let error = ERR_peek_error()
    let reason = Int32(truncatingIfNeeded: error & 0x7F_FFFF)
    let text = error == 0 ? "no reason given" : Self.text(error)
    ERR_clear_error()
    if code == SSL_ERROR_ZERO_RETURN { return pump.closed(activity) }
    if pump.reachedEnd, error == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING { return pump.closed(activity) }
    switch reason {
    case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_BAD_RECORD_TYPE,
      SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_RECORD_LENGTH_MISMATCH, SSL_R_UNSUPPORTED_SSL_VERSION:
      return isEstablished ? .socketFailed(activity: activity, reason: text) : .notTLS(reason: text)
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return .handshakeFailed(reason: "the peer showed no certificate, so it cannot be authenticated")
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_TLSV1_ALERT_UNKNOWN_CA,
      SSL_R_TLSV1_ALERT_ACCESS_DENIED, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
      SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return .refusedByPeer(own: own ?? ownFingerprint, reason: text)
    default:
      return isEstablished ? .socketFailed(activity: activity, reason: text) : .handshakeFailed(reason: text)
    }
  }

  private var ownFingerprint: Digest32 {
    SSL_get_certificate(ssl).map(certificateFingerprint) ?? .zero
  }

  private static func failure(_ fallback: String) -> TransportError {
    let error = ERR_peek_error()
    ERR_clear_error()
    return .handshakeFailed(reason: error == 0 ? fallback : "\(fallback): \(text(error))")
  }

  private static func text(_ error: UInt) -> String {
    ERR_reason_error_string(error).map { String(cString: $0) } ?? "OpenSSL error \(error)"
  }

  // MARK: BIO

  // Built once and never changed; OpenSSL reads it from any thread.
  nonisolated(unsafe) private static let method: OpaquePointer = {
    guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "polympc pump") else {
      fatalError("OpenSSL could not allocate a BIO method")
    }
    BIO_meth_set_write(method) { bio, bytes, count in
      guard let bio, count > 0 else { return 0 }
      let pump = Unmanaged<SocketPump>.fromOpaque(BIO_get_data(bio)).takeUnretainedValue()
      pump.outbound.append(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
      return count
    }
    BIO_meth_set_read(method) { bio, bytes, count in
      guard let bio, count > 0 else { return 0 }
      let pump = Unmanaged<SocketPump>.fromOpaque(BIO_get_data(bio)).takeUnretainedValue()
      copenssl_bio_clear_retry_flags(bio)
      let taken = pump.inbound.take(into: UnsafeMutableRawBufferPointer(start: bytes, count: Int(count)))
      if taken > 0 { return Int32(taken) }
      if pump.reachedEnd { return 0 }
      copenssl_bio_set_retry_read(bio)
      return -1
    }
    BIO_meth_set_ctrl(method) { bio, command, _, _ in
      switch command {
      case BIO_CTRL_FLUSH: return 1
      case BIO_CTRL_EOF:
        guard let bio else { return 0 }
        let pump = Unmanaged<SocketPump>.fromOpaque(BIO_get_data(bio)).takeUnretainedValue()
        return pump.reachedEnd && pump.inbound.isEmpty ? 1 : 0
      default: return 0
      }
    }
    return method
  }()
}

/// Accepts a certificate by its fingerprint alone, in place of OpenSSL's chain of authorities.
final class PeerVerifier {
  let pinned: [Digest32]
  /// The certificate refused, if one was.
  private(set) var rejected: Digest32?

  init(pinned: [Digest32]) { self.pinned = pinned }

  static func verify(_ store: OpaquePointer?, _ argument: UnsafeMutableRawPointer?) -> Int32 {
    guard let store, let argument, let certificate = X509_STORE_CTX_get0_cert(store) else { return 0 }
    let verifier = Unmanaged<PeerVerifier>.fromOpaque(argument).takeUnretainedValue()
    let seen = certificateFingerprint(certificate)
    if verifier.pinned.contains(seen) {
      X509_STORE_CTX_set_error(store, X509_V_OK)
      return 1
    }
    verifier.rejected = seen
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED)
    return 0
  }
}
