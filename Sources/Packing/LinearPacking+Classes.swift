extension LinearPacking {
  /// Writes the ``CoefficientClass`` of each of the N coefficients of an input polynomial.
  public func classify(input: Int, into classes: UnsafeMutablePointer<UInt8>) {
    classes.update(repeating: CoefficientClass.idle.rawValue, count: degree)
    for range in readRanges(input) {
      (classes + range.lowerBound).update(repeating: CoefficientClass.fixed.rawValue, count: range.count)
    }
    forEachInputRun(input) { run, isFree in
      if isFree { (classes + run.coefficient).update(repeating: CoefficientClass.free.rawValue, count: run.count) }
    }
  }

  /// Coefficients of a class in an input polynomial, as sorted ranges that do not touch.
  public func ranges(input: Int, of wanted: CoefficientClass) -> [Range<Int>] {
    let classes = [UInt8](unsafeUninitializedCapacity: degree) { buffer, count in
      classify(input: input, into: buffer.baseAddress!)
      count = degree
    }
    var ranges: [Range<Int>] = []
    var start: Int?
    for index in 0...degree {
      let inside = index < degree && classes[index] == wanted.rawValue
      if inside, start == nil { start = index }
      if !inside, let first = start {
        ranges.append(first..<index)
        start = nil
      }
    }
    return ranges
  }

  /// Coefficients some needed output may read, as sorted disjoint ranges; the others are idle.
  ///
  /// Output block o sees, through the weights of block o', coefficients (o - o') * ci * S + c * S + 0 ..< reads.
  public func readRanges(_ input: Int) -> [Range<Int>] {
    let band = bands[bandOfInput[input]]
    let set = sets[band.set]
    let first = (input - band.firstInput) * set.channelsPerInput
    let carried = min(set.channelsPerInput, virtualChannels - first)
    let others = set.outputsPerOutput - 1
    let block = set.channelsPerInput * set.spacing
    // What is read of a channel reaches into the next one, unless there are gaps between them.
    let isGapless = band.extent.reads >= set.spacing
    let length = isGapless ? (carried - 1) * set.spacing + band.extent.reads : band.extent.reads
    if length >= degree || (isGapless && length >= block && 2 * others * block + length >= degree) {
      return [0..<degree]
    }
    var pieces: [Range<Int>] = []
    for offset in -others...others {
      for channel in 0..<(isGapless ? 1 : carried) {
        let start = offset * block + channel * set.spacing
        let lower = ((start % degree) + degree) % degree
        pieces.append(lower..<min(degree, lower + length))
        if lower + length > degree { pieces.append(0..<lower + length - degree) }
      }
    }
    return pieces.sorted { $0.lowerBound < $1.lowerBound }.reduce(into: []) { merged, piece in
      if let last = merged.last, last.upperBound >= piece.lowerBound {
        merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, piece.upperBound)
      } else {
        merged.append(piece)
      }
    }
  }

  /// Free coefficients of an input polynomial.
  public func freeCount(input: Int) -> Int {
    let band = bands[bandOfInput[input]]
    let perInput = sets[band.set].channelsPerInput
    let first = (input - band.firstInput) * perInput
    let perPhase = (0..<phasesPerChannel).map { freeCount(phase: $0, band) }
    return (first..<min(first + perInput, virtualChannels)).reduce(0) { $0 + perPhase[$1 % phasesPerChannel] }
  }

  private func freeCount(phase: Int, _ band: Band) -> Int {
    let (row, column) = phases(of: phase)
    var count = 0
    stack.forEachSegment(of: band.rows) { item, outputRows in
      let outputColumns = stack.outputColumns(ofItem: item)
      let data = stack.data(row: row, column: column, outputRows: outputRows, outputColumns: outputColumns)
      let rows = data.rows.upperBound - max(data.rows.lowerBound, stack.firstNewRow(outputRows))
      let columns = data.columns.upperBound - max(data.columns.lowerBound, stack.firstNewColumn(outputColumns))
      count += max(0, rows) * max(0, columns)
    }
    return count
  }

  /// Fixed coefficients of an input polynomial.
  public func fixedCount(input: Int) -> Int {
    readRanges(input).reduce(0) { $0 + $1.count } - freeCount(input: input)
  }

  /// Free and fixed coefficients of all input polynomials.
  public func coefficientCounts() -> (free: Int, fixed: Int) {
    (0..<inputCount).reduce(into: (0, 0)) {
      $0.0 += freeCount(input: $1)
      $0.1 += fixedCount(input: $1)
    }
  }
}
