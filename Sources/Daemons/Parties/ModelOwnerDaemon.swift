import Correlations
public import Inference
public import Logging
import MaterialStore
import Programs
import Randomness
import Synchronization
import Transport

/// The model owner's daemon: listens, and serves each data owner on a thread of its own.
///
/// A connection that fails, in whatever way, ends its session, frees it, burns its material, and leaves the others alone.
public final class ModelOwnerDaemon: Sendable {
  private let configuration: ModelOwnerConfiguration
  private let model: ModelOwnerModel
  private let agreement: Agreement
  private let wire: Wire
  private let logger: Logger
  private let metrics: DaemonMetrics
  private let accepting: AcceptLoop
  private let streams = StreamRegistry()
  private let stopSignal = StopSignal()
  private let sources: ModelOwnerSources
  private let store: MaterialStore?
  private let desk = ClientDesk()
  private let openClients = Atomic<Int>(0)
  /// D = W1 - A1 of server 1's weights, once a session has begun with a dealer.
  private let difference = Mutex<WeightDifference?>(nil)
  private let trace: TraceRecorder?

  /// Opens the listening port; ``start()`` begins to serve.
  ///
  /// - Parameter wire: identity and pinned data owners, or plain TCP for measurements.
  /// - Throws: `TransportError`, for instance when the port is in use.
  public init(
    configuration: ModelOwnerConfiguration, model: ModelOwnerModel, agreement: Agreement, wire: Wire, logger: Logger,
    metrics: MetricsRegistry
  ) throws {
    guard (model.program.deployment == .outsourced) == (configuration.clients != nil) else {
      throw DaemonsError.input(source: configuration.model, reason: "a share of a model is for servers, a model is not")
    }
    self.configuration = configuration
    self.model = model
    self.agreement = agreement
    self.wire = wire
    self.logger = logger
    self.metrics = DaemonMetrics(metrics)
    store = try configuration.store.map { try MaterialStore(path: $0.path, limit: $0.limit << 20) }
    try store?.check(rowBytes: ModelOwnerMaterial.byteCount(model.program))
    trace = configuration.common.trace.map { TraceRecorder(path: $0, role: .modelOwner, program: model.program) }
    sources = ModelOwnerSources(configuration, agreement: agreement, wire: wire, streams: streams)
    accepting = try AcceptLoop(
      listen: configuration.listen,
      limit: configuration.sessions + (configuration.clients == nil ? 0 : ClientService.maximumClients), logger: logger)
  }

  /// The port in use.
  public var port: UInt16 { accepting.port }
  /// Sessions that are open.
  public var sessions: Int { accepting.count }

  /// Starts to serve.
  public func start() {
    logger.info(
      configuration.clients == nil ? "the model owner serves" : "server 0 serves",
      metadata: ["host": "\(configuration.listen.host)", "port": "\(port)", "plan": "\(agreement.planDigest)"])
    accepting.start { [self] connection, number in serve(connection, number) }
  }

  /// Refuses new connections and ends sessions after their running query.
  public func stop() {
    stopSignal.raise()
    accepting.stop()
  }

  /// Waits until all sessions have ended; those that do not within the grace are interrupted. Call it after ``stop()``.
  public func wait(grace: Double = 30) {
    if !accepting.join(seconds: grace) {
      logger.warning("sessions are interrupted", metadata: ["open": "\(sessions)"])
      streams.interruptAll()
      _ = accepting.join(seconds: 5)
    }
    logger.info("the model owner stopped")
  }

  private func serve(_ connection: AcceptedConnection, _ number: Int) {
    var logger = logger
    logger[metadataKey: "session"] = "\(number)"
    logger[metadataKey: "from"] = "\(connection.peerAddress)"
    metrics.sessions.add(1)
    defer { metrics.sessions.add(-1) }
    do {
      let outcome = try run(connection, &logger)
      logger.info("the session ended", metadata: outcome)
      metrics.sessionsEnded.add(1, ["outcome": "ok"])
    } catch {
      logger.warning("the session failed", metadata: ["error": "\(error)"])
      metrics.sessionsEnded.add(1, ["outcome": "failed"])
      metrics.failures.add(1, ["reason": failureReason(error)])
    }
  }

  private func run(_ connection: AcceptedConnection, _ logger: inout Logger) throws -> Logger.Metadata {
    let options = configuration.common.streamOptions
    let stream = try wire.accept(connection, options: options)
    let registration = streams.add(stream)
    defer { streams.remove(registration) }
    let channel = FramedChannel(stream, configuration: ChannelConfiguration(recordsTranscript: store != nil))
    defer { channel.close() }
    let (peer, sessionID) = try Hello.exchange(
      channel, agreement.hello(.modelOwner, source: configuration.source, usesStore: store != nil),
      expecting: configuration.clients == nil ? [.dataOwner] : [.dataOwner, .client])
    logger[metadataKey: "peer"] = "\(stream.peerFingerprint)"
    try wire.check(peer.role, stream.peerFingerprint, peers: configuration.peers, clients: configuration.clients ?? [])
    if peer.role == .client { return try serveClient(channel, logger) }
    let sessionTrace = trace?.session(number: peer.sessionNumber)
    channel.observer = sessionTrace
    defer { sessionTrace?.finish(logger) }
    let source = try sources.open(channel, sessionID: sessionID, options: options)
    defer { sources.close(source) }
    let reverse = try configuration.clients.map { _ in
      try sources.openReverse(
        channel, sessionID: sessionID, options: options, cached: difference.withLock { $0 })
    }
    defer {
      if let reverse {
        if let found = reverse.difference { difference.withLock { $0 = found } }
        sources.close(reverse)
      }
    }
    let stock = try store.map {
      try StoreSession(
        store: $0, channel: channel, sessionID: sessionID, isModelOwner: true, planDigest: agreement.planDigest,
        modelDigest: agreement.modelDigest
      ) { [logger] in logger.debug("a row was taken", metadata: ["row": "\($0)"]) }
    }
    if stock?.burntAtOpening == true { logger.warning("a store had gone back: what was prepared is burnt") }
    let session = ModelOwnerSession(
      channel: channel, model: model, source: source.source,
      server: reverse.map { ServerZero(reverse: $0.source, clients: desk) }, store: stock)
    session.observer = sessionTrace
    logger.info("a session began", metadata: ["number": "\(peer.sessionNumber)"])
    try serve(session, channel, logger)
    return ["queries": "\(session.statistics.queries)", "samples": "\(session.statistics.samples)"]
  }

  /// Server 0: a client's connection.
  private func serveClient(_ channel: FramedChannel, _ logger: Logger) throws -> Logger.Metadata {
    let open = openClients.add(1, ordering: .relaxed).newValue
    defer { openClients.subtract(1, ordering: .relaxed) }
    guard open <= ClientService.maximumClients else {
      throw DaemonsError.refused(code: .busy, reason: "\(open) clients are connected")
    }
    logger.info("a client connected")
    let service = ClientService(
      program: model.program, maximumBatch: configuration.maximumBatch, queryTimeout: configuration.queryTimeout,
      stop: stopSignal)
    return ["queries": "\(try service.serve(channel, desk: desk))"]
  }

  private func serve(_ session: ModelOwnerSession, _ channel: FramedChannel, _ logger: Logger) throws {
    var last = channel.meters
    var work = 0
    var stock = 0
    var idleSince = SystemCall.seconds()
    defer {
      metrics.count(channel.meters - last, phase: "other")
      metrics.prepared.add(-Double(stock))
    }
    // Both closures run on this thread, between queries.
    try session.serve(
      shouldStop: {
        let done = session.statistics.queries + session.statistics.prepared
        if done != work { (work, idleSince) = (done, SystemCall.seconds()) }
        metrics.prepared.add(Double(session.pooled - stock))
        metrics.show(store)
        stock = session.pooled
        metrics.count(channel.meters - last, phase: "other")
        last = channel.meters
        return stopSignal.isRaised || SystemCall.seconds() - idleSince > configuration.idleTimeout
      },
      didAnswer: { samples in
        metrics.queries.add(1, ["outcome": "ok"])
        metrics.samples.add(Double(samples))
        metrics.count(channel.meters - last, phase: "online")
        last = channel.meters
      })
  }
}
