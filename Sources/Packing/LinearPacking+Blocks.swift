internal import Rings

/// Weight polynomials of a division of slots taken apart: w = sum_d X^(-d) v_d(X^B) over the offsets d of the kernel's taps.
///
/// All channels and outputs stand a multiple of B apart, so that each v_d has N / B coefficients only, and its transform is
/// constant over blocks of B words: a short transform finds it, and a product takes one word of weights a block.
public struct WeightBlocks: Hashable, Sendable {
  /// B, a power of two of at least 8.
  public let block: Int
  /// Coefficients of each v_d: N / B.
  public let length: Int
  /// Offsets d of the virtual taps, row by row; the first is zero.
  public let offsets: [Int]
}

/// Distances between channels. AGREEMENT.
enum PackingAlignment {
  /// Distances below this one are left as they are: to fill them up would cost too many slots.
  static let smallest = 48
  /// Taps for which a fill of less than an eighth word a word pays always, and those for which any pays.
  static let fewTaps = 4
  static let mostTaps = 16

  /// The distance between channels that need `spacing` coefficients each, filled up so that it has a power of two as a factor:
  /// any for few taps, for more of them one that costs a hundredth at most.
  static func aligned(_ spacing: Int, taps: Int) -> Int {
    guard spacing >= smallest, taps <= mostTaps else { return spacing }
    if taps <= fewTaps { return filled(spacing, 8) }
    for factor in [64, 32, 16] where (filled(spacing, factor) - spacing) * 100 <= spacing {
      return filled(spacing, factor)
    }
    return spacing
  }

  /// A distance with a larger power of two, where there is room for it: `limit` at most, and at no more known zeros among what
  /// `reads` coefficients of each channel are read.
  static func raised(_ spacing: Int, taps: Int, reads: Int, limit: Int) -> Int {
    guard spacing >= smallest, taps <= mostTaps else { return spacing }
    for factor in [64, 32, 16, 8] where spacing % factor != 0 {
      let wanted = filled(spacing, factor)
      if wanted <= limit, reads <= spacing || (wanted - spacing) * 100 <= spacing { return wanted }
    }
    return spacing
  }

  private static func filled(_ value: Int, _ factor: Int) -> Int { (value + factor - 1) / factor * factor }
}

extension LinearPacking {
  /// How the weight polynomials of an output polynomial are taken apart; nil where whole transforms are quicker. LOCAL: what
  /// travels does not depend on it.
  public func blocks(output: Int) -> WeightBlocks? { blocks(sets[bands[bandOfOutput[output]].set]) }

  func blocks(_ set: WeightSet) -> WeightBlocks? {
    guard geometry.groups == 1 else { return nil }
    let slots = set.channelsPerInput * set.outputsPerOutput
    // A single slot leaves a constant.
    let block = slots == 1 ? degree : 1 << min(set.spacing, degree).trailingZeroBitCount
    guard block >= 8 else { return nil }
    let length = degree / block
    let offsets = (0..<stack.rows.taps).flatMap { row in
      (0..<stack.columns.taps).map { row * stack.pitch + $0 }
    }
    // Nanoseconds of one thread a product and tap: 64 multiplications a word, and a short transform. A whole transform and product takes 50,000,
    // and 16,000 where the transform is held in memory.
    let price = 1850 + length * length.trailingZeroBitCount * 215 / 1000
    guard offsets.count * price <= 30_000 else { return nil }
    return WeightBlocks(block: block, length: length, offsets: offsets)
  }

  /// Weight polynomials that are transformed whole, the products that they are in; words of short transforms of the others,
  /// one prime, and the products of blocks that those are in.
  public func weightWork() -> (weights: Int, products: Int, shortWords: Int, shortProducts: Int) {
    var work = (weights: 0, products: 0, shortWords: 0, shortProducts: 0)
    let found = sets.map { blocks($0) }
    for (set, blocks) in zip(sets, found) {
      let count = set.weightsBefore.last!
      if let blocks {
        work.shortWords += count * blocks.offsets.count * blocks.length
      } else {
        work.weights += count
      }
    }
    for band in bands {
      let count = sets[band.set].weightsBefore.last!
      if let blocks = found[band.set] {
        work.shortProducts += count * blocks.offsets.count
      } else {
        work.products += count
      }
    }
    return work
  }

  /// Products that an output polynomial is the sum of, those of blocks by taps.
  public func terms(output: Int) -> Int {
    products(output: output).count * (blocks(output: output)?.offsets.count ?? 1)
  }

  /// Writes v_d of a weight polynomial, every `stride`-th word from `lanes` on; the others of its N / B words stay as they are.
  ///
  /// - Parameters:
  ///   - weight: which polynomial.
  ///   - tap: number of d among the offsets.
  ///   - blocks: of the polynomial's set.
  ///   - weights: the layer's weights in OIHW order.
  public func fill<W: FixedWidthInteger>(
    weight: Int, tap: Int, _ blocks: WeightBlocks, from weights: UnsafePointer<W>, into lanes: UnsafeMutablePointer<W>,
    stride: Int
  ) {
    let (tapRow, tapColumn) = tap.quotientAndRemainder(dividingBy: stack.columns.taps)
    let shift = degree.trailingZeroBitCount - blocks.length.trailingZeroBitCount
    forEachKernel(weight: weight) { virtual, kernel, exponent in
      let (row, column) = phases(of: virtual)
      let (y, x) = (
        row.residue + tapRow * stack.rows.stride, column.residue + tapColumn * stack.columns.stride
      )
      guard y < geometry.kernelHeight, x < geometry.kernelWidth else { return }
      // X^N = -1: exponents lie in -N ..< N.
      let value = weights[kernel + y * geometry.kernelWidth + x]
      let place = (exponent & (degree - 1)) >> shift * stride
      lanes[place] &+= exponent & degree == 0 ? value : 0 &- value
    }
  }

  /// Visits the kernels that a weight polynomial carries: virtual channel, place of the kernel's first weight, exponent of its first tap.
  func forEachKernel(weight: Int, _ body: (_ virtual: Int, _ kernel: Int, _ exponent: Int) -> Void) {
    let set = sets[sets.lastIndex { $0.firstWeight <= weight }!]
    let index = weight - set.firstWeight
    let block = Self.lastIndex(in: set.weightsBefore, notAbove: index)
    let inputBlock = set.inputBlocks[block].lowerBound + index - set.weightsBefore[block]
    let channels = geometry.inChannels / geometry.groups
    let outputs = geometry.outChannels / geometry.groups
    let first = inputBlock * set.channelsPerInput
    let outputRange = outputChannels(set, block: block)
    let area = geometry.kernelHeight * geometry.kernelWidth
    for output in outputRange {
      let base = (output - outputRange.lowerBound) * set.channelsPerInput * set.spacing
      for virtual in first..<min(first + set.channelsPerInput, virtualChannels) {
        let channel = virtual / phasesPerChannel
        if channel / channels != output / outputs { continue }
        body(virtual, (output * channels + channel % channels) * area, base - (virtual - first) * set.spacing)
      }
    }
  }

  private static func lastIndex(in starts: [Int], notAbove value: Int) -> Int {
    var low = 0
    var high = starts.count - 2
    while low < high {
      let middle = (low + high + 1) / 2
      if starts[middle] <= value { low = middle } else { high = middle - 1 }
    }
    return low
  }
}
