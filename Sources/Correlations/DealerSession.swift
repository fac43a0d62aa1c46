import Programs
import Randomness
import Rings
import Transport

/// The dealer's work for one pair of parties: for each bulk two seeds, then the corrections layer by layer.
struct DealerSession {
  let modelOwner: FramedChannel
  let dataOwner: FramedChannel
  let program: Program
  let pairing: Digest32
  let masks: WeightMasks
  let random: any RandomByteSource
  let shouldStop: @Sendable () -> Bool

  /// Deals until a party leaves.
  /// - Returns: inferences dealt.
  func run() throws -> Int {
    let tag = masks.tag.bytes
    try modelOwner.beginSend(.dealerReady, byteCount: tag.count + masks.seed.count)
    try tag.withUnsafeBytes { try modelOwner.write($0) }
    try masks.seed.withUnsafeBytes { try modelOwner.write($0) }
    try modelOwner.endSend()
    try dataOwner.send(.dealerReady, tag)
    let offsets = try receiveOffsets()
    let workspace = LinearWorkspace()
    var next: UInt64 = 0
    while true {
      // Parties may rest for hours between bulks.
      while !(try dataOwner.waitReadable(timeout: .milliseconds(500))) {
        if shouldStop() { return Int(next) }
      }
      let (kind, asked) = try dataOwner.receiveAny([.deal: SerialRange.byteCount, .goodbye: 0])
      if kind == .goodbye { return Int(next) }
      let range = try SerialRange(asked)
      let other = try SerialRange(try modelOwner.receive(.deal, byteCount: SerialRange.byteCount))
      guard range == other else { throw CorrelationError.ordersDiffer(what: "inferences to deal") }
      guard range.serials.lowerBound == next else {
        throw CorrelationError.serialOutOfOrder(found: range.serials.lowerBound, expected: next)
      }
      try BulkLimits.check(range.serials.count, of: program)
      try deal(range.serials, offsets, workspace)
      next = range.serials.upperBound
    }
  }

  /// Outsourced: server 1's shares of constants per element, uniform words without server 0's.
  private func receiveOffsets() throws -> [Int: SecretWords] {
    guard program.deployment == .outsourced else { return [:] }
    return try Dictionary(
      uniqueKeysWithValues: program.offsetSteps.map { step in
        let tensor = program.steps[step].tensor
        return (
          step,
          try dataOwner.receiveWords(
            .offsetShares, tensorCount: 1, count: tensor.shape.count, modulus: tensor.modulus)[0]
        )
      })
  }

  private func deal(
    _ serials: Range<UInt64>, _ offsets: [Int: SecretWords], _ workspace: LinearWorkspace
  ) throws {
    let model = BulkStreams(seed: SecretKey(count: BulkStreams.seedBytes, from: random), session: pairing)
    let data = BulkStreams(seed: SecretKey(count: BulkStreams.seedBytes, from: random), session: pairing)
    try model.seed.withUnsafeBytes { try modelOwner.send(.seed, $0) }
    try data.seed.withUnsafeBytes { try dataOwner.send(.seed, $0) }
    try dealLinear(model, data, serials, offsets, workspace)
    // What one party waits for must not stay here while the other, which waits for that one, takes nothing in: both get
    // all of a run before the next one is written.
    try dataOwner.flush()
    for index in PreparationOrder(program).waves[1] {
      switch program.steps[index].operation {
      case .activation(let spec):
        try dealActivation(index, spec, model, data, serials)
        try modelOwner.flush()
      default:
        for (number, stage) in program.comparisonStages(index)!.enumerated() {
          try dealComparison(ComparisonKey(step: index, stage: number).layer, stage, model, data, serials)
          try modelOwner.flush()
          try dataOwner.flush()
        }
      }
    }
  }

  /// Linear steps, in program order: the dealer knows the masks of all their operands.
  private func dealLinear(
    _ model: BulkStreams, _ data: BulkStreams, _ serials: Range<UInt64>, _ offsets: [Int: SecretWords],
    _ workspace: LinearWorkspace
  ) throws {
    let lastUses = program.lastUses()
    var known = [[SecretWords]](repeating: [], count: program.steps.count)
    for (index, step) in program.steps.enumerated() {
      switch step.operation {
      case .input, .activation, .comparison, .maxPool, .argMax:
        if lastUses[index] > index { known[index] = drawMasks(data, index, serials) }
      case .linear(let geometry):
        try dealLinear(index, geometry, known[step.inputs[0]], model, serials, workspace)
      case .output: break
      case .sumPool, .globalSumPool, .add, .concatenate, .offset, .reshape, .subsamplePad, .changeRing:
        // A sum with a linear output stays unknown to the dealer; only an activation may read it (Program.validate).
        if step.inputs.allSatisfy({ !known[$0].isEmpty }) {
          known[index] = (0..<serials.count).map { position in
            let own = step.inputs.map { known[$0][position] }
            guard let constants = offsets[index] else { return program.applyLocalStep(index, operands: own) }
            let sum = SecretWords(uninitialized: constants.count)
            Elementwise.add(
              step.tensor.modulus, own[0].pointer, constants.pointer, count: sum.count, output: sum.pointer)
            return sum
          }
        }
      }
      for operand in step.inputs where lastUses[operand] == index { known[operand] = [] }
    }
  }

  private func drawMasks(_ data: BulkStreams, _ index: Int, _ serials: Range<UInt64>) -> [SecretWords] {
    let tensor = program.steps[index].tensor
    return serials.map {
      data.words(.mask, step: index, serial: $0, modulus: tensor.modulus, count: tensor.shape.count)
    }
  }

  /// A r - s to the data owner.
  private func dealLinear(
    _ index: Int, _ geometry: LinearGeometry, _ inputs: [SecretWords], _ model: BulkStreams, _ serials: Range<UInt64>,
    _ workspace: LinearWorkspace
  ) throws {
    let modulus = program.steps[index].tensor.modulus
    let count = geometry.outputShape.count
    let weights = masks.words(step: index, modulus: modulus, count: geometry.weightCount)
    let outputs = serials.map { _ in SecretWords(uninitialized: count) }
    LinearMap.applyFull(
      modulus, geometry: geometry, weights: weights, inputs: inputs, outputs: outputs, workspace: workspace)
    for (serial, output) in zip(serials, outputs) {
      let share = model.words(.linearOutput, step: index, serial: serial, modulus: modulus, count: count)
      Elementwise.subtract(modulus, output.pointer, share.pointer, count: count, output: output.pointer)
    }
    try dataOwner.send(.linearCorrection, words: outputs, flush: false)
  }

  /// u' = alpha gamma - v and pad_rho to the model owner.
  private func dealActivation(
    _ index: Int, _ spec: ActivationSpec, _ model: BulkStreams, _ data: BulkStreams, _ serials: Range<UInt64>
  ) throws {
    let tensor = program.steps[index].tensor
    let count = tensor.shape.count
    let products = serials.map { serial in
      let alpha = model.words(.oleAlpha, step: index, serial: serial, modulus: .field, count: count)
      let gamma = data.words(.oleGamma, step: index, serial: serial, modulus: .field, count: count)
      let v = data.words(.oleV, step: index, serial: serial, modulus: .field, count: count)
      let product = SecretWords(zeros: count)
      ActivationKernels.correct(
        u: product.pointer, alpha: alpha.pointer, delta: gamma.pointer, count: count, corrected: product.pointer)
      Elementwise.subtract(.field, product.pointer, v.pointer, count: count, output: product.pointer)
      return product
    }
    try modelOwner.send(.oleCorrection, words: products, flush: false)
    guard spec.truncation == .exact else { return }
    let chosen = serials.map { serial in
      let pads = data.pads(step: index, serial: serial, modulus: tensor.modulus, count: count)
      let choices = model.choices(step: index, serial: serial, count: count)
      let words = SecretWords(uninitialized: count)
      select(choices, pads, into: words)
      return words
    }
    try modelOwner.send(.transferPads, words: chosen, flush: false)
  }

  /// words[i] = pads of choice bit i, without a branch on it.
  private func select(_ choices: SecretBytes, _ pads: (SecretWords, SecretWords), into words: SecretWords) {
    let (bits, first, second, chosen) = (choices.pointer, pads.0.pointer, pads.1.pointer, words.pointer)
    for index in 0..<words.count {
      let mask = 0 &- UInt64((bits[index >> 3] >> UInt8(index & 7)) & 1)
      chosen[index] = first[index] ^ ((first[index] ^ second[index]) & mask)
    }
  }
}
