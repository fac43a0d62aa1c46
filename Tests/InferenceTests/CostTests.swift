import Hardware
import Programs
import Rings
import TestSupport
import Testing
import Transport

@testable import Inference

/// Cost is code: a real run's bytes, frames and rounds must EQUAL what the descriptors say.
@Suite("Measured cost equals the descriptors")
struct CostTests {
  static let programs: [(name: String, program: Program)] = [
    ("plain", Examples.plain()), ("local", Examples.plain(.local)), ("residual", Examples.residual()),
    ("joined", Examples.joined()), ("square", Examples.square(8195)), ("relu", Examples.relu(2055)),
    ("relu, bytes", Examples.function(.relu, bits: 24, .bytes)), ("leaky", Examples.function(.leakyReLU(shift: 2))),
    ("sloped", Examples.function(.slopedReLU(numerator: 1, denominator: 100))),
    ("clip", Examples.function(.clip(lower: 0, upper: 900), to: .field)),
    ("narrow", Examples.function(.absolute, bits: 5)),
    ("wide", Examples.function(.relu, bits: 58)), ("mixed", Examples.mixed()),
    ("max", Examples.pooled(WindowGeometry(kernel: 3, stride: 2, padding: 1), isLabel: true)),
    ("floor", Examples.floored()), ("floor, bytes", Examples.floored(27, .bytes)),
    ("whole ring", Examples.relu(300, bits: 64)),
    ("wide max", Examples.pooled(WindowGeometry(Examples.wide), isLabel: true)), ("balanced", Examples.balanced()),
    ("offsets", Examples.offsets()), ("tracked", Examples.function(.relu, bits: 24, dropped: 11, .bytes, tracks: true)),
    ("tracked leaky", Examples.function(.leakyReLU(shift: 2), dropped: 3, tracks: true)),
    ("tracked clip", Examples.function(.clip(lower: -200, upper: 900), bits: 50, dropped: 12, .bytes, tracks: true)),
    ("max in F_p", Examples.pooled(WindowGeometry(kernel: 2, stride: 2, padding: 0), to: .field)),
  ]

  @Test("Online phase of a query", arguments: 0..<programs.count, [1, 3])
  func online(index: Int, batch: Int) throws {
    let example = Example(Self.programs[index].program, seed: 21)
    let model = try CostModel()
    let outcome = try Trio(model: example.model()).run(
      batches: [example.inputs(batch, seed: 22)], prepared: batch)
    let predicted = try model.predict(program: example.program, phase: .online, batch: batch)
    let sent = predicted.total.traffic(from: .dataOwner, to: .modelOwner)
    let received = predicted.total.traffic(from: .modelOwner, to: .dataOwner)
    #expect(outcome.query.payloadSent == sent.payloadBytes)
    #expect(outcome.query.messagesSent == sent.frames)
    #expect(outcome.query.totalSent == sent.totalBytes)
    #expect(outcome.query.payloadReceived == received.payloadBytes)
    #expect(outcome.query.messagesReceived == received.frames)
    #expect(outcome.query.flights == predicted.flights(.modelOwner, .dataOwner))
  }

  @Test("Preparation of a bulk", arguments: 0..<programs.count, [1, 4])
  func offline(index: Int, bulk: Int) throws {
    let example = Example(Self.programs[index].program, seed: 23)
    let model = try CostModel()
    let outcome = try Trio(model: example.model()).run(batches: [], prepared: bulk)
    let predicted = try model.predict(program: example.program, phase: .offline, bulk: bulk, source: .dealer)
    let sent = predicted.total.traffic(from: .dataOwner, to: .modelOwner)
    let received = predicted.total.traffic(from: .modelOwner, to: .dataOwner)
    #expect(outcome.preparation.payloadSent == sent.payloadBytes)
    #expect(outcome.preparation.messagesSent == sent.frames)
    #expect(outcome.preparation.payloadReceived == received.payloadBytes)
    #expect(outcome.preparation.messagesReceived == received.frames)
    let fromDealer = predicted.total.traffic(from: .dealer, to: .dataOwner)
    let toDealer = predicted.total.traffic(from: .dataOwner, to: .dealer)
    #expect(outcome.dealing.payloadReceived == fromDealer.payloadBytes)
    #expect(outcome.dealing.messagesReceived == fromDealer.frames)
    #expect(outcome.dealing.payloadSent == toDealer.payloadBytes)
  }

  @Test("Session and set-up, and the model owner's line to the dealer", arguments: 0..<programs.count)
  func opening(index: Int) throws {
    let example = Example(Self.programs[index].program, seed: 25)
    let model = try CostModel()
    let outcome = try Trio(model: example.model()).run(batches: [example.inputs(2, seed: 26)], prepared: 2)
    let session = try model.predict(program: example.program, phase: .session, source: .dealer).total
    let setup = try model.predict(program: example.program, phase: .setup, source: .dealer).total
    let offline = try model.predict(program: example.program, phase: .offline, bulk: 2, source: .dealer).total
    let (given, asked) = (
      setup.traffic(from: .modelOwner, to: .dataOwner), session.traffic(from: .dataOwner, to: .modelOwner)
    )
    #expect(outcome.opening.payloadReceived == given.payloadBytes)
    #expect(outcome.opening.messagesReceived == given.frames)
    #expect(outcome.opening.payloadSent == asked.payloadBytes)
    #expect(outcome.opening.messagesSent == asked.frames)
    let ready = session.traffic(from: .dealer, to: .dataOwner)
    #expect(outcome.dealerOpening.payloadReceived == ready.payloadBytes)
    #expect(outcome.dealerOpening.messagesReceived == ready.frames)
    let (once, dealt) = (
      session.traffic(from: .dealer, to: .modelOwner), offline.traffic(from: .dealer, to: .modelOwner)
    )
    #expect(outcome.modelDealing.payloadReceived == once.payloadBytes + dealt.payloadBytes)
    #expect(outcome.modelDealing.messagesReceived == once.frames + dealt.frames)
    // The order is not predicted: one frame.
    #expect(
      outcome.modelDealing.messagesSent == offline.traffic(from: .modelOwner, to: .dealer).frames + 1)
  }
}

/// The same without a dealer.
@Suite("Measured cost of lattice preparation equals its descriptor")
struct LatticeCostTests {
  private func expectEqual(_ meters: ChannelMeters, _ predicted: CostPrediction) {
    let sent = predicted.total.traffic(from: .dataOwner, to: .modelOwner)
    let received = predicted.total.traffic(from: .modelOwner, to: .dataOwner)
    #expect(meters.payloadSent == sent.payloadBytes)
    #expect(meters.messagesSent == sent.frames)
    #expect(meters.totalSent == sent.totalBytes)
    #expect(meters.payloadReceived == received.payloadBytes)
    #expect(meters.messagesReceived == received.frames)
    #expect(meters.totalReceived == received.totalBytes)
    #expect(meters.flights == predicted.flights(.modelOwner, .dataOwner))
    #expect(predicted.totalBytes(.dealer, .dataOwner) == 0 && predicted.totalBytes(.dealer, .modelOwner) == 0)
  }

  @Test("Session, preparation of a bulk, and a query of all of it", arguments: 0..<4, [1, 5])
  func phases(index: Int, bulk: Int) throws {
    let example = Example(CostTests.programs[index].program, seed: 27)
    let model = try CostModel()
    let outcome = try Duo(model: example.model()).run(
      batches: [example.inputs(bulk, seed: 28)], prepared: bulk)
    func predict(_ phase: CostPhase) throws -> CostPrediction {
      try model.predict(program: example.program, phase: phase, batch: bulk, bulk: bulk, source: .lattice)
    }
    expectEqual(outcome.opening, try predict(.session))
    expectEqual(outcome.preparation, try predict(.offline))
    expectEqual(outcome.query, try predict(.online))
    #expect(try predict(.setup).messages.isEmpty)
  }

  @Test("With comparisons, frames of transfers included", arguments: 4..<CostTests.programs.count, [1, 3])
  func comparisons(index: Int, bulk: Int) throws {
    let example = Example(CostTests.programs[index].program, seed: 27)
    let model = try CostModel()
    let outcome = try Duo(model: example.model()).run(
      batches: [example.inputs(bulk, seed: 28)], prepared: bulk)
    for (phase, meters) in [
      (CostPhase.session, outcome.opening), (.offline, outcome.preparation), (.online, outcome.query),
    ] {
      let total = try model.predict(
        program: example.program, phase: phase, batch: bulk, bulk: bulk, source: .lattice
      ).total
      let sent = total.traffic(from: .dataOwner, to: .modelOwner)
      let received = total.traffic(from: .modelOwner, to: .dataOwner)
      #expect(meters.payloadSent == sent.payloadBytes, "\(phase)")
      #expect(meters.messagesSent == sent.frames, "\(phase)")
      #expect(meters.payloadReceived == received.payloadBytes, "\(phase)")
      #expect(meters.messagesReceived == received.frames, "\(phase)")
    }
  }

  @Test("Requests beyond the window take turns with their answers, as predicted")
  func window() throws {
    var assembler = ProgramAssembler(Examples.vector(1_000_000))
    assembler.activation(8, .exact)
    assembler.activation(8, .exact, to: .word)
    let example = Example(assembler.finish(dropping: 4), seed: 33)
    let outcome = try Duo(model: example.model()).run(batches: [], prepared: 1)
    let predicted = try CostModel().predict(program: example.program, phase: .offline, source: .lattice)
    expectEqual(outcome.preparation, predicted)
    let requests = predicted.messages.filter { $0.message == "latticeShares" }
    #expect(requests.reduce(0) { $0 + $1.payloadBytes } > PreparationOrder.window)
    #expect(predicted.flights(.modelOwner, .dataOwner) == 4)
  }

  @Test("Several bulks of one preparation")
  func bulks() throws {
    let example = Example(Examples.residual(), seed: 29)
    var duo = Duo(model: try example.model())
    duo.limits.bulk = 3
    let outcome = try duo.run(batches: [], prepared: 7)
    let predicted = try [3, 3, 1].map {
      try CostModel().predict(program: example.program, phase: .offline, bulk: $0, source: .lattice).total
    }
    func sum(_ from: CostParty, _ to: CostParty) -> Int {
      predicted.reduce(0) { $0 + $1.traffic(from: from, to: to).payloadBytes }
    }
    #expect(outcome.preparation.payloadSent == sum(.dataOwner, .modelOwner))
    #expect(outcome.preparation.payloadReceived == sum(.modelOwner, .dataOwner))
  }
}
