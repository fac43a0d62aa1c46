import ObliviousTransfer
import Randomness
import Rings
import TestSupport
import Transport

/// Both ends of a direction of transfers over memory, on seeded streams, with what was sent.
struct Ends {
  var method: TransferMethod = .softSpoken(k: 4)
  var seed: UInt64 = 1
  var variants = (CipherVariant.best, CipherVariant.best)
  var lane: UInt32 = 0

  struct Outcome<First, Second> {
    var sender: First
    var receiver: Second
    /// As the sender saw it, set-up and work apart.
    var setup = ChannelMeters()
    var work = ChannelMeters()
    var transcript: Digest32
  }

  func session() -> TransferSession {
    TransferSession(id: Digest32.sha256(Array("transfer test \(seed)".utf8)), lane: lane)
  }

  /// Runs both ends after their set-up, and ends them.
  func run<First: Sendable, Second>(
    _ sender: @escaping @Sendable (CorrelatedSender) throws -> First, _ receiver: (CorrelatedReceiver) throws -> Second
  ) throws -> Outcome<First, Second> {
    let (left, right) = MemoryStream.pair()
    let (method, session, variants, seed) = (method, session(), variants, seed)
    let (mine, theirs) = try together(
      {
        let channel = FramedChannel(left, configuration: ChannelConfiguration(recordsTranscript: true))
        let end = CorrelatedSender(
          channel: channel, session: session, method: method,
          randomness: StreamGenerator(publicSeed: 2 * seed), variant: variants.0)
        try end.begin()
        let begun = channel.snapshot()
        let result = try sender(end)
        end.end()
        try channel.flush()
        return (result, begun, channel.snapshot() - begun, channel.transcript!)
      },
      {
        let channel = FramedChannel(right, configuration: ChannelConfiguration(recordsTranscript: true))
        let end = CorrelatedReceiver(
          channel: channel, session: session, method: method,
          randomness: StreamGenerator(publicSeed: 2 * seed + 1), variant: variants.1)
        try end.begin()
        let result = try receiver(end)
        end.end()
        try channel.flush()
        return result
      })
    return Outcome(sender: mine.0, receiver: theirs, setup: mine.1, work: mine.2, transcript: mine.3)
  }
}

/// Instruction sets that this processor runs.
let ciphers = CipherVariant.allCases.filter(\.isAvailable)
