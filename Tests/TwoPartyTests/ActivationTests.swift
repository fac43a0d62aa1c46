import Correlations
import Programs
import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import TwoParty

/// Runs both parties of an activation on equally long samples.
func runActivation(_ samples: [IdealActivation], shape: TensorShape, coefficients: ActivationCoefficients) throws
  -> [[Int64]]
{
  let (modelEnd, dataEnd) = MemoryStream.pair()
  let (spec, output) = (samples[0].spec, samples[0].output)
  let (shares, _) = try together(
    {
      var materials = MaterialBatch<ModelOwnerActivationMaterial>(capacity: samples.count)
      for sample in samples { materials.append(sample.modelOwnerMaterial) }
      return try ActivationModelOwner(
        channel: FramedChannel(modelEnd), spec: spec, shape: shape, output: output, coefficients: coefficients
      ).run(shares: samples.map { SecretWords($0.z0) }, materials: materials)
    },
    {
      var materials = MaterialBatch<DataOwnerActivationMaterial>(capacity: samples.count)
      for sample in samples { materials.append(sample.dataOwnerMaterial) }
      try ActivationDataOwner(channel: FramedChannel(dataEnd), spec: spec, output: output).run(
        elementsPerSample: shape.count, materials: materials)
    })
  return zip(samples, shares).map { $0.opened($1) }
}

@Suite("Activation of two parties")
struct ActivationTests {
  /// Y near its bounds, zero, and powers of two.
  static let sums: [Int64] = [
    0, 1, -1, (1 << 61) - 1, -(1 << 61) + 1, (1 << 61) - 12345, 1 << 60, -(1 << 60), 987_654_321, -987_654_321,
  ]

  static let sizes: [(perSample: Int, batch: Int)] = [
    (1, 1), (8191, 1), (8192, 1), (8193, 1), (1, 8193), (2731, 3), (4099, 5), (7, 1200), (8193, 3), (13, 1),
  ]

  @Test("Every T, both rings: the functionality's integers at all extremes of shares", arguments: 1...60)
  func everyShift(shift: Int) throws {
    var elements: [IdealActivation.Element] = []
    for y in Self.sums {
      for c in edgeShares { for y0 in edgeShares { elements.append(.init(y: y, c: c, y0: y0)) } }
    }
    // At the very points where the two shares straddle the modulus.
    for y in Self.sums {
      for step in -2...2 {
        let edge = Plain.add(Plain.residue(y), Plain.residue(Int64(step)))
        elements.append(.init(y: y, c: 3, y0: edge))
        elements.append(.init(y: y, c: 5, y0: Plain.add(edge, 1 << 61)))
      }
    }
    for output in [ModulusKind.field, .word] {
      for truncation in [TruncationVariant.exact, .local] {
        let ideal = IdealActivation(
          elements, ActivationSpec(droppedBits: shift, truncation: truncation), output, seed: UInt64(shift))
        let found = try runActivation(
          [ideal], shape: TensorShape(vector: elements.count), coefficients: ideal.coefficients)[0]
        #expect(found == elements.map(ideal.rounded), "\(output), \(truncation)")
        guard truncation == .exact else { continue }
        let wrong = zip(found, elements).filter { !(-1...1).contains($0 - ($1.y >> Int64(shift))) }
        #expect(wrong.isEmpty, "not within a unit of floor(Y / 2^T)")
      }
    }
  }

  @Test(
    "Tile edges, and batches whose tile straddles samples",
    arguments: sizes, [TruncationVariant.exact, .local])
  func tiles(size: (perSample: Int, batch: Int), truncation: TruncationVariant) throws {
    try check(
      shape: TensorShape(vector: size.perSample), batch: size.batch, channels: size.perSample,
      ActivationSpec(droppedBits: 20, truncation: truncation), output: size.batch % 2 == 0 ? .field : .word, seed: 71)
  }

  @Test("Random shapes, coefficients shared or one a channel", arguments: 0..<24)
  func shapes(seed: UInt64) throws {
    let random = StreamGenerator(publicSeed: 500 + seed)
    let shape = TensorShape(
      channels: random.uniform(in: 1...40), height: random.uniform(in: 1...17), width: random.uniform(in: 1...19))
    try check(
      shape: shape, batch: random.uniform(in: 1...4), channels: seed % 2 == 0 ? 1 : shape.channels,
      ActivationSpec(droppedBits: random.uniform(in: 1...60), truncation: seed % 3 == 0 ? .local : .exact),
      output: random.uniform(in: 0...1) == 0 ? .field : .word, seed: seed)
  }

  /// Small z with common coefficients, against z^2 + k z + a0 in plain integers.
  private func check(
    shape: TensorShape, batch: Int, channels: Int, _ spec: ActivationSpec, output: ModulusKind, seed: UInt64
  ) throws {
    let random = StreamGenerator(publicSeed: seed)
    let k = (0..<channels).map { _ in Int64(random.uniform(in: -(1 << 28)...(1 << 28))) }
    let constant = (0..<channels).map { _ in Int64(random.uniform(in: -(1 << 45)...(1 << 45))) }
    let plane = shape.height * shape.width
    let samples = (0..<batch).map { sample in
      var elements: [IdealActivation.Element] = []
      var z: [Int64] = []
      for index in 0..<shape.count {
        let channel = channels == 1 ? 0 : index / plane
        z.append(Int64(random.uniform(in: -(1 << 22)...(1 << 22))))
        elements.append(
          .init(
            y: z[index] * z[index] + k[channel] * z[index] + constant[channel], c: random.ring(.field),
            y0: random.ring(.field)))
      }
      return IdealActivation(
        elements, z: z, k: { k[channels == 1 ? 0 : $0 / plane] }, spec, output, seed: seed &+ 1000 &+ UInt64(sample))
    }
    let found = try runActivation(
      samples, shape: shape, coefficients: ActivationCoefficients(k: k, constant: constant))
    let different = zip(samples, found).enumerated().filter { $1.1 != $1.0.elements.map($1.0.rounded) }.map(\.offset)
    #expect(different.isEmpty, "samples that differ from the functionality")
  }

  @Test("The opening on the wire is d and delta by their definitions, and its filler bits are zero", arguments: 1...17)
  func opening(count: Int) throws {
    let random = StreamGenerator(publicSeed: 88)
    let elements = (0..<count).map { _ in
      IdealActivation.Element(y: 1000, c: random.ring(.field), y0: random.ring(.field))
    }
    let spec = ActivationSpec(droppedBits: 9, truncation: .exact)
    let ideal = IdealActivation(elements, spec, .word, seed: 12)
    let (modelEnd, dataEnd) = MemoryStream.pair()
    let (_, bytes) = try together(
      {
        var materials = MaterialBatch<ModelOwnerActivationMaterial>(capacity: 1)
        materials.append(ideal.modelOwnerMaterial)
        return try ActivationModelOwner(
          channel: FramedChannel(modelEnd), spec: spec, shape: TensorShape(vector: count), output: .word,
          coefficients: ideal.coefficients
        ).run(shares: [SecretWords(ideal.z0)], materials: materials)
      },
      {
        let channel = FramedChannel(dataEnd)
        let bytes = try channel.receive(.activationOpen, byteCount: 8 * count + (count + 7) / 8)
        try channel.send(.activationAnswer, [UInt8](repeating: 0, count: 16 * count))
        return bytes
      })
    let bits = Array(bytes[(8 * count)...])
    for index in 0..<count {
      let d = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[8 * index + $1]) << UInt64(8 * $1) }
      let slope = Plain.add(Plain.add(ideal.z0[index], ideal.z0[index]), Plain.residue(ideal.k[index]))
      #expect(d == Plain.add(slope, Plain.negate(ideal.alpha[index])))
      let rho = ideal.choices[index / 8] >> UInt8(index % 8) & 1
      let top: UInt8 = elements[index].y0 >= (p + 1) / 2 ? 1 : 0
      #expect(bits[index / 8] >> UInt8(index % 8) & 1 == top ^ rho)
    }
    if count % 8 != 0 { #expect(bits[count / 8] >> UInt8(count % 8) == 0) }
  }
}
