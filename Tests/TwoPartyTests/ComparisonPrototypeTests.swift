import Programs
import Randomness
import Rings
import Testing

@Suite("Comparison: every formula of its specification")
struct ComparisonPrototypeTests {
  /// All ways to cut `bits` into digits.
  static func splits(_ bits: Int) -> [[Int]] {
    guard bits > 0 else { return [[]] }
    return (1...min(bits, 6)).flatMap { first in splits(bits - first).map { [first] + $0 } }
  }

  @Test("b is [z >= 0] for all z0, c and all digits", arguments: 2...8)
  func exhaustive(bits: Int) {
    let size = UInt64(1) << UInt64(bits)
    for (index, widths) in Self.splits(bits - 1).enumerated() {
      let digits = ComparisonDigits(widths: widths)
      #expect(digits.isValid && digits.bits == bits)
      let prototype = ComparisonPrototype(
        modulus: index % 2 == 0 ? 1 << 64 : Int128(PrimeField.modulus), digits: digits,
        random: StreamGenerator(publicSeed: UInt64(bits * 100 + index)))
      // Many splits of the larger rings: every pair of words is met, each by some of them, all by the smaller rings.
      let stride: UInt64 = bits == 8 ? 7 : 1
      var wrong = 0
      for z0 in 0..<size {
        for c in Swift.stride(from: (z0 + UInt64(index)) % stride, to: size, by: Int(stride)) {
          let z = Int64(bitPattern: (z0 &+ c) << UInt64(64 - bits)) >> Int64(64 - bits)
          let operand1 = Int128(c) + 5
          let found = prototype.run(z0: z0, c: c, operands: (prototype.reduce(Int128(z) - operand1), operand1))
          let expected: Int128 = z >= 0 ? Int128(z) : 0
          if found.b[0] ^ found.b[1] != (z >= 0 ? 1 : 0) { wrong += 1 }
          if prototype.reduce(found.output + found.mask) != expected { wrong += 1 }
          if found.wire.bits != digits.wireBits || found.wire.messages != digits.messages { wrong += 1 }
        }
      }
      #expect(wrong == 0, "\(widths)")
    }
  }

  @Test("The bits above k do not matter, and the operand may be another value", arguments: [9, 17, 20, 24, 37, 64])
  func random(bits: Int) {
    for preference in ComparisonPreference.allCases {
      let digits = ComparisonDigits(bits: bits, preferring: preference)
      #expect(digits.isValid && digits.bits == bits)
      let source = StreamGenerator(publicSeed: UInt64(bits))
      let prototype = ComparisonPrototype(modulus: 1 << 64, digits: digits, random: source)
      var wrong = 0
      for trial in 0..<500 {
        let c = source.word()
        let edges: [Int64] = [0, -1, 1, 1 << Int64(bits - 2), -(1 << Int64(bits - 2))]
        let wide = Int64(bitPattern: source.word()) >> Int64(64 - bits)
        let z = trial < 10 ? edges[trial % 5] : wide
        let operands = (Int128(source.word()), Int128(source.word()))
        let found = prototype.run(z0: UInt64(bitPattern: z) &- c, c: c, operands: operands)
        let expected = z >= 0 ? prototype.reduce(operands.0 + operands.1) : 0
        if prototype.reduce(found.output + found.mask) != expected { wrong += 1 }
      }
      #expect(wrong == 0, "\(preference)")
    }
  }

  /// The table of the specification: k, digits from the lowest up, messages, transfers, bits beside the two words.
  static let table: [(k: Int, widths: [Int], messages: Int, transfers: Int, bits: Int)] = [
    (17, [4, 4, 4, 4], 4, 24, 121), (18, [4, 4, 4, 5], 4, 25, 153), (18, [5, 4, 4, 4], 4, 25, 137),
    (20, [4, 5, 5, 5], 4, 27, 217), (20, [5, 5, 5, 4], 4, 27, 201), (20, [3, 4, 4, 4, 4], 6, 29, 147),
    (20, [4, 4, 4, 4, 3], 6, 29, 139), (21, [5, 5, 5, 5], 4, 28, 233), (24, [3, 4, 4, 4, 4, 4], 6, 35, 183),
    (24, [3, 3, 3, 3, 3, 2, 2, 2, 2], 6, 41, 129), (64, [3] + [Int](repeating: 4, count: 15), 6, 95, 541),
    (64, [Int](repeating: 4, count: 15) + [3], 6, 95, 533), (64, [Int](repeating: 3, count: 21), 8, 105, 399),
  ]

  @Test("Sizes of the specification's table", arguments: 0..<table.count)
  func sizes(index: Int) {
    let row = Self.table[index]
    let digits = ComparisonDigits(widths: row.widths)
    #expect(digits.isValid && digits.bits == row.k)
    #expect(digits.messages == row.messages && digits.transfers == row.transfers && digits.wireBits == row.bits)
  }

  @Test("Chosen digits: few messages up to 21 bits, six ever, eight for fewer bytes of wide words", arguments: 2...64)
  func chosen(bits: Int) {
    let quick = ComparisonDigits(bits: bits)
    #expect(quick.isValid && quick.bits == bits && quick.messages <= (bits <= 5 ? 2 : bits <= 21 ? 4 : 6))
    let small = ComparisonDigits(bits: bits, preferring: .bytes)
    #expect(small.isValid && small.bits == bits && small.messages <= (bits < 36 ? 6 : 8))
    #expect(small.wireBits + 2 * small.transfers <= quick.wireBits + 2 * quick.transfers)
  }
}
