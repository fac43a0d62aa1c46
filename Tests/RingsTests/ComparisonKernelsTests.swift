import Rings
import Testing

/// Kernels of the comparison against their definitions, bit by bit, for every instruction set.
@Suite("Comparison kernels")
struct ComparisonKernelsTests {
  static let counts = [1, 7, 8, 9, 63, 64, 65, 255, 256, 511, 512, 513, 1000, 2048]

  private func bytes(_ count: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
  }

  private func bit(_ planes: [UInt8], _ plane: Int, _ width: Int, _ index: Int) -> Int {
    Int(planes[plane * width + index / 8] >> UInt8(index % 8) & 1)
  }

  @Test("Planes of words, and nothing beyond the last element", arguments: counts)
  func slice(count: Int) {
    var generator = SeededGenerator(seed: UInt64(count))
    let words = (0..<count).map { _ in word(.word, &generator) }
    let width = (count + 7) / 8
    for bits in [1, 5, 20, 63, 64] {
      for variant in KernelVariant.allCases where variant.isAvailable {
        var planes = [UInt8](repeating: 0xAA, count: width * bits)
        ComparisonKernels(variant: variant).slice(words, count: count, bits: bits, planes: &planes)
        var wrong = 0
        for plane in 0..<bits {
          for index in 0..<8 * width {
            let expected = index < count ? Int(words[index] >> UInt64(plane) & 1) : 0
            if bit(planes, plane, width, index) != expected { wrong += 1 }
          }
        }
        #expect(wrong == 0, "\(bits) bits, \(variant)")
      }
    }
  }

  @Test("Numbers in planes added to words, with two signs", arguments: counts)
  func addPlanes(count: Int) {
    var generator = SeededGenerator(seed: UInt64(count) + 7)
    let width = (count + 7) / 8
    for (bits, split) in [(1, Int.max), (6, 0), (13, count / 2), (40, 3), (64, -5)] {
      let planes = bytes(width * bits, &generator)
      let (words, unit) = ((0..<count).map { _ in word(.word, &generator) }, word(.word, &generator))
      let expected = words.indices.map { index -> UInt64 in
        let number = (0..<bits).reduce(UInt64(0)) { $0 | UInt64(bit(planes, $1, width, index)) << UInt64($1) }
        return index < split ? words[index] &+ number &* unit : words[index] &- number &* unit
      }
      for variant in KernelVariant.allCases where variant.isAvailable {
        var found = words
        ComparisonKernels(variant: variant).add(
          planes, bits: bits, unit: unit, negatedFrom: split, count: count, to: &found)
        #expect(found == expected, "\(bits) bits, \(variant)")
      }
    }
  }

  static let cuts: [[UInt8]] = [[1], [6], [4, 4], [5, 5, 5, 4], [3, 2, 1, 6]]

  @Test("Choosing, and moving pads to other digits", arguments: cuts, [5, 64, 777])
  func chooseAndMove(widths: [UInt8], count: Int) {
    var generator = SeededGenerator(seed: UInt64(count) + UInt64(widths.count))
    let width = (count + 7) / 8
    let lanes = widths.indices.map { $0 == 0 ? 1 : 2 }
    let padPlanes = zip(widths, lanes).reduce(0) { $0 + $1.1 << Int($1.0) }
    let pads = bytes(padPlanes * width, &generator)
    let digitPlanes = widths.reduce(0) { $0 + Int($1) }
    let (choices, shift) = (bytes(digitPlanes * width, &generator), bytes(digitPlanes * width, &generator))
    func digit(_ planes: [UInt8], _ index: Int, _ element: Int) -> Int {
      let start = widths[..<index].reduce(0) { $0 + Int($1) }
      return (0..<Int(widths[index])).reduce(0) { $0 | bit(planes, start + $1, width, element) << $1 }
    }
    for variant in KernelVariant.allCases where variant.isAvailable {
      let kernels = ComparisonKernels(variant: variant)
      var moved = pads
      kernels.permute(widths, bytes: width, shift: shift, pads: &moved)
      var chosen = [UInt8](repeating: 0, count: lanes.reduce(0, +) * width)
      kernels.choose(widths, bytes: width, choices: choices, pads: moved, chosen: &chosen)
      var wrong = 0
      var (pad, leaf) = (0, 0)
      for index in widths.indices {
        for element in 0..<count {
          let source = digit(choices, index, element) ^ digit(shift, index, element)
          for lane in 0..<lanes[index] {
            let expected = bit(pads, pad + source * lanes[index] + lane, width, element)
            if bit(chosen, leaf + lane, width, element) != expected { wrong += 1 }
          }
        }
        pad += lanes[index] << Int(widths[index])
        leaf += lanes[index]
      }
      #expect(wrong == 0, "\(variant)")
    }
  }

  @Test("Products of triples", arguments: 2...9)
  func products(nodes: Int) {
    var generator = SeededGenerator(seed: UInt64(nodes))
    let width = 77
    let pairs = nodes / 2
    let (first, second) = (bytes((5 * pairs - 2) * width, &generator), bytes((5 * pairs - 2) * width, &generator))
    var found: Set<[UInt8]> = []
    for variant in KernelVariant.allCases where variant.isAvailable {
      var products = [UInt8](repeating: 0, count: (2 * pairs - 1) * width)
      ComparisonKernels(variant: variant).products(
        nodes: nodes, bytes: width, first: first, second: second, products: &products)
      found.insert(products)
    }
    #expect(found.count == 1)
    let products = found.first!
    var (plane, product, wrong) = (0, 0, 0)
    for pair in 0..<pairs {
      for lane in 0..<(pair == 0 ? 1 : 2) {
        for index in 0..<8 * width {
          func sum(_ offset: Int) -> Int {
            bit(first, plane + offset, width, index) ^ bit(second, plane + offset, width, index)
          }
          let own = bit(second, plane + 2 + 2 * lane, width, index)
          if bit(products, product, width, index) != (sum(0) & sum(1 + 2 * lane)) ^ own { wrong += 1 }
        }
        product += 1
      }
      plane += pair == 0 ? 3 : 5
    }
    #expect(wrong == 0)
  }

  @Test("Words kept or negated by bits, and shares without their low bits", arguments: [ModulusKind.field, .word])
  func words(kind: ModulusKind) {
    var generator = SeededGenerator(seed: 4)
    let count = 1003
    let bits = bytes((count + 7) / 8, &generator)
    let x = (0..<count).map { _ in word(kind, &generator) }
    var (kept, negated) = ([UInt64](repeating: 0, count: count), [UInt64](repeating: 0, count: count))
    ComparisonKernels.keep(where: bits, x, count: count, out: &kept)
    ComparisonKernels.negate(kind, where: bits, x, count: count, out: &negated)
    #expect(kept == x.indices.map { bit(bits, 0, 126, $0) == 1 ? x[$0] : 0 })
    #expect(negated == x.indices.map { bit(bits, 0, 126, $0) == 1 ? slowNegate(kind, x[$0]) : x[$0] })
    for shift in [0, 1, 13, 40] {
      // Shares of small values, apart from a turn: each sum is within a unit.
      let values = (0..<count).map { _ in Int64(bitPattern: generator.next()) >> 22 }
      let c = (0..<count).map { _ in generator.next() >> 1 | 1 << 61 }
      let z0 = zip(values, c).map { UInt64(bitPattern: $0) &- $1 }
      var (first, second) = ([UInt64](repeating: 0, count: count), [UInt64](repeating: 0, count: count))
      ComparisonKernels.truncate(leads: true, shift: shift, z0, count: count, to: kind, out: &first)
      ComparisonKernels.truncate(leads: false, shift: shift, c, count: count, to: kind, out: &second)
      let wrong = values.indices.filter { index in
        let sum = slowAdd(kind, first[index], second[index])
        let floor = values[index] >> Int64(shift)
        return sum != residue(kind, Int(floor)) && (shift == 0 || sum != residue(kind, Int(floor) + 1))
      }
      #expect(wrong.isEmpty, "\(shift)")
    }
  }
}
