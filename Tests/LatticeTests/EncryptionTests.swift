import Glibc
import Randomness
import Rings
import Testing

@testable import Lattice
@testable import Packing

private func words(_ kind: ModulusKind, _ count: Int, _ draws: inout Draws) -> [UInt64] {
  (0..<count).map { _ in kind == .field ? draws.word() % PrimeField.modulus : draws.word() }
}

@Suite struct EncryptionTests {
  @Test(arguments: [LatticeParameters.linear, .ole], [ModulusKind.word, .field])
  func givenWordsAreEncrypted(parameters: LatticeParameters, kind: ModulusKind) throws {
    let parties = try LatticeParties(parameters, seed: 100)
    let encryptor = parties.encryptor()
    let reader = parties.reader()
    var draws = Draws(state: 1)
    let degree = parameters.degree
    let plaintexts: [[UInt64]] = [
      .init(repeating: 0, count: degree),
      .init(repeating: kind == .field ? PrimeField.modulus - 1 : .max, count: degree),
      words(kind, degree, &draws),
    ]
    for (number, plaintext) in plaintexts.enumerated() {
      let bytes = encryptor.encrypt(kind, plaintext, polynomial: number)
      #expect(bytes.count == parties.context.residueBytes(degree))
      let noise = parties.noise(try reader.read(bytes, polynomial: number), kind, plaintext: plaintext)
      #expect(noise.allSatisfy { $0.magnitude <= 22 })
      // The error's deviation is 3.24, and half a percent of a sample of 8192 is four deviations of its variance.
      let variance = noise.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(degree)
      #expect(abs(variance - NoiseBudget.errorVariance) < 0.8)
    }
  }

  @Test(arguments: [ModulusKind.word, .field]) func freeWordsAreChosenUniformAndEncrypted(kind: ModulusKind) throws {
    let parties = try LatticeParties(.linear, seed: 200)
    let geometry = LinearGeometry(inChannels: 4, outChannels: 5, inHeight: 20, inWidth: 18, kernel: 3, padding: 1)
    let packing = try LinearPacking(geometry: geometry, inferences: 3, degree: 8192)
    let encryptor = parties.encryptor()
    let reader = parties.reader()
    let masks = Operands(.init(repeating: .init(repeating: 0, count: geometry.inputShape.count), count: 3))
    var ciphertexts: [SecretWords] = []
    var size = 0
    for input in 0..<packing.inputCount {
      let bytes = encryptor.end(
        encryptor.begin(kind, packing: packing, input: input, masks: masks.pointers, isFree: true), kind,
        packing: packing, masks: masks.pointers)
      size += bytes.count
      ciphertexts.append(try reader.read(kind, packing: packing, input: input, isFree: true, bytes: bytes))
    }
    #expect(size == packing.inputBytes(parties.context, kind, isFree: true))
    for (input, ciphertext) in ciphertexts.enumerated() {
      var plaintext = [UInt64](repeating: 0, count: 8192)
      packing.fill(input: input, from: masks.pointers.map { UnsafePointer($0) }, into: &plaintext)
      let noise = parties.noise(ciphertext, kind, plaintext: plaintext)
      for range in packing.ranges(input: input, of: .free) + packing.ranges(input: input, of: .fixed) {
        #expect(range.allSatisfy { noise[$0].magnitude <= 23 })
      }
    }
    // Every element of every mask was chosen, and their top and low parts are uniform: chi-squared, 15 degrees.
    let chosen = masks.arrays.joined()
    #expect(chosen.allSatisfy { $0 != 0 })
    for shift: UInt64 in [60, 30, 0] {
      var counts = [Double](repeating: 0, count: 16)
      for word in chosen { counts[Int(word >> shift & 15)] += 1 }
      let expected = Double(chosen.count) / 16
      #expect(counts.reduce(0) { $0 + ($1 - expected) * ($1 - expected) / expected } < 50)
    }
  }

  @Test func damagedBytesAreRefused() throws {
    let parties = try LatticeParties(.linear, seed: 300)
    let geometry = LinearGeometry(inChannels: 1, outChannels: 2, inHeight: 9, inWidth: 9, kernel: 3, padding: 1)
    let packing = try LinearPacking(geometry: geometry, inferences: 1, degree: 8192)
    let masks = Operands([.init(repeating: 5, count: 81)])
    let encryptor = parties.encryptor()
    let bytes = encryptor.end(
      encryptor.begin(.word, packing: packing, input: 0, masks: masks.pointers, isFree: false), .word,
      packing: packing, masks: masks.pointers)
    for wrong in [[], Array(bytes.dropLast()), bytes + [0], .init(repeating: 0xFF, count: bytes.count)] {
      #expect(throws: LatticeError.self) {
        try parties.reader().read(.word, packing: packing, input: 0, isFree: false, bytes: wrong)
      }
    }
    let whole = parties.encryptor().encrypt(.word, [UInt64](repeating: 1, count: 8192), polynomial: 0)
    for wrong in [[], Array(whole.dropLast()), whole + [0], .init(repeating: 0xFF, count: whole.count)] {
      #expect(throws: LatticeError.self) { try parties.reader().read(wrong, polynomial: 0) }
      #expect(throws: LatticeError.self) {
        try LatticePublicKey(context: parties.context, bytes: wrong, seed: StreamGenerator(publicSeed: 1))
      }
    }
    let format = ResponseFormat(.ole)
    let ranges = CoefficientRanges([3..<50])
    let size = format.byteCount(degree: 8192, count: 47)
    for count in [0, size - 1, size + 1] {
      #expect(throws: LatticeError.self) {
        try parties.decryptor().read(
          .init(repeating: 1, count: count), number: 0, modulus: .field, format: format, ranges: ranges)
      }
    }
    // Any bytes of the right number give words, not a crash.
    _ = try parties.decryptor().read(
      .init(repeating: 0xFF, count: size), number: 0, modulus: .field, format: format, ranges: ranges)
  }
}

@Suite struct LinearResponseTests {
  private func run(
    _ kind: ModulusKind, _ geometry: LinearGeometry, inferences: Int, isFree: Bool, variant: TransformVariant = .best,
    threads: Int = 1
  ) throws -> (errors: [Int64], budget: NoiseBudget) {
    var draws = Draws(state: UInt64(inferences) + 77)
    let parties = try LatticeParties(.linear, seed: 400, variant: variant)
    let packing = try LinearPacking(geometry: geometry, inferences: inferences, degree: 8192)
    let bound = 1 << 15
    let weights = (0..<geometry.weightCount).map { _ in Int32(Int(draws.word() % UInt64(2 * bound)) - bound + 1) }
    let use = try NoiseUse.linear(terms: packing.maximumWeightTerms, weightBound: bound)
    let outputs = geometry.outputShape.count
    let budget = try NoiseBudget(
      use: use, degree: 8192, primes: parties.context.primes, outputs: outputs * inferences)
    let masks = Operands((0..<inferences).map { _ in words(kind, geometry.inputShape.count, &draws) })
    let encryptor = parties.encryptor()
    let reader = parties.reader()
    let inputs = try (0..<packing.inputCount).map { input in
      let bytes = encryptor.end(
        encryptor.begin(kind, packing: packing, input: input, masks: masks.pointers, isFree: isFree), kind,
        packing: packing, masks: masks.pointers)
      return try reader.read(kind, packing: packing, input: input, isFree: isFree, bytes: bytes)
    }
    let format = ResponseFormat(use)
    let modelShares = Operands(.init(repeating: .init(repeating: 0, count: outputs), count: inferences))
    let dataShares = Operands(.init(repeating: .init(repeating: 0, count: outputs), count: inferences))
    var sent: [[UInt8]] = []
    try parties.responder().respondLinear(
      step: 0, packing: packing, modulus: kind, inputs: inputs, weights: weights,
      cache: WeightTransformCache(limitBytes: 1 << 20), flood: budget.flood, format: format,
      workers: WorkerPool(threads: threads), shares: modelShares.pointers
    ) { sent.append($0) }
    #expect(sent.reduce(0) { $0 + $1.count } == packing.responseBytes(format))
    var waiting = sent[...]
    try parties.decryptor().readLinear(
      packing: packing, modulus: kind, format: format, workers: WorkerPool(threads: threads),
      shares: dataShares.pointers
    ) { count in
      let bytes = waiting.removeFirst()
      #expect(bytes.count == count)
      return bytes
    }
    #expect(waiting.isEmpty)
    let errors = try errors(kind, geometry, weights, masks.arrays, modelShares.arrays, dataShares.arrays)
    return (errors, budget)
  }

  private func errors(
    _ kind: ModulusKind, _ geometry: LinearGeometry, _ weights: [Int32], _ masks: [[UInt64]], _ model: [[UInt64]],
    _ data: [[UInt64]]
  ) throws -> [Int64] {
    let packed = try PackedWeights(geometry: geometry, weights: weights)
    return masks.indices.flatMap { inference in
      var expected = [UInt64](repeating: 0, count: geometry.outputShape.count)
      let workspace = LinearWorkspace()
      switch kind {
      case .word:
        LinearMap.apply(
          Word64.self, weights: packed, input: masks[inference], output: &expected, workspace: workspace)
      case .field:
        LinearMap.apply(
          PrimeField.self, weights: packed, input: masks[inference], output: &expected, workspace: workspace)
      }
      return expected.indices.map { index in
        difference(kind, sum(kind, model[inference][index], data[inference][index]), expected[index])
      }
    }
  }

  @Test(arguments: [ModulusKind.word, .field], [true, false])
  func sharesAddUpToTheLayer(kind: ModulusKind, isFree: Bool) throws {
    let geometry = LinearGeometry(inChannels: 16, outChannels: 12, inHeight: 14, inWidth: 14, kernel: 3, padding: 1)
    let (errors, budget) = try run(kind, geometry, inferences: 2, isFree: isFree)
    #expect(errors.allSatisfy { Double($0.magnitude) <= budget.errorUnits })
    // Predicted: the flood in units, rounding of C1 (|s|^2 / 12 at 2^-6), and two roundings to integers.
    let flood = budget.flood.deviation * exp2(64 - budget.modulusBits)
    let variance = flood * flood + 8192 * 2 / 3.0 / 12 / 4096 + 2 / 12.0
    let measured = errors.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(errors.count)
    #expect(abs(measured / variance - 1) < 0.15, "measured \(measured), predicted \(variance)")
  }

  @Test func stridesGroupsAndFullConnections() throws {
    for geometry in [
      LinearGeometry(inChannels: 3, outChannels: 8, inHeight: 33, inWidth: 31, kernel: 3, stride: 2, padding: 1),
      LinearGeometry(inChannels: 8, outChannels: 8, inHeight: 12, inWidth: 12, kernel: 3, padding: 1, groups: 8),
      LinearGeometry(inFeatures: 300, outFeatures: 40),
    ] {
      let (errors, budget) = try run(.word, geometry, inferences: 1, isFree: true)
      #expect(errors.allSatisfy { Double($0.magnitude) <= budget.errorUnits }, "\(geometry)")
    }
  }

  /// One seed, one set of bytes and shares, whatever the instruction set.
  @Test func instructionSetsGiveTheSameShares() throws {
    let geometry = LinearGeometry(inChannels: 2, outChannels: 3, inHeight: 14, inWidth: 14, kernel: 3, padding: 1)
    let results = try TransformVariant.allCases.filter(\.isAvailable).map {
      try run(.word, geometry, inferences: 1, isFree: true, variant: $0).errors
    }
    for result in results { #expect(same(result, results[0])) }
  }
}
