import CKernels
import Rings
import Testing

@testable import Lattice

private let wordModulus = Big(words: [0, 1])
private let fieldModulus = Big(PrimeField.modulus)
private func modulus(_ kind: ModulusKind) -> Big { kind == .field ? fieldModulus : wordModulus }

/// Numbers below Q: extremes, then random ones.
private func numbers(below q: Big, words: Int, count: Int) -> [Big] {
  var draws = Draws(state: 31)
  let one = Big(1)
  let edges = [Big(), one, q - one, q / Big(2), q / Big(2) + one, q / wordModulus, q - q / wordModulus]
  return edges + (0..<count).map { _ in Big(words: (0..<words + 1).map { _ in draws.word() }) % q }
}

@Suite struct RNSTests {
  @Test(arguments: [LatticeParameters.linear, .ole]) func fractionsMatchIntegers(parameters: LatticeParameters) {
    let context = RingContext(parameters)
    let q = parameters.primes.reduce(Big(1)) { $0 * Big($1) }
    let values = numbers(below: q, words: 3, count: 500)
    let residues = parameters.primes.flatMap { prime in values.map { ($0 % Big(prime)).word } }
    var fractions = [UInt64](repeating: 0, count: 2 * values.count)
    context.fractions(residues, stride: values.count, count: values.count, &fractions)
    for (index, value) in values.enumerated() {
      // Modulo 2^128, at most primes * 2^50 below the exact fraction.
      let exact = (value << 128) / q
      let found = Big(words: [fractions[2 * index], fractions[2 * index + 1]])
      let difference = (exact - found) % (Big(1) << 128)
      #expect(difference < Big(UInt64(parameters.primes.count) << 50), "value \(value)")
    }
  }

  @Test(arguments: [LatticeParameters.linear, .ole], [ModulusKind.word, .field])
  func embeddingRoundsExactly(parameters: LatticeParameters, kind: ModulusKind) {
    let context = RingContext(parameters)
    let q = parameters.primes.reduce(Big(1)) { $0 * Big($1) }
    var draws = Draws(state: 7)
    var words: [UInt64] = [0, 1, 2, .max, .max - 1, 1 << 63, 1 << 63 - 1, 0xFFFF_FFFF, PrimeField.half]
    words += (0..<500).map { _ in draws.word() }
    if kind == .field { words = words.map { $0 % PrimeField.modulus } + [PrimeField.modulus - 1] }
    var out = [UInt64](repeating: 0, count: words.count * parameters.primes.count)
    context.embed(kind, words, count: words.count, &out, stride: words.count)
    for (index, word) in words.enumerated() {
      let exact = Big.rounded(q * Big(word), by: modulus(kind))
      for (row, prime) in parameters.primes.enumerated() {
        #expect(out[row * words.count + index] == (exact % Big(prime)).word, "word \(word)")
      }
    }
  }

  @Test func fractionsOfPlaintextsSplit() {
    var draws = Draws(state: 3)
    let fractions: [UInt64] = [0, 0, .max, .max, 0, 1 << 63, .max, 0] + (0..<1000).map { _ in draws.word() }
    let count = fractions.count / 2
    var integers = [UInt64](repeating: 0, count: count)
    var rests = integers
    for kind in [ModulusKind.word, .field] {
      ck_split_fractions(Int32(kind.kernel), fractions, count, &integers, &rests)
      for index in 0..<count {
        let product = Big(words: [fractions[2 * index], fractions[2 * index + 1]]) * modulus(kind)
        #expect(product.words(4)[1...2] == [rests[index], integers[index]])
      }
    }
  }

  @Test func wideNumbersReduce() {
    var draws = Draws(state: 21)
    let values: [UInt64] = [0, 0, .max, .max, .max, 0, 0, .max] + (0..<400).map { _ in draws.word() }
    for bits in [30, 46, 50] {
      let q = primes(bits: bits, degree: 8192)[0]
      var out = [UInt64](repeating: 0, count: values.count / 2)
      ck_wide_residues(q, values, out.count, &out)
      for index in out.indices {
        #expect(out[index] == q.dividingFullWidth((values[2 * index + 1] % q, values[2 * index])).remainder)
      }
    }
  }

  @Test func pairsOfResiduesLift() {
    let pair = primes(bits: 50, degree: 8192, count: 2)
    let (first, second) = (Big(pair[0]), Big(pair[1]))
    let product = first * second
    let offset: UInt64 = 1 << 40
    let inverse = SlowField(q: pair[1]).inverse(pair[0] % pair[1])
    let shoup = SlowField(q: pair[1]).shoup(inverse)
    let shifted = numbers(below: product, words: 2, count: 300)
    let values = shifted.map { $0 - Big(offset) }
    let r0 = values.map { ($0 % first).word }
    let r1 = values.map { ($0 % second).word }
    var wide = [UInt64](repeating: 0, count: 2 * values.count)
    ck_pair_to_wide(pair[0], pair[1], inverse, shoup, offset, r0, r1, values.count, &wide)
    for (index, value) in shifted.enumerated() { #expect(Array(wide[2 * index..<2 * index + 2]) == value.words(2)) }

    for bits: UInt32 in [70, 74, 80] {
      ck_pair_to_fractions(pair[0], pair[1], inverse, shoup, bits, r0, r1, values.count, &wide)
      for (index, value) in values.enumerated() {
        let centered = value + product / Big(2) < product ? value : value - product
        let exact = (centered << (128 - Int(bits))) % (Big(1) << 128)
        #expect(Array(wide[2 * index..<2 * index + 2]) == exact.words(2), "value \(value), \(bits) bits")
      }
    }
  }
}

@Suite struct BitPackingTests {
  /// Bit i of the stream by definition.
  private func bits(_ values: [[UInt64]], _ width: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: (values.count * width + 7) / 8)
    for (index, value) in values.enumerated() {
      for bit in 0..<width where value[bit / 64] >> UInt64(bit % 64) & 1 == 1 {
        let position = index * width + bit
        bytes[position / 8] |= 1 << UInt8(position % 8)
      }
    }
    return bytes
  }

  @Test(arguments: [1, 2, 7, 8, 31, 46, 63, 64, 65, 70, 74, 75, 80, 127, 128]) func wideNumbers(width: Int) {
    var draws = Draws(state: UInt64(width))
    for count in [0, 1, 2, 3, 7, 8, 9, 65, 200] {
      // Bits above the width are garbage that must not reach the stream.
      let values = (0..<count).map { index in index % 5 == 0 ? [UInt64.max, .max] : [draws.word(), draws.word()] }
      var bytes = [UInt8](repeating: 0xEE, count: (count * width + 7) / 8 + 1)
      ck_pack_wide(values.flatMap { $0 }, count, UInt32(width), &bytes)
      #expect(bytes.dropLast() == bits(values, width)[...])
      #expect(bytes.last == 0xEE)
      var back = [UInt64](repeating: 0, count: 2 * count)
      ck_unpack_wide(bytes, count, UInt32(width), &back)
      let mask = width == 128 ? UInt128.max : 1 << UInt128(width) - 1
      for (index, value) in values.enumerated() {
        let expected = (UInt128(value[1]) << 64 | UInt128(value[0])) & mask
        #expect(UInt128(back[2 * index + 1]) << 64 | UInt128(back[2 * index]) == expected)
      }
    }
  }

  @Test(arguments: [1, 3, 8, 46, 47, 63, 64]) func words(width: Int) {
    var draws = Draws(state: UInt64(width) + 500)
    for count in [0, 1, 2, 9, 64, 200] {
      let values = (0..<count).map { index in index % 5 == 0 ? UInt64.max : draws.word() }
      var bytes = [UInt8](repeating: 0xEE, count: (count * width + 7) / 8 + 1)
      ck_pack_words(values, count, UInt32(width), &bytes)
      #expect(bytes.dropLast() == bits(values.map { [$0] }, width)[...])
      #expect(bytes.last == 0xEE)
      var back = [UInt64](repeating: 0, count: count)
      ck_unpack_words(bytes, count, UInt32(width), &back)
      #expect(back == values.map { width == 64 ? $0 : $0 & (1 << UInt64(width) - 1) })
    }
  }

  @Test(arguments: [1, 40, 64, 70, 74, 80, 127]) func roundedFractions(width: Int) {
    var draws = Draws(state: UInt64(width))
    let half = UInt128(1) << UInt128(127 - width)
    // Halves round up, and the largest fractions round to zero.
    var fractions: [UInt128] = [0, half, half - 1, .max, .max - half, .max - half + 1, 1 << 127]
    fractions += (0..<100).map { _ in UInt128(draws.word()) << 64 | UInt128(draws.word()) }
    let expected = fractions.map { ($0 &+ half) >> UInt128(128 - width) }
    var bytes = [UInt8](repeating: 0, count: (fractions.count * width + 7) / 8)
    let words = fractions.flatMap { [UInt64(truncatingIfNeeded: $0), UInt64($0 >> 64)] }
    ck_pack_fractions(words, fractions.count, UInt32(width), &bytes)
    #expect(bytes == bits(expected.map { [UInt64(truncatingIfNeeded: $0), UInt64($0 >> 64)] }, width))
  }
}
