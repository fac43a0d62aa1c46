import Lattice
import Packing
import Programs
import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import Correlations

@Suite("Material of lattices")
struct LatticeMaterialTests {
  private func add(_ kind: ModulusKind, _ a: [UInt64], _ b: [UInt64]) -> [UInt64] {
    zip(a, b).map { Plain.add(kind, $0, $1) }
  }

  /// Units that a result of a linear step may be off by, as the budget states.
  private func allowed(_ program: Program, step: Int, count: Int) throws -> Double {
    let session = LatticeSession(
      tables: LatticeTables(), program: program, sessionID: LatticePair.session,
      publicSeed: SecretKey(bytes: [UInt8](repeating: 0, count: 32)),
      secret: SecretKey(bytes: [UInt8](repeating: 0, count: 32)))
    return try session.budget(try session.packing(step: step, count: count)).errorUnits
  }

  private func check(_ program: Program, weights: RandomWeights, _ bulks: [Int]) throws -> LatticePair.Outcome {
    try program.validate()
    let outcome = try LatticePair(program: program, weights: weights).run(bulks)
    for (number, bulk) in bulks.enumerated() {
      let (mine, theirs) = (outcome.model[number], outcome.data[number])
      for index in program.linearSteps {
        try checkLinear(program, index, weights.weights[index]!, mine, theirs, bulk)
      }
      for index in program.activationSteps { checkActivation(program, index, mine, theirs, bulk) }
    }
    return outcome
  }

  /// c + s = W r, but for a few units.
  private func checkLinear(
    _ program: Program, _ index: Int, _ weights: [Int32], _ mine: Bulk, _ theirs: Bulk, _ bulk: Int
  ) throws {
    guard case .linear(let geometry) = program.steps[index].operation else { return }
    let modulus = program.steps[index].tensor.modulus
    let units = try allowed(program, step: index, count: bulk)
    #expect(units <= NoiseBudget.linearLimit)
    #expect(theirs.linearShares[index]!.count == bulk && mine.linear[index]!.count == bulk)
    for i in 0..<bulk {
      let expected = Plain.convolve(modulus, geometry, weights, theirs.linearInputs[index]![i])
      let found = add(modulus, theirs.linearShares[index]![i], mine.linear[index]![i])
      #expect(found.count == expected.count)
      let worst = zip(found, expected).map {
        Plain.centered(modulus, Plain.add(modulus, $0, Plain.negate(modulus, $1))).magnitude
      }.max()!
      #expect(Double(worst) <= units, "step \(index), inference \(i): off by \(worst) units of \(units)")
    }
  }

  /// u + v = alpha c exactly; pad_rho is one of the two pads, the other is unlike it.
  private func checkActivation(_ program: Program, _ index: Int, _ mine: Bulk, _ theirs: Bulk, _ bulk: Int) {
    guard case .activation(let spec) = program.steps[index].operation else { return }
    let kind = program.steps[index].tensor.modulus
    for i in 0..<bulk {
      let (a, b) = (mine.activations[index]![i], theirs.answers[index]![i])
      #expect(b.mask == theirs.masks[index]![i])
      let squares = zip(b.share, b.share).map { Plain.multiply($0, $1) }
      let products = zip(a.alpha, b.share).map { Plain.multiply($0, $1) }
      #expect(add(.field, a.u, b.constant) == add(.field, products, squares))
      #expect(a.pads.isEmpty == (spec.truncation == .local) && b.pads.isEmpty == a.pads.isEmpty)
      guard !a.pads.isEmpty else { continue }
      let bits = a.pads.indices.map { Int(a.choices[$0 / 8] >> UInt8($0 % 8) & 1) }
      #expect(a.pads == add(kind, bits.indices.map { b.pads[bits[$0]][$0] }, b.mask))
      #expect(zip(b.pads[0], b.pads[1]).allSatisfy { $0 != $1 })
      if bits.count >= 200 { #expect(bits.count / 4..<bits.count * 3 / 4 ~= bits.reduce(0, +)) }
    }
  }

  @Test("satisfies its relations for random programs and bulks", arguments: 0..<12)
  func random(seed: UInt64) throws {
    let program = Dealing.randomProgram(seed: seed)
    let outcome = try check(program, weights: RandomWeights(program, seed: seed), [1 + Int(seed % 4), 2])
    // Nothing is given twice.
    var seen = Set<[UInt64]>()
    for words in outcome.model.flatMap({ $0.linear.values.joined() }) where words.count > 1 {
      #expect(seen.insert(words).inserted)
    }
    for words in outcome.data.flatMap({ $0.masks.values.joined() }) where words.count > 1 {
      #expect(seen.insert(words).inserted)
    }
    for words in outcome.model.flatMap({ $0.activations.values.joined().map(\.alpha) }) where words.count > 1 {
      #expect(seen.insert(words).inserted)
    }
  }

  @Test("satisfies them with strides, groups, shared tensors, bands", arguments: 0..<LatticePrograms.all.count, [1, 3])
  func special(index: Int, bulk: Int) throws {
    let program = LatticePrograms.all[index].program
    _ = try check(program, weights: RandomWeights(program, seed: 40), [bulk])
  }

  @Test("is the same, and travels as the same bytes, whatever the threads", arguments: [0, 2, 3, 4])
  func threads(index: Int) throws {
    let program = LatticePrograms.all[index].program
    let weights = RandomWeights(program, seed: 41)
    var outcomes: [LatticePair.Outcome] = []
    for threads in [(1, 1), (2, 1), (1, 3), (4, 2)] {
      outcomes.append(
        try LatticePair(program: program, weights: weights, threads: threads, cacheBytes: threads.0 << 20).run([2]))
    }
    let first = outcomes[0]
    #expect(first.transcript != nil)
    for outcome in outcomes.dropFirst() {
      #expect(outcome.transcript == first.transcript)
      for step in program.linearSteps {
        #expect(outcome.model[0].linear[step] == first.model[0].linear[step])
        #expect(outcome.data[0].linearShares[step] == first.data[0].linearShares[step])
      }
      for step in program.activationSteps {
        #expect(outcome.model[0].activations[step]!.map(\.u) == first.model[0].activations[step]!.map(\.u))
        #expect(outcome.data[0].answers[step]!.map(\.constant) == first.data[0].answers[step]!.map(\.constant))
      }
    }
  }

  @Test("is fresh in every session")
  func fresh() throws {
    let program = LatticePrograms.groups()
    let weights = RandomWeights(program, seed: 42)
    let outcomes = try [500, 501, 502].map { try LatticePair(program: program, weights: weights, seed: $0).run([1]) }
    #expect(Set(outcomes.map(\.transcript)).count == 3)
    #expect(Set(outcomes.map { $0.data[0].masks[0]! }).count == 3)
  }
}
