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

  struct Outcome {
    var results: [[Int64]] = []
    /// The data owner's view of all queries, of the preparation before them, and of its channel to the dealer meanwhile.
    var query = ChannelMeters()
    var preparation = ChannelMeters()
    var dealing = ChannelMeters()
    var transcript: Digest32?
  }

  /// Prepares `prepared` inferences, then runs one query for each batch.
  func run(batches: [[[Int64]]], prepared: Int, fault: Fault? = nil) throws -> Outcome {
    let options = StreamOptions(idleTimeout: fault == nil ? .seconds(60) : .milliseconds(300))
    let (dataMemory, modelEnd) = MemoryStream.pair(options: options)
    let dataEnd: any ByteStream = fault.map { FaultyStream(dataMemory, $0) } ?? dataMemory
    let (dealerForModel, modelToDealer) = MemoryStream.pair(options: options)
    let (dealerForData, dataToDealer) = MemoryStream.pair(options: options)
    var limits = DealerLimits()
    limits.comparesFingerprints = false
    limits.partnerSeconds = fault == nil ? 60 : 1
    let dealer = DealerServer(
      secret: SecretKey(bytes: [UInt8](repeating: 7, count: 16)), random: StreamGenerator(publicSeed: 11),
      limits: limits)
    let session = Digest32.sha256(Array("session".utf8))
    let threads = Threads()
    for stream in [dealerForModel, dealerForData] {
      threads.start { try dealer.serve(FramedChannel(stream)) }
    }
    let recording = ChannelConfiguration(recordsTranscript: true)
    let model = model
    let sessionLimits = self.limits
    threads.start {
      let channel = FramedChannel(modelEnd, configuration: recording)
      let source = DealerModelOwnerSource(dealer: FramedChannel(modelToDealer), peer: channel, sessionID: session)
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
      outcome.dealing = dealerChannel.snapshot() - dealerOpened
      outcome.transcript = channel.transcript
      owner.close()
    } catch {
      channel.close()
      dealerChannel.close()
      try? threads.join()
      throw error
    }
    try threads.join()
    return outcome
  }
}
