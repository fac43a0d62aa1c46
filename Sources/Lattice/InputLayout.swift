public import Packing
public import Rings

/// Sorted ranges of coefficients, gathered into consecutive words and spread back.
struct CoefficientRanges: Sendable {
  let ranges: [Range<Int>]
  let count: Int

  init(_ ranges: [Range<Int>]) {
    self.ranges = ranges
    count = ranges.reduce(0) { $0 + $1.count }
  }

  /// The words of these coefficients; `rows` polynomials `stride` words apart become rows of ``count`` words.
  func gathered(_ words: UnsafePointer<UInt64>, rows: Int = 1, stride: Int = 0) -> SecretWords {
    let out = SecretWords(uninitialized: rows * count)
    var to = out.pointer
    for row in 0..<rows {
      for range in ranges {
        to.update(from: words + row * stride + range.lowerBound, count: range.count)
        to += range.count
      }
    }
    return out
  }

  /// The inverse of ``gathered(_:rows:stride:)``; other coefficients are left alone.
  func spread(
    _ compact: UnsafePointer<UInt64>, into words: UnsafeMutablePointer<UInt64>, rows: Int = 1, stride: Int = 0
  ) {
    var from = compact
    for row in 0..<rows {
      for range in ranges {
        (words + row * stride + range.lowerBound).update(from: from, count: range.count)
        from += range.count
      }
    }
  }
}

/// Which coefficients of an input polynomial travel in low parts (free) and which whole (fixed).
struct InputLayout: Sendable {
  /// Added to a low part, so that rounding cannot make it negative.
  static let offset: UInt64 = 4

  let free: CoefficientRanges
  let fixed: CoefficientRanges
  var freeCount: Int { free.count }
  var fixedCount: Int { fixed.count }

  init(_ packing: LinearPacking, input: Int, isFree: Bool) {
    if isFree {
      free = CoefficientRanges(packing.ranges(input: input, of: .free))
      fixed = CoefficientRanges(packing.ranges(input: input, of: .fixed))
    } else {
      free = CoefficientRanges([])
      fixed = CoefficientRanges(packing.readRanges(input))
    }
  }

  func freeBytes(_ context: RingContext, _ modulus: ModulusKind) -> Int {
    freeCount == 0 ? 0 : (freeCount * context.freeBits(modulus) + 7) / 8
  }
}

extension LinearPacking {
  /// Bytes of an input polynomial on the wire.
  public func inputBytes(_ context: RingContext, _ modulus: ModulusKind, input: Int, isFree: Bool) -> Int {
    let layout = InputLayout(self, input: input, isFree: isFree)
    return layout.freeBytes(context, modulus) + context.residueBytes(layout.fixedCount)
  }

  /// Bytes of all input polynomials.
  public func inputBytes(_ context: RingContext, _ modulus: ModulusKind, isFree: Bool) -> Int {
    (0..<inputCount).reduce(0) { $0 + inputBytes(context, modulus, input: $1, isFree: isFree) }
  }

  /// Coefficients of an output polynomial that stand for outputs.
  func outputRanges(_ output: Int) -> CoefficientRanges {
    var ranges: [Range<Int>] = []
    forEachOutputRun(output) { ranges.append($0.coefficient..<$0.coefficient + $0.count) }
    return CoefficientRanges(ranges)
  }
}
