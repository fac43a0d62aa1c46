import Correlations
import Foundation
import Inference
import Programs
import Randomness
import Rings
import TestSupport
import Transport

/// Model owner, data owner and dealer on threads of one process, all randomness seeded.
struct Trio {
  let model: ModelOwnerModel
  var limits = SessionLimits()
  /// How the dealer's two links behave, where not like the one between the parties.
  var dealerLinks: StreamOptions?
  /// Whether the dealer's ends keep what it writes until it flushes.
  var dealerHoards = false

  /// One direction of one of the three channels.
  enum Link: CaseIterable, Sendable {
    case dataToModel, modelToData, dealerToModel, modelToDealer, dealerToData, dataToDealer
  }

  struct Outcome {
    var results: [[Int64]] = []
    /// The data owner's view of all queries, of the preparation before them, and of its channel to the dealer meanwhile.
    var query = ChannelMeters()
    var preparation = ChannelMeters()
    var dealing = ChannelMeters()
    /// The data owner's view of both its channels when the session stood, before any preparation.
    var opening = ChannelMeters()
    var dealerOpening = ChannelMeters()
    /// The model owner's view of its channel to the dealer, whole session.
    var modelDealing = ChannelMeters()
    var transcript: Digest32?
    /// Frames that passed the link of the fault.
    var frames = 0
  }

  /// The dealer of a run, unless one is given. Its generator is seeded and belongs to one session at a time.
  static func dealer(partnerSeconds: Int = 60) -> DealerServer {
    var limits = DealerLimits()
    limits.comparesFingerprints = false
    limits.partnerSeconds = partnerSeconds
    return DealerServer(
      secret: SecretKey(bytes: [UInt8](repeating: 7, count: 16)), random: StreamGenerator(publicSeed: 11),
      limits: limits)
  }

  /// Prepares `prepared` inferences, then runs one query for each batch.
  func run(
    batches: [[[Int64]]], prepared: Int, fault: Fault? = nil, on link: Link = .dataToModel,
    idle: Duration = .milliseconds(300), dealer given: DealerServer? = nil, sessionName: String = "session"
  ) throws -> Outcome {
    let options = StreamOptions(idleTimeout: fault == nil ? .seconds(60) : idle)
    var damaged: FaultyStream?
    func end(_ stream: MemoryStream, _ name: Link) -> any ByteStream {
      guard let fault, link == name else { return stream }
      let faulty = FaultyStream(stream, fault)
      damaged = faulty
      return faulty
    }
    let (dataMemory, modelMemory) = MemoryStream.pair(options: options)
    let (dealerForModelMemory, modelToDealerMemory) = MemoryStream.pair(options: dealerLinks ?? options)
    let (dealerForDataMemory, dataToDealerMemory) = MemoryStream.pair(options: dealerLinks ?? options)
    let (dataEnd, modelEnd) = (end(dataMemory, .dataToModel), end(modelMemory, .modelToData))
    let (dealerForModel, modelToDealer) =
      (end(dealerForModelMemory, .dealerToModel), end(modelToDealerMemory, .modelToDealer))
    let (dealerForData, dataToDealer) =
      (end(dealerForDataMemory, .dealerToData), end(dataToDealerMemory, .dataToDealer))
    let dealer = given ?? Self.dealer(partnerSeconds: fault == nil ? 60 : 1)
    let session = Digest32.sha256(Array(sessionName.utf8))
    let threads = Threads()
    for stream in [dealerForModel, dealerForData] {
      let end: any ByteStream = dealerHoards ? HoardingStream(stream) : stream
      threads.start { try dealer.serve(FramedChannel(end)) }
    }
    let recording = ChannelConfiguration(recordsTranscript: true)
    let model = model
    let sessionLimits = self.limits
    let modelMeters = Meters()
    threads.start {
      let channel = FramedChannel(modelEnd, configuration: recording)
      let dealerChannel = FramedChannel(modelToDealer)
      defer { modelMeters.value = dealerChannel.snapshot() }
      let source = DealerModelOwnerSource(dealer: dealerChannel, peer: channel, sessionID: session)
      try ModelOwnerSession(channel: channel, model: model, source: source, limits: sessionLimits).serve()
    }
    var outcome = Outcome()
    let channel = FramedChannel(dataEnd, configuration: recording)
    let dealerChannel = FramedChannel(dataToDealer)
    let source = DealerDataOwnerSource(dealer: dealerChannel, peer: channel, sessionID: session)
    do {
      let owner = try DataOwnerSession(channel: channel, program: model.program, source: source, limits: sessionLimits)
      let opened = channel.snapshot()
      let dealerOpened = dealerChannel.snapshot()
      try owner.prepare(count: prepared)
      let ready = channel.snapshot()
      for batch in batches { outcome.results += try owner.infer(batch) }
      outcome.query = channel.snapshot() - ready
      outcome.preparation = ready - opened
      outcome.opening = opened
      outcome.dealerOpening = dealerOpened
      outcome.dealing = dealerChannel.snapshot() - dealerOpened
      outcome.transcript = channel.transcript
      owner.close()
    } catch {
      channel.close()
      dealerChannel.close()
      do { try threads.join(seconds: 60) } catch let hung as Threads.Hung { throw hung } catch {}
      throw error
    }
    try threads.join(seconds: 60)
    outcome.modelDealing = modelMeters.value
    outcome.frames = damaged?.frame ?? 0
    return outcome
  }
}

// Unchecked: written by one thread, read after it was joined.
private final class Meters: @unchecked Sendable {
  var value = ChannelMeters()
}
