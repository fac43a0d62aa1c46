import CKernels
import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import ObliviousTransfer

@Suite("Silent extension")
struct SilentTests {
  @Test("The relation holds in later rounds, drawn in pieces that do not fit rounds")
  func rounds() throws {
    let sizes = [2_252_000, 300, 1, 20_480, 2_400_000, 77]
    let outcome = try CorrelationTests.draw(Ends(method: .silent, seed: 20), sizes)
    let (k, m, d) = (outcome.sender.words, outcome.receiver, outcome.sender.offset)
    var (wrong, ones) = (0, 0)
    for index in stride(from: 0, to: k.count, by: 2) {
      let choice = 0 &- (m[index] & 1)
      ones += Int(m[index] & 1)
      if k[index] & 1 != 0 || m[index] != k[index] ^ (d[0] & choice) || m[index + 1] != k[index + 1] ^ (d[1] & choice) {
        wrong += 1
      }
    }
    #expect(wrong == 0)
    let half = Double(k.count / 4)
    #expect(abs(Double(ones) - half) < 6 * (half / 2).squareRoot())
    // No block repeats, within a round or between rounds.
    #expect(Set(stride(from: 0, to: k.count, by: 2).map { k[$0 + 1] }).count == k.count / 2)
  }

  /// The oracle: SoftSpoken on the same seeds gives the first round's transfers, from which choices follow by definition.
  @Test("Choices are those of SoftSpoken's through the code, with one flip in each interval")
  func oracle() throws {
    let ends = Ends(method: .silent, seed: 21)
    var base = ends
    base.method = .softSpoken(k: SilentParameters.bootstrap)
    let first = try CorrelationTests.draw(base, [SilentParameters.reserve]).receiver
    let count = 40_000
    let found = try CorrelationTests.draw(ends, [count]).receiver
    let key = ends.session().publicBlock(.transferCode).withUnsafeBytes { Array($0) }
    let choices = (0..<SilentParameters.reserve).map { first[2 * $0] & 1 }
    // 16 rows take 40 blocks of the stream.
    let start = SilentParameters.reserve / 16 * 16
    let blocks = (start / 16 * 40..<(SilentParameters.reserve + count + 15) / 16 * 40).flatMap {
      block([UInt64($0), 0], 0)
    }
    let stream = referenceEncrypt(key, blocks)
    var wrong = 0
    for index in 0..<count {
      let row = SilentParameters.reserve + index
      var bit: UInt64 = 0
      for word in 10 * (row - start)..<10 * (row - start) + 10 {
        let value = (0..<4).reduce(0) { $0 | Int(stream[4 * word + $1]) << (8 * $1) }
        bit ^= choices[value % SilentParameters.secret]
      }
      let tree = row / SilentParameters.leaves
      let position = (0..<SilentParameters.depth).reduce(0) { place, level in
        let transfer = SilentParameters.secret + SilentParameters.depth * tree + level
        return place | Int(1 ^ choices[transfer]) << level
      }
      if row % SilentParameters.leaves == position { bit ^= 1 }
      if bit != found[2 * index] & 1 { wrong += 1 }
    }
    #expect(wrong == 0)
  }

  @Test("Published attacks on the noise cost 128 bits and more, by the authors' own estimators")
  func security() {
    // Values of the public estimators for the reduced parameters, to which this code is held.
    let small = NoiseSecurity(samples: 16_236, secret: 3334, noise: 198)
    let silent = NoiseSecurity.silent
    func near(_ a: Double, _ b: Double, _ tolerance: Double = 0.01) -> Bool { abs(a - b) < tolerance }
    #expect(near(small.gauss, 95.104) && near(silent.gauss, 141.717))
    #expect(near(small.statisticalDecoding, 133.393) && near(silent.statisticalDecoding, 205.130))
    #expect(near(small.permutation, 102.648) && near(silent.permutation, 157.498))
    #expect(near(small.enumeration, 83.940) && near(silent.enumeration, 136.455))
    #expect(near(small.algebraic, 105.74) && near(silent.algebraic, 144.34))
    #expect(near(silent.hybrid, 128.194))
    #expect(silent.bits >= 128)
    // A set that was once proposed for 128 bits is told apart.
    let broken = NoiseSecurity(samples: 1_047_222, secret: 31_417, noise: 1419)
    #expect(near(broken.hybrid, 81.093) && near(broken.gauss, 101.265) && broken.bits < 128)
  }
}
