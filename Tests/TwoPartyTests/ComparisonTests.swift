import Correlations
import Programs
import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import TwoParty

@Suite("Comparison of two parties")
struct ComparisonTests {
  struct Run {
    var results: [[UInt64]]
    var meters: ChannelMeters
    var transcript: String?
  }

  /// Runs both parties; meters are the model owner's.
  static func run(_ samples: [IdealComparison], _ variant: KernelVariant = .best, hasBase: Bool = true) throws -> Run {
    let (modelEnd, dataEnd) = MemoryStream.pair()
    let stage = samples[0].stage
    let kernels = ComparisonKernels(variant: variant)
    let channel = FramedChannel(dataEnd, configuration: ChannelConfiguration(recordsTranscript: true))
    let ((shares, meters), _) = try together(
      {
        var materials = MaterialBatch<ModelOwnerComparisonMaterial>(capacity: samples.count)
        for sample in samples { materials.append(sample.modelOwnerMaterial) }
        let channel = FramedChannel(modelEnd)
        let shares = try ComparisonModelOwner(channel: channel, stage: stage, kernels: kernels).run(
          samples.map { $0.operands(hasBase: hasBase) }, materials: materials)
        return (shares, channel.snapshot())
      },
      {
        var materials = MaterialBatch<DataOwnerComparisonMaterial>(capacity: samples.count)
        for sample in samples { materials.append(sample.dataOwnerMaterial) }
        try ComparisonDataOwner(channel: channel, stage: stage, kernels: kernels).run(materials: materials)
      })
    return Run(
      results: zip(samples, shares).map { $0.opened($1) }, meters: meters, transcript: channel.transcript?.hex)
  }

  static func elements(_ count: Int, _ modulus: ModulusKind, _ random: StreamGenerator) -> [IdealComparison.Element] {
    (0..<count).map { _ in
      .init(
        compared: (random.word(), random.word()), operand: (random.ring(modulus), random.ring(modulus)),
        base: (random.ring(modulus), random.ring(modulus)))
    }
  }

  @Test("All z0 and c, all digits, both rings", arguments: 2...8)
  func exhaustive(bits: Int) throws {
    for (index, widths) in ComparisonPrototypeTests.splits(bits - 1).enumerated() {
      let modulus: ModulusKind = index % 2 == 0 ? .word : .field
      let random = StreamGenerator(publicSeed: UInt64(1000 * bits + index))
      let size = UInt64(1) << UInt64(bits)
      var elements: [IdealComparison.Element] = []
      // Of the many splits of 8 bits each meets an eighth of the pairs.
      for z0 in 0..<size {
        for c in 0..<size where bits < 8 || (z0 &+ c &+ UInt64(index)) % 8 == 0 {
          elements.append(
            .init(
              compared: (z0 | random.word() << UInt64(bits), c | random.word() << UInt64(bits)),
              operand: (random.ring(modulus), random.ring(modulus)), base: (random.ring(modulus), random.ring(modulus)))
          )
        }
      }
      let ideal = IdealComparison(
        elements, digits: ComparisonDigits(widths: widths), modulus: modulus, seed: UInt64(index))
      let found = try Self.run([ideal]).results[0]
      #expect(found == elements.map(ideal.expected), "\(widths)")
    }
  }

  static let sizes: [(count: Int, batch: Int)] = [
    (1, 1), (7, 3), (8, 2), (9, 5), (2047, 1), (2048, 2), (2049, 2), (4099, 3), (513, 4), (1, 9),
  ]

  @Test("Tiles, batches and instruction sets give one result and one wire", arguments: sizes)
  func tiles(size: (count: Int, batch: Int)) throws {
    for (index, widths) in [[4, 4, 4, 4], [5, 5, 5, 4], [6], [3, 2], [4, 4, 3, 3, 3, 3], [2, 1, 1]].enumerated() {
      let modulus: ModulusKind = (index + size.count) % 2 == 0 ? .word : .field
      let samples = (0..<size.batch).map { sample in
        let random = StreamGenerator(publicSeed: UInt64(sample * 77 + index))
        return IdealComparison(
          Self.elements(size.count, modulus, random), digits: ComparisonDigits(widths: widths), modulus: modulus,
          seed: UInt64(index * 1000 + sample))
      }
      var transcripts: Set<String?> = []
      for variant in KernelVariant.allCases where variant.isAvailable {
        let run = try Self.run(samples, variant)
        for (sample, found) in zip(samples, run.results) {
          #expect(found == sample.elements.map(sample.expected), "\(widths), \(variant)")
        }
        transcripts.insert(run.transcript)
        let digits = samples[0].stage.digits
        let planes = size.batch * ((size.count + 7) / 8)
        #expect(
          run.meters.payloadSent + run.meters.payloadReceived == digits.wireBits * planes
            + 16 * size.count * size.batch)
        // Without a tree tables and select are two frames of one message.
        #expect(run.meters.flights == digits.messages)
      }
      #expect(transcripts.count == 1)
    }
  }

  @Test("Wide and narrow words of every size", arguments: 2...64)
  func widths(bits: Int) throws {
    for preference in ComparisonPreference.allCases {
      let random = StreamGenerator(publicSeed: UInt64(bits))
      var elements = Self.elements(300, .word, random)
      // At zero, at the ends of the range, and one beyond them.
      for (index, z) in [0, -1, 1, Int64.max >> Int64(64 - bits), Int64.min >> Int64(64 - bits)].enumerated() {
        elements[index].compared.0 = UInt64(bitPattern: z) &- elements[index].compared.1
        elements[index + 5].compared.0 = UInt64(bitPattern: z &+ 1) &- elements[index + 5].compared.1
      }
      let ideal = IdealComparison(
        elements, digits: ComparisonDigits(bits: bits, preferring: preference), modulus: .word, seed: UInt64(bits))
      #expect(try Self.run([ideal]).results[0] == elements.map(ideal.expected))
    }
  }

  @Test("The tables on the wire are those of the prototype, and filler bits are zero", arguments: [1, 8, 13, 2050])
  func tables(count: Int) throws {
    let random = StreamGenerator(publicSeed: 5)
    let digits = ComparisonDigits(widths: [3, 2, 1])
    let ideal = IdealComparison(Self.elements(count, .word, random), digits: digits, modulus: .word, seed: 9)
    let (modelEnd, dataEnd) = MemoryStream.pair()
    let stage = ideal.stage
    let threads = Threads()
    threads.start {
      var materials = MaterialBatch<ModelOwnerComparisonMaterial>(capacity: 1)
      materials.append(ideal.modelOwnerMaterial)
      _ = try? ComparisonModelOwner(channel: FramedChannel(modelEnd), stage: stage).run(
        [ideal.operands()], materials: materials)
    }
    let planes = digits.tablePlanes + digits.levels[0].openPlanes
    let channel = FramedChannel(dataEnd)
    let bytes = try channel.receive(.comparisonTables, byteCount: planes * ((count + 7) / 8))
    channel.close()
    let expected = ideal.planes { index in
      let (tables, leaves) = ideal.prototype.tables(z0: ideal.elements[index].compared.0, ideal.materials[index])
      let opened = ideal.prototype.opened(leaves, ideal.materials[index].triples[0][0])
      return tables.flatMap { $0.flatMap { $0 } } + opened.flatMap { $0 }
    }
    #expect(bytes == expected.array())
    try threads.join()
  }

  @Test("Words of F_p that are not reduced are refused at both parties")
  func notReduced() throws {
    let random = StreamGenerator(publicSeed: 6)
    let ideal = IdealComparison(
      Self.elements(9, .field, random), digits: ComparisonDigits(widths: [4]), modulus: .field, seed: 1)
    let stage = ideal.stage
    let planes = 2
    let bad = [UInt8](repeating: 0, count: planes) + [UInt8](repeating: 255, count: 72)
    do {
      let (modelEnd, dataEnd) = MemoryStream.pair()
      let channel = FramedChannel(modelEnd)
      try channel.send(.comparisonTables, [UInt8](repeating: 0, count: 15 * planes))
      try channel.send(.comparisonSelect, bad)
      #expect(throws: TwoPartyError.wordNotReduced(message: "comparison select")) {
        var materials = MaterialBatch<DataOwnerComparisonMaterial>(capacity: 1)
        materials.append(ideal.dataOwnerMaterial)
        try ComparisonDataOwner(channel: FramedChannel(dataEnd), stage: stage).run(materials: materials)
      }
    }
    let (modelEnd, dataEnd) = MemoryStream.pair()
    try FramedChannel(dataEnd).send(.comparisonAnswer, bad)
    #expect(throws: TwoPartyError.wordNotReduced(message: "comparison answer")) {
      var materials = MaterialBatch<ModelOwnerComparisonMaterial>(capacity: 1)
      materials.append(ideal.modelOwnerMaterial)
      _ = try ComparisonModelOwner(channel: FramedChannel(modelEnd), stage: stage).run(
        [ideal.operands()], materials: materials)
    }
  }

  @Test("Frames of another length or kind are refused before anything is taken for them")
  func malformed() throws {
    let random = StreamGenerator(publicSeed: 7)
    let ideal = IdealComparison(
      Self.elements(20, .word, random), digits: ComparisonDigits(widths: [4, 4]), modulus: .word, seed: 1)
    let stage = ideal.stage
    for (kind, count) in [
      (FrameKind.comparisonTables, 1 << 30), (.comparisonTables, 0), (.comparisonAnswer, 141), (.comparisonSelect, 8),
    ] {
      let (modelEnd, dataEnd) = MemoryStream.pair()
      let channel = FramedChannel(modelEnd)
      try channel.beginSend(kind, byteCount: count)
      try channel.flush()
      #expect(throws: TransportError.self) {
        var materials = MaterialBatch<DataOwnerComparisonMaterial>(capacity: 1)
        materials.append(ideal.dataOwnerMaterial)
        try ComparisonDataOwner(channel: FramedChannel(dataEnd), stage: stage).run(materials: materials)
      }
    }
  }
}
