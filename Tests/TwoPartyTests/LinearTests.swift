import Programs
import Randomness
import Rings
import TestSupport
import Testing
import TwoParty

@Suite("Linear step of two parties")
struct LinearTests {
  @Test("z0 + c is W x + b in the ring, for random shapes and extreme words", arguments: 0..<40)
  func shapes(seed: UInt64) throws {
    let random = StreamGenerator(publicSeed: 900 + seed)
    let modulus: ModulusKind = seed % 2 == 0 ? .field : .word
    let geometry = geometry(random, seed)
    try geometry.validate()
    let limit = Int(PackedWeights.maximumMagnitude)
    let weights = (0..<geometry.weightCount).map { index in
      Int32(index % 3 == 0 ? [limit, -limit, 0, 1][random.uniform(in: 0...3)] : random.uniform(in: -limit...limit))
    }
    let bias = (0..<geometry.outChannels).map { _ in
      [Int64.max, .min, 0, 77][random.uniform(in: 0...3)]
    }
    func word() -> UInt64 {
      random.uniform(in: 0...2) == 0 ? edgeShares[random.uniform(in: 0...11)] : random.ring(modulus)
    }
    let x = (0..<geometry.inputShape.count).map { _ in word() }
    let r = x.map { _ in word() }
    let s = (0..<geometry.outputShape.count).map { _ in word() }
    // The ideal source: c = W r - s.
    let c = zip(Plain.convolve(modulus, geometry, weights, r), s).map {
      Plain.add(modulus, $0, Plain.negate(modulus, $1))
    }
    let masked = zip(x, r).map { Plain.add(modulus, $0, Plain.negate(modulus, $1)) }
    let step = LinearOperator(
      modulus: modulus, weights: try PackedWeights(geometry: geometry, weights: weights), bias: bias)
    let z0 = step.apply([SecretWords(masked)], masks: [SecretWords(s)], workspace: LinearWorkspace())[0]
    let plane = geometry.outHeight * geometry.outWidth
    let expected = Plain.convolve(modulus, geometry, weights, x).enumerated().map { index, word in
      Plain.add(
        modulus, word, modulus == .field ? p.reduceSigned(bias[index / plane]) : UInt64(bitPattern: bias[index / plane])
      )
    }
    #expect(zip(z0.array(), c).map { Plain.add(modulus, $0, $1) } == expected)
  }

  private func geometry(_ random: StreamGenerator, _ seed: UInt64) -> LinearGeometry {
    if seed % 5 == 4 {
      return LinearGeometry(inFeatures: random.uniform(in: 1...200), outFeatures: random.uniform(in: 1...40))
    }
    let groups = random.uniform(in: 1...3)
    let (kernel, other) = (random.uniform(in: 1...4), random.uniform(in: 1...3))
    return LinearGeometry(
      inChannels: groups * random.uniform(in: 1...4), outChannels: groups * random.uniform(in: 1...5),
      inHeight: random.uniform(in: 4...9), inWidth: random.uniform(in: 4...11), kernelHeight: kernel,
      kernelWidth: other, strideHeight: random.uniform(in: 1...3), strideWidth: random.uniform(in: 1...2),
      padTop: random.uniform(in: 0...2), padLeft: random.uniform(in: 0...2), padBottom: random.uniform(in: 0...2),
      padRight: random.uniform(in: 0...2), groups: groups)
  }
}
