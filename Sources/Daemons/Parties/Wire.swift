public import Randomness
public import Transport

/// How daemons are connected.
public enum Wire: Sendable {
  /// TLS 1.3, both ends showing a certificate that the other has pinned. The only one that daemons use.
  case tls(Identity, pinned: [Digest32])
  /// TCP without protection, for measurements on one machine.
  case plain

  /// Connects to a daemon.
  ///
  /// - Throws: `TransportError`
  public func connect(to address: NetworkAddress, options: StreamOptions) throws -> any ByteStream {
    switch self {
    case .tls(let identity, let pinned):
      try TLSStream.connect(
        host: address.host, port: address.port, identity: identity, pinned: pinned, options: options)
    case .plain: try PlainTCPStream.connect(host: address.host, port: address.port, options: options)
    }
  }

  /// Takes an accepted connection; the handshake is done on the caller's thread.
  ///
  /// - Throws: `TransportError`
  public func accept(_ connection: AcceptedConnection, options: StreamOptions) throws -> any ByteStream {
    switch self {
    case .tls(let identity, let pinned):
      try TLSStream.accept(connection, identity: identity, pinned: pinned, options: options)
    case .plain: PlainTCPStream.accept(connection, options: options)
    }
  }

  /// Whether a peer has the certificate of its role; without protection there is none.
  ///
  /// - Throws: ``DaemonsError/refused(code:reason:)``
  func check(_ role: Role, _ fingerprint: Digest32, peers: [Digest32], clients: [Digest32]) throws {
    guard case .tls = self else { return }
    guard (role == .client ? clients : peers).contains(fingerprint) else {
      throw DaemonsError.refused(code: .invalid, reason: "its certificate is not that of a \(role)")
    }
  }

  /// The same identity with other pins.
  public func pinning(_ fingerprints: [Digest32]) -> Wire {
    if case .tls(let identity, _) = self { .tls(identity, pinned: fingerprints) } else { .plain }
  }
}

extension CommonConfiguration {
  /// Time-outs and spinning for a session's streams.
  var streamOptions: StreamOptions {
    StreamOptions(
      spin: .microseconds(spin), idleTimeout: .milliseconds(Int(messageTimeout * 1000)),
      handshakeTimeout: .milliseconds(Int(handshakeTimeout * 1000)))
  }
}
