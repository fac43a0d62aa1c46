import Correlations
import Hardware
import Lattice
import Programs
import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import Inference

/// Cost is code: what two servers send must EQUAL what the descriptors say.
@Suite("Measured cost of outsourced runs equals the descriptors")
struct OutsourcedCostTests {
  private func predict(
    _ program: Program, _ phase: CostPhase, _ count: Int, _ source: CostModel.Source
  ) throws -> CostPrediction {
    try CostModel().predict(program: program, phase: phase, batch: count, bulk: count, source: source)
  }

  private func expectEqual(
    _ meters: ChannelMeters, _ predicted: CostPrediction, flights more: Int? = 0, _ what: String
  ) {
    let sent = predicted.total.traffic(from: .dataOwner, to: .modelOwner)
    let received = predicted.total.traffic(from: .modelOwner, to: .dataOwner)
    #expect(meters.payloadSent == sent.payloadBytes, "\(what)")
    #expect(meters.messagesSent == sent.frames, "\(what)")
    #expect(meters.totalSent == sent.totalBytes, "\(what)")
    #expect(meters.payloadReceived == received.payloadBytes, "\(what)")
    #expect(meters.messagesReceived == received.frames, "\(what)")
    if let more { #expect(meters.flights == predicted.flights(.modelOwner, .dataOwner) + more, "\(what)") }
  }

  @Test("With a dealer: all phases, all lines", arguments: 0..<OutsourcedTests.programs.count, [1, 3])
  func dealer(index: Int, batch: Int) throws {
    let example = OutsourcedTests.example(index, seed: 21)
    let servers = try Servers(example)
    let outcome = try servers.run(batches: [example.inputs(batch, seed: 22)], prepared: batch)
    let program = servers.program
    let (session, setup) = (
      try predict(program, .session, batch, .dealer), try predict(program, .setup, batch, .dealer)
    )
    let offline = try predict(program, .offline, batch, .dealer)
    let online = try predict(program, .online, batch, .dealer)
    expectEqual(outcome.query, online, "online")
    expectEqual(outcome.preparation, offline, "offline")
    let (first, once) = (
      session.total.traffic(from: .dataOwner, to: .modelOwner), setup.total.traffic(from: .dataOwner, to: .modelOwner)
    )
    let (back, own) = (
      session.total.traffic(from: .modelOwner, to: .dataOwner), setup.total.traffic(from: .modelOwner, to: .dataOwner)
    )
    #expect(outcome.opening.payloadSent == first.payloadBytes + once.payloadBytes)
    #expect(outcome.opening.messagesSent == first.frames + once.frames)
    #expect(outcome.opening.payloadReceived == back.payloadBytes + own.payloadBytes)
    #expect(outcome.opening.messagesReceived == back.frames + own.frames)
    for (party, meters) in [(CostParty.modelOwner, outcome.dealing0), (.dataOwner, outcome.dealing1)] {
      let (ready, dealt) = (
        session.total.traffic(from: .dealer, to: party), offline.total.traffic(from: .dealer, to: party)
      )
      #expect(meters.0.payloadReceived + meters.1.payloadReceived == ready.payloadBytes + dealt.payloadBytes)
      #expect(meters.0.messagesReceived + meters.1.messagesReceived == ready.frames + dealt.frames)
      // The two orders are not predicted: a frame each. Where a server leaves first, so is its farewell.
      let asked = [session, offline].reduce(0) { $0 + $1.total.traffic(from: party, to: .dealer).frames }
      #expect((2...4).contains(meters.0.messagesSent + meters.1.messagesSent - asked))
    }
    #expect(online.total.consumed == offline.total.produced)
  }

  @Test("By lattices: all phases", arguments: 0..<OutsourcedTests.programs.count, [1, 3])
  func lattice(index: Int, batch: Int) throws {
    let example = OutsourcedTests.example(index, seed: 21)
    var servers = try Servers(example)
    servers.source = .lattice
    let outcome = try servers.run(batches: [example.inputs(batch, seed: 22)], prepared: batch)
    // Frames of transfers for comparisons stand in no predicted order.
    let flights: Int? = servers.program.comparisonSteps.isEmpty ? 0 : nil
    // Requests of the reverse run are under way while server 1, whose meter this is, answers: it turns for each.
    let turns = 2 * max(0, servers.program.linearSteps.count - 1)
    let session = try predict(servers.program, .session, batch, .lattice)
    let offline = try predict(servers.program, .offline, batch, .lattice)
    let online = try predict(servers.program, .online, batch, .lattice)
    expectEqual(outcome.opening, session, flights: flights, "session")
    expectEqual(outcome.preparation, offline, flights: flights.map { $0 + turns }, "offline")
    expectEqual(outcome.query, online, "online")
    #expect(online.total.consumed == offline.total.produced)
  }

  /// Lattices' work of both runs, counted where it is done; pooling and addition of shares are work of those operators.
  @Test("By lattices: what each server computes", arguments: 0..<OutsourcedTests.programs.count, [1, 3])
  func work(index: Int, bulk: Int) throws {
    let example = OutsourcedTests.example(index, seed: 21)
    let counters = (OperationCounter(), OperationCounter())
    var servers = try Servers(example)
    servers.source = .lattice
    servers.tables = (LatticeTables(counter: counters.0), LatticeTables(counter: counters.1))
    _ = try servers.run(batches: [], prepared: bulk)
    let phases = try [CostPhase.session, .offline].map { try predict(servers.program, $0, bulk, .lattice) }
    let counted: Set<String> = ["rlwe", "ot", "outsourced", "x2act", "comparison"]
    for (party, counter) in [(CostParty.modelOwner, counters.0), (.dataOwner, counters.1)] {
      var stated: [String: Int] = [:]
      for step in phases.flatMap(\.steps) where counted.contains(step.operation) {
        for work in step.cost.work where work.party == party { stated[work.operation, default: 0] += work.count }
      }
      let found = counter.operations
      for name in Set(found.keys).union(stated.keys).sorted() {
        #expect(found[name] == stated[name], "\(party), \(name)")
      }
    }
  }

  @Test("A layer with X2act is four one-way messages, and two words more than with an owned model")
  func words() throws {
    var assembler = ProgramAssembler(Examples.vector(40))
    for _ in 0..<3 {
      assembler.linear(40)
      assembler.activation(31)
    }
    assembler.linear(10)
    assembler.add(.changeRing, shape: Examples.vector(10), modulus: .word)
    var program = assembler.finish(dropping: 8)
    let owned = try predict(program, .online, 1, .dealer)
    program.deployment = .outsourced
    let shared = try predict(program, .online, 1, .dealer)
    #expect(owned.flights(.modelOwner, .dataOwner) == 1 + 2 * 3 + 1)
    #expect(shared.flights(.modelOwner, .dataOwner) == 1 + 4 * 3 + 2)
    func bytes(_ prediction: CostPrediction, _ from: CostParty, _ to: CostParty) -> Int {
      prediction.total.traffic(from: from, to: to).payloadBytes
    }
    // Openings of four operands and the verdict; the output goes to the client.
    #expect(
      bytes(shared, .modelOwner, .dataOwner)
        == bytes(owned, .modelOwner, .dataOwner) + 8 * 4 * 40 + 1 - 10 * 7)
    #expect(
      bytes(shared, .dataOwner, .modelOwner) == bytes(owned, .dataOwner, .modelOwner) + 8 * (3 * 40 + 10) + 48)
    #expect(bytes(shared, .client, .modelOwner) == 20 + 8 * 40 && bytes(shared, .client, .dataOwner) == 20 + 32)
  }
}

/// The bytes between servers, for seeded randomness. A changed byte is a changed line here.
@Suite("Golden wire of outsourced runs")
struct OutsourcedWireTests {
  static let golden: [(name: String, program: Program, source: HelloSource, digest: String)] = [
    (
      "plain", Examples.plain(), .dealer,
      "88ea69c1aa8fa2165e6a62eed2c31f64876fe075ae8be2440bfd877f1980fb85"
    ),
    (
      "residual", Examples.residual(), .dealer,
      "6feb3c86fb8cc3b09004cf889c98c712e17919e4a1e59dd39572c6e8c7da7c66"
    ),
    (
      "mixed", Examples.mixed(), .dealer,
      "aa1886771b057c56d1d37abb47bb1b4682aeb5a716ae3447fd74bbfffd5dec97"
    ),
    (
      "plain", Examples.plain(), .lattice,
      "c547c88708d61beb7054f6759cdc3a0fa8fd9b28889dae100882a6dd2944208a"
    ),
    (
      "residual", Examples.residual(), .lattice,
      "8f71ec40a9a02e6c5cca3f20eb75ca8c8668d6765e41566045b6a36b67a12534"
    ),
    (
      "mixed", Examples.mixed(), .lattice,
      "5255d8f4e0506b04a7d44240010981137705ceab7b32c8f00e408d8fbb9d9ef9"
    ),
    (
      "normalised", Examples.normalized(), .dealer,
      "d4fbf4bcb4e9cce3cd9cc35747b921ed43db2dc209c509219a65dd69ec0e2ef1"
    ),
    (
      "normalised", Examples.normalized(), .lattice,
      "d39d0178270478bd60b33dc89414906bba0baf0e2f7968ac4074dd14396f01ed"
    ),
  ]

  @Test("Transcript of set-up, preparation and a query", arguments: 0..<golden.count)
  func transcript(index: Int) throws {
    let (name, program, source, digest) = Self.golden[index]
    let example = Example(program, seed: 31, normalizes: name == "normalised")
    var servers = try Servers(example)
    servers.source = source
    let outcome = try servers.run(batches: [example.inputs(2, seed: 32)], prepared: 2)
    #expect(outcome.transcript?.hex == digest, "\(name), \(source)")
  }

  @Test("Threads change no byte")
  func threads() throws {
    let example = Example(Examples.plain(), seed: 31)
    var servers = try Servers(example)
    servers.source = .lattice
    let one = try servers.run(batches: [example.inputs(2, seed: 32)], prepared: 2)
    servers.threads = 2
    let two = try servers.run(batches: [example.inputs(2, seed: 32)], prepared: 2)
    #expect(one.transcript == two.transcript && one.results == two.results)
  }
}
