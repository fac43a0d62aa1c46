import Correlations
import Foundation
public import Inference
public import Logging
import MaterialStore
public import Networks
import Programs
import Randomness
import Rings
import Synchronization
import Transport
import TwoParty

/// The data owner's daemon: keeps sessions with the model owner, refills their stock of prepared inferences, and serves
/// local clients over the control socket.
///
/// A session that breaks is opened again, with growing pauses, for as long as the daemon runs; its material is burnt.
public final class DataOwnerDaemon: Sendable {
  struct Health {
    var sessions = 0
    /// Inferences at hand in memory, by session.
    var pooled: [Int: Int] = [:]
    /// What sessions are busy with.
    var busy: [Int: SessionProgress] = [:]
    var lastFailure: String?
    var difference: WeightDifference?
  }

  let configuration: DataOwnerConfiguration
  let plan: Plan
  let agreement: Agreement
  let wire: Wire
  let logger: Logger
  let metrics: DaemonMetrics
  let queue: WorkQueue
  let health = Mutex(Health())
  let stopSignal = StopSignal()
  let streams = StreamRegistry()
  let sources: DataOwnerSources
  let store: MaterialStore?
  /// Server 1's share of a model; nil at a data owner.
  let share: ServerShare?
  private let clients: ClientListener?
  let trace: TraceRecorder?
  private let threads = ThreadGroup()
  private let control = Mutex<ControlServer?>(nil)

  /// Opens the control socket; ``start()`` dials the model owner and begins to serve.
  ///
  /// - Parameters:
  ///   - share: server 1's share of a model, where the configuration has a server; the plan is then its own.
  ///   - wire: identity; the pins come from the configuration. Plain TCP is for measurements.
  /// - Throws: ``DaemonsError``
  public init(
    configuration: DataOwnerConfiguration, plan: Plan, share: ServerShare? = nil, agreement: Agreement, wire: Wire,
    logger: Logger, metrics: MetricsRegistry
  ) throws {
    try Self.check(share, server: 1, plan: plan, isServer: configuration.server != nil, configuration.plan)
    self.share = share
    self.configuration = configuration
    self.plan = plan
    self.agreement = agreement
    self.wire = wire
    self.logger = logger
    let shown = DaemonMetrics(metrics)
    self.metrics = shown
    queue = WorkQueue(limit: configuration.queueLimit)
    store = try configuration.store.map { try MaterialStore(path: $0.path, limit: $0.limit << 20) }
    try store?.check(rowBytes: DataOwnerMaterial.byteCount(plan.program))
    trace = configuration.common.trace.map { TraceRecorder(path: $0, role: .dataOwner, program: plan.program) }
    sources = DataOwnerSources(configuration, agreement: agreement, wire: wire, streams: streams)
    clients = try configuration.server.map {
      try ClientListener(
        listen: $0.listen, clients: $0.clients, agreement: agreement, wire: wire, common: configuration.common,
        logger: logger, metrics: shown)
    }
    let server = try ControlServer(path: configuration.control, stop: stopSignal, logger: logger)
    control.withLock { $0 = server }
  }

  /// A share and a plan for one belong together, and to the role.
  static func check(_ share: ServerShare?, server: Int, plan: Plan, isServer: Bool, _ path: String) throws {
    guard isServer == (share != nil), isServer == (plan.program.deployment == .outsourced) else {
      throw DaemonsError.input(
        source: path, reason: isServer ? "it is not a share of a model" : "it is of a shared model; start servers")
    }
    guard share.map({ $0.server == server }) ?? true else {
      throw DaemonsError.input(source: path, reason: "it is the share of the other server; this is server \(server)")
    }
  }

  /// The port on which clients are served; nil at a data owner.
  public var clientPort: UInt16? { clients?.port }

  /// Sessions that are connected.
  public var sessions: Int { health.withLock { $0.sessions } }
  /// Inferences prepared now.
  public var prepared: Int { (store?.readyCount ?? 0) + health.withLock { $0.pooled.values.reduce(0, +) } }

  /// Starts to dial and to serve.
  public func start() {
    var metadata: Logger.Metadata = [
      "control": "\(configuration.control)", "peer": "\(configuration.peer.address)",
    ]
    if let port = clients?.port { metadata["port"] = "\(port)" }
    logger.info(clients == nil ? "the data owner serves" : "server 1 serves", metadata: metadata)
    for index in 0..<configuration.sessions {
      threads.start(name: "session-\(index)") { [self] in keepSession(index) }
    }
    control.withLock { $0 }?.start(responder: self)
    let service = ClientService(
      program: plan.program, maximumBatch: configuration.maximumBatch, queryTimeout: configuration.queryTimeout,
      stop: stopSignal)
    clients?.start { [self] channel in try service.serve(channel) { try run($0, $1, $2) } }
  }

  /// A client's query on this server's shares.
  private func run(_ seed: SecretKey, _ query: ClientQuery, _ name: SharedQueryName) throws -> SecretBytes {
    let start = SystemCall.seconds()
    do {
      let outcome = try queue.run(
        WorkItem(.shared(seed, query, name)), seconds: configuration.queryTimeout, isAbandoned: { stopSignal.isRaised })
      guard let share = outcome?.share else {
        throw DaemonsError.refused(code: .failed, reason: "the query had no result")
      }
      metrics.queries.add(1, ["outcome": "ok"])
      metrics.samples.add(Double(query.batch))
      metrics.querySeconds.observe(SystemCall.seconds() - start)
      return share
    } catch {
      metrics.queries.add(1, ["outcome": "failed"])
      throw error
    }
  }

  /// Refuses further requests and ends sessions after their running query.
  public func stop() {
    stopSignal.raise()
    queue.close()
    clients?.stop()
  }

  /// Waits until all threads have ended; call it after ``stop()``.
  public func wait(grace: Double = 30) {
    if !threads.join(seconds: grace) {
      logger.warning("sessions are interrupted")
      streams.interruptAll()
      _ = threads.join(seconds: 5)
    }
    control.withLock { $0 }?.finish()
    clients?.wait()
    logger.info("the data owner stopped")
  }

  /// Opens a session again and again until the daemon stops.
  private func keepSession(_ index: Int) {
    var pause = 0.1
    var logger = logger
    logger[metadataKey: "session"] = "\(index)"
    while !stopSignal.isRaised {
      do {
        try DataOwnerWorker(daemon: self, index: index, logger: logger).run { pause = 0.1 }
        metrics.sessionsEnded.add(1, ["outcome": "ok"])
      } catch {
        let text = "\(error)"
        health.withLock { $0.lastFailure = text }
        metrics.sessionsEnded.add(1, ["outcome": "failed"])
        metrics.failures.add(1, ["reason": failureReason(error)])
        logger.warning("the session failed", metadata: ["error": "\(text)", "retry-seconds": "\(pause)"])
        stopSignal.sleep(seconds: pause)
        pause = min(pause * 2, 10)
      }
    }
  }
}

/// One thread's session of the data owner, from dialling to its end.
struct DataOwnerWorker {
  let daemon: DataOwnerDaemon
  let index: Int
  let logger: Logger

  /// Runs until the daemon stops; throws when the session breaks.
  func run(didConnect: () -> Void) throws {
    let configuration = daemon.configuration
    let options = configuration.common.streamOptions
    let wire = daemon.wire
    let stream = try wire.pinning([configuration.peer.fingerprint]).connect(
      to: configuration.peer.address, options: options)
    let registration = daemon.streams.add(stream)
    defer { daemon.streams.remove(registration) }
    let channel = FramedChannel(stream, configuration: ChannelConfiguration(recordsTranscript: daemon.store != nil))
    defer { channel.close() }
    let number = UInt64.random(in: 1...UInt64.max)
    let (_, sessionID) = try Hello.exchange(
      channel,
      daemon.agreement.hello(
        .dataOwner, source: configuration.source, usesStore: daemon.store != nil, sessionNumber: number),
      expecting: [.modelOwner])
    let trace = daemon.trace?.session(number: number)
    channel.observer = trace
    defer { trace?.finish(logger) }
    let source = try daemon.sources.open(
      channel, sessionID: sessionID, options: options, cached: daemon.health.withLock { $0.difference },
      offsets: daemon.share?.offsets ?? [:])
    defer { daemon.sources.close(source) }
    let reverse = try daemon.share.map { _ in
      try daemon.sources.openReverse(channel, sessionID: sessionID, options: options)
    }
    defer { if let reverse { daemon.sources.close(reverse) } }
    let stock = try daemon.store.map {
      try StoreSession(
        store: $0, channel: channel, sessionID: sessionID, isModelOwner: false,
        planDigest: daemon.agreement.planDigest, modelDigest: daemon.agreement.modelDigest
      ) { [logger] in logger.debug("a row was taken", metadata: ["row": "\($0)"]) }
    }
    if stock?.burntAtOpening == true { logger.warning("a store had gone back: what was prepared is burnt") }
    let session = try DataOwnerSession(
      channel: channel, program: daemon.plan.program, source: source.source,
      server: daemon.share.flatMap { share in reverse.map { ServerOne(share: share, reverse: $0.source) } },
      store: stock)
    session.observer = ProgressObserver(program: daemon.plan.program, next: trace) { [daemon, index] progress in
      daemon.health.withLock { $0.busy[index] = progress }
    }
    if let difference = source.difference { daemon.health.withLock { $0.difference = difference } }
    daemon.metrics.count(channel.meters, phase: "other")
    logger.info("a session began", metadata: ["number": "\(number)"])
    didConnect()
    open()
    defer { close() }
    try loop(session, channel)
    session.close()
    logger.info("the session ended", metadata: ["queries": "\(session.statistics.queries)"])
  }

  private func open() {
    daemon.health.withLock { $0.sessions += 1 }
    daemon.metrics.sessions.add(1)
  }

  private func close() {
    daemon.health.withLock {
      $0.sessions -= 1
      $0.busy[index] = nil
    }
    daemon.metrics.sessions.add(-1)
    setStock(0)
  }

  private func setStock(_ count: Int) {
    let total = daemon.health.withLock { health in
      health.pooled[index] = count
      return health.pooled.values.reduce(0, +)
    }
    daemon.metrics.show(daemon.store)
    daemon.metrics.prepared.set(Double(total))
  }

  /// Whether this session refills the stock. Where a store is shared by several sessions, the first one does, so that the
  /// others answer queries meanwhile.
  private var refills: Bool { daemon.store == nil || index == 0 }
  /// Whether it refills before it takes queries.
  private var refillsFirst: Bool { daemon.store != nil && index == 0 && daemon.configuration.sessions > 1 }

  private func loop(_ session: DataOwnerSession, _ channel: FramedChannel) throws {
    let level = daemon.configuration.prepareLevel
    var isFull = false
    while !daemon.stopSignal.isRaised {
      let lacks = refills && session.prepared < level
      let refill = lacks ? min(daemon.configuration.prepareChunk, level - session.prepared, session.room) : 0
      if refill > 0, refillsFirst {
        try prepare(refill, session, channel)
      } else if let item = daemon.queue.take(seconds: refill > 0 ? 0 : 0.2) {
        try serve(item, session, channel)
      } else if try session.leaseAhead() {
        // The next query finds its material in memory.
      } else if refill > 0 {
        try prepare(refill, session, channel)
      } else if try channel.waitReadable(timeout: .zero) {
        // Between requests the model owner has nothing to say except that it leaves.
        throw TransportError.peerClosed(activity: "the session was idle")
      }
      let wasFull = isFull
      isFull = lacks && session.room == 0
      if isFull, !wasFull {
        logger.warning(
          "no room to prepare up to the level",
          metadata: ["prepared": "\(session.prepared)", "reason": "\(session.refusal)"])
      }
      setStock(session.pooled)
    }
  }

  /// Prepares in bulks of at most `chunk`, and of what fits one.
  private func prepare(
    _ count: Int, atMost chunk: Int = .max, _ session: DataOwnerSession, _ channel: FramedChannel
  ) throws {
    let limit = min(chunk, BulkLimits.maximum(for: daemon.plan.program))
    var left = count
    while left > 0 {
      let bulk = min(left, limit)
      let start = SystemCall.seconds()
      let before = channel.snapshot()
      try session.prepare(count: bulk)
      daemon.metrics.count(channel.meters - before, phase: "preparation")
      daemon.metrics.preparedTotal.add(Double(bulk))
      daemon.metrics.prepareSeconds.observe(SystemCall.seconds() - start)
      left -= bulk
    }
  }

  private func serve(_ item: WorkItem, _ session: DataOwnerSession, _ channel: FramedChannel) throws {
    do {
      switch item.task {
      case .prepare(let count):
        try session.checkRoom(count)
        try prepare(count, atMost: daemon.configuration.prepareChunk, session, channel)
        daemon.queue.finish(item, .success(nil))
      case .query(let samples):
        daemon.queue.finish(
          item,
          .success(
            try ask(samples.count, session, channel) { (outputs: try session.infer(samples), share: nil) }))
      case .shared(let seed, let query, let name):
        let input = daemon.plan.program.input
        daemon.queue.finish(
          item,
          .success(
            try ask(query.batch, session, channel) {
              (
                outputs: [],
                share: try session.infer(
                  shares: ClientShare.second(
                    seed: seed, query: query, count: input.shape.count, modulus: input.modulus), name: name)
              )
            }))
      }
    } catch let error as InferenceError {
      switch error {
      case .storeFull, .invalidBatch, .wrongInputSize, .shareMissing:
        // Refused before anything was sent: the session goes on.
        daemon.queue.finish(item, .failure(.refused(code: .invalid, reason: error.description)))
      default:
        again(item, .refused(code: .failed, reason: error.description))
        throw error
      }
    } catch let error as StoreError where error.isRefusal {
      daemon.queue.finish(item, .failure(.refused(code: .invalid, reason: error.description)))
    } catch {
      again(item, .refused(code: .failed, reason: "the session broke while it ran; its material is burnt"))
      throw error
    }
  }

  /// Queries are tried again, but for those on shares: server 0 may have given its share of the first run's result away.
  private func again(_ item: WorkItem, _ failure: DaemonsError) {
    if case .shared = item.task {
      daemon.queue.finish(item, .failure(failure))
    } else {
      daemon.queue.retry(item, failure: failure)
    }
  }

  private func ask(
    _ samples: Int, _ session: DataOwnerSession, _ channel: FramedChannel,
    _ run: () throws -> (outputs: [[Int64]], share: SecretBytes?)
  ) throws -> QueryOutcome {
    let missing = max(0, samples - session.prepared)
    if missing > 0 {
      logger.notice("the store was empty: prepared on demand", metadata: ["inferences": "\(missing)"])
      daemon.metrics.onDemand.add(Double(missing))
      // Of a batch that memory cannot hold at once, the rest is prepared while it is answered.
      try prepare(daemon.store == nil ? min(missing, session.room) : missing, session, channel)
    }
    let before = channel.snapshot()
    let start = SystemCall.seconds()
    let result = try run()
    let seconds = SystemCall.seconds() - start
    let used = channel.meters - before
    daemon.metrics.count(used, phase: "online")
    return QueryOutcome(
      outputs: result.outputs, share: result.share, seconds: seconds, bytesSent: used.totalSent,
      bytesReceived: used.totalReceived,
      rounds: (used.flights + 1) / 2, preparedOnDemand: missing > 0)
  }
}
