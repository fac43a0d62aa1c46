import Hardware
import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import ObliviousTransfer

/// Cost is code: a real run's bytes, frames and transfers must EQUAL what the descriptor says.
@Suite("Measured transfers equal the descriptor")
struct CostTests {
  let model: CostModel
  init() throws { model = try CostModel() }

  private func predict(_ call: String, _ method: TransferMethod, _ symbols: [String: Int]) throws -> CostSummary {
    var symbols = symbols
    var variant = "silent"
    if case .softSpoken(let k) = method {
      variant = "softspoken"
      symbols["k"] = k
      symbols["leaves"] = 1 << k
    } else {
      symbols["k"] = SilentParameters.bootstrap
      symbols["leaves"] = 1 << SilentParameters.bootstrap
    }
    return try model.cost(of: "ot", call: call, variant: variant, symbols: symbols)
  }

  private func expect(_ meters: ChannelMeters, _ costs: [CostSummary], _ place: SourceLocation) {
    let sent = costs.map { $0.traffic(from: .sender, to: .receiver) }
    let received = costs.map { $0.traffic(from: .receiver, to: .sender) }
    #expect(meters.payloadSent == sent.reduce(0) { $0 + $1.payloadBytes }, sourceLocation: place)
    #expect(meters.messagesSent == sent.reduce(0) { $0 + $1.frames }, sourceLocation: place)
    #expect(meters.payloadReceived == received.reduce(0) { $0 + $1.payloadBytes }, sourceLocation: place)
    #expect(meters.messagesReceived == received.reduce(0) { $0 + $1.frames }, sourceLocation: place)
    #expect(meters.totalReceived == received.reduce(0) { $0 + $1.totalBytes }, sourceLocation: place)
  }

  static let draws: [(TransferMethod, Int)] = [
    (.softSpoken(k: 1), 1), (.softSpoken(k: 2), 2048), (.softSpoken(k: 4), 2049), (.softSpoken(k: 4), 65_536),
    (.softSpoken(k: 8), 150_000), (.silent, 1), (.silent, 16_314), (.silent, 16_315), (.silent, 2_252_218),
    (.silent, 2_252_219), (.silent, 5_000_000),
  ]

  @Test("Set-up and a draw", arguments: draws)
  func draw(method: TransferMethod, count: Int) throws {
    let outcome = try Ends(method: method, seed: 70).run({ _ = try $0.draw(count) }, { _ = try $0.draw(count) })
    expect(outcome.setup, [try predict("begin", method, [:])], #_sourceLocation)
    expect(outcome.work, [try predict("draw", method, ["n": count])], #_sourceLocation)
  }

  @Test("Silent transfers cost at most 0.11 bytes each, set-up apart")
  func price() throws {
    for count in [1 << 20, 1 << 22, 1 << 24, 1 << 28] {
      let cost = try predict("draw", .silent, ["n": count]).traffic(from: .sender, to: .receiver)
      #expect(Double(cost.totalBytes) / Double(count) <= 0.11)
    }
  }

  @Test("Every use", arguments: [TransferMethod.silent, .softSpoken(k: 2)])
  func uses(method: TransferMethod) throws {
    let n = 777
    func check(
      _ call: String, _ symbols: [String: Int], _ sender: @escaping @Sendable (CorrelatedSender) throws -> Void,
      _ receiver: (CorrelatedReceiver) throws -> Void
    ) throws {
      let outcome = try Ends(method: method, seed: 71).run(
        {
          try sender($0)
          return $0.next
        },
        {
          try receiver($0)
          return $0.next
        })
      let cost = try predict(call, method, symbols)
      #expect(Int(outcome.sender) == cost.consumed(.correlated) && outcome.sender == outcome.receiver)
      // Triples draw twice and so leave the rest of two tiles; others draw in one call.
      let drawn = cost.consumed(.correlated)
      guard drawn <= CorrelatedSender.piece else { return }
      expect(outcome.work, [try predict("draw", method, ["n": drawn]), cost], #_sourceLocation)
    }
    try check(
      "words", ["n": n], { _ = try $0.randomWords(n, modulus: .field) }, { _ = try $0.randomWords(n, modulus: .field) })
    try check("bits", ["n": n], { _ = try $0.randomBits(n, width: 4) }, { _ = try $0.randomBits(n, width: 4) })
    try check("triples", ["n": n], { _ = try $0.bitTriples(n) }, { _ = try $0.bitTriples(n) })
    for m in [1, 3, 5] {
      let shape = TableShape(count: n, choiceBits: m)
      let none = (0..<m).map { _ in PackedBits(zeros: n) }
      try check(
        "tables", ["n": n, "m": m, "entries": 1 << m], { _ = try $0.tables(shape, entryBytes: 2) },
        { _ = try $0.bitTables(shape, choices: none, lanes: 2) })
    }
    for bits in [1, 20, 64] {
      try check(
        "transfer", ["n": n, "bits": bits],
        { try $0.transfer(zeros: SecretWords(zeros: n), ones: SecretWords(zeros: n), bits: bits) },
        { _ = try $0.transfer(choices: PackedBits(zeros: n), bits: bits) })
      try check(
        "products", ["n": n, "bits": bits], { _ = try $0.products(SecretWords(zeros: n), ring: .bits(bits)) },
        { _ = try $0.products(choices: PackedBits(zeros: n), ring: .bits(bits)) })
      try check(
        "randomProducts", ["n": n, "bits": bits],
        { _ = try $0.randomProducts(SecretWords(zeros: n), ring: bits == 64 ? .field : .bits(bits)) },
        { _ = try $0.randomProducts(n, ring: bits == 64 ? .field : .bits(bits)) })
    }
  }
}
