internal import CKernels
internal import Packing
internal import Rings

/// Sums of products with weight polynomials that are taken apart (``WeightBlocks``): a short transform finds a word of weights for each
/// block, and the kernel multiplies many inputs by the words of many outputs, so that neither weights nor inputs pass through
/// memory in full for each product.
///
/// Not for several threads at once: it holds the scratch memory of one.
final class BlockProducts {
  /// Groups of responses that are summed together: so many that a tile of inputs serves them all.
  static let lanesTogether = 32
  /// Words of a tile of inputs.
  private static let tile = 256

  private let ring: RingContext
  private let packing: LinearPacking
  private let blocks: WeightBlocks
  private let inputs: [SecretWords]
  private let weights: ResponseWeights
  private let twists: BlockTwists
  /// Terms of a chunk. All divide ``ProductSum/foldAfter``, so that sums are folded between chunks.
  private let chunk: Int
  private let lanes: SecretWords
  private let residues: SecretWords
  private let words: SecretWords
  private let tiles: SecretWords
  private let rowWords: Int

  /// - Parameters:
  ///   - inputs: one ciphertext an input polynomial.
  ///   - twists: of the same blocks.
  ///   - terms: products by taps of each sum.
  init(
    ring: RingContext, packing: LinearPacking, blocks: WeightBlocks, inputs: [SecretWords], weights: ResponseWeights,
    twists: BlockTwists, terms: Int
  ) {
    self.ring = ring
    self.packing = packing
    self.blocks = blocks
    self.inputs = inputs
    self.weights = weights
    self.twists = twists
    // What a chunk's transforms take is to stay in caches.
    let most = blocks.length >= 1024 ? 30 : blocks.length >= 512 ? 60 : 120
    chunk = most
    let held = min(most, terms)
    let sets = Self.lanesTogether / Int(CK_NTT_LANES)
    let width = blocks.length * Int(CK_NTT_LANES)
    rowWords = (held | 1) * Int(CK_NTT_LANES)
    lanes = SecretWords(uninitialized: sets * held * width)
    residues = SecretWords(uninitialized: width)
    words = SecretWords(uninitialized: sets * blocks.length * rowWords)
    tiles = SecretWords(uninitialized: Self.tile / Int(CK_NTT_LANES) * 2 * rowWords)
  }

  /// Whether this ring's sums stay within accumulators.
  static func fit(_ ring: RingContext) -> Bool { ring.primes.allSatisfy { $0 >> 48 == 0 } }

  /// The sums of some groups of responses; those of a group share weights, and all groups see the same inputs.
  func sums(_ groups: ArraySlice<[Int]>) -> [[ProductSum]] {
    let groups = Array(groups)
    let sums = groups.map { $0.map { _ in ProductSum(context: ring) } }
    let products = groups.map { $0.map { Array(packing.products(output: $0)) } }
    let taps = blocks.offsets.count
    let terms = products[0][0].count * taps
    precondition((min(chunk, terms) | 1) * Int(CK_NTT_LANES) <= rowWords && groups.count <= Self.lanesTogether)
    for start in stride(from: 0, to: terms, by: chunk) {
      let range = start..<min(start + chunk, terms)
      fill(range, products.map { $0[0] })
      for prime in ring.primes.indices {
        transform(range, prime, sets: (groups.count + Int(CK_NTT_LANES) - 1) / Int(CK_NTT_LANES))
        for band in groups[0].indices {
          add(range, prime, products[0][band].map(\.input), sums.map { $0[band] })
        }
      }
      for sum in sums.joined() { sum.note(products: range.count) }
    }
    let words = terms * blocks.length * groups.count * ring.primes.count
    ring.note(.short, words)
    ring.note(.reduce, words)
    ring.note(.multiplyAccumulate, 2 * ring.words * terms * groups.count * groups[0].count)
    withExtendedLifetime(inputs) {}
    return sums
  }

  /// Places the weights of a chunk's terms: term after term of a set of lanes.
  private func fill(_ range: Range<Int>, _ products: [[(input: Int, weight: Int)]]) {
    switch weights {
    case .quantized(let values): place(range, products, values)
    case .centered(let values): place(range, products, values)
    }
  }

  private func place<W: FixedWidthInteger>(
    _ range: Range<Int>, _ products: [[(input: Int, weight: Int)]], _ values: UnsafePointer<W>
  ) {
    let (taps, width) = (blocks.offsets.count, blocks.length * Int(CK_NTT_LANES))
    let sets = (products.count + Int(CK_NTT_LANES) - 1) / Int(CK_NTT_LANES)
    lanes.pointer.withMemoryRebound(to: W.self, capacity: sets * range.count * width) { lanes in
      lanes.update(repeating: 0, count: sets * range.count * width)
      for (group, list) in products.enumerated() {
        let (set, lane) = group.quotientAndRemainder(dividingBy: Int(CK_NTT_LANES))
        for (place, term) in range.enumerated() {
          packing.fill(
            weight: list[term / taps].weight, tap: term % taps, blocks, from: values,
            into: lanes + (set * range.count + place) * width + lane, stride: Int(CK_NTT_LANES))
        }
      }
    }
  }

  /// Transforms the lanes of a chunk for one prime.
  private func transform(_ range: Range<Int>, _ prime: Int, sets: Int) {
    let width = blocks.length * Int(CK_NTT_LANES)
    let (q, table) = (ring.primes[prime], ring.tables[prime])
    for set in 0..<sets {
      let out = words.pointer + set * blocks.length * rowWords
      for place in range.indices.lazy.map({ $0 - range.lowerBound }) {
        let first = (set * range.count + place) * width
        switch weights {
        case .quantized:
          lanes.pointer.withMemoryRebound(to: Int32.self, capacity: first + width) {
            ck_residue_signed(ring.isa, q, width, $0 + first, residues.pointer)
          }
        case .centered:
          lanes.pointer.withMemoryRebound(to: Int64.self, capacity: first + width) {
            ck_residue_signed64(q, width, $0 + first, residues.pointer)
          }
        }
        table.short(blocks.length, residues.pointer, out + place * Int(CK_NTT_LANES), stride: rowWords)
      }
    }
  }

  /// Adds a chunk's products of one prime and band, tile by tile.
  private func add(_ range: Range<Int>, _ prime: Int, _ operands: [Int], _ sums: [ProductSum]) {
    let (degree, taps) = (ring.degree, blocks.offsets.count)
    let (table, row) = (ring.tables[prime], rowWords / Int(CK_NTT_LANES))
    let tile = min(Self.tile, degree)
    for start in stride(from: 0, to: degree, by: tile) {
      for (place, term) in range.enumerated() {
        let operand = inputs[operands[term / taps]].pointer + prime * degree + start
        table.gather(
          operand, operand + ring.words, twist: twists.pointer(tap: term % taps, prime: prime).map { $0 + start },
          count: tile, row: row, into: tiles.pointer + 2 * place * Int(CK_NTT_LANES))
      }
      for first in stride(from: 0, to: sums.count, by: Int(CK_NTT_LANES)) {
        let lanes = sums[first..<min(first + Int(CK_NTT_LANES), sums.count)]
        let accumulators = lanes.map { Optional($0.accumulators.pointer + 4 * prime * degree + start) }
        let rows = words.pointer + (first / Int(CK_NTT_LANES) * blocks.length + start / blocks.block) * rowWords
        ck_ntt_block_accumulate(
          Int32(table.variant.rawValue), table.prime, degree, blocks.block, tile, range.count, row, tiles.pointer, rows,
          lanes.count, accumulators)
      }
    }
  }
}

/// Transforms of X^(-d) for the offsets d of taps but the first, times 2^52 as ``NTTTables/gather`` wants them. Public.
final class BlockTwists: Sendable {
  private let ring: RingContext
  private let words: SecretWords

  init(_ ring: RingContext, _ blocks: WeightBlocks) {
    self.ring = ring
    words = SecretWords(zeros: (blocks.offsets.count - 1) * ring.words)
    for (number, offset) in blocks.offsets.dropFirst().enumerated() {
      let out = words.pointer + number * ring.words
      for (index, q) in ring.primes.enumerated() {
        // X^(-d) = -X^(N - d).
        out[index * ring.degree + ring.degree - offset] = q - (1 << 52) % q
        ring.tables[index].forward(out + index * ring.degree)
      }
    }
  }

  /// The twist of a tap; nil for the first, which needs none.
  func pointer(tap: Int, prime: Int) -> UnsafePointer<UInt64>? {
    tap == 0 ? nil : UnsafePointer(words.pointer + (tap - 1) * ring.words + prime * ring.degree)
  }
}
