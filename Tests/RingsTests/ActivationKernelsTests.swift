import Rings
import Testing

/// The activation's steps by the formulas of the design, on one element.
private struct Reference {
  var shift: Int
  var output: ModulusKind

  func open(
    z0: UInt64, alpha: UInt64, u: UInt64, k: UInt64, constant: UInt64, rho: UInt8
  ) -> (d: UInt64, y0: UInt64, delta: UInt8) {
    let add = { slowAdd(.field, $0, $1) }
    let y0 = add(add(u, slowMultiply(.field, z0, z0)), add(slowMultiply(.field, k, z0), constant))
    let d = add(add(slowMultiply(.field, 2, z0), k), slowNegate(.field, alpha))
    return (d, y0, (y0 >= (p + 1) / 2 ? 1 : 0) ^ rho)
  }

  func answer(
    d: UInt64, c: UInt64, vc: UInt64, delta: UInt8, pads: [UInt64]
  ) -> (y1: UInt64, messages: [UInt64]) {
    let y1 = slowAdd(.field, slowMultiply(.field, d, c), vc)
    let top = y1 >= (p + 1) / 2
    let messages = (0..<2).map { b -> UInt64 in
      let turn = b == 1 || top ? slowNegate(output, p >> UInt64(shift)) : 0
      return slowAdd(output, slowAdd(output, y1 >> UInt64(shift), turn), pads[b ^ Int(delta)])
    }
    return (y1, messages)
  }

  func close(y0: UInt64, messages: [UInt64], padRho: UInt64, offsetShifted: UInt64) -> UInt64 {
    let b = y0 >= (p + 1) / 2 ? 1 : 0
    let sum = slowAdd(output, slowAdd(output, y0 >> UInt64(shift), messages[b]), slowNegate(output, offsetShifted))
    return slowAdd(output, sum, slowNegate(output, padRho))
  }
}

/// Distance of two residues, as the nearest signed number.
private func distance(_ kind: ModulusKind, _ a: UInt64, _ b: UInt64) -> Int64 {
  let difference = slowAdd(kind, a, slowNegate(kind, b))
  return kind == .field ? PrimeField.centered(difference) : Word64.centered(difference)
}

/// floor(value / 2^shift) as a residue.
private func floorShift(_ kind: ModulusKind, _ value: Int64, _ shift: Int) -> UInt64 {
  residue(kind, Int(value >> Int64(shift)))
}

@Suite struct ActivationKernelsTests {
  private static let kinds: [ModulusKind] = [.field, .word]

  /// Every step equals its formula, bit by bit, at unaligned bit offsets.
  @Test(arguments: [0, 1, 12, 33, 62], kinds) func stepsMatchTheirFormulas(shift: Int, output: ModulusKind) {
    let count = 203
    let (rhoOffset, deltaOffset) = (3, 13)
    var generator = SeededGenerator(seed: UInt64(shift))
    let field = { (g: inout SeededGenerator) in (0..<count).map { _ in word(.field, &g) } }
    let out = { (g: inout SeededGenerator) in (0..<count).map { _ in word(output, &g) } }
    let (z0, alpha, u, c, v) = (
      field(&generator), field(&generator), field(&generator), field(&generator), field(&generator)
    )
    let (pad0, pad1, padRho) = (out(&generator), out(&generator), out(&generator))
    let (k, constant) = (word(.field, &generator), word(.field, &generator))
    let offsetShifted = word(output, &generator) % p
    let rho = PackedBits(zeros: count + rhoOffset)
    for i in 0..<rho.count { rho[i] = UInt8(generator.next() & 1) }
    let delta = PackedBits(zeros: count + deltaOffset + 9)
    for i in 0..<delta.count { delta[i] = 1 }
    let (d, y0, vc) = (SecretWords(zeros: count), SecretWords(zeros: count), SecretWords(zeros: count))
    let (messages, y1, x) = (SecretWords(zeros: 2 * count), SecretWords(zeros: count), SecretWords(zeros: count))

    ActivationKernels.fuse(v: v, c: c, count: count, vc: vc.pointer)
    ActivationKernels.modelOwnerOpen(
      z0: z0, alpha: alpha, u: u, k: k, constant: constant, rho: rho.storage.pointer, rhoOffset: rhoOffset,
      count: count, d: d.pointer, y0: y0.pointer, delta: delta.storage.pointer, deltaOffset: deltaOffset)
    ActivationKernels.dataOwnerAnswer(
      d: d.pointer, c: c, vc: vc.pointer, delta: delta.storage.pointer, deltaOffset: deltaOffset, pad0: pad0,
      pad1: pad1, shift: shift, output: output, count: count, messages: messages.pointer)
    ActivationKernels.dataOwnerShare(d: d.pointer, c: c, vc: vc.pointer, count: count, y1: y1.pointer)
    ActivationKernels.modelOwnerClose(
      y0: y0.pointer, messages: messages.pointer, padRho: padRho, shift: shift, offsetShifted: offsetShifted,
      output: output, count: count, x: x.pointer)

    let reference = Reference(shift: shift, output: output)
    for i in 0..<count {
      let opened = reference.open(
        z0: z0[i], alpha: alpha[i], u: u[i], k: k, constant: constant, rho: rho[rhoOffset + i])
      #expect(d.pointer[i] == opened.d)
      #expect(y0.pointer[i] == opened.y0)
      #expect(delta[deltaOffset + i] == opened.delta)
      #expect(vc.pointer[i] == slowAdd(.field, v[i], slowMultiply(.field, c[i], c[i])))
      let answered = reference.answer(
        d: opened.d, c: c[i], vc: vc.pointer[i], delta: opened.delta, pads: [pad0[i], pad1[i]])
      #expect(y1.pointer[i] == answered.y1)
      #expect([messages.pointer[2 * i], messages.pointer[2 * i + 1]] == answered.messages)
      #expect(
        x.pointer[i]
          == reference.close(
            y0: opened.y0, messages: answered.messages, padRho: padRho[i], offsetShifted: offsetShifted))
    }
    for i in 0..<deltaOffset { #expect(delta[i] == 1) }
    for i in deltaOffset + count..<delta.count { #expect(delta[i] == 1) }
  }

  /// The whole exchange gives z^2 + k z + a0 without its low bits, within two units.
  @Test(arguments: [1, 8, 12, 24], kinds) func exchangeTruncatesThePolynomial(shift: Int, output: ModulusKind) {
    let count = 4000
    let offset: UInt64 = 1 << 61
    var generator = SeededGenerator(seed: UInt64(77 + shift))
    let k = Int64.random(in: -(1 << 29)...(1 << 29), using: &generator)
    let a0 = Int64.random(in: -(1 << 58)...(1 << 58), using: &generator)
    let z = (0..<count).map { i -> Int64 in
      i < 3 ? Int64(i) - 1 : Int64.random(in: -(1 << 29)...(1 << 29), using: &generator)
    }
    let c = (0..<count).map { _ in word(.field, &generator) }
    let z0 = (0..<count).map { slowAdd(.field, residue(.field, Int(z[$0])), slowNegate(.field, c[$0])) }
    let alpha = (0..<count).map { _ in word(.field, &generator) }
    let gamma = (0..<count).map { _ in word(.field, &generator) }
    let v = (0..<count).map { _ in word(.field, &generator) }
    let dealt = (0..<count).map {
      slowAdd(.field, slowMultiply(.field, alpha[$0], gamma[$0]), slowNegate(.field, v[$0]))
    }
    let mask = (0..<count).map { _ in word(output, &generator) }
    let pads = (0..<2).map { _ in (0..<count).map { _ in word(output, &generator) } }
    let rho = PackedBits(zeros: count)
    for i in 0..<count { rho[i] = UInt8(generator.next() & 1) }

    let words = { SecretWords(zeros: count) }
    let difference = words()
    let u = words()
    let vc = words()
    let d = words()
    let y0 = words()
    let x = words()
    let padded = [words(), words()]
    let delta = PackedBits(zeros: count)
    let messages = SecretWords(zeros: 2 * count)
    Elementwise.subtract(.field, c, gamma, count: count, output: difference.pointer)
    ActivationKernels.correct(u: dealt, alpha: alpha, delta: difference.pointer, count: count, corrected: u.pointer)
    ActivationKernels.fuse(v: v, c: c, count: count, vc: vc.pointer)
    for b in 0..<2 { Elementwise.subtract(output, pads[b], mask, count: count, output: padded[b].pointer) }
    let padRho = (0..<count).map { pads[Int(rho[$0])][$0] }
    ActivationKernels.modelOwnerOpen(
      z0: z0, alpha: alpha, u: u.pointer, k: residue(.field, Int(k)),
      constant: slowAdd(.field, residue(.field, Int(a0)), offset), rho: rho.storage.pointer, rhoOffset: 0,
      count: count, d: d.pointer, y0: y0.pointer, delta: delta.storage.pointer, deltaOffset: 0)
    ActivationKernels.dataOwnerAnswer(
      d: d.pointer, c: c, vc: vc.pointer, delta: delta.storage.pointer, deltaOffset: 0, pad0: padded[0].pointer,
      pad1: padded[1].pointer, shift: shift, output: output, count: count, messages: messages.pointer)
    ActivationKernels.modelOwnerClose(
      y0: y0.pointer, messages: messages.pointer, padRho: padRho, shift: shift,
      offsetShifted: offset >> UInt64(shift), output: output, count: count, x: x.pointer)
    for i in 0..<count {
      let expected = floorShift(output, z[i] * z[i] + k * z[i] + a0, shift)
      #expect((-2...2).contains(distance(output, slowAdd(output, x.pointer[i], mask[i]), expected)))
    }
    withExtendedLifetime((difference, u, vc, d, y0, x, padded, messages, delta)) {}
  }

  /// The carry rule at the edges of the shares: y0 near 0, p / 2 and p, for Y near 0, the middle and 2^62.
  @Test(arguments: [1, 7, 20, 40], kinds) func boundarySharesTruncateExactly(shift: Int, output: ModulusKind) {
    let offset: UInt64 = 1 << 61
    let near = (0..<9).flatMap { i -> [UInt64] in
      let step = UInt64(i)
      return [step, p - 1 - step, p / 2 + step, p / 2 - step, offset + step, offset - step]
    }
    let sums: [Int64] = [0, 1, -1, 1 << 60, -(1 << 60), (1 << 61) - 1, -(1 << 61), 12345, -12345]
    for y0 in near {
      for sum in sums {
        let shifted = UInt64(bitPattern: sum &+ Int64(offset))
        let y1 = slowAdd(.field, shifted, slowNegate(.field, y0))
        for rho in [0, 1] {
          let pads: [UInt64] = [3 << 50, 5 << 51]
          let mask: UInt64 = 7 << 55
          let delta = [UInt8(y0 >= (p + 1) / 2 ? 1 : 0) ^ UInt8(rho)]
          var messages: [UInt64] = [0, 0]
          var x: [UInt64] = [0]
          // d = 0 makes vc the share y1 itself.
          ActivationKernels.dataOwnerAnswer(
            d: [0], c: [0], vc: [y1], delta: delta, deltaOffset: 0,
            pad0: [slowAdd(output, pads[0], slowNegate(output, mask))],
            pad1: [slowAdd(output, pads[1], slowNegate(output, mask))], shift: shift, output: output, count: 1,
            messages: &messages)
          ActivationKernels.modelOwnerClose(
            y0: [y0], messages: messages, padRho: [pads[rho]], shift: shift, offsetShifted: offset >> UInt64(shift),
            output: output, count: 1, x: &x)
          let error = distance(output, slowAdd(output, x[0], mask), floorShift(output, sum, shift))
          #expect((-2...2).contains(error), "y0 \(y0), Y \(sum), rho \(rho), error \(error)")
        }
      }
    }
  }

  /// The rule itself, at primes small enough to try all shares: for 0 <= Y < p / 4 the sum of the shares wraps exactly
  /// if one of them is at least (p + 1) / 2, and dropping T bits of each is then off by at most two.
  @Test(arguments: [97, 257, 509]) func carryRuleHoldsForAllSharesOfSmallPrimes(prime: Int) {
    for shift in 0...3 {
      for sum in 0..<prime / 4 {
        for y0 in 0..<prime {
          let y1 = (sum - y0 + prime) % prime
          let carry = y0 + y1 >= prime
          let rule = y0 >= (prime + 1) / 2 || y1 >= (prime + 1) / 2
          #expect(carry == rule)
          let truncated = (y0 >> shift) + (y1 >> shift) - (rule ? prime >> shift : 0)
          #expect(abs(truncated - (sum >> shift)) <= 2)
        }
      }
    }
  }

  /// The local variant: within two units wherever the shares do not straddle the modulus.
  @Test(arguments: [1, 12, 30], kinds) func localVariantTruncates(shift: Int, output: ModulusKind) {
    var generator = SeededGenerator(seed: UInt64(shift))
    let count = 3000
    let sums = (0..<count).map { _ in Int64.random(in: -(1 << 40)...(1 << 40), using: &generator) }
    let y1 = (0..<count).map { _ in UInt64.random(in: (1 << 41)..<(p - (1 << 41)), using: &generator) }
    let y0 = (0..<count).map { slowAdd(.field, residue(.field, Int(sums[$0])), slowNegate(.field, y1[$0])) }
    let mask = (0..<count).map { _ in word(output, &generator) }
    let (sent, x) = (SecretWords(zeros: count), SecretWords(zeros: count))
    ActivationKernels.dataOwnerLocal(
      y1: y1, mask: mask, shift: shift, output: output, count: count, x: sent.pointer)
    ActivationKernels.modelOwnerLocal(
      y0: y0, received: sent.pointer, shift: shift, output: output, count: count, x: x.pointer)
    for i in 0..<count {
      let floor = slowNegate(output, (p - y1[i]) >> UInt64(shift))
      #expect(sent.pointer[i] == slowAdd(output, floor, slowNegate(output, mask[i])))
      let error = distance(output, slowAdd(output, x.pointer[i], mask[i]), floorShift(output, sums[i], shift))
      #expect((-2...2).contains(error))
    }
  }

  @Test func elementwiseSumsMatchTheModulus() {
    var generator = SeededGenerator(seed: 9)
    for kind in Self.kinds {
      let a = (0..<500).map { _ in word(kind, &generator) }
      let b = (0..<500).map { _ in word(kind, &generator) }
      let (sum, difference) = (SecretWords(a), SecretWords(a))
      Elementwise.add(kind, sum.pointer, b, count: 500, output: sum.pointer)
      Elementwise.subtract(kind, difference.pointer, b, count: 500, output: difference.pointer)
      #expect(sum.array() == zip(a, b).map { slowAdd(kind, $0, $1) })
      #expect(difference.array() == zip(a, b).map { slowAdd(kind, $0, slowNegate(kind, $1)) })
    }
  }
}
