import Programs
import Randomness

/// The protocol of Protocols/comparison/spec.md on one element in plain integers, message by message, as an executable
/// specification. It shares no code with the kernels; each party's methods read only that party's fields and its messages.
struct ComparisonPrototype {
  /// Modulus of the multiplexer, for plain arithmetic on Int128.
  let modulus: Int128
  let digits: ComparisonDigits
  let random: StreamGenerator

  func uniform() -> Int128 {
    Int128((UInt128(random.word()) << 64 | UInt128(random.word())) >> 28)
  }
  func reduce(_ x: Int128) -> Int128 { (x % modulus + modulus) % modulus }
  func bit() -> Int { Int(random.word() & 1) }

  /// A bit triple with one factor common to one or two others, shared.
  struct Triple { var (a, b, ab): (Int, [Int], [Int]) }

  struct Material {
    /// pads[digit][entry][lane]
    var pads: [[[Int]]] = []
    var chosen: [[Int]] = []
    /// triples[party][level][pair]
    var triples: [[[Triple]]] = [[], []]
    var (rho, w, h): ([Int], [Int128], [Int128]) = ([0, 0], [0, 0], [0, 0])
    var g: Int128 = 0
  }

  func digit(_ word: UInt64, _ index: Int) -> Int {
    let start = digits.widths[..<index].reduce(0, +)
    return Int(truncatingIfNeeded: word >> UInt64(start)) & ((1 << digits.widths[index]) - 1)
  }

  /// What a perfect dealer gives for P1's share c and its operand of the multiplexer.
  func material(c: UInt64, operand: Int128) -> Material {
    var m = Material()
    for index in 0..<digits.count {
      let lanes = ComparisonDigits.lanes(index)
      m.pads.append((0..<1 << digits.widths[index]).map { _ in (0..<lanes).map { _ in bit() } })
      m.chosen.append(m.pads[index][digit(c, index)])
    }
    for level in digits.levels {
      var (first, second): ([Triple], [Triple]) = ([], [])
      for pair in 0..<level.pairs {
        let lanes = pair == 0 ? 1 : 2
        let a = [bit(), bit()]
        let b = (0..<lanes).map { _ in [bit(), bit()] }
        let products = b.map { (a[0] ^ a[1]) & ($0[0] ^ $0[1]) }
        let share = products.map { _ in bit() }
        first.append(Triple(a: a[0], b: b.map { $0[0] }, ab: share))
        second.append(Triple(a: a[1], b: b.map { $0[1] }, ab: zip(products, share).map { $0 ^ $1 }))
      }
      m.triples[0].append(first)
      m.triples[1].append(second)
    }
    m.rho = [bit(), bit()]
    m.g = reduce(uniform())
    let flipped = operand * Int128(1 - 2 * m.rho[1])
    m.w[0] = reduce(uniform())
    m.w[1] = reduce(Int128(m.rho[0]) * flipped - m.w[0])
    m.h[0] = reduce(uniform())
    m.h[1] = reduce(Int128(m.rho[1]) * m.g - m.h[0])
    return m
  }

  /// A party's shares of the tree: gt and eq of each node (eq of the lowest is unused).
  struct Nodes { var (gt, eq): ([Int], [Int]) }

  /// P0's tables (entries 1... of each digit) and its leaf shares.
  func tables(z0: UInt64, _ m: Material) -> (tables: [[[Int]]], leaves: Nodes) {
    let threshold = ~z0
    var tables: [[[Int]]] = []
    var leaves = Nodes(gt: [], eq: [])
    for index in 0..<digits.count {
      let t = digit(threshold, index)
      func f(_ j: Int, _ lane: Int) -> Int { lane == 0 ? (j > t ? 1 : 0) : (j == t ? 1 : 0) }
      let lanes = ComparisonDigits.lanes(index)
      let share = (0..<lanes).map { f(0, $0) ^ m.pads[index][0][$0] }
      tables.append(
        (1..<1 << digits.widths[index]).map { j in (0..<lanes).map { f(j, $0) ^ share[$0] ^ m.pads[index][j][$0] } })
      leaves.gt.append(share[0])
      leaves.eq.append(lanes == 2 ? share[1] : 0)
    }
    return (tables, leaves)
  }

  func leaves(c: UInt64, tables: [[[Int]]], _ m: Material) -> Nodes {
    var leaves = Nodes(gt: [], eq: [])
    for index in 0..<digits.count {
      let j = digit(c, index)
      let entry = j == 0 ? m.chosen[index].map { _ in 0 } : tables[index][j - 1]
      leaves.gt.append(entry[0] ^ m.chosen[index][0])
      leaves.eq.append(entry.count == 2 ? entry[1] ^ m.chosen[index][1] : 0)
    }
    return leaves
  }

  /// The bits that a party opens on a level: eq of the higher, gt of the lower, eq of the lower but for the lowest pair.
  func opened(_ nodes: Nodes, _ triples: [Triple]) -> [[Int]] {
    triples.enumerated().map { pair, triple in
      let (low, high) = (2 * pair, 2 * pair + 1)
      return [nodes.eq[high] ^ triple.a, nodes.gt[low] ^ triple.b[0]] + (pair > 0 ? [nodes.eq[low] ^ triple.b[1]] : [])
    }
  }

  func joined(_ party: Int, _ nodes: Nodes, _ triples: [Triple], _ own: [[Int]], _ peer: [[Int]]) -> Nodes {
    var next = Nodes(gt: [], eq: [])
    for (pair, triple) in triples.enumerated() {
      let sums = zip(own[pair], peer[pair]).map { $0 ^ $1 }
      func product(_ lane: Int) -> Int {
        (party == 0 ? sums[0] & sums[1 + lane] : 0) ^ sums[0] & triple.b[lane] ^ sums[1 + lane] & triple.a
          ^ triple.ab[lane]
      }
      next.gt.append(nodes.gt[2 * pair + 1] ^ product(0))
      next.eq.append(pair > 0 ? product(1) : 0)
    }
    if nodes.gt.count % 2 == 1 {
      next.gt.append(nodes.gt[nodes.gt.count - 1])
      next.eq.append(nodes.eq[nodes.eq.count - 1])
    }
    return next
  }

  /// Counts what travels and in how many messages it does.
  struct Wire {
    var bits = 0
    var messages = 0
  }

  struct Outcome {
    /// Shares of the bit b.
    var b: [Int]
    /// P0's output, and P1's mask r'.
    var output: Int128
    var mask: Int128
    var wire: Wire
  }

  /// - Parameters:
  ///   - z0, c: the words compared, of k bits.
  ///   - operands: P0's and P1's shares of the multiplexer's operand, in its ring.
  func run(z0: UInt64, c: UInt64, operands: (Int128, Int128)) -> Outcome {
    let m = material(c: c, operand: operands.1)
    let levels = digits.levels.count
    var wire = Wire()
    let (tables, leaves0) = tables(z0: z0, m)
    var nodes = [leaves0, leaves(c: c, tables: tables, m)]
    var opened = [[[[Int]]]](repeating: [], count: 2)
    func open(_ party: Int) {
      let level = opened[party].count
      opened[party].append(self.opened(nodes[party], m.triples[party][level]))
      wire.bits += opened[party][level].reduce(0) { $0 + $1.count }
    }
    func join(_ party: Int, _ level: Int) {
      nodes[party] = joined(
        party, nodes[party], m.triples[party][level], opened[party][level], opened[1 - party][level])
    }
    // Message 1: tables and P0's first openings.
    wire.bits += tables.reduce(0) { $0 + $1.reduce(0) { $0 + $1.count } }
    wire.messages += 1
    if levels > 0 { open(0) }
    var level = 0
    while level < levels {
      // P1 knows P0's openings of this level: it answers them, joins, and opens the next level.
      open(1)
      join(1, level)
      if level + 1 < levels { open(1) }
      wire.messages += 1
      // P0 joins this level, opens the next, joins it too, and opens the one after.
      join(0, level)
      if level + 1 < levels {
        open(0)
        join(0, level + 1)
        join(1, level + 1)
        if level + 2 < levels { open(0) }
      }
      wire.messages += 1
      level += 2
    }
    // Without a tree the select travels with the tables.
    let top = UInt64(digits.digitBits)
    let b0 = Int(z0 >> top & 1) ^ nodes[0].gt[0]
    let b1 = 1 ^ Int(c >> top & 1) ^ nodes[1].gt[0]
    // Last message of P0: delta0 and D.
    let delta0 = b0 ^ m.rho[0]
    let flipped0 = operands.0 * Int128(1 - 2 * b0)
    let d = reduce(flipped0 - m.g)
    // Last message of P1: delta1 and y1 - r'.
    let delta1 = b1 ^ m.rho[1]
    let flipped1 = operands.1 * Int128(1 - 2 * m.rho[1])
    let sign0 = Int128(1 - 2 * delta0)
    let sign1 = Int128(1 - 2 * delta1)
    let inner1 = m.h[1] + (m.rho[1] == 1 ? d : 0) + Int128(delta0) * flipped1 + sign0 * m.w[1]
    let mask = reduce(uniform())
    let answer = reduce(sign1 * reduce(inner1) + Int128(b1) * operands.1 - mask)
    wire.bits += 2
    wire.messages += 1
    // P0 closes.
    let inner0 = m.h[0] + sign0 * m.w[0]
    let output = reduce(Int128(b0) * operands.0 + Int128(delta1) * flipped0 + sign1 * inner0 + answer)
    return Outcome(b: [b0, b1], output: output, mask: mask, wire: wire)
  }
}
