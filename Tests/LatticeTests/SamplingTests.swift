import CKernels
import Glibc
import Randomness
import Rings
import Testing

@testable import Lattice

@Suite struct SamplingTests {
  private let words: [UInt64] = {
    var draws = Draws(state: 12)
    return [0, .max, 1 << 21 - 1, (1 << 21 - 1) << 21, 1 << 42, .max << 42, 1 << 63]
      + (0..<20_000).map { _ in draws.word() }
  }()

  @Test func errorsAreDifferencesOfBitCounts() {
    var out = [Int32](repeating: 99, count: words.count)
    ck_sample_binomial(words, words.count, &out)
    for (word, error) in zip(words, out) {
      var expected = 0
      for bit in UInt64(0)..<21 { expected += Int(word >> bit & 1) - Int(word >> (bit + 21) & 1) }
      #expect(Int(error) == expected)
    }
    #expect(out[..<7] == [0, 0, 21, -21, 0, 0, 0])
    let drawn = out[7...].map(Double.init)
    let variance = drawn.reduce(0) { $0 + $1 * $1 } / Double(drawn.count)
    #expect(abs(variance - NoiseBudget.errorVariance) < 0.5)
    #expect(abs(drawn.reduce(0, +) / Double(drawn.count)) < 0.12)
  }

  @Test func ternaryDigitsAreEquallyLikely() {
    var out = [Int32](repeating: 99, count: words.count)
    ck_sample_ternary(words, words.count, &out)
    let third = UInt64.max / 3
    for (word, digit) in zip(words, out) { #expect(digit == (word <= third ? -1 : word <= 2 * third ? 0 : 1)) }
    // The digit changes where it should: 2^64 / 3 and 2^65 / 3.
    let edges: [UInt64] = [0, third, third + 1, 2 * third, 2 * third + 1, .max]
    ck_sample_ternary(edges, 6, &out)
    #expect(out[..<6] == [-1, -1, 0, 0, 1, 1])
  }

  /// Candidates are the low bits of the words in turn; what is not below the prime is passed over.
  @Test func residuesAreAcceptedCandidates() {
    for bits in [30, 46, 50] {
      let q = primes(bits: bits, degree: 8192)[0]
      let mask = (1 as UInt64) << UInt64(bits) - 1
      // One candidate in four is above a number of this kind, so that refusals are common.
      let small = q / 4 * 3 + 1
      for prime in [q, small] {
        let words = words + [prime, prime - 1, prime + 1, 0, mask]
        let accepted = words.map { $0 & mask }.filter { $0 < prime }
        var out = [UInt64](repeating: 7, count: words.count + 1)
        #expect(ck_sample_residues(prime, words, words.count, &out, words.count) == accepted.count)
        #expect(same(Array(out[..<accepted.count]), accepted))
        #expect(out.last == 7)
        var few = [UInt64](repeating: 7, count: 11)
        #expect(ck_sample_residues(prime, words, words.count, &few, 10) == 10)
        #expect(few == Array(accepted[..<10]) + [7])
      }
    }
  }

  /// Both parties draw the same polynomial from one seed, uniform, and another from the next part of the stream.
  @Test func uniformPolynomialsAgree() {
    let context = RingContext(.linear)
    let stream = StreamGenerator(publicSeed: 5)
    var first = [UInt64](repeating: 0, count: context.words)
    var second = first
    var again = first
    context.uniform(from: stream, into: &first)
    context.uniform(from: stream, into: &second)
    context.uniform(from: StreamGenerator(publicSeed: 5), into: &again)
    #expect(same(first, again))
    #expect(!same(first, second))
    for (row, q) in context.primes.enumerated() {
      let residues = first[row * context.degree..<(row + 1) * context.degree]
      #expect(residues.allSatisfy { $0 < q })
      // Chi-squared over 16 equal parts, 15 degrees of freedom: below 50 but in one of 10^5.
      var counts = [Double](repeating: 0, count: 16)
      for residue in residues { counts[Int(Double(residue) / Double(q) * 16)] += 1 }
      let expected = Double(context.degree) / 16
      #expect(counts.reduce(0) { $0 + ($1 - expected) * ($1 - expected) / expected } < 50)
    }
  }

  @Test func keysAreTernaryInEveryRing() {
    let key = LatticeSecretKey(in: RingContext(.linear), from: StreamGenerator(publicSeed: 2))
    var digits: [[Int]] = []
    for parameters in [LatticeParameters.linear, .ole] {
      let context = RingContext(parameters)
      let transformed = key.transformed(in: context)
      context.inverse(transformed.pointer)
      for (row, q) in context.primes.enumerated() {
        let residues = transformed.array()[row * 8192..<(row + 1) * 8192]
        digits.append(residues.map { $0 == q - 1 ? -1 : Int($0) })
      }
    }
    #expect(digits.allSatisfy { same($0, digits[0]) })
    for digit in -1...1 {
      let share = Double(digits[0].count { $0 == digit }) / 8192
      #expect(abs(share - 1 / 3.0) < 0.03)
    }
  }
}
