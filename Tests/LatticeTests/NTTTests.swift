import CKernels
import Rings
import Testing

/// Residues, an extreme one time in four.
private func residues(_ q: UInt64, _ count: Int, _ draws: inout Draws) -> [UInt64] {
  let extremes: [UInt64] = [0, 1, q - 1, q - 2, q / 2, q / 2 + 1]
  return (0..<count).map { _ in
    let word = draws.word()
    return word & 3 == 0 ? extremes[Int(word >> 2 % 6)] : draws.word() % q
  }
}

@Suite struct NTTTests {
  /// The transforms of X and of 5 at n = 16 and q = 97, in the order that the definition writes down.
  @Test func knownAnswer() {
    // 97 = 3 * 32 + 1.
    let tables = SlowTables(q: 97, degree: 16)
    let field = SlowField(q: 97)
    #expect(field.power(tables.psi, 16) == 96)
    let x = [0, 1] + [UInt64](repeating: 0, count: 14)
    let order = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15]
    let expected = order.map { field.power(tables.psi, UInt64(2 * $0 + 1)) }
    for isa in transformSets {
      #expect(tables.forward(isa, x) == expected)
      #expect(tables.inverse(isa, expected) == x)
      #expect(tables.forward(isa, [5] + [UInt64](repeating: 0, count: 15)) == .init(repeating: 5, count: 16))
    }
  }

  /// Evaluation at odd powers of psi, in bit-reversed order, by Horner's rule.
  @Test(arguments: [16, 32, 64, 1024]) func transformIsEvaluation(degree: Int) {
    var draws = Draws(state: UInt64(degree))
    for bits in [20, 46, 50] {
      let tables = SlowTables(q: primes(bits: bits, degree: degree)[0], degree: degree)
      let x = residues(tables.field.q, degree, &draws)
      let expected = (0..<degree).map { index -> UInt64 in
        let exponent = 2 * reverseBits(index, count: degree.trailingZeroBitCount) + 1
        let point = tables.field.power(tables.psi, UInt64(exponent))
        return x.reversed().reduce(0) { tables.field.add(tables.field.multiply($0, point), $1) }
      }
      for isa in transformSets { #expect(same(tables.forward(isa, x), expected), "instruction set \(isa)") }
    }
  }

  /// Products of transforms are products of polynomials, against integers of GMP.
  @Test(arguments: [1024, 2048, 4096, 8192, 16384]) func productsMatchIntegers(degree: Int) {
    var draws = Draws(state: UInt64(degree))
    let q = primes(bits: 50, degree: degree)[0]
    let tables = SlowTables(q: q, degree: degree)
    let a = residues(q, degree, &draws)
    let b = residues(q, degree, &draws)
    let expected = Big.negacyclicProduct(a, b, q: q)
    for isa in transformSets {
      let product = zip(tables.forward(isa, a), tables.forward(isa, b)).map(tables.field.multiply)
      #expect(same(tables.inverse(isa, product), expected), "instruction set \(isa)")
    }
  }

  @Test(arguments: [16, 32, 64, 128, 1024, 2048, 4096, 8192, 16384]) func instructionSetsAgreeAtExtremes(degree: Int) {
    var draws = Draws(state: UInt64(degree))
    for bits in [20, 30, 46, 47, 49, 50] {
      let q = primes(bits: bits, degree: degree)[0]
      let tables = SlowTables(q: q, degree: degree)
      var inputs: [[UInt64]] = [
        .init(repeating: 0, count: degree), .init(repeating: q - 1, count: degree),
        .init(repeating: q / 2, count: degree),
        .init(repeating: q / 2 + 1, count: degree), (0..<degree).map { $0 & 1 == 0 ? q - 1 : 0 },
        (0..<degree).map { $0 < degree / 2 ? q - 1 : 1 },
      ]
      for _ in 0..<3 { inputs.append(residues(q, degree, &draws)) }
      for x in inputs {
        let forward = tables.forward(0, x)
        let inverse = tables.inverse(0, x)
        #expect(forward.allSatisfy { $0 < q } && inverse.allSatisfy { $0 < q })
        for isa in transformSets {
          #expect(same(tables.forward(isa, x), forward), "forward, instruction set \(isa), \(bits) bits")
          #expect(same(tables.inverse(isa, x), inverse), "inverse, instruction set \(isa), \(bits) bits")
          #expect(same(tables.inverse(isa, forward), x), "instruction set \(isa)")
        }
      }
    }
  }

  /// Inputs whose butterflies meet the largest words: inverses of extreme transforms at each single stage.
  @Test func largestButterfliesStayExact() {
    let degree = 1024
    let q = primes(bits: 50, degree: degree)[0]
    let tables = SlowTables(q: q, degree: degree)
    for position in 0..<degree {
      var unit = [UInt64](repeating: 0, count: degree)
      unit[position] = q - 1
      let x = tables.inverse(0, unit)
      for isa in transformSets {
        #expect(same(tables.forward(isa, x), unit))
        #expect(same(tables.inverse(isa, unit), x))
      }
    }
  }
}

@Suite struct AccumulationTests {
  @Test(arguments: transformSets, [true, false]) func sumsOfProducts(isa: Int32, hasPair: Bool) {
    let degree = 64
    var draws = Draws(state: 9)
    for bits in [30, 46, 50] {
      let q = primes(bits: bits, degree: 8192)[0]
      let field = SlowField(q: q)
      var accumulators = [UInt64](repeating: 0, count: 4 * degree)
      var expected = [[UInt64]](repeating: .init(repeating: 0, count: degree), count: 2)
      for count in [1, 2, 3, 4, 5, 6, 7, 8, 8, 1] {
        let operands = (0..<3).map { _ in (0..<count).map { _ in residues(q, degree, &draws) } }
        accumulate(isa, q, degree, operands, hasPair: hasPair, &accumulators)
        for (part, j, i) in product(2, count, degree) {
          expected[part][i] = field.add(expected[part][i], field.multiply(operands[part][j][i], operands[2][j][i]))
        }
      }
      for part in 0..<(hasPair ? 2 : 1) { #expect(fold(isa, q, degree, accumulators, part: part) == expected[part]) }
    }
  }

  /// As many products of the largest residues as an accumulator is declared to take.
  @Test(arguments: transformSets) func fullAccumulatorDoesNotOverflow(isa: Int32) {
    let degree = 16
    let q = primes(bits: 50, degree: 8192)[0]
    let top = [UInt64](repeating: q - 1, count: degree)
    let operands = [[[UInt64]]](repeating: .init(repeating: top, count: Int(CK_NTT_PAIRS)), count: 3)
    var accumulators = [UInt64](repeating: 0, count: 4 * degree)
    for _ in 0..<Int(CK_NTT_PRODUCTS / CK_NTT_PAIRS) {
      accumulate(isa, q, degree, operands, hasPair: true, &accumulators)
    }
    // (q - 1)^2 = 1.
    for part in 0..<2 {
      #expect(
        fold(isa, q, degree, accumulators, part: part) == .init(repeating: UInt64(CK_NTT_PRODUCTS), count: degree))
    }
  }

  private func product(_ a: Int, _ b: Int, _ c: Int) -> [(Int, Int, Int)] {
    (0..<a).flatMap { x in (0..<b).flatMap { y in (0..<c).map { (x, y, $0) } } }
  }

  private func accumulate(
    _ isa: Int32, _ q: UInt64, _ degree: Int, _ operands: [[[UInt64]]], hasPair: Bool, _ accumulators: inout [UInt64]
  ) {
    let memory = operands.map { $0.map { SecretWords($0) } }
    let pointers = memory.map { $0.map { UnsafePointer($0.pointer) as UnsafePointer<UInt64>? } }
    withExtendedLifetime(memory) {
      ck_ntt_accumulate(
        isa, q, degree, pointers[0].count, pointers[0], hasPair ? pointers[1] : nil, pointers[2], &accumulators)
    }
  }

  private func fold(_ isa: Int32, _ q: UInt64, _ degree: Int, _ accumulators: [UInt64], part: Int) -> [UInt64] {
    var out = [UInt64](repeating: 0, count: degree)
    Array(accumulators[2 * part * degree..<(2 * part + 2) * degree]).withUnsafeBufferPointer {
      ck_ntt_fold(isa, q, degree, $0.baseAddress, &out)
    }
    return out
  }
}

@Suite struct ResidueTests {
  @Test func additionSubtractionAndSigns() {
    var draws = Draws(state: 4)
    for bits in [14, 30, 50] {
      let q = primes(bits: bits, degree: 1024)[0]
      let field = SlowField(q: q)
      let a = residues(q, 600, &draws)
      let b = residues(q, 600, &draws)
      var sum = a
      var difference = a
      ck_residue_add(q, 600, a, b, &sum)
      ck_residue_subtract(q, 600, a, b, &difference)
      #expect(same(sum, zip(a, b).map(field.add)))
      #expect(same(difference, zip(a, b).map { field.add($0, field.negate($1)) }))
      let limit = Int32(min(q - 1, UInt64(Int32.max)))
      let values = [0, 1, -1, limit, -limit] + (0..<99).map { _ in Int32(Int64(draws.word() >> 33) % Int64(limit)) }
      for isa in transformSets {
        // Whole vectors, and not.
        for count in [104, 103] {
          var signed = [UInt64](repeating: 0, count: count)
          ck_residue_signed(isa, q, count, values, &signed)
          #expect(signed == values.prefix(count).map { $0 < 0 ? q - UInt64(-Int64($0)) : UInt64($0) })
        }
      }
    }
  }
}

@Suite struct FieldTransformTests {
  private let degree = 256

  /// Slots are evaluations at odd powers of psi, and products of slots are products of polynomials.
  @Test func slotsMultiply() {
    let p = PrimeField.modulus
    let tables = FieldTables(degree: degree)
    var draws = Draws(state: 8)
    let a = residues(p, degree, &draws)
    let b = residues(p, degree, &draws)
    let slotsOfA = tables.forward(a)
    for index in [0, 1, 100, degree - 1] {
      let exponent = 2 * reverseBits(index, count: degree.trailingZeroBitCount) + 1
      let point = tables.field.power(tables.psi, UInt64(exponent))
      #expect(slotsOfA[index] == a.reversed().reduce(0) { tables.field.add(tables.field.multiply($0, point), $1) })
    }
    let product = tables.inverse(zip(slotsOfA, tables.forward(b)).map(tables.field.multiply))
    var expected = [UInt64](repeating: 0, count: degree)
    for i in 0..<degree {
      for j in 0..<degree {
        let term = tables.field.multiply(a[i], b[j])
        let k = (i + j) % degree
        expected[k] = tables.field.add(expected[k], i + j < degree ? term : tables.field.negate(term))
      }
    }
    #expect(same(product, expected))
    #expect(same(tables.inverse(slotsOfA), a))
  }

  @Test func largestDegreeReturns() {
    let tables = FieldTables(degree: 16384)
    for value in [0, 1, PrimeField.modulus - 1] {
      let x = [UInt64](repeating: value, count: 16384)
      #expect(same(tables.inverse(tables.forward(x)), x))
    }
  }
}

private struct FieldTables {
  let field = SlowField(q: PrimeField.modulus)
  let psi: UInt64
  let root: [UInt64]
  let inverseRoot: [UInt64]

  init(degree: Int) {
    let field = field
    psi = field.root(order: 2 * degree)
    var powers: [UInt64] = [1]
    for _ in 1..<degree { powers.append(field.multiply(powers.last!, psi)) }
    let exponents = (0..<degree).map { reverseBits($0, count: degree.trailingZeroBitCount) }
    root = exponents.map { powers[$0] }
    inverseRoot = exponents.map { $0 == 0 ? 1 : field.negate(powers[degree - $0]) }
  }
  func forward(_ x: [UInt64]) -> [UInt64] {
    var x = x
    ck_field_ntt_forward(root, x.count, &x)
    return x
  }
  func inverse(_ x: [UInt64]) -> [UInt64] {
    var x = x
    ck_field_ntt_inverse(inverseRoot, field.inverse(UInt64(x.count)), x.count, &x)
    return x
  }
}
