import Correlations
import Hardware
import Lattice
import Programs
import TestSupport
import Testing
import Transport

/// Cost is code: what both parties compute, counted where it is done, must EQUAL what the descriptor says, and so must the
/// frames and what is made.
@Suite("Work of lattice preparation equals its descriptor")
struct LatticeWorkTests {
  /// What the source states; pooling and addition of shares are work of those operators.
  private func expectEqual(_ counted: [String: Int], _ predicted: CostPrediction, _ party: CostParty, _ what: String) {
    var expected: [String: Int] = [:]
    for step in predicted.steps where ["rlwe", "ot", "input", "linear", "x2act", "comparison"].contains(step.operation)
    {
      for work in step.cost.work where work.party == party { expected[work.operation, default: 0] += work.count }
    }
    for name in Set(counted.keys).union(expected.keys).sorted() {
      let (found, stated) = (counted[name] ?? 0, expected[name] ?? 0)
      #expect(found == stated, "\(what), \(party.rawValue), \(name): \(found) done, \(stated) stated")
    }
  }

  private func check(_ program: Program, _ bulks: [Int], _ name: String) throws {
    let outcome = try LatticePair(program: program, weights: RandomWeights(program, seed: 60)).run(bulks)
    let model = try CostModel()
    let session = try model.predict(program: program, phase: .session, source: .lattice)
    expectEqual(outcome.modelWork[0], session, .modelOwner, "\(name), session")
    expectEqual(outcome.dataWork[0], session, .dataOwner, "\(name), session")
    for (index, bulk) in bulks.enumerated() {
      let offline = try model.predict(program: program, phase: .offline, bulk: bulk, source: .lattice)
      expectEqual(outcome.modelWork[index + 1], offline, .modelOwner, "\(name), bulk of \(bulk)")
      expectEqual(outcome.dataWork[index + 1], offline, .dataOwner, "\(name), bulk of \(bulk)")
      expectMaterial(outcome.model[index], outcome.data[index], offline.total)
      // The session announces and acknowledges a bulk; here there is none.
      let (sent, received) = (
        offline.total.traffic(from: .dataOwner, to: .modelOwner),
        offline.total.traffic(from: .modelOwner, to: .dataOwner)
      )
      #expect(outcome.meters[index].payloadSent == sent.payloadBytes - 12)
      #expect(outcome.meters[index].messagesSent == sent.frames - 1)
      #expect(outcome.meters[index].payloadReceived == received.payloadBytes - 12)
      #expect(outcome.meters[index].messagesReceived == received.frames - 1)
    }
  }

  private func expectMaterial(_ mine: Bulk, _ theirs: Bulk, _ predicted: CostSummary) {
    let activations = mine.activations.values.joined()
    let between = theirs.stageMasks.values.flatMap { $0.values.joined() }.reduce(0) { $0 + $1.count }
    #expect(predicted.produced(.mask) == theirs.masks.values.joined().reduce(between) { $0 + $1.count })
    let compared = theirs.comparisons.values.joined().joined()
    #expect(predicted.produced(.comparison) == compared.reduce(0) { $0 + $1.shape.count })
    #expect(predicted.produced(.linear) == mine.linear.values.joined().reduce(0) { $0 + $1.count })
    #expect(predicted.produced(.ole) == activations.reduce(0) { $0 + $1.u.count })
    #expect(predicted.produced(.transfer) == activations.reduce(0) { $0 + $1.pads.count })
  }

  @Test("Special programs, two bulks", arguments: 0..<LatticePrograms.all.count)
  func special(index: Int) throws {
    try check(LatticePrograms.all[index].program, [1, 3], LatticePrograms.all[index].name)
  }

  @Test("Random programs", arguments: 0..<8)
  func random(seed: UInt64) throws {
    try check(Dealing.randomProgram(seed: 200 + seed), [1 + Int(seed % 5)], "random \(seed)")
  }

  @Test("Comparisons: every function, maxima, labels, both rings", arguments: 0..<6)
  func comparisons(seed: UInt64) throws {
    try check(Dealing.comparisonProgram(seed: 300 + seed), [1 + Int(seed % 3)], "comparisons \(seed)")
  }

  @Test("Many ciphertexts a step")
  func ciphertexts() throws {
    try check(LatticePrograms.square(140_000), [1], "square")
  }

  @Test("Held transforms of weights save what the descriptor states for them")
  func cache() throws {
    let program = LatticePrograms.strides()
    let pair = LatticePair(program: program, weights: RandomWeights(program, seed: 61), cacheBytes: 1 << 30)
    let outcome = try pair.run([2, 2])
    let saved = outcome.modelWork[1]["ntt.8192"]! - outcome.modelWork[2]["ntt.8192"]!
    #expect(saved > 0 && saved % 3 == 0)
    let reduced = outcome.modelWork[1]["rns.reduce"]! - outcome.modelWork[2]["rns.reduce"]!
    #expect(reduced == saved * 8192)
    for name in outcome.modelWork[1].keys where !["ntt.8192", "rns.reduce"].contains(name) {
      #expect(outcome.modelWork[1][name] == outcome.modelWork[2][name])
    }
  }
}
