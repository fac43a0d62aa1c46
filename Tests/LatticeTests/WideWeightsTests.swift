import Glibc
import Packing
import Randomness
import Rings
import Testing

@testable import Lattice

/// Linear layers whose weights are full words, as servers' shares of weights are.
@Suite struct WideWeightsTests {
  private func words(_ kind: ModulusKind, _ count: Int, seed: UInt64) -> [UInt64] {
    let words = StreamGenerator(publicSeed: seed).secretWords(kind, count: count)
    return words.array()
  }

  /// Words at every edge of the centred range, then uniform ones.
  private func weights(_ kind: ModulusKind, _ count: Int) -> [UInt64] {
    let half: UInt64 = kind == .field ? PrimeField.half : 1 << 63
    let top: UInt64 = kind == .field ? PrimeField.modulus - 1 : .max
    let edges: [UInt64] = [0, 1, half - 1, half, half + 1, top, top - 1]
    return Array((edges + words(kind, count, seed: 91)).prefix(count))
  }

  private func errors(
    _ kind: ModulusKind, _ geometry: LinearGeometry, inferences: Int, threads: Int = 1
  ) throws -> (errors: [Double], budget: NoiseBudget) {
    let parties = try LatticeParties(.ole, seed: 500)
    let packing = try LinearPacking(geometry: geometry, inferences: inferences, degree: 8192)
    let weights = weights(kind, geometry.weightCount)
    let centered = weights.map { kind == .field ? PrimeField.centered($0) : Word64.centered($0) }
    let use = try NoiseUse.linearShares(terms: packing.maximumWeightTerms)
    let outputs = geometry.outputShape.count
    let budget = try NoiseBudget(
      use: use, degree: 8192, primes: parties.context.primes, outputs: outputs * inferences)
    let masks = Operands((0..<inferences).map { words(kind, geometry.inputShape.count, seed: 92 + UInt64($0)) })
    let (encryptor, reader) = (parties.encryptor(), parties.reader())
    let inputs = try (0..<packing.inputCount).map { input in
      let bytes = encryptor.end(
        encryptor.begin(kind, packing: packing, input: input, masks: masks.pointers, isFree: false), kind,
        packing: packing, masks: masks.pointers)
      return try reader.read(kind, packing: packing, input: input, isFree: false, bytes: bytes)
    }
    let format = ResponseFormat(use)
    let mine = Operands(.init(repeating: .init(repeating: 0, count: outputs), count: inferences))
    let theirs = Operands(.init(repeating: .init(repeating: 0, count: outputs), count: inferences))
    var sent: [[UInt8]] = []
    try centered.withUnsafeBufferPointer { weights in
      try parties.responder().respondLinear(
        step: 0, packing: packing, modulus: kind, inputs: inputs, weights: .centered(weights.baseAddress!),
        cache: WeightTransformCache(limitBytes: 1 << 20), flood: budget.flood, format: format,
        workers: WorkerPool(threads: threads), shares: mine.pointers
      ) { sent.append($0) }
    }
    var waiting = sent[...]
    try parties.decryptor().readLinear(
      packing: packing, modulus: kind, format: format, workers: WorkerPool(threads: threads), shares: theirs.pointers
    ) { _ in waiting.removeFirst() }
    let full = SecretWords(weights)
    let expected = masks.memory.map { _ in SecretWords(uninitialized: outputs) }
    switch kind {
    case .field:
      LinearMap.applyFull(
        PrimeField.self, geometry: geometry, weights: full, inputs: masks.memory, outputs: expected,
        workspace: LinearWorkspace())
    case .word:
      LinearMap.applyFull(
        Word64.self, geometry: geometry, weights: full, inputs: masks.memory, outputs: expected,
        workspace: LinearWorkspace())
    }
    let (own, other) = (mine.arrays, theirs.arrays)
    return (
      (0..<inferences).flatMap { inference in
        expected[inference].array().enumerated().map {
          Double(difference(kind, sum(kind, own[inference][$0], other[inference][$0]), $1))
        }
      }, budget
    )
  }

  @Test(
    "Shares add up to the layer within the budget, whose size is that of the sampled error",
    arguments: [ModulusKind.word, .field])
  func adds(kind: ModulusKind) throws {
    let geometry = LinearGeometry(inChannels: 16, outChannels: 12, inHeight: 14, inWidth: 14, kernel: 3, padding: 1)
    let (errors, budget) = try errors(kind, geometry, inferences: 2, threads: 2)
    #expect(errors.allSatisfy { abs($0) <= budget.errorUnits } && budget.errorUnits <= NoiseBudget.linearLimit)
    // Rounding of C1 (|s|^2 / 12 at 2^-6), and two roundings to integers; the flood is far below a unit.
    let flood = budget.flood.deviation * exp2(64 - budget.modulusBits)
    let variance = flood * flood + 8192 * 2 / 3.0 / 12 / 4096 + 2 / 12.0
    let measured = errors.reduce(0.0) { $0 + $1 * $1 } / Double(errors.count)
    #expect(abs(measured / variance - 1) < 0.15, "measured \(measured), predicted \(variance)")
  }

  @Test func stridesGroupsAndFullConnections() throws {
    for geometry in [
      LinearGeometry(inChannels: 3, outChannels: 8, inHeight: 33, inWidth: 31, kernel: 3, stride: 2, padding: 1),
      LinearGeometry(inChannels: 8, outChannels: 8, inHeight: 12, inWidth: 12, kernel: 3, padding: 1, groups: 8),
      LinearGeometry(inFeatures: 300, outFeatures: 40),
    ] {
      for kind in [ModulusKind.word, .field] {
        let (errors, budget) = try errors(kind, geometry, inferences: 1)
        #expect(errors.allSatisfy { abs($0) <= budget.errorUnits }, "\(geometry), \(kind)")
      }
    }
  }

  @Test("The flood hides the noise of full words at the size of large networks, and results still decrypt")
  func budgets() throws {
    for (terms, outputs) in [(9, 1000), (4608, 1 << 20), (25088, 1 << 20), (4608, 1 << 23)] {
      let use = try NoiseUse.linearShares(terms: terms)
      let budget = try NoiseBudget(
        use: use, degree: 8192, primes: LatticeParameters.ole.primes, outputs: outputs)
      let distance = budget.flood.distance(noiseDeviation: budget.noiseDeviation, outputs: outputs)
      #expect(distance <= 0x1p-40 && distance > 0x1p-42)
      #expect(budget.errorUnits <= NoiseBudget.linearLimit && budget.requiredModulusBits < 192)
    }
    let large = try NoiseBudget(
      use: .linearShares(terms: 4608), degree: 8192, primes: LatticeParameters.ole.primes, outputs: 1 << 20)
    #expect(abs(large.requiredModulusBits - 178.6) < 1.5, "\(large.requiredModulusBits)")
    #expect(throws: NoiseBudgetError.weights) { try NoiseUse.linearShares(terms: 0) }
    #expect(throws: NoiseBudgetError.self) {
      try NoiseBudget(
        use: .linearShares(terms: 9), degree: 8192, primes: LatticeParameters.linear.primes, outputs: 1000)
    }
  }
}
