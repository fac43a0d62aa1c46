import Correlations
import Foundation
import Inference
public import Logging
import MaterialStore
public import Networks
import Programs
import Randomness
import Synchronization
import Transport

/// The data owner's daemon: keeps sessions with the model owner, refills their stock of prepared inferences, and serves
/// local clients over the control socket.
///
/// A session that breaks is opened again, with growing pauses, for as long as the daemon runs; its material is burnt.
public final class DataOwnerDaemon: Sendable {
  struct Health {
    var sessions = 0
    /// Inferences at hand in memory, by session.
    var pooled: [Int: Int] = [:]
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
  private let threads = ThreadGroup()
  private let control = Mutex<ControlServer?>(nil)

  /// Opens the control socket; ``start()`` dials the model owner and begins to serve.
  ///
  /// - Parameter wire: identity; the pins come from the configuration. Plain TCP is for measurements.
  /// - Throws: ``DaemonsError``
  public init(
    configuration: DataOwnerConfiguration, plan: Plan, agreement: Agreement, wire: Wire, logger: Logger,
    metrics: MetricsRegistry
  ) throws {
    self.configuration = configuration
    self.plan = plan
    self.agreement = agreement
    self.wire = wire
    self.logger = logger
    self.metrics = DaemonMetrics(metrics)
    queue = WorkQueue(limit: configuration.queueLimit)
    store = try configuration.store.map { try MaterialStore(path: $0.path, limit: $0.limit << 20) }
    sources = DataOwnerSources(configuration, agreement: agreement, wire: wire, streams: streams)
    let server = try ControlServer(path: configuration.control, stop: stopSignal, logger: logger)
    control.withLock { $0 = server }
  }

  /// Sessions that are connected.
  public var sessions: Int { health.withLock { $0.sessions } }
  /// Inferences prepared now.
  public var prepared: Int { (store?.readyCount ?? 0) + health.withLock { $0.pooled.values.reduce(0, +) } }

  /// Starts to dial and to serve.
  public func start() {
    logger.info(
      "the data owner serves",
      metadata: ["control": "\(configuration.control)", "peer": "\(configuration.peer.address)"])
    for index in 0..<configuration.sessions {
      threads.start(name: "session-\(index)") { [self] in keepSession(index) }
    }
    control.withLock { $0 }?.start(responder: self)
  }

  /// Refuses further requests and ends sessions after their running query.
  public func stop() {
    stopSignal.raise()
    queue.close()
  }

  /// Waits until all threads have ended; call it after ``stop()``.
  public func wait(grace: Double = 30) {
    if !threads.join(seconds: grace) {
      logger.warning("sessions are interrupted")
      streams.interruptAll()
      _ = threads.join(seconds: 5)
    }
    control.withLock { $0 }?.finish()
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
    let source = try daemon.sources.open(
      channel, sessionID: sessionID, options: options, cached: daemon.health.withLock { $0.difference })
    defer { daemon.sources.close(source) }
    let stock = try daemon.store.map {
      try StoreSession(
        store: $0, channel: channel, sessionID: sessionID, isModelOwner: false,
        planDigest: daemon.agreement.planDigest, modelDigest: daemon.agreement.modelDigest
      ) { [logger] in logger.debug("a row was taken", metadata: ["row": "\($0)"]) }
    }
    if stock?.burntAtOpening == true { logger.warning("a store had gone back: what was prepared is burnt") }
    let session = try DataOwnerSession(
      channel: channel, program: daemon.plan.program, source: source.source, store: stock)
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
    daemon.health.withLock { $0.sessions -= 1 }
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
        logger.warning("no room to prepare up to the level", metadata: ["prepared": "\(session.prepared)"])
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
        try prepare(count, atMost: daemon.configuration.prepareChunk, session, channel)
        daemon.queue.finish(item, .success(nil))
      case .query(let samples):
        daemon.queue.finish(item, .success(try ask(samples, session, channel)))
      }
    } catch let error as InferenceError {
      switch error {
      case .storeFull, .invalidBatch, .wrongInputSize:
        // Refused before anything was sent: the session goes on.
        daemon.queue.finish(item, .failure(.refused(code: .invalid, reason: error.description)))
      default:
        daemon.queue.retry(item, failure: .refused(code: .failed, reason: error.description))
        throw error
      }
    } catch {
      daemon.queue.retry(
        item, failure: .refused(code: .failed, reason: "the session broke while it ran; its material is burnt"))
      throw error
    }
  }

  private func ask(_ samples: [[Int64]], _ session: DataOwnerSession, _ channel: FramedChannel) throws -> QueryOutcome {
    let missing = max(0, samples.count - session.prepared)
    if missing > 0 {
      logger.notice("the store was empty: prepared on demand", metadata: ["inferences": "\(missing)"])
      daemon.metrics.onDemand.add(Double(missing))
      try prepare(missing, session, channel)
    }
    let before = channel.snapshot()
    let start = SystemCall.seconds()
    let outputs = try session.infer(samples)
    let seconds = SystemCall.seconds() - start
    let used = channel.meters - before
    daemon.metrics.count(used, phase: "online")
    return QueryOutcome(
      outputs: outputs, seconds: seconds, bytesSent: used.totalSent, bytesReceived: used.totalReceived,
      rounds: (used.flights + 1) / 2, preparedOnDemand: missing > 0)
  }
}
