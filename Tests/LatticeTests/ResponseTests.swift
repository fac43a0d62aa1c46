import Lattice
import Randomness
import Rings
import Testing

@testable import Lattice

/// Both parties of a preparation in one process: keys, streams, rings.
struct Preparation {
  let context: RingContext
  let key: LatticeSecretKey
  let encryptor: Encryptor
  let reader: CiphertextReader
  let responder: Responder
  let decryptor: Decryptor

  static func stream(_ seed: UInt64) -> StreamGenerator { StreamGenerator(publicSeed: seed) }

  init(_ parameters: LatticeParameters, seed: UInt64) throws {
    context = RingContext(parameters)
    key = LatticeSecretKey(degree: parameters.degree, from: Self.stream(seed))
    let transformed = key.transformed(in: context)
    encryptor = Encryptor(
      context: context, key: transformed, seed: Self.stream(seed + 1), randomness: Self.stream(seed + 2))
    reader = CiphertextReader(context: context, seed: Self.stream(seed + 1))
    let own = LatticePublicKey(
      context: context, key: transformed, seed: Self.stream(seed + 3), randomness: Self.stream(seed + 4))
    let received = try LatticePublicKey(context: context, bytes: own.bytes, seed: Self.stream(seed + 3))
    responder = Responder(publicKey: received, publicWords: Self.stream(seed + 5), randomness: Self.stream(seed + 6))
    decryptor = Decryptor(
      context: Decryptor.makeContext(degree: parameters.degree), key: key, publicWords: Self.stream(seed + 5))
  }
}

@Suite struct ResponseTests {
  static let geometries = [
    LinearGeometry(inChannels: 3, outChannels: 16, inHeight: 32, inWidth: 32, kernel: 3, padding: 1),
    LinearGeometry(
      inChannels: 8, outChannels: 12, inHeight: 9, inWidth: 9, kernel: 3, stride: 2, padding: 1, groups: 2),
    LinearGeometry(inChannels: 200, outChannels: 10, inHeight: 1, inWidth: 1, kernel: 1),
  ]

  @Test(arguments: geometries, [ModulusKind.field, .word])
  func linearCorrelationHolds(_ geometry: LinearGeometry, _ modulus: ModulusKind) throws {
    for (isFree, inferences) in [(true, 1), (false, 1), (true, 3)] {
      let parties = try Preparation(.linear, seed: 100 + UInt64(inferences))
      let packing = try LinearPacking(geometry: geometry, inferences: inferences, degree: 8192)
      let generator = Preparation.stream(7)
      let masks = (0..<inferences).map { _ in
        generator.secretWords(modulus, count: geometry.inputShape.count)
      }
      let weights = generator.secretWords(.word, count: geometry.weightCount).array().map {
        Int32($0 & 0x1ffff) - 0xffff
      }
      let use = try NoiseUse.linear(terms: packing.maximumWeightTerms, weightBound: 1 << 16)
      let budget = try NoiseBudget(
        use: use, degree: 8192, primes: parties.context.primes, outputs: geometry.outputShape.count * 20)
      let format = ResponseFormat(use)
      let inputs = try (0..<packing.inputCount).map { input in
        let bytes = parties.encryptor.encrypt(
          modulus, packing: packing, input: input, masks: masks.map(\.pointer), isFree: isFree)
        #expect(bytes.count == packing.inputBytes(parties.context, modulus, input: input, isFree: isFree))
        return try parties.reader.read(modulus, packing: packing, input: input, isFree: isFree, bytes: bytes)
      }
      var wire: [[UInt8]] = []
      let (shares, known) = (Self.results(geometry, inferences), Self.results(geometry, inferences))
      let cache = WeightTransformCache(limitBytes: 1 << 22)
      try weights.withUnsafeBufferPointer {
        try parties.responder.respondLinear(
          step: 0, packing: packing, modulus: modulus, inputs: inputs, weights: $0.baseAddress!, cache: cache,
          flood: budget.flood, format: format, shares: shares.map(\.pointer)
        ) { wire.append($0) }
      }
      #expect(wire.reduce(0) { $0 + $1.count } == packing.responseBytes(format))
      var next = 0
      try parties.decryptor.readLinear(
        packing: packing, modulus: modulus, format: format, shares: known.map(\.pointer)
      ) { size in
        next += 1
        #expect(wire[next - 1].count == size)
        return wire[next - 1]
      }
      let workspace = LinearWorkspace()
      var worst = 0.0
      for (index, mask) in masks.enumerated() {
        let expected = SecretWords(uninitialized: geometry.outputShape.count)
        let wide = SecretWords(
          weights.map { modulus == .field ? PrimeField.reduce(signed: Int64($0)) : UInt64(bitPattern: Int64($0)) })
        switch modulus {
        case .field:
          LinearMap.applyFull(
            PrimeField.self, geometry: geometry, weights: wide, inputs: [mask], outputs: [expected],
            workspace: workspace)
        case .word:
          LinearMap.applyFull(
            Word64.self, geometry: geometry, weights: wide, inputs: [mask], outputs: [expected], workspace: workspace)
        }
        for position in 0..<expected.count {
          worst = max(
            worst,
            Self.distance(
              modulus, shares[index].pointer[position], known[index].pointer[position], expected.pointer[position]))
        }
      }
      #expect(worst <= budget.errorUnits, "off by \(worst), bound \(budget.errorUnits)")
      #expect(worst > 0 || geometry.outputShape.count < 100)
      withExtendedLifetime((masks, shares, known)) {}
    }
  }

  static func results(_ geometry: LinearGeometry, _ count: Int) -> [SecretWords] {
    (0..<count).map { _ in SecretWords(zeros: geometry.outputShape.count) }
  }

  static func distance(_ modulus: ModulusKind, _ a: UInt64, _ b: UInt64, _ expected: UInt64) -> Double {
    switch modulus {
    case .field: abs(Double(PrimeField.centered(PrimeField.subtract(PrimeField.add(a, b), expected))))
    case .word: abs(Double(Int64(bitPattern: a &+ b &- expected)))
    }
  }

  @Test func obliviousLinearEvaluationIsExact() throws {
    let parties = try Preparation(.ole, seed: 300)
    let slots = FieldNTT(degree: 8192)
    let format = ResponseFormat(.ole)
    let budget = try NoiseBudget(use: .ole, degree: 8192, primes: parties.context.primes, outputs: 200_000)
    for _ in 0..<3 {
      let c = Preparation.stream(9).secretWords(.field, count: 8192)
      for (index, extreme) in [0, 1, PrimeField.modulus - 1, PrimeField.half].enumerated() {
        c.pointer[index] = extreme
      }
      let scratch = SecretWords(c.array())
      let bytes = parties.encryptor.encryptSlots(scratch.pointer, slots: slots)
      let ciphertext = try parties.reader.read(bytes)
      let (alpha, u, v) = (SecretWords(zeros: 8192), SecretWords(zeros: 8192), SecretWords(zeros: 8192))
      let response = parties.responder.respondOLE(
        ciphertext: ciphertext, slots: slots, flood: budget.flood, format: format, alpha: alpha.pointer, u: u.pointer)
      try parties.decryptor.readOLE(response, slots: slots, format: format, v: v.pointer)
      for index in 0..<8192 {
        #expect(
          PrimeField.add(u.pointer[index], v.pointer[index])
            == PrimeField.multiply(alpha.pointer[index], c.pointer[index]))
      }
      #expect(Set(alpha.array()).count == 8192)
      withExtendedLifetime((c, alpha, u, v)) {}
    }
  }
}
