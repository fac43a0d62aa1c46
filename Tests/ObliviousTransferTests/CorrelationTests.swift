import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import ObliviousTransfer

@Suite("Correlated transfers")
struct CorrelationTests {
  static let methods: [TransferMethod] = [
    .silent, .softSpoken(k: 1), .softSpoken(k: 2), .softSpoken(k: 4), .softSpoken(k: 8),
  ]

  struct Drawn: Sendable {
    var offset: [UInt64]
    var words: [UInt64]
    var firsts: [UInt64]
  }

  /// Draws of these sizes at both ends.
  static func draw(_ ends: Ends, _ sizes: [Int]) throws -> (Ends.Outcome<Drawn, [UInt64]>) {
    try ends.run(
      { sender in
        var drawn = Drawn(offset: sender.offset.array(), words: [], firsts: [])
        for size in sizes {
          let blocks = try sender.draw(size)
          drawn.words += blocks.words.array()
          drawn.firsts.append(blocks.first)
        }
        return drawn
      },
      { receiver in
        var words: [UInt64] = []
        for size in sizes { words += try receiver.draw(size).words.array() }
        return words
      })
  }

  @Test("M = K + r D for every draw, whatever its size", arguments: methods)
  func relation(method: TransferMethod) throws {
    let sizes = [1, 0, 2047, 5, 2048, 6000, 70_000]
    let outcome = try Self.draw(Ends(method: method, seed: 3), sizes)
    let (k, m, d) = (outcome.sender.words, outcome.receiver, outcome.sender.offset)
    #expect(k.count == 2 * sizes.reduce(0, +) && m.count == k.count && d[0] & 1 == 1)
    var wrong = 0
    for index in stride(from: 0, to: k.count, by: 2) {
      let choice = 0 &- (m[index] & 1)
      if k[index] & 1 != 0 || m[index] != k[index] ^ (d[0] & choice) || m[index + 1] != k[index + 1] ^ (d[1] & choice) {
        wrong += 1
      }
    }
    #expect(wrong == 0)
    #expect(outcome.sender.firsts == sizes.indices.map { UInt64(sizes[..<$0].reduce(0, +)) })
    #expect(Statistics.bitsAreBalanced(m))
    #expect(Statistics.bitsAreBalanced(k, skipping: 0))
    #expect(Statistics.bytesAreUniform(m))
  }
}

/// Chi-square and counts, with bounds that a uniform source passes but for one in 10^9 runs; seeds are fixed.
enum Statistics {
  /// Each of 128 bits is set in half of the blocks, up to six deviations.
  static func bitsAreBalanced(_ words: [UInt64], skipping skipped: Int? = nil) -> Bool {
    let blocks = words.count / 2
    let bound = 6 * Double(blocks).squareRoot() / 2
    return (0..<128).allSatisfy { bit in
      if bit == skipped { return true }
      let set = (0..<blocks).reduce(0) { $0 + Int(words[2 * $1 + bit / 64] >> UInt64(bit % 64) & 1) }
      return abs(Double(set) - Double(blocks) / 2) < bound
    }
  }

  /// Chi-square of the 256 byte values, 255 degrees of freedom: below 255 + 6 deviations of 22.6.
  static func bytesAreUniform(_ words: [UInt64]) -> Bool {
    var counts = [Int](repeating: 0, count: 256)
    for word in words { for byte in 0..<8 { counts[Int(word >> UInt64(8 * byte) & 255)] += 1 } }
    let expected = Double(8 * words.count) / 256
    let statistic = counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    return statistic < 255 + 6 * 22.6
  }
}
