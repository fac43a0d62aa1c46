import Correlations
import Programs
import Randomness
import Rings
import TestSupport
import Testing
import Transport
import TwoParty

@Suite("Input and output of two parties")
struct TransferTests {
  static let inputs: [Int64] = [0, 1, -1, .max, .min, 1 << 62, -(1 << 62), 12345]

  @Test(
    "Input: x - r and r are shares of x, at the extremes of x and r", arguments: [ModulusKind.field, .word], [1, 3])
  func input(modulus: ModulusKind, batch: Int) throws {
    let edges = modulus == .field ? edgeShares : edgeShares + [.max, 1 << 63]
    let sample = Self.inputs.flatMap { x in edges.map { _ in x } }
    let masks = (0..<batch).map { _ in SecretWords(Self.inputs.flatMap { _ in edges }) }
    let (modelEnd, dataEnd) = MemoryStream.pair()
    let (shares, _) = try together(
      {
        try InputOperator.receive(batch: batch, count: sample.count, modulus: modulus, channel: FramedChannel(modelEnd))
      },
      {
        try InputOperator.send(
          (0..<batch).map { _ in sample }, masks: masks, modulus: modulus, channel: FramedChannel(dataEnd))
      })
    for (share, mask) in zip(shares, masks) {
      let sum = zip(share.array(), mask.array()).map { Plain.add(modulus, $0, $1) }
      #expect(sum == sample.map { modulus == .field ? p.reduceSigned($0) : UInt64(bitPattern: $0) })
    }
  }

  @Test("Output: floors of both shares in the reduced ring, never off by more than a unit", arguments: 0...56)
  func output(dropped: Int) throws {
    let random = StreamGenerator(publicSeed: UInt64(dropped))
    let edges: [UInt64] = [0, 1, .max, 1 << 63, (1 << 63) - 1, 1 << UInt64(dropped), (1 << UInt64(dropped)) &- 1]
    var pairs = edges.flatMap { a in edges.map { (a, $0) } }
    for _ in 0..<200 { pairs.append((random.word(), random.word())) }
    let (modelEnd, dataEnd) = MemoryStream.pair()
    let left = pairs.map(\.0)
    let right = [SecretWords(pairs.map(\.1)), SecretWords([5])]
    let (_, results) = try together(
      {
        try OutputOperator.send(
          [SecretWords(left), SecretWords([7])], droppedBits: dropped, channel: FramedChannel(modelEnd))
      }, { try OutputOperator.receive(right, droppedBits: dropped, channel: FramedChannel(dataEnd)) })
    let bits = UInt64(dropped)
    #expect(
      results[0]
        == pairs.map { Int64(bitPattern: (($0.0 >> bits) &+ ($0.1 >> bits)) << bits) >> Int64(dropped) })
    // The difference from the floor of the sum, in the ring of the bits that remain.
    let differences = zip(pairs, results[0]).map { pair, result in
      let exact = Int64(bitPattern: pair.0 &+ pair.1) >> Int64(dropped)
      return Int64(bitPattern: UInt64(bitPattern: exact &- result) << bits) >> Int64(dropped)
    }
    #expect(differences.allSatisfy { $0 == 0 || $0 == 1 })
    #expect(results[1].count == 1)
  }

  @Test("Words that are not below p are refused by name", arguments: [p, p + 1, UInt64.max])
  func notReduced(word: UInt64) throws {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
    let elements = [IdealActivation.Element(y: 5, c: 1, y0: 2)]
    let spec = ActivationSpec(droppedBits: 1, truncation: .exact)
    let ideal = IdealActivation(elements, spec, .field, seed: 1)
    let (one, two) = MemoryStream.pair()
    try FramedChannel(one).send(.maskedInput, bytes)
    #expect(throws: TwoPartyError.wordNotReduced(message: "masked input")) {
      try InputOperator.receive(batch: 1, count: 1, modulus: .field, channel: FramedChannel(two))
    }
    let (model, data) = MemoryStream.pair()
    try FramedChannel(model).send(.activationOpen, bytes + [0])
    var dataMaterials = MaterialBatch<DataOwnerActivationMaterial>(capacity: 1)
    dataMaterials.append(ideal.dataOwnerMaterial)
    do {
      try ActivationDataOwner(channel: FramedChannel(data), spec: spec, output: .field).run(
        elementsPerSample: 1, materials: dataMaterials)
      Issue.record("an opening that is not reduced was accepted")
    } catch { #expect(error as? TwoPartyError == .wordNotReduced(message: "activation opening")) }
    let (modelEnd, dataEnd) = MemoryStream.pair()
    try FramedChannel(dataEnd).send(.activationAnswer, [UInt8](repeating: 0, count: 8) + bytes)
    var materials = MaterialBatch<ModelOwnerActivationMaterial>(capacity: 1)
    materials.append(ideal.modelOwnerMaterial)
    do {
      _ = try ActivationModelOwner(
        channel: FramedChannel(modelEnd), spec: spec, shape: TensorShape(vector: 1), output: .field,
        coefficients: ideal.coefficients
      ).run(shares: [SecretWords(ideal.z0)], materials: materials)
      Issue.record("an answer that is not reduced was accepted")
    } catch { #expect(error as? TwoPartyError == .wordNotReduced(message: "activation answer")) }
  }
}

extension UInt64 {
  /// A signed integer modulo this number; -2^63 too.
  func reduceSigned(_ value: Int64) -> UInt64 { value >= 0 ? UInt64(value) : self - value.magnitude % self }
}
