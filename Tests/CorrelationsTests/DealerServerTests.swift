import Programs
import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import Correlations

@Suite("Dealer and hostile partners")
struct DealerServerTests {
  private let program = Dealing.randomProgram(seed: 5)

  private func order(_ isModelOwner: Bool, _ program: Program, _ pairing: Digest32 = Dealing.session) throws -> [UInt8]
  {
    try DealerOrder(pairing: pairing, isModelOwner: isModelOwner, peerFingerprint: .zero, program: program).encoded()
  }

  /// Both parties' raw channels to a dealer; gives the error of the thread that deals.
  private func dealing(
    _ model: [UInt8], _ data: [UInt8], server: DealerServer = Dealing.server(),
    _ talk: (FramedChannel, FramedChannel) throws -> Void
  ) -> (any Error)? {
    let (first, modelEnd) = MemoryStream.pair(options: StreamOptions(idleTimeout: .seconds(5)))
    let (second, dataEnd) = MemoryStream.pair(options: StreamOptions(idleTimeout: .seconds(5)))
    let threads = Threads()
    for stream in [first, second] { threads.start { try server.serve(FramedChannel(stream)) } }
    let (modelChannel, dataChannel) = (FramedChannel(modelEnd), FramedChannel(dataEnd))
    do {
      try modelChannel.send(.order, model)
      try dataChannel.send(.order, data)
      try talk(modelChannel, dataChannel)
    } catch { Issue.record("the parties' own side failed: \(error)") }
    do {
      try threads.join(seconds: 20)
      return nil
    } catch { return error }
  }

  @Test("Orders that name different programs or fingerprints")
  func ordersDiffer() throws {
    let other = Dealing.randomProgram(seed: 6)
    var error = dealing(try order(true, program), try order(false, other)) { _, _ in }
    #expect(error as? CorrelationError == .ordersDiffer(what: "program"))
    let strict = Dealing.server { $0.comparesFingerprints = true }
    error = dealing(try order(true, program), try order(false, program), server: strict) { _, _ in }
    #expect(error as? CorrelationError == .ordersDiffer(what: "parties' fingerprints"))
  }

  @Test("No partner, a second party of one role, and too many that wait")
  func meeting() throws {
    let hasty = Dealing.server { $0.partnerSeconds = 0 }
    let (end, party) = MemoryStream.pair()
    try FramedChannel(party).send(.order, try order(true, program))
    #expect(throws: CorrelationError.partnerMissing(seconds: 0)) { try hasty.serve(FramedChannel(end)) }
    let error = dealing(
      try order(true, program), try order(true, program), server: Dealing.server { $0.partnerSeconds = 1 }
    ) { _, _ in }
    // The second one is refused at once, the first one after its patience.
    #expect(error is CorrelationError)
    let full = Dealing.server { $0.waiting = 0 }
    let (busy, caller) = MemoryStream.pair()
    try FramedChannel(caller).send(.order, try order(true, program))
    #expect(throws: CorrelationError.self) { try full.serve(FramedChannel(busy)) }
  }

  @Test("An order above the bound is refused by its length alone")
  func oversized() throws {
    let (end, party) = MemoryStream.pair()
    try FramedChannel(party).send(.order, [UInt8](repeating: 0x20, count: DealerOrder.maximumEncodedBytes + 1))
    #expect(throws: TransportError.self) { try Dealing.server().serve(FramedChannel(end)) }
  }

  /// Ranges of the model owner and of the data owner, and what the dealer says.
  static let ranges: [(model: [UInt8], data: [UInt8], error: CorrelationError)] = [
    (SerialRange(0..<1).bytes, SerialRange(0..<2).bytes, .ordersDiffer(what: "inferences to deal")),
    (SerialRange(1..<2).bytes, SerialRange(1..<2).bytes, .serialOutOfOrder(found: 1, expected: 0)),
    (SerialRange(0..<1).bytes, SerialRange(0..<1025).bytes, .invalidBulk(count: 1025, limit: 1024)),
    (SerialRange(0..<1).bytes, [UInt8](repeating: 0, count: 12), .invalidBulk(count: 0, limit: 1024)),
    (
      SerialRange(0..<1).bytes, [UInt8](repeating: 255, count: 12),
      .invalidBulk(count: Int(UInt32.max), limit: 1024)
    ),
  ]

  @Test("Bulks that differ, repeat, or are out of bounds; the dealer then serves others", arguments: 0..<ranges.count)
  func bulks(index: Int) throws {
    let (model, data, expected) = Self.ranges[index]
    let server = Dealing.server()
    let error = dealing(try order(true, program), try order(false, program), server: server) { modelOwner, dataOwner in
      _ = try modelOwner.receive(.dealerReady, byteCount: 64)
      _ = try dataOwner.receive(.dealerReady, byteCount: 32)
      try modelOwner.send(.deal, model)
      try dataOwner.send(.deal, data)
    }
    #expect(error as? CorrelationError == expected)
    let dealt = try Dealing(program: program, weights: RandomWeights(program, seed: 1)).run([1], server: server)
    #expect(dealt.model.count == 1)
  }

  @Test("A model owner's source refuses a false tag, and a weight request of neither 0 nor 1")
  func modelOwnerSource() throws {
    let seed = SecretKey(bytes: [UInt8](repeating: 3, count: 32))
    let tag = WeightMasks(seed: seed).tag.bytes
    for (tag, request) in [([UInt8](repeating: 0, count: 32), UInt8(1)), (tag, 2), (tag, 255)] {
      let (dealer, toDealer) = MemoryStream.pair()
      let (data, toData) = MemoryStream.pair()
      try FramedChannel(dealer).send(.dealerReady, tag + [UInt8](repeating: 3, count: 32))
      try FramedChannel(data).send(.weightRequest, [request])
      let source = DealerModelOwnerSource(
        dealer: FramedChannel(toDealer), peer: FramedChannel(toData), sessionID: Dealing.session)
      do {
        try source.begin(program: program, weights: RandomWeights(program, seed: 1))
        Issue.record("accepted")
      } catch {
        guard case .unexpectedAnswer? = error as? CorrelationError else { Issue.record("\(error)"); continue }
      }
    }
  }

  @Test("Words that are not below p are refused, wherever they come from", arguments: [PrimeField.modulus, .max])
  func notReduced(word: UInt64) throws {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
    for kind in [FrameKind.linearCorrection, .oleCorrection, .oleDelta, .weightDifference] {
      let (one, two) = MemoryStream.pair()
      try FramedChannel(one).send(kind, [UInt8](repeating: 0, count: 8) + bytes)
      #expect(throws: CorrelationError.unexpectedAnswer(what: "a word is not below p")) {
        try FramedChannel(two).receiveWords(kind, tensorCount: 1, count: 2, modulus: .field)
      }
    }
  }
}
