import Rings
import Testing

@Suite struct LinearMapTests {
  private func apply(
    _ kind: ModulusKind, _ weights: PackedWeights, _ input: [UInt64], channels: Range<Int>? = nil,
    workspace: LinearWorkspace
  ) -> [UInt64] {
    let shape = weights.geometry.outputShape
    let count = (channels?.count ?? shape.channels) * shape.height * shape.width
    // A guard word behind the output shows a write beyond it.
    var output = [UInt64](repeating: 0x5555, count: count + 1)
    output.withUnsafeMutableBufferPointer { out in
      let base = out.baseAddress!
      switch kind {
      case .field:
        LinearMap.apply(
          PrimeField.self, weights: weights, input: input, output: base, channels: channels, workspace: workspace)
      case .word:
        LinearMap.apply(
          Word64.self, weights: weights, input: input, output: base, channels: channels, workspace: workspace)
      }
    }
    #expect(output.last == 0x5555)
    return output.dropLast()
  }

  private func applyFull(
    _ kind: ModulusKind, _ geometry: LinearGeometry, _ weights: [UInt64], _ inputs: [[UInt64]],
    workspace: LinearWorkspace
  ) -> [[UInt64]] {
    let ins = inputs.map { SecretWords($0) }
    let outs = inputs.map { _ in SecretWords(zeros: geometry.outputShape.count) }
    let words = SecretWords(weights)
    switch kind {
    case .field:
      LinearMap.applyFull(
        PrimeField.self, geometry: geometry, weights: words, inputs: ins, outputs: outs, workspace: workspace)
    case .word:
      LinearMap.applyFull(
        Word64.self, geometry: geometry, weights: words, inputs: ins, outputs: outs, workspace: workspace)
    }
    return outs.map { $0.array() }
  }

  /// Both entry points, all variants and both moduli against the definition.
  private func check(_ g: LinearGeometry, seed: UInt64, planeBudget: Int = 1 << 16, samples: Int = 2) throws {
    try g.validate()
    var generator = SeededGenerator(seed: seed)
    let small = (0..<g.weightCount).map { _ in
      generator.next() & 7 == 0
        ? [-131072, 131072, 0][Int(generator.next() % 3)] : Int32.random(in: -131072...131072, using: &generator)
    }
    let packed = try PackedWeights(geometry: g, weights: small)
    for kind in [ModulusKind.field, .word] {
      let inputs = (0..<samples).map { _ in (0..<g.inputShape.count).map { _ in word(kind, &generator) } }
      let full = (0..<g.weightCount).map { _ in word(kind, &generator) }
      let embedded = small.map { residue(kind, Int($0)) }
      let expected = inputs.map { slowConvolution(kind, g, weights: embedded, input: $0) }
      let expectedFull = inputs.map { slowConvolution(kind, g, weights: full, input: $0) }
      for variant in availableVariants {
        let workspace = LinearWorkspace(variant: variant, planeBudget: planeBudget)
        for (input, output) in zip(inputs, expected) {
          #expect(apply(kind, packed, input, workspace: workspace) == output, "\(variant) \(kind) \(g)")
        }
        #expect(
          applyFull(kind, g, full, inputs, workspace: workspace) == expectedFull, "full, \(variant) \(kind) \(g)")
      }
    }
  }

  @Test(arguments: 0..<60) func randomGeometriesMatchTheDefinition(seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(1000 + seed))
    func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    let groups = [1, 1, 1, 2, 3][draw(0...4)]
    let height = draw(1...9)
    let width = draw(1...19)
    let pads = (0..<4).map { _ in draw(0...2) }
    let geometry = LinearGeometry(
      inChannels: groups * draw(1...4), outChannels: groups * draw(1...7), inHeight: height, inWidth: width,
      kernelHeight: min(draw(1...5), height + pads[0] + pads[2]),
      kernelWidth: min(draw(1...5), width + pads[1] + pads[3]), strideHeight: draw(1...3), strideWidth: draw(1...3),
      padTop: pads[0], padLeft: pads[1], padBottom: pads[2], padRight: pads[3], groups: groups)
    try check(geometry, seed: UInt64(seed), planeBudget: [1, 200, 1 << 16][seed % 3])
  }

  @Test func layersOfNetworksMatchTheDefinition() throws {
    try check(LinearGeometry(inChannels: 3, outChannels: 5, inHeight: 32, inWidth: 32, kernel: 3, padding: 1), seed: 1)
    try check(
      LinearGeometry(inChannels: 8, outChannels: 16, inHeight: 16, inWidth: 16, kernel: 3, stride: 2, padding: 1),
      seed: 2, planeBudget: 4000)
    try check(LinearGeometry(inChannels: 6, outChannels: 4, inHeight: 9, inWidth: 9, kernel: 1, stride: 2), seed: 3)
    try check(
      LinearGeometry(inChannels: 12, outChannels: 12, inHeight: 7, inWidth: 7, kernel: 3, padding: 1, groups: 12),
      seed: 4)
    try check(
      LinearGeometry(inChannels: 3, outChannels: 4, inHeight: 30, inWidth: 30, kernel: 7, stride: 2, padding: 3),
      seed: 5)
    try check(LinearGeometry(inFeatures: 133, outFeatures: 11), seed: 6)
    try check(LinearGeometry(inFeatures: 1, outFeatures: 1), seed: 7)
    // A kernel that lies in the padding for some outputs, and a stride longer than the image.
    try check(
      LinearGeometry(inChannels: 2, outChannels: 3, inHeight: 2, inWidth: 2, kernel: 3, stride: 5, padding: 4), seed: 8)
    var grouped = LinearGeometry(inFeatures: 12, outFeatures: 9)
    grouped.groups = 3
    try check(grouped, seed: 9)
  }

  /// Extremes in ring and weights with the most taps that common networks have, and beyond one chunk.
  @Test(arguments: [(512, 3), (17000, 1)]) func extremesDoNotOverflow(channels: Int, kernel: Int) throws {
    let convolution = LinearGeometry(
      inChannels: channels, outChannels: 3, inHeight: kernel, inWidth: kernel, kernelHeight: kernel,
      kernelWidth: kernel, padRight: 1)
    for g in [convolution, LinearGeometry(inFeatures: channels * kernel * kernel, outFeatures: 3)] {
      for kind in [ModulusKind.field, .word] {
        let extremes: [UInt64] =
          kind == .field
          ? [p - 1, 0, 1 << 63, (1 << 63) - 1, 0x7FFF_FFFF_7FFF_FFFF]
          : [.max, 0, 1 << 63, (1 << 63) - 1, 0x7FFF_FFFF_7FFF_FFFF]
        for x in extremes {
          let input = [UInt64](repeating: x, count: g.inputShape.count)
          for magnitude in [Int32(131072), -131072] {
            let weights = [Int32](repeating: magnitude, count: g.weightCount)
            let packed = try PackedWeights(geometry: g, weights: weights)
            let embedded = residue(kind, Int(magnitude))
            let full = kind == .field ? p - 1 : UInt64(1) << 63
            for variant in availableVariants {
              let workspace = LinearWorkspace(variant: variant)
              let output = apply(kind, packed, input, workspace: workspace)
              let big = applyFull(
                kind, g, [UInt64](repeating: full, count: g.weightCount), [input], workspace: workspace)[0]
              // All taps are equal, so an output is a multiple of one product: by the taps that see the image.
              let seen = [g.tapsPerOutput, channels * kernel * (kernel - 1)]
              for place in 0..<output.count {
                let taps = UInt64(seen[place % g.outWidth])
                #expect(output[place] == slowMultiply(kind, taps, slowMultiply(kind, embedded, x)))
                #expect(big[place] == slowMultiply(kind, taps, slowMultiply(kind, full, x)))
              }
            }
          }
        }
      }
    }
  }

  @Test func partsOfTheChannelsAreThoseOfTheWhole() throws {
    var generator = SeededGenerator(seed: 5)
    for groups in [1, 2] {
      let g = LinearGeometry(
        inChannels: 4, outChannels: 14, inHeight: 5, inWidth: 6, kernel: 3, padding: 1, groups: groups)
      let weights = try PackedWeights(
        geometry: g, weights: (0..<g.weightCount).map { _ in Int32.random(in: -9999...9999, using: &generator) })
      let input = (0..<g.inputShape.count).map { _ in word(.field, &generator) }
      let workspace = LinearWorkspace(planeBudget: 100)
      let whole = apply(.field, weights, input, workspace: workspace)
      for range in [0..<14, 0..<1, 3..<9, 6..<8, 13..<14, 5..<5] {
        let part = apply(.field, weights, input, channels: range, workspace: workspace)
        #expect(part == Array(whole[range.lowerBound * 30..<range.upperBound * 30]))
      }
    }
  }

  @Test func refusesWeightsThatDoNotFit() throws {
    let g = LinearGeometry(inFeatures: 2, outFeatures: 2)
    #expect(throws: RingsError.weightCount(found: 3, expected: 4)) {
      try PackedWeights(geometry: g, weights: [1, 2, 3])
    }
    for bad in [131073, -131073, Int32.min, Int32.max] {
      #expect(throws: RingsError.weightTooLarge(limit: 131072)) {
        try PackedWeights(geometry: g, weights: [0, 0, bad, 0])
      }
    }
  }
}
