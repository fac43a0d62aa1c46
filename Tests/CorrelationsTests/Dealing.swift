import Correlations
import Programs
import Randomness
import Rings
import TestSupport
import Testing
import Transport

/// Weights for a source, small random integers with extremes among them.
final class RandomWeights: WeightProvider, Sendable {
  let weights: [Int: [Int32]]
  let weightsDigest: [UInt8]

  init(_ program: Program, seed: UInt64) {
    let random = StreamGenerator(publicSeed: seed)
    var weights: [Int: [Int32]] = [:]
    for index in program.linearSteps {
      guard case .linear(let geometry) = program.steps[index].operation else { continue }
      weights[index] = (0..<geometry.weightCount).map { _ in Int32(random.uniform(in: -(1 << 17)...(1 << 17))) }
    }
    self.weights = weights
    weightsDigest = random.bytes(32)
  }

  func withWeights<R>(ofStep step: Int, _ body: (LayerWeights) throws -> R) rethrows -> R {
    try weights[step]!.withUnsafeBufferPointer { try body(.quantized($0)) }
  }
}

/// What a bulk's material is made of, as plain words: by step, then by inference.
struct Bulk: Sendable {
  struct Activation: Sendable {
    var (alpha, u): ([UInt64], [UInt64])
    var (choices, pads): ([UInt8], [UInt64])
  }
  struct Answer: Sendable {
    var (share, constant, mask): ([UInt64], [UInt64], [UInt64])
    var pads: [[UInt64]]
  }

  /// Bytes and words of one inference's run, in the order of the material's own fields; for the data owner also what it
  /// compared.
  struct Comparison: Sendable {
    var shape: ComparisonStage
    var (bytes, words): ([[UInt8]], [[UInt64]])
    var compared: [UInt64] = []
  }

  /// Masks of runs before the last: by step, run, inference.
  var stageMasks: [Int: [Int: [[UInt64]]]] = [:]
  /// By step, run, inference.
  var comparisons: [Int: [[Comparison]]] = [:]
  var linear: [Int: [[UInt64]]] = [:]
  var activations: [Int: [Activation]] = [:]
  var masks: [Int: [[UInt64]]] = [:]
  var linearInputs: [Int: [[UInt64]]] = [:]
  var linearShares: [Int: [[UInt64]]] = [:]
  var answers: [Int: [Answer]] = [:]
}

/// A source that notes what passes it.
final class RecordingModelOwner: ModelOwnerSource {
  let base: any ModelOwnerSource
  var bulk = Bulk()
  init(_ base: any ModelOwnerSource) { self.base = base }

  func begin(program: Program, weights: any WeightProvider) throws {
    try base.begin(program: program, weights: weights)
  }
  func beginBulk(serials: Range<UInt64>) throws { try base.beginBulk(serials: serials) }
  func linear(step: Int) throws -> [SecretWords] {
    let words = try base.linear(step: step)
    bulk.linear[step] = words.map { $0.array() }
    return words
  }
  func activation(step: Int, receive: (Int, consuming ModelOwnerActivationMaterial) -> Void) throws {
    var found: [Bulk.Activation] = []
    try base.activation(step: step) { position, material in
      found.append(
        Bulk.Activation(
          alpha: material.alpha.array(), u: material.u.array(), choices: material.transfer?.choices.array() ?? [],
          pads: material.transfer?.pads.array() ?? []))
      receive(position, material)
    }
    bulk.activations[step] = found
  }
  func comparison(
    step: Int, stage: Int, of shape: ComparisonStage, receive: (Int, consuming ModelOwnerComparisonMaterial) -> Void
  ) throws {
    var found: [Bulk.Comparison] = []
    try base.comparison(step: step, stage: stage, of: shape) { position, material in
      found.append(
        Bulk.Comparison(
          shape: shape, bytes: [material.pads, material.triples, material.rho].map { $0.array() },
          words: [material.g, material.h, material.w].map { $0.array() }))
      receive(position, material)
    }
    bulk.comparisons[step, default: []].append(found)
  }
  func endBulk() throws { try base.endBulk() }
  func end() { base.end() }
}

/// The same for the data owner.
final class RecordingDataOwner: DataOwnerSource {
  let base: any DataOwnerSource
  var bulk = Bulk()
  private var program: Program?
  init(_ base: any DataOwnerSource) { self.base = base }

  func begin(program: Program) throws {
    self.program = program
    try base.begin(program: program)
  }
  func beginBulk(serials: Range<UInt64>) throws { try base.beginBulk(serials: serials) }
  func masks(step: Int) throws -> [SecretWords] {
    let words = try base.masks(step: step)
    bulk.masks[step] = words.map { $0.array() }
    return words
  }
  func requestBytes(step: Int) throws -> Int? { try base.requestBytes(step: step) }
  func requestLinear(step: Int, masks: [SecretWords]) throws {
    try base.requestLinear(step: step, masks: masks)
    // A request may choose the masks of the tensor that it reads.
    let tensor = program!.steps[step].inputs[0]
    if bulk.masks[tensor] != nil { bulk.masks[tensor] = masks.map { $0.array() } }
  }
  func requestActivation(step: Int, shares: [SecretWords]) throws {
    try base.requestActivation(step: step, shares: shares)
  }
  func linear(step: Int, masks: [SecretWords]) throws -> [SecretWords] {
    let words = try base.linear(step: step, masks: masks)
    bulk.linearInputs[step] = masks.map { $0.array() }
    bulk.linearShares[step] = words.map { $0.array() }
    return words
  }
  func activation(
    step: Int, shares: [SecretWords], masks: [SecretWords],
    receive: (Int, consuming DataOwnerActivationMaterial) -> Void
  ) throws {
    var found: [Bulk.Answer] = []
    try base.activation(step: step, shares: shares, masks: masks) { position, material in
      found.append(
        Bulk.Answer(
          share: material.share.array(), constant: material.constant.array(), mask: material.mask.array(),
          pads: material.pads.map { [$0.0.array(), $0.1.array()] } ?? []))
      receive(position, material)
    }
    bulk.answers[step] = found
  }
  func masks(step: Int, stage: Int, count: Int, modulus: ModulusKind) throws -> [SecretWords] {
    let words = try base.masks(step: step, stage: stage, count: count, modulus: modulus)
    bulk.stageMasks[step, default: [:]][stage] = words.map { $0.array() }
    return words
  }
  func comparison(
    step: Int, stage: Int, of shape: ComparisonStage, compared: [SecretWords], operands: [SecretWords],
    offsets: [SecretWords], receive: (Int, consuming DataOwnerComparisonMaterial) -> Void
  ) throws {
    var found: [Bulk.Comparison] = []
    try base.comparison(
      step: step, stage: stage, of: shape, compared: compared, operands: operands, offsets: offsets
    ) { position, material in
      found.append(
        Bulk.Comparison(
          shape: shape, bytes: [material.choices, material.pads, material.triples, material.rho].map { $0.array() },
          words: [material.operand, material.h, material.w, material.offset].map { $0.array() },
          compared: compared[position].array()))
      receive(position, material)
    }
    bulk.comparisons[step, default: []].append(found)
  }
  func endBulk() throws { try base.endBulk() }
  func end() { base.end() }
}

/// Material as it was written for a store.
private final class Encoded {
  var encoder: MaterialEncoder
  var bytes: [UInt8] = []
  /// Steps after which something was written.
  var calls = 0

  init(_ encoder: MaterialEncoder) { self.encoder = encoder }
}

/// Both parties and a seeded dealer; one bulk for each count.
struct Dealing {
  static let session = Digest32.sha256(Array("dealing".utf8))
  static let dealerSeed: UInt64 = 77

  let program: Program
  let weights: RandomWeights
  /// Words counted by what was taken out of the finished material: mask, linear, ole, transfer.
  typealias Counts = [String: Int]

  static func server(_ change: (inout DealerLimits) -> Void = { _ in }) -> DealerServer {
    var limits = DealerLimits()
    limits.comparesFingerprints = false
    change(&limits)
    return DealerServer(
      secret: SecretKey(bytes: [UInt8](repeating: 9, count: 16)), random: StreamGenerator(publicSeed: dealerSeed),
      limits: limits)
  }

  func run(_ bulks: [Int], server: DealerServer = Dealing.server()) throws -> (model: [Bulk], data: [Bulk]) {
    let (dealerForModel, modelToDealer) = MemoryStream.pair()
    let (dealerForData, dataToDealer) = MemoryStream.pair()
    let (dataEnd, modelEnd) = MemoryStream.pair()
    let dealers = Threads()
    for stream in [dealerForModel, dealerForData] { dealers.start { try server.serve(FramedChannel(stream)) } }
    let (program, weights) = (program, weights)
    let ranges = bulks.reduce(into: [Range<UInt64>]()) { ranges, count in
      let first = ranges.last?.upperBound ?? 0
      ranges.append(first..<(first + UInt64(count)))
    }
    let result = try together(
      { () -> [Bulk] in
        let source = RecordingModelOwner(
          DealerModelOwnerSource(
            dealer: FramedChannel(modelToDealer), peer: FramedChannel(modelEnd), sessionID: Self.session))
        try source.begin(program: program, weights: weights)
        return try ranges.map { serials in
          source.bulk = Bulk()
          let taken = serials.map { _ in Encoded(MaterialEncoder(modelOwner: program)) }
          try Preparation.modelOwner(
            program: program, source: source, serials: serials,
            didPrepare: { position, material in
              let row = taken[position]
              let before = row.bytes.count
              try row.encoder.encode(&material) { row.bytes += $0 }
              row.calls += row.bytes.count > before ? 1 : 0
            }
          ) { material in
            var left = material
            let row = taken[Int(left.serial - serials.lowerBound)]
            try row.encoder.encode(&left) { row.bytes += $0 }
          }
          for (serial, all) in zip(serials, taken) {
            #expect(all.encoder.isComplete && all.bytes.count == ModelOwnerMaterial.byteCount(program))
            #expect(all.calls == PreparationOrder(program).waves.flatMap { $0 }.count, "material is taken step by step")
            let again = Encoded(MaterialEncoder(modelOwner: program))
            var rest = all.bytes[...]
            var material = try ModelOwnerMaterial.decode(program: program, serial: serial, byteCount: rest.count) {
              $0.copyBytes(from: rest.prefix($0.count))
              rest = rest.dropFirst($0.count)
            }
            try again.encoder.encode(&material) { again.bytes += $0 }
            #expect(again.bytes == all.bytes && rest.isEmpty, "material that a store gives back")
          }
          return source.bulk
        }
      },
      { () -> [Bulk] in
        let source = RecordingDataOwner(
          DealerDataOwnerSource(
            dealer: FramedChannel(dataToDealer), peer: FramedChannel(dataEnd), sessionID: Self.session))
        try source.begin(program: program)
        let bulks = try ranges.map { serials in
          source.bulk = Bulk()
          let taken = serials.map { _ in Encoded(MaterialEncoder(dataOwner: program)) }
          try Preparation.dataOwner(
            program: program, source: source, serials: serials,
            didPrepare: { position, material in
              let row = taken[position]
              let before = row.bytes.count
              try row.encoder.encode(&material) { row.bytes += $0 }
              row.calls += row.bytes.count > before ? 1 : 0
            }
          ) { material in
            var left = material
            let row = taken[Int(left.serial - serials.lowerBound)]
            try row.encoder.encode(&left) { row.bytes += $0 }
          }
          for (serial, all) in zip(serials, taken) {
            #expect(all.encoder.isComplete && all.bytes.count == DataOwnerMaterial.byteCount(program))
            // The input's mask comes with the first linear step.
            #expect(all.calls == 1 + PreparationOrder(program).waves[1].count, "material is taken step by step")
            let again = Encoded(MaterialEncoder(dataOwner: program))
            var rest = all.bytes[...]
            var material = try DataOwnerMaterial.decode(program: program, serial: serial, byteCount: rest.count) {
              $0.copyBytes(from: rest.prefix($0.count))
              rest = rest.dropFirst($0.count)
            }
            try again.encoder.encode(&material) { again.bytes += $0 }
            #expect(again.bytes == all.bytes && rest.isEmpty, "material that a store gives back")
          }
          return source.bulk
        }
        source.end()
        return bulks
      })
    try dealers.join(seconds: 60)
    return (result.0, result.1)
  }

  /// A small random program of comparisons: every function, maxima, an argmax, both rings, random digits.
  static func comparisonProgram(seed: UInt64) -> Program {
    let random = StreamGenerator(publicSeed: 5000 + seed)
    var p = ProgramAssembler(
      TensorShape(channels: 2, height: random.uniform(in: 4...9), width: random.uniform(in: 4...9)), .word)
    func digits() -> ComparisonDigits {
      ComparisonDigits(widths: (0..<random.uniform(in: 1...7)).map { _ in random.uniform(in: 1...4) })
    }
    p.linear(random.uniform(in: 1...4), kernel: 3, padding: 1)
    let functions: [ComparisonFunction] = [.relu, .leakyReLU(shift: 3), .absolute, .sign, .clip(lower: 0, upper: 3)]
    var spec = ComparisonSpec(
      droppedBits: random.uniform(in: 0...12), digits: digits(), function: functions[Int(seed % 5)])
    if case .clip = spec.function { spec.digits.widths += [2, 2] }
    p.add(.comparison(spec), shape: p.shape, modulus: seed % 2 == 0 ? .field : .word)
    if p.steps[p.last].tensor.modulus == .field { p.add(.changeRing, shape: p.shape, modulus: .word) }
    let window = WindowGeometry(
      kernel: random.uniform(in: 2...3), stride: random.uniform(in: 1...3), padding: random.uniform(in: 0...1))
    p.add(
      .maxPool(MaxPoolSpec(window: window, droppedBits: random.uniform(in: 0...3), digits: digits())),
      shape: window.window.pooled(p.shape),
      modulus: seed % 3 == 0 ? .field : .word)
    p.add(.reshape, shape: TensorShape(vector: p.shape.count))
    p.linear(random.uniform(in: 1...7))
    if p.steps[p.last].tensor.modulus == .word {
      let wide = ComparisonDigits(bits: 30)
      p.add(.argMax(ArgMaxSpec(droppedBits: 0, indexBits: 8, digits: wide)), shape: TensorShape(vector: 1))
      return p.finish(dropping: 56)
    }
    p.activation(12, .local, to: .word)
    return p.finish(dropping: 8)
  }

  /// A small random program: convolutions, both variants, both rings, pooling, a residual addition.
  static func randomProgram(seed: UInt64) -> Program {
    let random = StreamGenerator(publicSeed: 3000 + seed)
    var p = ProgramAssembler(
      TensorShape(
        channels: random.uniform(in: 1...3), height: random.uniform(in: 4...8), width: random.uniform(in: 4...9)))
    let layers = random.uniform(in: 1...3)
    for layer in 0..<layers {
      let input = p.last
      let main = p.linear(random.uniform(in: 1...6), kernel: random.uniform(in: 1...3), padding: 1)
      if random.uniform(in: 0...2) == 0 {
        let again = p.linear(p.shape.channels, kernel: 1, from: input)
        if p.shape == p.steps[main].tensor.shape {
          p.add(.add(leftShift: 3, rightShift: 0), from: [main, again], shape: p.shape)
        }
      }
      p.activation(
        random.uniform(in: 1...60), random.uniform(in: 0...1) == 0 ? .exact : .local,
        to: layer == layers - 1 ? .word : .field)
      if p.shape.height >= 4, p.shape.width >= 4, random.uniform(in: 0...1) == 0 {
        let shape = TensorShape(
          channels: p.shape.channels, height: (p.shape.height - 2) / 2 + 1, width: (p.shape.width - 2) / 2 + 1)
        p.add(.sumPool(WindowGeometry(kernel: 2, stride: 2, padding: 0)), shape: shape)
      }
    }
    p.add(.reshape, shape: TensorShape(vector: p.shape.count))
    p.linear(random.uniform(in: 1...7))
    return p.finish(dropping: 8)
  }
}
