import Correlations
import Inference
import Lattice
import MaterialStore
import Randomness
import TestSupport
import Transport

/// Model owner and data owner on threads of one process, prepared by lattices alone, all randomness seeded.
struct Duo {
  let model: ModelOwnerModel
  var limits = SessionLimits()
  /// The model owner's, where they are others.
  var modelLimits: SessionLimits?
  /// Where material waits; without them, in memory.
  var stores: (model: MaterialStore, data: MaterialStore)?
  /// Of each party.
  var threads = 1
  /// Shared by the sessions of a model, as daemons do.
  var cache = WeightTransformCache(limitBytes: 1 << 28)

  static let tables = LatticeTables()

  /// One direction of the channel.
  enum Link: CaseIterable, Sendable { case dataToModel, modelToData }

  /// Prepares `prepared` inferences, then runs one query for each batch. Of the outcome, a dealer's parts stay empty.
  func run(
    batches: [[[Int64]]], prepared: Int, fault: Fault? = nil, on link: Link = .dataToModel,
    idle: Duration = .milliseconds(300), sessionName: String = "session"
  ) throws -> Trio.Outcome {
    let options = StreamOptions(idleTimeout: fault == nil ? .seconds(60) : idle)
    var damaged: FaultyStream?
    func end(_ stream: MemoryStream, _ name: Link) -> any ByteStream {
      guard let fault, link == name else { return stream }
      let faulty = FaultyStream(stream, fault)
      damaged = faulty
      return faulty
    }
    let (dataMemory, modelMemory) = MemoryStream.pair(options: options)
    let (dataEnd, modelEnd) = (end(dataMemory, .dataToModel), end(modelMemory, .modelToData))
    let session = Digest32.sha256(Array(sessionName.utf8))
    let recording = ChannelConfiguration(recordsTranscript: true)
    let (model, limits, threads, cache) = (model, modelLimits ?? limits, threads, cache)
    @Sendable func stocked(_ store: MaterialStore, _ channel: FramedChannel, _ isModelOwner: Bool) throws
      -> StoreSession
    {
      try StoreSession(
        store: store, channel: channel, sessionID: session, isModelOwner: isModelOwner, planDigest: session,
        modelDigest: session)
    }
    let modelStore = stores?.model
    let parties = Threads()
    parties.start {
      let channel = FramedChannel(modelEnd, configuration: recording)
      defer { channel.close() }
      let source = LatticeModelOwnerSource(
        peer: channel, sessionID: session, tables: Self.tables, cache: cache, workers: WorkerPool(threads: threads),
        randomness: StreamGenerator(publicSeed: 61))
      let stock = try modelStore.map { try stocked($0, channel, true) }
      try ModelOwnerSession(channel: channel, model: model, source: source, store: stock, limits: limits).serve()
    }
    var outcome = Trio.Outcome()
    let channel = FramedChannel(dataEnd, configuration: recording)
    let source = LatticeDataOwnerSource(
      peer: channel, sessionID: session, tables: Self.tables, workers: WorkerPool(threads: threads),
      randomness: StreamGenerator(publicSeed: 62))
    do {
      let stock = try stores.map { try stocked($0.data, channel, false) }
      let owner = try DataOwnerSession(
        channel: channel, program: model.program, source: source, store: stock, limits: self.limits)
      let opened = channel.snapshot()
      try owner.prepare(count: prepared)
      let ready = channel.snapshot()
      for batch in batches { outcome.results += try owner.infer(batch) }
      outcome.query = channel.snapshot() - ready
      outcome.preparation = ready - opened
      outcome.opening = opened
      outcome.transcript = channel.transcript
      owner.close()
    } catch {
      channel.close()
      do { try parties.join(seconds: 60) } catch let hung as Threads.Hung { throw hung } catch {}
      throw error
    }
    try parties.join(seconds: 60)
    outcome.frames = damaged?.frame ?? 0
    return outcome
  }
}
