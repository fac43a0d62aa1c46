import Hardware
import Programs
import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import Correlations

@Suite("Dealt material")
struct DealtMaterialTests {
  private func add(_ kind: ModulusKind, _ a: [UInt64], _ b: [UInt64]) -> [UInt64] {
    zip(a, b).map { Plain.add(kind, $0, $1) }
  }

  @Test("satisfies its relations for random programs and bulks", arguments: 0..<24)
  func relations(seed: UInt64) throws {
    let program = Dealing.randomProgram(seed: seed)
    try program.validate()
    let weights = RandomWeights(program, seed: seed)
    let bulks = [1 + Int(seed % 4), 2]
    let (model, data) = try Dealing(program: program, weights: weights).run(bulks)
    for (number, bulk) in bulks.enumerated() {
      let (mine, theirs) = (model[number], data[number])
      for index in program.linearSteps {
        guard case .linear(let geometry) = program.steps[index].operation else { continue }
        let modulus = program.steps[index].tensor.modulus
        for i in 0..<bulk {
          // c + s = W r.
          #expect(
            add(modulus, theirs.linearShares[index]![i], mine.linear[index]![i])
              == Plain.convolve(modulus, geometry, weights.weights[index]!, theirs.linearInputs[index]![i]))
        }
      }
      for index in program.activationSteps {
        let kind = program.steps[index].tensor.modulus
        for i in 0..<bulk {
          let (a, b) = (mine.activations[index]![i], theirs.answers[index]![i])
          #expect(b.mask == theirs.masks[index]![i])
          // u + v = alpha c, where the data owner keeps v + c^2.
          let squares = zip(b.share, b.share).map { Plain.multiply($0, $1) }
          #expect(
            add(.field, a.u, b.constant) == add(.field, zip(a.alpha, b.share).map { Plain.multiply($0, $1) }, squares))
          if !a.pads.isEmpty {
            let chosen = a.pads.indices.map { b.pads[Int(a.choices[$0 / 8] >> UInt8($0 % 8) & 1)][$0] }
            #expect(a.pads == add(kind, chosen, b.mask))
            #expect(zip(b.pads[0], b.pads[1]).allSatisfy { $0 != $1 })
          }
          guard case .activation(let spec) = program.steps[index].operation else { continue }
          #expect(a.pads.isEmpty == (spec.truncation == .local) && b.pads.isEmpty == a.pads.isEmpty)
        }
      }
    }
    // Nothing is dealt twice.
    var seen = Set<[UInt64]>()
    for words in model.flatMap({ $0.linear.values.joined() }) where words.count > 1 {
      #expect(seen.insert(words).inserted)
    }
    for words in data.flatMap({ $0.masks.values.joined() }) where words.count > 1 {
      #expect(seen.insert(words).inserted)
    }
  }

  @Test("of comparisons satisfies its relations, and serves the data owner's own digits", arguments: 0..<12)
  func comparisons(seed: UInt64) throws {
    let program = Dealing.comparisonProgram(seed: seed)
    try program.validate()
    let (model, data) = try Dealing(program: program, weights: RandomWeights(program, seed: seed)).run([2])
    for index in program.comparisonSteps {
      for (number, stage) in program.comparisonSchedule(index)!.stages.enumerated() {
        for i in 0..<2 {
          ComparisonRelations(
            stage, mine: model[0].comparisons[index]![number][i], theirs: data[0].comparisons[index]![number][i]
          ).check()
        }
      }
    }
  }

  @Test("is what the seeds give, at the descriptors' counts of material and of AES blocks", arguments: 0..<24)
  func streamsAndCounts(seed: UInt64) throws {
    let program =
      seed < 12 ? Dealing.randomProgram(seed: 100 + seed) : Dealing.comparisonProgram(seed: 100 + seed)
    let bulk = 1 + Int(seed % 3)
    let (model, data) = try Dealing(program: program, weights: RandomWeights(program, seed: seed)).run([bulk])
    let (mine, theirs) = (model[0], data[0])
    // The dealer draws the model owner's seed, then the data owner's.
    let random = StreamGenerator(publicSeed: Dealing.dealerSeed)
    let streams = CountingStreams(seed: SecretKey(count: 32, from: random))
    let others = CountingStreams(seed: SecretKey(count: 32, from: random))
    var produced: [MaterialKind: Int] = [:]
    var intermediate = 0
    for (index, step) in program.steps.enumerated() {
      let (kind, count) = (step.tensor.modulus, step.tensor.shape.count)
      for i in 0..<bulk {
        switch step.operation {
        case .input:
          #expect(others.words(.mask, index, i, kind, count) == theirs.masks[index]![i])
          produced[.mask, default: 0] += theirs.masks[index]![i].count
        case .linear:
          #expect(streams.words(.linearOutput, index, i, kind, count) == mine.linear[index]![i])
          #expect(theirs.linearShares[index]![i].count == count)
          produced[.linear, default: 0] += mine.linear[index]![i].count
        case .activation:
          let (a, b) = (mine.activations[index]![i], theirs.answers[index]![i])
          #expect(streams.words(.oleAlpha, index, i, .field, count) == a.alpha)
          #expect(others.words(.mask, index, i, kind, count) == b.mask)
          let v = others.words(.oleV, index, i, .field, count)
          #expect(b.constant == zip(v, b.share).map { Plain.add($0, Plain.multiply($1, $1)) })
          // gamma is not kept; what it costs to draw it is.
          _ = others.words(.oleGamma, index, i, .field, count)
          produced[.ole, default: 0] += a.u.count
          produced[.mask, default: 0] += b.mask.count
          guard !a.pads.isEmpty else { continue }
          #expect(streams.bytes(.transferChoice, index, i, (count + 7) / 8) == a.choices)
          let pads = others.words(.transferPads, index, i, kind, 2 * count)
          #expect(b.pads[0] == zip(pads[..<count], b.mask).map { Plain.add(kind, $0, Plain.negate(kind, $1)) })
          #expect(b.pads[1] == zip(pads[count...], b.mask).map { Plain.add(kind, $0, Plain.negate(kind, $1)) })
          produced[.transfer, default: 0] += a.pads.count
        case .comparison, .maxPool, .argMax:
          others.add(.mask, index, i, kind, theirs.masks[index]![i])
          for (number, stage) in program.comparisonSchedule(index)!.stages.enumerated() {
            let layer = index + Program.maximumSteps * number
            let eighths = (stage.count + 7) / 8
            let (a, b) = (mine.comparisons[index]![number][i], theirs.comparisons[index]![number][i])
            let digits = stage.digits
            _ = streams.bytes(Purpose(label: "comparison pads"), layer, i, digits.padPlanes * eighths)
            _ = others.bytes(Purpose(label: "comparison choice"), layer, i, digits.digitBits * eighths)
            let label = Purpose(label: "comparison triples")
            _ = streams.bytes(label, layer, i, digits.triplePlanes * eighths)
            #expect(others.bytes(label, layer, i, digits.triplePlanes * eighths) == b.bytes[2])
            let choice = Purpose(label: "multiplexer choice")
            #expect(streams.bytes(choice, layer, i, eighths) == a.bytes[2])
            #expect(others.bytes(choice, layer, i, eighths) == b.bytes[3])
            let (factor, share) = (Purpose(label: "multiplexer factor"), Purpose(label: "multiplexer share"))
            #expect(streams.words(factor, layer, i, stage.modulus, stage.count) == a.words[0])
            #expect(streams.words(share, layer, i, stage.modulus, stage.count) == a.words[1])
            _ = others.words(factor, layer, i, stage.modulus, stage.count)
            #expect(others.words(share, layer, i, stage.modulus, stage.count) == b.words[2])
            produced[.comparison, default: 0] += stage.count
            produced[.mask, default: 0] += stage.count
            let masks = theirs.stageMasks[index]?[number]?[i] ?? []
            guard !masks.isEmpty else { continue }
            let key = index + Program.maximumSteps * (number + 1)
            #expect(others.words(.mask, key, i, stage.modulus, masks.count) == masks)
            // The dealer deals without these.
            intermediate += (8 * (stage.modulus == .field ? 2 : 1) * masks.count + 15) / 16
          }
        case .sumPool, .globalSumPool, .add, .concatenate, .offset, .reshape, .subsamplePad, .changeRing, .output: break
        }
      }
    }
    let costs = try CostModel()
    let offline = try costs.predict(program: program, phase: .offline, bulk: bulk, source: .dealer).total
    let online = try costs.predict(program: program, phase: .online, batch: bulk).total
    for kind in MaterialKind.allCases {
      #expect(offline.produced(kind) == produced[kind] ?? 0, "\(kind)")
      #expect(online.consumed(kind) == produced[kind] ?? 0, "\(kind)")
    }
    #expect(offline.work(.modelOwner, "aes.block") == streams.blocks)
    #expect(offline.work(.dataOwner, "aes.block") == others.blocks)
    let weightBlocks = program.linearSteps.reduce(0) { sum, index in
      guard case .linear(let geometry) = program.steps[index].operation else { return sum }
      return sum + (geometry.weightCount * (program.steps[index].tensor.modulus == .field ? 16 : 8) + 15) / 16
    }
    #expect(offline.work(.dealer, "aes.block") == streams.blocks + others.blocks - intermediate + weightBlocks)
  }
}

/// The streams of Protocols/dealer/spec.md, drawn anew and counted.
private final class CountingStreams {
  let seed: SecretKey
  /// Blocks of 16 bytes, each stream rounded up.
  var blocks = 0
  init(seed: SecretKey) { self.seed = seed }

  func bytes(_ purpose: Purpose, _ step: Int, _ serial: Int, _ count: Int) -> [UInt8] {
    blocks += (count + 15) / 16
    return StreamGenerator(
      key: KeyDerivation.derive(
        secret: seed, context: Dealing.session.bytes, purpose: purpose, layer: UInt32(step), serial: UInt64(serial))
    ).bytes(count)
  }

  /// Draws words that were kept.
  func add(_ purpose: Purpose, _ step: Int, _ serial: Int, _ kind: ModulusKind, _ found: [UInt64]) {
    #expect(words(purpose, step, serial, kind, found.count) == found)
  }

  func words(_ purpose: Purpose, _ step: Int, _ serial: Int, _ kind: ModulusKind, _ count: Int) -> [UInt64] {
    let width = kind == .field ? 16 : 8
    let stream = bytes(purpose, step, serial, width * count)
    func word(_ start: Int) -> UInt64 {
      (0..<8).reduce(UInt64(0)) { $0 | UInt64(stream[start + $1]) << UInt64(8 * $1) }
    }
    return (0..<count).map { index in
      let low = word(width * index)
      guard kind == .field else { return low }
      let p = PrimeField.modulus
      return p.dividingFullWidth((word(16 * index + 8) % p, low)).remainder
    }
  }
}
