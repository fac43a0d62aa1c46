import CKernels
import Rings
import Testing

@testable import Lattice

/// Kernels of products with polynomials in X^B.
@Suite struct BlockKernelTests {
  private func random(_ q: UInt64, _ count: Int, _ draws: inout Draws) -> SecretWords {
    SecretWords((0..<count).map { _ in draws.word() % q })
  }

  /// Eight short transforms are the whole transforms of the polynomials in X^B, a word a block.
  @Test(arguments: TransformVariant.allCases.filter(\.isAvailable)) func shortTransformsAreConstantOverBlocks(
    variant: TransformVariant
  ) {
    let degree = 1024
    var draws = Draws(state: 21)
    for (bits, length) in [(46, 1), (30, 2), (50, 4), (46, 8), (48, 16), (46, 32), (50, 128), (46, 1024)] {
      let q = primes(bits: bits, degree: degree)[0]
      let table = NTTTables(degree: degree, prime: q, variant: variant)
      let lanes = random(q, 8 * length, &draws)
      let given = lanes.array()
      // Rows stand apart, and what is between them stays.
      let out = SecretWords([UInt64](repeating: 7, count: 24 * length))
      table.short(length, lanes.pointer, out.pointer, stride: 24)
      let found = out.array()
      for lane in 0..<8 {
        var whole = [UInt64](repeating: 0, count: degree)
        for index in 0..<length { whole[index * degree / length] = given[8 * index + lane] }
        table.forward(&whole)
        #expect(whole.indices.allSatisfy { whole[$0] == found[$0 * length / degree * 24 + lane] })
      }
      #expect(found.indices.allSatisfy { $0 % 24 < 8 || found[$0] == 7 })
    }
  }

  /// Tiles are words times twists over 2^52, and every variant makes the same.
  @Test(arguments: TransformVariant.allCases.filter(\.isAvailable)) func tilesAreTwisted(variant: TransformVariant) {
    var draws = Draws(state: 22)
    for bits in [30, 46, 50] {
      let q = primes(bits: bits, degree: 8192)[0]
      let field = SlowField(q: q)
      let table = NTTTables(degree: 1024, prime: q, variant: variant)
      let (first, second, twist) = (random(q, 32, &draws), random(q, 32, &draws), random(q, 32, &draws))
      first.pointer[0] = q - 1
      twist.pointer[0] = q - 1
      let out = SecretWords(zeros: 4 * 16 * 3)
      let scale = field.inverse((1 << 52) % q)
      for hasTwist in [false, true] {
        table.gather(
          first.pointer, second.pointer, twist: hasTwist ? UnsafePointer(twist.pointer) : nil, count: 32, row: 3,
          into: out.pointer + 16)
        for index in 0..<32 {
          for (part, words) in [first, second].enumerated() {
            let place = 16 * (3 * (index / 8) + 1) + 8 * part + index % 8
            let wanted =
              hasTwist
              ? field.multiply(field.multiply(words.pointer[index], twist.pointer[index]), scale) : words.pointer[index]
            #expect(out.pointer[place] == wanted)
          }
        }
      }
      withExtendedLifetime((first, second, twist)) {}
    }
  }

  /// Sums of products of blocks, at the largest residues that the bound on terms allows, added to what is there.
  @Test(arguments: TransformVariant.allCases.filter(\.isAvailable), [(46, 120), (48, 120), (50, 15)])
  func sumsOfProducts(variant: TransformVariant, sizes: (bits: Int, terms: Int)) {
    let (degree, terms, row) = (64, sizes.terms, sizes.terms | 1)
    let q = primes(bits: sizes.bits, degree: 8192)[0]
    let field = SlowField(q: q)
    var draws = Draws(state: UInt64(sizes.bits))
    for (block, outputs) in [(8, 8), (16, 5), (64, 1), (32, 4)] {
      let x = random(q, degree / 8 * 16 * row, &draws)
      let w = random(q, degree / block * 8 * row, &draws)
      // A block and an output of largest products.
      for k in 0..<terms {
        w.pointer[8 * k] = q - 1
        for lane in 0..<16 { x.pointer[16 * k + lane] = q - 1 }
      }
      let sums = (0..<outputs).map { _ in SecretWords(zeros: 4 * degree) }
      for sum in sums { sum.pointer[3] = 5 }
      ck_ntt_block_accumulate(
        Int32(variant.rawValue), q, degree, block, degree, terms, row, x.pointer, w.pointer, outputs,
        sums.map { Optional($0.pointer) })
      for (output, sum) in sums.enumerated() {
        for part in 0..<2 {
          var folded = [UInt64](repeating: 0, count: degree)
          ck_ntt_fold(Int32(variant.rawValue), q, degree, sum.pointer + 2 * part * degree, &folded)
          for index in 0..<degree {
            var wanted: UInt64 = part == 0 && index == 3 ? 5 : 0
            for k in 0..<terms {
              let word = x.pointer[16 * (row * (index / 8) + k) + 8 * part + index % 8]
              wanted = field.add(wanted, field.multiply(word, w.pointer[8 * (row * (index / block) + k) + output]))
            }
            #expect(folded[index] == wanted)
          }
        }
      }
      withExtendedLifetime((x, w)) {}
    }
  }
}
