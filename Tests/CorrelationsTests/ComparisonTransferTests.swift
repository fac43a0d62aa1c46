import Programs
import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import Correlations

@Suite("Comparison material out of transfers")
struct ComparisonTransferTests {
  private struct Made: Sendable {
    var mine: [Bulk.Comparison] = []
    var theirs: [Bulk.Comparison] = []
    var setUp = ChannelMeters()
    var drawn = ChannelMeters()
  }

  /// Both ends on runs one after the other, as sources use them; meters are the data owner's.
  private func run(_ stages: [ComparisonStage], seed: UInt64) throws -> Made {
    let (dataEnd, modelEnd) = MemoryStream.pair()
    let random = StreamGenerator(publicSeed: seed)
    let inputs = stages.map { stage in
      (0..<3).map { part in
        (0..<stage.count).map { _ in
          part == 0 || stage.modulus == .word ? random.word() : random.word() % PrimeField.modulus
        }
      }
    }
    let (mine, (theirs, setUp, drawn)) = try together(
      { () -> [Bulk.Comparison] in
        let ends = ComparisonTransfersModelOwner(peer: FramedChannel(modelEnd), sessionID: Dealing.session) {
          StreamGenerator(publicSeed: 1000 + seed + UInt64($0))
        }
        try ends.begin()
        defer { ends.end() }
        return try stages.map { stage in
          let material = try ends.material(try ends.draw(stage))
          return Bulk.Comparison(
            shape: stage, bytes: [material.pads, material.triples, material.rho].map { $0.array() },
            words: [material.g, material.h, material.w].map { $0.array() })
        }
      },
      { () -> ([Bulk.Comparison], ChannelMeters, ChannelMeters) in
        let channel = FramedChannel(dataEnd)
        let ends = ComparisonTransfersDataOwner(peer: channel, sessionID: Dealing.session) {
          StreamGenerator(publicSeed: 2000 + seed + UInt64($0))
        }
        try ends.begin()
        defer { ends.end() }
        let setUp = channel.snapshot()
        let made = try zip(stages, inputs).map { stage, words in
          let material = try ends.material(
            stage, compared: SecretWords(words[0]), operand: SecretWords(words[1]), offset: SecretWords(words[2]))
          return Bulk.Comparison(
            shape: stage, bytes: [material.choices, material.pads, material.triples, material.rho].map { $0.array() },
            words: [material.operand, material.h, material.w, material.offset].map { $0.array() },
            compared: words[0])
        }
        return (made, setUp, channel.snapshot() - setUp)
      })
    return Made(mine: mine, theirs: theirs, setUp: setUp, drawn: drawn)
  }

  @Test("satisfies the relations of its specification, run after run", arguments: 0..<4)
  func relations(seed: UInt64) throws {
    let random = StreamGenerator(publicSeed: seed)
    let counts = [1, 7, 8, 2047, 2049, 5001]
    let stages = (0..<5).map { index in
      ComparisonStage(
        count: counts[random.uniform(in: 0...5)],
        digits: ComparisonDigits(widths: (0..<random.uniform(in: 1...7)).map { _ in random.uniform(in: 1...5) }),
        modulus: index % 2 == 0 ? .word : .field)
    }
    let made = try run(stages, seed: seed)
    for (index, stage) in stages.enumerated() {
      ComparisonRelations(stage, mine: made.mine[index], theirs: made.theirs[index]).check()
    }
    // Nothing is drawn twice, and no factor, choice or share is a constant.
    #expect(Set(made.mine.map { $0.words[0] } + made.theirs.map { $0.words[2] }).count == 2 * stages.count)
    for part in made.mine where part.shape.count > 100 {
      let ones = part.bytes[0].reduce(0) { $0 + $1.nonzeroBitCount }
      let bits = part.shape.digits.padPlanes * part.shape.count
      // Six deviations of a fair coin.
      #expect(abs(2 * ones - bits) < 12 * Int(Double(bits).squareRoot()) + 8 * part.shape.digits.padPlanes)
    }
  }

  @Test("takes the bytes of digits and factors, and of silent extension a tenth of a byte a transfer")
  func bytes() throws {
    let stage = ComparisonStage(count: 20000, digits: ComparisonDigits(bits: 20), modulus: .word)
    let made = try run([stage, stage], seed: 9)
    let own = 2 * (stage.digits.digitBits * stage.count / 8 + 8 * stage.count)
    #expect(made.drawn.payloadSent >= own)
    let transfers = 2 * stage.count * stage.digits.transfers
    let extended = made.drawn.payloadSent - own + made.drawn.payloadReceived
    #expect(Double(extended) <= 0.11 * Double(max(transfers, 1 << 22)), "\(extended) bytes for \(transfers)")
  }
}
