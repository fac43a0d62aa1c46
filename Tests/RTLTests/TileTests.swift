import Randomness
import Rings
import Testing

/// A tile of multiply-accumulate cells, fed with whole matrix products.
struct Tile {
  var row: KernelTable.Row

  init(_ name: String) throws { row = try KernelTable.row(name) }

  var rows: Int { row.parameters["ROWS"]! }
  var columns: Int { row.parameters["COLUMNS"]! }
  var isWide: Bool { row.parameters["WORD"] == 64 }
  /// Taps of one pass.
  var mostTaps: Int { isWide ? 1 << (30 - row.parameters["LIMB_BITS"]!) : 1 << 20 }

  /// addend + weights inputs for matrices [m][taps], [taps][n], [m][n], where `at` reads them; rows and columns that do not fill a
  /// tile, and taps that are fewer than its rows, are zeros.
  ///
  /// Taps beyond one pass follow in another, whose addends are the results of the one before.
  func product(
    m: Int, n: Int, taps: Int, field: Bool, gap: () -> Int = { 0 }, checksCycles: Bool = true,
    weight: (Int, Int) -> UInt32, input: (Int, Int) -> UInt64, addend: (Int, Int) -> UInt64
  ) throws -> [UInt64] {
    var result = (0..<m * n).map { addend($0 / n, $0 % n) }
    for first in stride(from: 0, to: taps, by: mostTaps) {
      let range = first..<min(first + mostTaps, taps)
      result = try pass(
        m: m, n: n, taps: range, field: field, gap: gap, checksCycles: checksCycles, weight: weight, input: input,
        addend: result)
    }
    return result
  }

  private func pass(
    m: Int, n: Int, taps: Range<Int>, field: Bool, gap: () -> Int, checksCycles: Bool, weight: (Int, Int) -> UInt32,
    input: (Int, Int) -> UInt64, addend: [UInt64]
  ) throws -> [UInt64] {
    var stimulus = Stimulus()
    stimulus.configure([field ? 1 : 0])
    let places = stride(from: 0, to: m, by: rows).flatMap { top in
      stride(from: 0, to: n, by: columns).map { (top, $0) }
    }
    let beats = max(taps.count, rows)
    for (top, left) in places {
      for beat in 0..<beats {
        let tap = taps.lowerBound + beat
        var data: [UInt32] = []
        let x = (left..<left + columns).map { tap < taps.upperBound && $0 < n ? input(tap, $0) : 0 }
        let added = (left..<left + columns).map { column in
          beat < rows && top + beat < m && column < n ? addend[(top + beat) * n + column] : 0
        }
        for words in [x, added] {
          if isWide { data.append(words: words) } else { data += words.map { UInt32($0) } }
        }
        data += (top..<top + rows).map { tap < taps.upperBound && $0 < m ? weight($0, tap) : 0 }
        stimulus.beat(after: gap(), data + [beat == beats - 1 ? 1 : 0])
      }
    }
    let (words, report) = try Simulators.run(row.name, stimulus)
    #expect(report.outputs == rows * places.count)
    if checksCycles { #expect(try report.cycles == row.cycles(places.count * beats * row.operations)) }
    var result = [UInt64](repeating: 0, count: m * n)
    let width = columns * (isWide ? 2 : 1) + 1
    for (index, (top, left)) in places.enumerated() {
      for r in 0..<rows {
        let base = (index * rows + r) * width
        #expect(words[base + width - 1] == (r == rows - 1 ? 1 : 0))
        for c in 0..<columns where top + r < m && left + c < n {
          result[(top + r) * n + left + c] = isWide ? words.word(at: base + 2 * c) : UInt64(words[base + c])
        }
      }
    }
    return result
  }
}

@Suite(.enabled(if: Simulators.areBuilt, Simulators.advice)) struct TileTests {
  static let wide = ["mac-64-4x4", "mac-64-8x8", "mac-64-4x4-three-limbs", "mac-64-8x8-three-limbs", "mac-64-1x3"]
  static let narrow = ["mac-32-4x4", "mac-32-8x8", "mac-32-5x2"]

  /// Convolutions, strided, padded, fully connected and with more taps than one pass takes, at weights of either sign up to the ends
  /// of 18 bits: the words of `LinearMap`, plus the mask's share.
  @Test(
    arguments: wide,
    [
      LinearGeometry(inChannels: 1, outChannels: 1, inHeight: 1, inWidth: 1, kernelHeight: 1, kernelWidth: 1),
      LinearGeometry(
        inChannels: 3, outChannels: 5, inHeight: 6, inWidth: 5, kernelHeight: 3, kernelWidth: 3, padTop: 1, padLeft: 1,
        padBottom: 1, padRight: 1),
      LinearGeometry(
        inChannels: 2, outChannels: 9, inHeight: 7, inWidth: 7, kernelHeight: 3, kernelWidth: 2, strideHeight: 2,
        strideWidth: 3),
      LinearGeometry(inChannels: 700, outChannels: 10, inHeight: 1, inWidth: 1, kernelHeight: 1, kernelWidth: 1),
      LinearGeometry(inChannels: 64, outChannels: 8, inHeight: 3, inWidth: 3, kernelHeight: 3, kernelWidth: 3),
    ])
  func linearLayersEqualTheSoftware(name: String, geometry: LinearGeometry) throws {
    let tile = try Tile(name)
    for kind in [ModulusKind.field, .word] {
      let generator = StreamGenerator(publicSeed: UInt64(geometry.weightCount))
      let ends: [Int32] = [-(1 << 17), (1 << 17) - 1, 1, -1, 0]
      let weights = (0..<geometry.weightCount).map { _ in
        generator.uniform(below: 4) == 0
          ? ends[generator.uniform(in: 0...ends.count - 1)] : Int32(generator.uniform(in: -(1 << 17)...(1 << 17) - 1))
      }
      let input = generator.words(kind, geometry.inputShape.count)
      let share = generator.words(kind, geometry.outputShape.count)
      var expected = share
      let packed = try PackedWeights(geometry: geometry, weights: weights)
      switch kind {
      case .field:
        LinearMap.apply(
          PrimeField.self, weights: packed, input: input, output: &expected, workspace: LinearWorkspace())
      case .word:
        LinearMap.apply(Word64.self, weights: packed, input: input, output: &expected, workspace: LinearWorkspace())
      }
      let product = expected
      Elementwise.add(kind, product, share, count: share.count, output: &expected)
      let positions = geometry.outHeight * geometry.outWidth
      let found = try tile.product(
        m: geometry.outChannels, n: positions, taps: geometry.tapsPerOutput, field: kind == .field,
        weight: { UInt32(bitPattern: weights[$0 * geometry.tapsPerOutput + $1]) },
        input: { tap, position in word(of: input, geometry, tap, position) },
        addend: { share[$0 * positions + $1] })
      #expect(found == expected)
    }
  }

  /// The word that tap `tap` of an output at `position` reads; zero in the padding.
  private func word(of input: [UInt64], _ g: LinearGeometry, _ tap: Int, _ position: Int) -> UInt64 {
    let (channel, place) = tap.quotientAndRemainder(dividingBy: g.kernelHeight * g.kernelWidth)
    let row = position / g.outWidth * g.strideHeight + place / g.kernelWidth - g.padTop
    let column = position % g.outWidth * g.strideWidth + place % g.kernelWidth - g.padLeft
    guard (0..<g.inHeight).contains(row), (0..<g.inWidth).contains(column) else { return 0 }
    return input[(channel * g.inHeight + row) * g.inWidth + column]
  }

  /// The longest pass with the largest words and weights, which fills the accumulators to their ends.
  @Test(arguments: ["mac-64-4x4", "mac-64-8x8-three-limbs"], [-131_072, 131_071])
  func accumulatorsHoldTheLongestPass(name: String, weight: Int) throws {
    let tile = try Tile(name)
    for kind in [ModulusKind.field, .word] {
      let word = kind == .field ? p - 1 : UInt64.max
      let sum = Int64(weight * tile.mostTaps)
      let modulus = { (a: UInt64, b: UInt64) in kind == .field ? PrimeField.multiply(a, b) : a &* b }
      let factor = kind == .field ? PrimeField.reduce(signed: sum) : UInt64(bitPattern: sum)
      let found = try tile.product(
        m: 1, n: 1, taps: tile.mostTaps, field: kind == .field, weight: { _, _ in UInt32(truncatingIfNeeded: weight) },
        input: { _, _ in word }, addend: { _, _ in 0 })
      #expect(found == [modulus(word, factor)])
    }
  }

  /// Every number of rows, columns and taps about a tile's own, with and without pauses between beats.
  @Test(arguments: wide + narrow) func shapesAboutATile(name: String) throws {
    let tile = try Tile(name)
    let generator = StreamGenerator(publicSeed: 3)
    for m in [1, tile.rows, tile.rows + 1] {
      for n in [1, tile.columns, 2 * tile.columns + 1] {
        for taps in [1, tile.rows, tile.rows + 1, 19] {
          let weights = (0..<m * taps).map { _ in Int32(generator.uniform(in: -(1 << 17)...(1 << 17) - 1)) }
          let mask: UInt64 = tile.isWide ? .max : 0xFFFF_FFFF
          let (input, share) = (
            generator.words(.word, taps * n).map { $0 & mask }, generator.words(.word, m * n).map { $0 & mask }
          )
          let expected = (0..<m * n).map { place in
            (0..<taps).reduce(share[place]) {
              $0 &+ UInt64(bitPattern: Int64(weights[place / n * taps + $1])) &* input[$1 * n + place % n]
            } & mask
          }
          for gaps in [false, true] {
            let found = try tile.product(
              m: m, n: n, taps: taps, field: false, gap: { generator.gap(gaps) }, checksCycles: !gaps,
              weight: { UInt32(bitPattern: weights[$0 * taps + $1]) }, input: { input[$0 * n + $1] },
              addend: { share[$0 * n + $1] })
            #expect(found == expected, "\(m) rows, \(n) columns, \(taps) taps")
          }
        }
      }
    }
  }

  /// A pass with fewer taps than rows, which the contract excludes, ends a simulation with a word about it.
  @Test func shortPassesAreRefused() throws {
    let tile = try Tile("mac-32-4x4")
    var stimulus = Stimulus()
    stimulus.configure([0])
    stimulus.beat([UInt32](repeating: 1, count: 2 * tile.columns + tile.rows) + [1])
    #expect { try Simulators.run(tile.row.name, stimulus) } throws: {
      "\($0)".contains("a pass of 1 taps, fewer than its 4 rows")
    }
  }

  /// Beaver's product as the paper has it, in three kinds of taps: both parties' results add up to the product of the secrets.
  @Test(arguments: narrow) func beaverProductsAddUp(name: String) throws {
    let tile = try Tile(name)
    let generator = StreamGenerator(publicSeed: 8)
    let (m, n, k) = (6, 7, 9)
    let draw = { (count: Int) in generator.words(.word, count).map { UInt32(truncatingIfNeeded: $0) } }
    let (w, x, a, b) = (
      [draw(m * k), draw(m * k)], [draw(k * n), draw(k * n)], [draw(m * k), draw(m * k)], [draw(k * n), draw(k * n)]
    )
    let sum = { (shares: [[UInt32]]) in zip(shares[0], shares[1]).map { $0 &+ $1 } }
    let multiply = { (w: [UInt32], x: [UInt32]) in
      (0..<m * n).map { place in
        (0..<k).reduce(UInt32(0)) { $0 &+ w[place / n * k + $1] &* x[$1 * n + place % n] }
      }
    }
    let z0 = draw(m * n)
    let z = [z0, zip(multiply(sum(a), sum(b)), z0).map { $0 &- $1 }]
    let e = zip(sum(w), sum(a)).map { $0 &- $1 }
    let f = zip(sum(x), sum(b)).map { $0 &- $1 }
    var total = [UInt32](repeating: 0, count: m * n)
    for party in 0..<2 {
      // w_i f + e x_i + z_i - [party 1] e f
      let left = [w[party], e] + (party == 1 ? [e.map { 0 &- $0 }] : [])
      let right = [f, x[party]] + (party == 1 ? [f] : [])
      let found = try tile.product(
        m: m, n: n, taps: left.count * k, field: false, weight: { left[$1 / k][$0 * k + $1 % k] },
        input: { UInt64(right[$0 / k][$0 % k * n + $1]) }, addend: { UInt64(z[party][$0 * n + $1]) })
      total = zip(total, found).map { $0 &+ UInt32($1) }
    }
    #expect(total == multiply(sum(w), sum(x)))
  }
}
