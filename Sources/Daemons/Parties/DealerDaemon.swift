import Correlations
public import Logging
public import Randomness
import Transport

/// The dealer's daemon: listens, pairs the parties of each session, and deals correlated randomness to them.
///
/// Trust asked for: a dealer that pools what it knows with the data owner learns the weights, and with the model owner
/// every input. Alone it learns neither; it sees the program, the parties' fingerprints, and how often they ask.
public final class DealerDaemon: Sendable {
  private let wire: Wire
  private let options: StreamOptions
  private let protocolsDigest: Digest32
  private let logger: Logger
  private let metrics: DaemonMetrics
  private let server: DealerServer
  private let accepting: AcceptLoop
  private let streams = StreamRegistry()
  private let stopSignal = StopSignal()

  /// Opens the listening port; ``start()`` begins to serve. The secret behind the masks of weights is drawn here and
  /// dies with the process.
  ///
  /// - Parameter wire: identity and pinned parties, or plain TCP for measurements.
  /// - Throws: `TransportError`, for instance when the port is in use.
  public init(
    configuration: DealerConfiguration, protocolsDigest: Digest32, wire: Wire, logger: Logger, metrics: MetricsRegistry
  ) throws {
    self.wire = wire
    self.logger = logger
    self.metrics = DaemonMetrics(metrics)
    self.protocolsDigest = protocolsDigest
    options = configuration.common.streamOptions
    let random = SystemRandom()
    server = DealerServer(secret: SecretKey(count: 32, from: random), random: random)
    accepting = try AcceptLoop(listen: configuration.listen, limit: configuration.connections, logger: logger)
  }

  /// The port in use.
  public var port: UInt16 { accepting.port }

  /// Starts to serve.
  public func start() {
    logger.info("the dealer serves", metadata: ["port": "\(port)"])
    accepting.start { [self] connection, number in serve(connection, number) }
  }

  /// Refuses new connections and ends the others after their running bulk.
  public func stop() {
    stopSignal.raise()
    accepting.stop()
  }

  /// Waits until all connections have ended; call it after ``stop()``.
  public func wait(grace: Double = 5) {
    if !accepting.join(seconds: grace) {
      streams.interruptAll()
      _ = accepting.join(seconds: 5)
    }
    logger.info("the dealer stopped")
  }

  private func serve(_ connection: AcceptedConnection, _ number: Int) {
    var logger = logger
    logger[metadataKey: "connection"] = "\(number)"
    logger[metadataKey: "from"] = "\(connection.peerAddress)"
    metrics.sessions.add(1)
    defer { metrics.sessions.add(-1) }
    do {
      let stream = try wire.accept(connection, options: options)
      let registration = streams.add(stream)
      defer { streams.remove(registration) }
      let channel = FramedChannel(stream)
      defer { channel.close() }
      logger[metadataKey: "peer"] = "\(stream.peerFingerprint)"
      let (peer, _) = try Hello.exchange(channel, Agreement.dealerHello(.dealer, protocolsDigest: protocolsDigest))
      logger[metadataKey: "role"] = "\(peer.role)"
      logger.info("a party connected")
      let dealt = try server.serve(channel) { [stopSignal] in stopSignal.isRaised }
      metrics.preparedTotal.add(Double(dealt))
      metrics.count(channel.meters, phase: "dealing")
      metrics.sessionsEnded.add(1, ["outcome": "ok"])
      logger.info("a party left", metadata: ["dealt": "\(dealt)"])
    } catch {
      metrics.sessionsEnded.add(1, ["outcome": "failed"])
      metrics.failures.add(1, ["reason": failureReason(error)])
      logger.warning("a connection failed", metadata: ["error": "\(error)"])
    }
  }
}
