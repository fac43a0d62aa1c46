import CMemcheck
import Lattice
import Programs
import Randomness
import TestSupport
import Transport

@testable import Correlations
@testable import Rings
@testable import TwoParty

/// Secret weights of a program.
final class SecretWeights: WeightProvider, Sendable {
  private let weights: [Int: [Int32]]
  let weightsDigest = [UInt8](repeating: 7, count: 32)

  init(_ program: Program) {
    let random = StreamGenerator(publicSeed: 21)
    var weights: [Int: [Int32]] = [:]
    for index in program.linearSteps {
      guard case .linear(let geometry) = program.steps[index].operation else { continue }
      let values = (0..<geometry.weightCount).map { _ in Int32(random.uniform(in: -(1 << 17)...(1 << 17))) }
      values.withUnsafeBytes { ct_hide($0.baseAddress, $0.count) }
      weights[index] = values
    }
    self.weights = weights
  }

  func withWeights<R>(ofStep step: Int, _ body: (LayerWeights) throws -> R) rethrows -> R {
    try weights[step]!.withUnsafeBufferPointer { try body(.quantized($0)) }
  }
}

/// Both parties and the dealer. Material need not fit together: what is computed is not looked at.
enum PartyCases {
  static let all: [Case] = [
    ("input, linear steps, output", { for modulus in [ModulusKind.field, .word] { try linear(modulus) } }),
    (
      "activations",
      {
        for truncation in [TruncationVariant.exact, .local] {
          for output in [ModulusKind.field, .word] { try activation(truncation, output) }
        }
      }
    ),
    ("comparisons", { for modulus in [ModulusKind.field, .word] { try comparison(modulus) } }),
    ("what a party does alone around comparisons", { for modulus in [ModulusKind.field, .word] { walks(modulus) } }),
    ("comparisons out of transfers", { try comparisonMaterial() }),
    ("dealer", { try dealer() }),
    ("lattices", { try lattices() }),
  ]

  static let count = 203
  static let bytes = PackedBits.byteCount(count)

  static func linear(_ modulus: ModulusKind) throws {
    let geometry = LinearGeometry(
      inChannels: 2, outChannels: 7, inHeight: 6, inWidth: 6, kernelHeight: 3, kernelWidth: 3, strideHeight: 1,
      strideWidth: 1, padTop: 1, padLeft: 1, padBottom: 1, padRight: 1, groups: 1)
    let dense = LinearGeometry(
      inChannels: 37, outChannels: 6, inHeight: 1, inWidth: 1, kernelHeight: 1, kernelWidth: 1, strideHeight: 1,
      strideWidth: 1, padTop: 0, padLeft: 0, padBottom: 0, padRight: 0, groups: 1)
    let (left, right) = channels()
    let source = SecretSource(35)
    let workspace = LinearWorkspace()
    for geometry in [geometry, dense] {
      // Packing refuses weights out of range, which is its owner's error; from then on they are secret.
      let weights = try PackedWeights(
        geometry: geometry, weights: (0..<geometry.weightCount).map { Int32($0 * 7919 % 65536) - 32768 })
      ct_hide(weights.storage.pointer, weights.storage.count)
      ct_hide(weights.sums.pointer, 8 * weights.sums.count)
      let bias = source.words(geometry.outChannels, .word).array().map { Int64(bitPattern: $0) >> 30 }
      let linear = LinearOperator(modulus: modulus, weights: weights, bias: bias)
      let shared = LinearOperator(
        modulus: modulus, geometry: geometry, weights: source.words(geometry.weightCount, modulus),
        bias: source.words(geometry.outChannels, modulus))
      for step in [linear, shared] {
        _ = step.apply(
          [source.words(geometry.inputShape.count, modulus)], masks: [source.words(step.outputCount, modulus)],
          workspace: workspace)
      }
    }
    let sample = source.words(count, .word).array().map { Int64(bitPattern: $0) >> 24 }
    try InputOperator.send([sample], masks: [source.words(count, modulus)], modulus: modulus, channel: left)
    _ = try InputOperator.receive(batch: 1, count: count, modulus: modulus, channel: right)
    try OutputOperator.send([source.words(count, .word)], droppedBits: 12, channel: right)
    _ = try OutputOperator.receive([source.words(count, .word)], droppedBits: 12, channel: left)
  }

  static func activation(_ truncation: TruncationVariant, _ output: ModulusKind) throws {
    let spec = ActivationSpec(droppedBits: 12, truncation: truncation)
    let shape = TensorShape(vector: count)
    let (left, right) = channels()
    let handed = Handed(left)
    _ = try together(
      {
        let source = SecretSource(30)
        let coefficient = source.words(2, .field).array().map { Int64(bitPattern: $0 >> 20) }
        let coefficients = ActivationCoefficients(k: [coefficient[0]], constant: [coefficient[1]])
        var materials = MaterialBatch<ModelOwnerActivationMaterial>(capacity: 1)
        materials.append(
          ModelOwnerActivationMaterial(
            alpha: source.words(count, .field), u: source.words(count, .field),
            transfer: truncation == .exact ? (source.bits(bytes), source.words(count, output)) : nil))
        _ = try ActivationModelOwner(
          channel: handed.value, spec: spec, shape: shape, output: output, coefficients: coefficients
        ).run(shares: [source.words(count, .field)], materials: materials)
      },
      {
        let source = SecretSource(31)
        var materials = MaterialBatch<DataOwnerActivationMaterial>(capacity: 1)
        materials.append(
          DataOwnerActivationMaterial(
            share: source.words(count, .field), constant: source.words(count, .field),
            pads: truncation == .exact ? (source.words(count, output), source.words(count, output)) : nil,
            mask: source.words(count, output)))
        try ActivationDataOwner(channel: right, spec: spec, output: output).run(
          elementsPerSample: count, materials: materials)
      })
  }

  static func comparison(_ modulus: ModulusKind) throws {
    for answersTurns in modulus == .word ? [false, true] : [false] {
      try comparison(
        ComparisonStage(
          count: count, digits: ComparisonDigits(widths: [4, 3, 4, 1]), modulus: modulus,
          turnBits: modulus == .word ? 12 : 0, answersTurns: answersTurns))
    }
  }

  private static func comparison(_ stage: ComparisonStage) throws {
    let modulus = stage.modulus
    let digits = stage.digits
    let (left, right) = channels()
    let handed = Handed(left)
    _ = try together(
      {
        let source = SecretSource(32)
        var materials = MaterialBatch<ModelOwnerComparisonMaterial>(capacity: 1)
        materials.append(
          ModelOwnerComparisonMaterial(
            pads: source.bits(bytes * stage.padPlanes), triples: source.bits(bytes * digits.triplePlanes),
            rho: source.bits(bytes), g: source.words(count, modulus), h: source.words(count, modulus),
            w: source.words(count, modulus)))
        let operands = ComparisonWalk.Operands(
          compared: source.words(count, .word), operand: source.words(count, modulus),
          base: source.words(count, modulus),
          turns: stage.answersTurns ? ComparisonWalk.TurnWeights(operand: 7, negatedFrom: count / 2, base: -1) : nil)
        _ = try ComparisonModelOwner(channel: handed.value, stage: stage).run([operands], materials: materials)
      },
      {
        let source = SecretSource(33)
        var materials = MaterialBatch<DataOwnerComparisonMaterial>(capacity: 1)
        materials.append(
          DataOwnerComparisonMaterial(
            choices: source.bits(bytes * stage.choicePlanes), pads: source.bits(bytes * stage.chosenPlanes),
            triples: source.bits(bytes * digits.triplePlanes), rho: source.bits(bytes),
            operand: source.words(count, modulus), h: source.words(count, modulus),
            w: source.words(count, modulus), offset: source.words(count, modulus)))
        try ComparisonDataOwner(channel: right, stage: stage).run(materials: materials)
      })
  }

  static func walks(_ modulus: ModulusKind) {
    let functions: [ComparisonFunction] = [
      .relu, .leakyReLU(shift: 3), .slopedReLU(numerator: 1, denominator: 100), .absolute, .sign,
      .clip(lower: -5, upper: 90),
      .floor,
    ]
    var steps = functions.map { function in
      StepOperation.comparison(
        ComparisonSpec(droppedBits: 12, digits: ComparisonDigits(widths: [4, 4, 4]), function: function))
    }
    let tracked = modulus == .word ? functions.filter { $0 != .sign && $0 != .floor } : []
    steps += tracked.map { function in
      .comparison(
        ComparisonSpec(
          droppedBits: 12, digits: ComparisonDigits(widths: [4, 4, 4]), function: function, tracksTurns: true))
    }
    steps.append(.argMax(ArgMaxSpec(droppedBits: 2, indexBits: 16, digits: ComparisonDigits(bits: 40))))
    for (index, operation) in steps.enumerated() {
      let isLabel = index == steps.count - 1
      var p = ProgramAssembler(TensorShape(vector: count), .word)
      let isWord = isLabel || index == functions.count - 1
      p.add(operation, shape: isLabel ? TensorShape(vector: 1) : p.shape, modulus: isWord ? .word : modulus)
      let program = p.finish(dropping: 0)
      let schedule = program.comparisonSchedule(1)!
      let source = SecretSource(60 + UInt64(index))
      for leads in [true, false] {
        var walk = ComparisonWalk(
          program: program, step: 1, schedule: schedule, leads: leads, share: source.words(count, .word),
          turnMasks: leads ? nil : source.words(2 * count, .word))
        for (number, stage) in schedule.stages.enumerated() {
          _ = walk.operands(stage: number)
          walk.advance(stage: number, results: source.words(stage.count, stage.modulus))
        }
        _ = walk.finish()
      }
    }
  }

  static func comparisonMaterial() throws {
    for (turnBits, answersTurns) in [(0, false), (7, false), (7, true)] {
      try comparisonMaterial(
        ComparisonStage(
          count: count, digits: ComparisonDigits(widths: [4, 3]), modulus: turnBits > 0 ? .word : .field,
          turnBits: turnBits, answersTurns: answersTurns))
    }
  }

  private static func comparisonMaterial(_ stage: ComparisonStage) throws {
    let session = Digest32.sha256(Array("constant time".utf8))
    let (left, right) = channels(published: TransferCases.published)
    let handed = Handed(left)
    _ = try together(
      {
        let ends = ComparisonTransfersModelOwner(peer: handed.value, sessionID: session) {
          SecretSource(40 + UInt64($0))
        }
        try ends.begin()
        _ = try ends.material(try ends.draw(stage))
        ends.end()
        try handed.value.flush()
      },
      {
        let source = SecretSource(34)
        let ends = ComparisonTransfersDataOwner(peer: right, sessionID: session) { SecretSource(50 + UInt64($0)) }
        try ends.begin()
        _ = try ends.material(
          stage, compared: source.words(count, .word), operand: source.words(count, stage.modulus),
          offset: source.words(count, stage.modulus))
        ends.end()
        try right.flush()
      })
  }

  static var program: Program {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 6, width: 6))
    p.linear(3, kernel: 3, padding: 1)
    p.activation(12, .exact, to: .field)
    p.linear(3, kernel: 3, padding: 1)
    p.activation(12, .local, to: .word)
    p.linear(4)
    p.add(
      .comparison(ComparisonSpec(droppedBits: 8, digits: ComparisonDigits(widths: [4, 4]), function: .relu)),
      shape: p.shape, modulus: .word)
    p.add(.reshape, shape: TensorShape(vector: p.shape.count))
    p.linear(3)
    return p.finish(dropping: 8)
  }

  /// One bulk of a session. Seeds are secret to the party that gets one; corrections are what the party sees.
  static func dealer() throws {
    let program = program
    let weights = SecretWeights(program)
    let session = Digest32.sha256(Array("constant time".utf8))
    var limits = DealerLimits()
    limits.comparesFingerprints = false
    let server = DealerServer(
      secret: SecretKey(from: SecretSource(60)), random: Handed(SecretSource(61)).value, limits: limits)
    let (dealerForModel, modelToDealer) = channels(hidden: [.seed])
    let (dealerForData, dataToDealer) = channels(hidden: [.seed])
    let (dataEnd, modelEnd) = channels()
    let dealers = Threads()
    for channel in [dealerForModel, dealerForData] {
      let handed = Handed(channel)
      dealers.start { try server.serve(handed.value) }
    }
    let (toDealer, toPeer) = (Handed(modelToDealer), Handed(modelEnd))
    _ = try together(
      {
        let source = DealerModelOwnerSource(dealer: toDealer.value, peer: toPeer.value, sessionID: session)
        try source.begin(program: program, weights: weights)
        try Preparation.modelOwner(program: program, source: source, serials: 0..<1) { _ in }
      },
      {
        let source = DealerDataOwnerSource(dealer: dataToDealer, peer: dataEnd, sessionID: session)
        try source.begin(program: program)
        try Preparation.dataOwner(program: program, source: source, serials: 0..<1) { _ in }
        source.end()
      })
    try dealers.join(seconds: 600)
  }

  /// One bulk of a session that prepares by lattices.
  static func lattices() throws {
    var p = ProgramAssembler(TensorShape(channels: 1, height: 4, width: 4))
    p.linear(2, kernel: 3, padding: 1)
    p.activation(12, .exact, to: .word)
    p.add(.reshape, shape: TensorShape(vector: p.shape.count))
    p.linear(3)
    let program = p.finish(dropping: 8)
    let weights = SecretWeights(program)
    let session = Digest32.sha256(Array("constant time".utf8))
    let (dataEnd, modelEnd) = channels(published: TransferCases.published + [.latticeSeed])
    let handed = Handed(modelEnd)
    _ = try together(
      {
        let source = LatticeModelOwnerSource(
          peer: handed.value, sessionID: session, tables: LatticeTables(counter: OperationCounter()),
          cache: WeightTransformCache(limitBytes: 0), workers: WorkerPool(threads: 1), randomness: SecretSource(70))
        try source.begin(program: program, weights: weights)
        try Preparation.modelOwner(program: program, source: source, serials: 0..<1) { _ in }
        source.end()
      },
      {
        let source = LatticeDataOwnerSource(
          peer: dataEnd, sessionID: session, tables: LatticeTables(counter: OperationCounter()),
          workers: WorkerPool(threads: 1), randomness: SecretSource(71))
        try source.begin(program: program)
        try Preparation.dataOwner(program: program, source: source, serials: 0..<1) { _ in }
        source.end()
      })
  }
}
