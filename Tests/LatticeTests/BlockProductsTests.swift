import Packing
import Rings
import Testing

@testable import Lattice

/// Sums by blocks are the sums by whole transforms, word by word.
@Suite struct BlockProductsTests {
  private struct Case {
    var geometry: LinearGeometry
    var inferences: Int
    var degree = 1024
  }

  private static let cases = [
    Case(geometry: LinearGeometry(inChannels: 9, outChannels: 13, inHeight: 8, inWidth: 8, kernel: 1), inferences: 1),
    Case(geometry: LinearGeometry(inChannels: 40, outChannels: 70, inHeight: 7, inWidth: 7, kernel: 1), inferences: 1),
    Case(geometry: LinearGeometry(inChannels: 5, outChannels: 9, inHeight: 14, inWidth: 15, kernel: 1), inferences: 3),
    Case(
      geometry: LinearGeometry(
        inChannels: 6, outChannels: 8, inHeight: 16, inWidth: 16, kernel: 3, stride: 2, padding: 1),
      inferences: 1),
    Case(
      geometry: LinearGeometry(inChannels: 17, outChannels: 33, inHeight: 7, inWidth: 7, kernel: 3, padding: 1),
      inferences: 1),
    Case(
      geometry: LinearGeometry(inChannels: 3, outChannels: 10, inHeight: 40, inWidth: 40, kernel: 3, padding: 1),
      inferences: 1),
    // A tile of inputs for a third of the sums' products, and folding between.
    Case(
      geometry: LinearGeometry(inChannels: 1100, outChannels: 2, inHeight: 28, inWidth: 30, kernel: 2), inferences: 1),
  ]

  @Test(arguments: 0..<7, TransformVariant.allCases.filter(\.isAvailable))
  func sumsAreEqual(number: Int, variant: TransformVariant) throws {
    let (geometry, inferences, degree) = (
      Self.cases[number].geometry, Self.cases[number].inferences, Self.cases[number].degree
    )
    let packing = try LinearPacking(geometry: geometry, inferences: inferences, degree: degree)
    let ring = RingContext(
      try LatticeParameters(insecureForTests: degree, primes: LatticePrimes.largest(bits: 46, count: 2)),
      variant: variant)
    #expect(BlockProducts.fit(ring))
    var draws = Draws(state: UInt64(number))
    let inputs = (0..<packing.inputCount).map { _ in
      SecretWords((0..<2 * ring.words).map { draws.word() % ring.primes[$0 / degree % 2] })
    }
    let small = (0..<geometry.weightCount).map { _ in Int32(truncatingIfNeeded: draws.word() % 4001) - 2000 }
    let wide = small.map { Int64($0) * 0x1234_5678_9abc }
    var seen = 0
    for values in [false, true] {
      try small.withUnsafeBufferPointer { small in
        try wide.withUnsafeBufferPointer { wide in
          let weights: ResponseWeights = values ? .centered(wide.baseAddress!) : .quantized(small.baseAddress!)
          for group in packing.responseGroups() {
            guard let blocks = packing.blocks(output: group[0]) else { continue }
            seen += 1
            // Groups of one kind together, as a window has them.
            let like = packing.responseGroups().filter {
              packing.inputs(output: $0[0]) == packing.inputs(output: group[0])
            }
            guard like[0] == group else { continue }
            let products = BlockProducts(
              ring: ring, packing: packing, blocks: blocks, inputs: inputs, weights: weights,
              twists: BlockTwists(ring, blocks), terms: packing.terms(output: group[0]))
            for start in stride(from: 0, to: like.count, by: 11) {
              let window = like[start..<min(start + 11, like.count)]
              let found = products.sums(window)
              try #require(found.count == window.count)
              for (outputs, sums) in zip(window, found) {
                for (output, sum) in zip(outputs, sums) {
                  for part in 0..<2 {
                    let wanted = Self.whole(ring, packing, output, inputs, weights, part)
                    #expect(same(sum.component(part).array(), wanted), "output \(output) of \(geometry)")
                  }
                }
              }
            }
          }
        }
      }
    }
    #expect(seen > 0, "the case is about blocks")
  }

  private static func whole(
    _ ring: RingContext, _ packing: LinearPacking, _ output: Int, _ inputs: [SecretWords], _ weights: ResponseWeights,
    _ part: Int
  ) -> [UInt64] {
    let sum = ProductSum(context: ring)
    for (input, weight) in packing.products(output: output) {
      let factor = ring.weightTransform(packing, weight, weights)
      for prime in ring.primes.indices {
        sum.add(prime: prime, [inputs[input].pointer], [factor.pointer + prime * ring.degree])
      }
      sum.note(products: 1)
      withExtendedLifetime(factor) {}
    }
    return sum.component(part).array()
  }
}
