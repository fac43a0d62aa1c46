public import Randomness

/// TCP without cryptography or authentication: for tests and benchmarks, never between organisations.
public final class PlainTCPStream: ByteStream, @unchecked Sendable {
  // Unchecked: used by one thread, except for `interrupt()`, which the pump makes safe.
  private let pump: SocketPump
  /// True on the connecting side.
  public let isInitiator: Bool

  /// Smaller writes are gathered; larger ones go to the kernel from where they lie.
  private static let coalescing = 1 << 16

  private init(_ descriptor: Int32, _ options: StreamOptions, isInitiator: Bool) {
    pump = SocketPump(descriptor: descriptor, options: options)
    self.isInitiator = isInitiator
  }

  /// Connects.
  /// - Throws: ``TransportError/cannotConnect(host:port:reason:)``, `cannotResolve`.
  public static func connect(host: String, port: UInt16, options: StreamOptions = StreamOptions()) throws
    -> PlainTCPStream
  {
    let descriptor = try TCPSocket.connect(host: host, port: port, timeout: options.handshakeTimeout)
    return PlainTCPStream(descriptor, options, isInitiator: true)
  }

  /// Takes a connection from a listener.
  public static func accept(_ connection: AcceptedConnection, options: StreamOptions = StreamOptions())
    -> PlainTCPStream
  {
    PlainTCPStream(connection.take(), options, isInitiator: false)
  }

  /// The fixed value of streams without cryptography.
  public var exporter: [UInt8] { PlainEnd.exporter }
  /// A fixed value for the other end.
  public var peerFingerprint: Digest32 { isInitiator ? PlainEnd.acceptor : PlainEnd.initiator }
  /// A fixed value for this end.
  public var localFingerprint: Digest32 { isInitiator ? PlainEnd.initiator : PlainEnd.acceptor }

  /// See ``ByteStream/write(_:)``.
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    if pump.outbound.count + bytes.count > Self.coalescing {
      try pump.flush()
      try pump.send(bytes)
    } else {
      pump.outbound.append(bytes)
    }
  }

  /// See ``ByteStream/flush()``.
  public func flush() throws { try pump.flush() }

  /// See ``ByteStream/read(into:)``.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws {
    try pump.flush()
    var done = pump.inbound.take(into: buffer)
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      if rest.count >= Self.coalescing {
        done += try pump.receiveDirectly(rest, "receiving")
      } else {
        try pump.fill()
        done += pump.inbound.take(into: rest)
      }
    }
  }

  /// See ``ByteStream/waitReadable(timeout:)``.
  public func waitReadable(timeout: Duration) throws -> Bool {
    try pump.flush()
    return try !pump.inbound.isEmpty || pump.waitForBytes(until: Deadline(after: timeout), "waiting")
  }

  /// See ``ByteStream/close()``.
  public func close() { pump.close() }

  /// See ``ByteStream/interrupt()``.
  public func interrupt() { pump.interrupt() }
}
