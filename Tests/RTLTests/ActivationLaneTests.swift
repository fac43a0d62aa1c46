import Randomness
import Rings
import Testing

/// The two boards' lanes of X2act, each played with the kernels of `Rings` as its twin.
struct ActivationLanes {
  var lanes: Int
  var gaps = false
  var generator: StreamGenerator

  /// Plays `count` elements; fields of 64 bits first, then one bit an element. Returns the fields of the outputs.
  func play(
    _ module: String, configuration: [UInt32], fields: [[UInt64]], bits: [UInt32]? = nil, outputs: Int,
    outputBits: Bool = false
  ) throws -> (fields: [[UInt64]], bits: [UInt32], report: Simulators.Report) {
    let name = "\(module)-\(lanes)"
    let shape = Beats(lanes: lanes, count: fields[0].count)
    var stimulus = Stimulus()
    stimulus.configure(configuration)
    for beat in 0..<shape.beats {
      var data: [UInt32] = []
      for field in fields { data.append(words: shape.slice(field, beat)) }
      if let bits { data += shape.slice(bits, beat) }
      stimulus.beat(after: generator.gap(gaps), data)
    }
    let (words, report) = try Simulators.run(name, stimulus)
    #expect(report.accepted == shape.beats && report.outputs == shape.beats)
    if !gaps { #expect(try report.cycles == KernelTable.row(name).cycles(shape.count)) }
    let width = lanes * (2 * outputs + (outputBits ? 1 : 0))
    var results = [[UInt64]](repeating: [], count: outputs)
    var resultBits: [UInt32] = []
    for index in 0..<shape.count {
      let (base, lane) = (index / lanes * width, index % lanes)
      for field in 0..<outputs { results[field].append(words.word(at: base + 2 * (lanes * field + lane))) }
      if outputBits { resultBits.append(words[base + 2 * lanes * outputs + lane]) }
    }
    return (results, resultBits, report)
  }

  func open(
    z0: [UInt64], alpha: [UInt64], u: [UInt64], k: UInt64, constant: UInt64, rho: PackedBits
  ) throws -> (d: [UInt64], y0: [UInt64], delta: [UInt32]) {
    var configuration: [UInt32] = []
    configuration.append(words: [k, constant])
    let played = try play(
      "x2act-open", configuration: configuration, fields: [z0, alpha, u],
      bits: (0..<z0.count).map { UInt32(rho[$0]) }, outputs: 2, outputBits: true)
    return (played.fields[0], played.fields[1], played.bits)
  }

  private func configuration(_ value: UInt64, _ shift: Int, _ output: ModulusKind) -> [UInt32] {
    var words: [UInt32] = []
    words.append(words: [value])
    return words + [UInt32(shift), output == .field ? 1 : 0]
  }

  func answer(
    d: [UInt64], delta: [UInt32], c: [UInt64], v: [UInt64], mask: [UInt64], pads: ([UInt64], [UInt64]), shift: Int,
    output: ModulusKind
  ) throws -> [[UInt64]] {
    let turn = output == .field && shift == 0 ? 0 : p >> UInt64(shift)
    return try play(
      "x2act-answer", configuration: configuration(turn, shift, output),
      fields: [d, c, v, mask, pads.0, pads.1], bits: delta, outputs: 2
    ).fields
  }

  func close(
    y0: [UInt64], messages: [[UInt64]], padRho: [UInt64], offsetShifted: UInt64, shift: Int, output: ModulusKind
  ) throws -> [UInt64] {
    try play(
      "x2act-close", configuration: configuration(offsetShifted, shift, output),
      fields: [y0, messages[0], messages[1], padRho], outputs: 1
    ).fields[0]
  }
}

@Suite(.enabled(if: Simulators.areBuilt, Simulators.advice)) struct ActivationLaneTests {
  static let counts = [1, 2, 3, 4, 5, 63, 257, 1000]

  @Test(arguments: [1, 4], counts) func openEqualsTheKernel(lanes: Int, count: Int) throws {
    for gaps in [false, true] {
      let generator = StreamGenerator(publicSeed: UInt64(count + lanes))
      let lane = ActivationLanes(lanes: lanes, gaps: gaps, generator: generator)
      let (z0, alpha, u) = (
        generator.words(.field, count), generator.words(.field, count), generator.words(.field, count)
      )
      let (k, constant, rho) = (generator.word(.field), generator.word(.field), generator.bits(count))
      var (d, y0) = ([UInt64](repeating: 0, count: count), [UInt64](repeating: 0, count: count))
      let delta = PackedBits(zeros: count)
      ActivationKernels.modelOwnerOpen(
        z0: z0, alpha: alpha, u: u, k: k, constant: constant, rho: rho.storage.pointer, rhoOffset: 0, count: count,
        d: &d, y0: &y0, delta: delta.storage.pointer, deltaOffset: 0)
      let opened = try lane.open(z0: z0, alpha: alpha, u: u, k: k, constant: constant, rho: rho)
      #expect(opened.d == d)
      #expect(opened.y0 == y0)
      #expect(opened.delta == (0..<count).map { UInt32(delta[$0]) })
    }
  }

  @Test(arguments: [1, 4], [ModulusKind.field, .word]) func answerEqualsTheKernel(
    lanes: Int, output: ModulusKind
  ) throws {
    for (index, count) in (Self.counts + [Int](repeating: 41, count: 55)).enumerated() {
      let generator = StreamGenerator(publicSeed: UInt64(1000 + index))
      let shift = index
      let (d, c, v) = (generator.words(.field, count), generator.words(.field, count), generator.words(.field, count))
      let mask = generator.words(output, count)
      let pads = (generator.words(output, count), generator.words(output, count))
      let delta = generator.bits(count)
      // The software folds mask into the pads and c^2 into v while it prepares.
      var (masked0, masked1, vc) = (pads.0, pads.1, v)
      Elementwise.subtract(output, pads.0, mask, count: count, output: &masked0)
      Elementwise.subtract(output, pads.1, mask, count: count, output: &masked1)
      ActivationKernels.fuse(v: v, c: c, count: count, vc: &vc)
      var messages = [UInt64](repeating: 0, count: 2 * count)
      ActivationKernels.dataOwnerAnswer(
        d: d, c: c, vc: vc, delta: delta.storage.pointer, deltaOffset: 0, pad0: masked0, pad1: masked1, shift: shift,
        output: output, count: count, messages: &messages)
      let answered = try ActivationLanes(lanes: lanes, gaps: index % 3 == 2, generator: generator).answer(
        d: d, delta: (0..<count).map { UInt32(delta[$0]) }, c: c, v: v, mask: mask, pads: pads, shift: shift,
        output: output)
      #expect(answered[0] == (0..<count).map { messages[2 * $0] }, "shift \(shift), \(count) elements")
      #expect(answered[1] == (0..<count).map { messages[2 * $0 + 1] }, "shift \(shift), \(count) elements")
    }
  }

  @Test(arguments: [1, 4], [ModulusKind.field, .word]) func closeEqualsTheKernel(
    lanes: Int, output: ModulusKind
  ) throws {
    for (index, count) in (Self.counts + [Int](repeating: 41, count: 55)).enumerated() {
      let generator = StreamGenerator(publicSeed: UInt64(2000 + index))
      let y0 = generator.words(.field, count)
      let messages = generator.words(output, 2 * count)
      let padRho = generator.words(output, count)
      let offset = generator.word(.field)
      var x = [UInt64](repeating: 0, count: count)
      ActivationKernels.modelOwnerClose(
        y0: y0, messages: messages, padRho: padRho, shift: index, offsetShifted: offset, output: output, count: count,
        x: &x)
      let closed = try ActivationLanes(lanes: lanes, gaps: index % 3 == 2, generator: generator).close(
        y0: y0, messages: [(0..<count).map { messages[2 * $0] }, (0..<count).map { messages[2 * $0 + 1] }],
        padRho: padRho, offsetShifted: offset, shift: index, output: output)
      #expect(closed == x, "shift \(index), \(count) elements")
    }
  }

  /// Three lanes in a row, on material as it is: x - r' + r' is z^2 + k z + a0 without its low bits, within two units.
  @Test(arguments: [1, 12, 33], [ModulusKind.field, .word]) func bothBoardsTogetherTakeTheSquare(
    shift: Int, output: ModulusKind
  ) throws {
    let count = 500
    let generator = StreamGenerator(publicSeed: UInt64(shift))
    let lane = ActivationLanes(lanes: 4, generator: generator)
    let z = (0..<count).map { _ in Int64(generator.uniform(in: -(1 << 29)...(1 << 29))) }
    let (k, a0, offset) = (Int64(-77_777_777), Int64(1) << 57, UInt64(1) << 61)
    let (c, alpha, v) = (generator.words(.field, count), generator.words(.field, count), generator.words(.field, count))
    let z0 = (0..<count).map { PrimeField.subtract(PrimeField.reduce(signed: z[$0]), c[$0]) }
    let u = (0..<count).map { PrimeField.subtract(PrimeField.multiply(alpha[$0], c[$0]), v[$0]) }
    let (pad0, pad1, mask) = (
      generator.words(output, count), generator.words(output, count), generator.words(output, count)
    )
    let rho = generator.bits(count)
    let opened = try lane.open(
      z0: z0, alpha: alpha, u: u, k: PrimeField.reduce(signed: k),
      constant: PrimeField.add(PrimeField.reduce(signed: a0), offset), rho: rho)
    let messages = try lane.answer(
      d: opened.d, delta: opened.delta, c: c, v: v, mask: mask, pads: (pad0, pad1), shift: shift, output: output)
    let x0 = try lane.close(
      y0: opened.y0, messages: messages, padRho: (0..<count).map { rho[$0] == 1 ? pad1[$0] : pad0[$0] },
      offsetShifted: offset >> UInt64(shift), shift: shift, output: output)
    var x = x0
    Elementwise.add(output, x0, mask, count: count, output: &x)
    for index in 0..<count {
      let value = z[index] * z[index] + k * z[index] + a0
      let found = output == .field ? PrimeField.centered(x[index]) : Word64.centered(x[index])
      #expect(abs(found - value >> Int64(shift)) <= 1)
    }
  }
}
