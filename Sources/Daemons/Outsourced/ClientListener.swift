import Logging
import Randomness
import Synchronization
import Transport

/// Server 1's port for clients: each connection has a thread of its own.
final class ClientListener: Sendable {
  private let accepting: AcceptLoop
  private let clients: [Digest32]
  private let agreement: Agreement
  private let wire: Wire
  private let options: StreamOptions
  private let streams = StreamRegistry()
  private let logger: Logger
  private let metrics: DaemonMetrics

  /// Binds.
  ///
  /// - Throws: `TransportError`, for instance when the port is in use.
  init(
    listen: NetworkAddress, clients: [Digest32], agreement: Agreement, wire: Wire, common: CommonConfiguration,
    logger: Logger, metrics: DaemonMetrics
  ) throws {
    accepting = try AcceptLoop(listen: listen, limit: ClientService.maximumClients, logger: logger)
    (self.clients, self.agreement, self.logger, self.metrics) = (clients, agreement, logger, metrics)
    self.wire = wire.pinning(clients)
    options = common.streamOptions
  }

  /// The port in use.
  var port: UInt16 { accepting.port }

  /// Starts; `serve` runs on a connection's thread, after the hello, and says how many queries it answered.
  func start(_ serve: @escaping @Sendable (FramedChannel) throws -> Int) {
    accepting.start { [self] connection, number in
      var logger = logger
      logger[metadataKey: "client"] = "\(number)"
      do {
        let stream = try wire.accept(connection, options: options)
        let registration = streams.add(stream)
        defer { streams.remove(registration) }
        let channel = FramedChannel(stream)
        defer { channel.close() }
        let hello = agreement.hello(.dataOwner, source: .lattice)
        let (peer, _) = try Hello.exchange(channel, hello, expecting: [.client])
        try wire.check(peer.role, stream.peerFingerprint, peers: [], clients: clients)
        logger.info("a client connected", metadata: ["peer": "\(stream.peerFingerprint)"])
        let queries = try serve(channel)
        logger.info("a client left", metadata: ["queries": "\(queries)"])
      } catch {
        logger.warning("a client's connection failed", metadata: ["error": "\(error)"])
        metrics.failures.add(1, ["reason": failureReason(error)])
      }
    }
  }

  /// Accepts no more.
  func stop() { accepting.stop() }

  /// Waits for the connections' threads; call it after ``stop()``.
  func wait() {
    guard !accepting.join(seconds: 2) else { return }
    streams.interruptAll()
    _ = accepting.join(seconds: 5)
  }
}
