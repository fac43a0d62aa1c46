import Programs
import Randomness
import Rings
import Testing
import TwoParty

/// The local variant's failures, made frequent by a large |Y|.
@Suite("Failure rate of local truncation")
struct FailureRateTests {
  static let sums: [Int64] = [1 << 58, -(1 << 58), (1 << 57) + 12345, -(1 << 59)]

  @Test(
    "Sampled rate agrees with the counted probability, and stays under (|Y| + 1) / p",
    arguments: sums)
  func sampled(y: Int64) throws {
    let count = 1 << 16
    let random = StreamGenerator(publicSeed: UInt64(y.magnitude % 1009) + (y < 0 ? 7 : 0))
    let elements = (0..<count).map { _ in
      IdealActivation.Element(y: y, c: random.ring(.field), y0: random.ring(.field))
    }
    let ideal = IdealActivation(elements, ActivationSpec(droppedBits: 24, truncation: .local), .word, seed: 3)
    let found = try runActivation([ideal], shape: TensorShape(vector: count), coefficients: ideal.coefficients)[0]
    let failed = found.map { abs($0 - (y >> 24)) > 1 }
    // y0 uniform: Y + 1 of its p values fail for Y >= 0, and |Y| - 1 for Y < 0 (Protocols/x2act/spec.md).
    let straddles = elements.map { y >= 0 ? $0.y0 <= UInt64(y) : $0.y0 > p - y.magnitude }
    #expect(failed == straddles)
    let rate = (Double(y.magnitude) + (y >= 0 ? 1 : -1)) / Double(p)
    let failures = Double(failed.filter { $0 }.count)
    // Five standard deviations of a binomial count: passed by chance alone less than once in a million seeds.
    let deviation = (Double(count) * rate * (1 - rate)).squareRoot()
    #expect(abs(failures - Double(count) * rate) < 5 * deviation)
    let turn = Int64(p >> 24)
    let wrong = zip(found, failed).filter(\.1).map { abs(abs($0.0 - (y >> 24)) - turn) }
    #expect(wrong.allSatisfy { $0 <= 2 }, "a failure is one whole turn")
  }
}
