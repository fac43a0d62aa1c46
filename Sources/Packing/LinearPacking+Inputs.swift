internal import Rings

/// Consecutive coefficients that carry words of one inference at a constant distance.
public struct PackingRun: Hashable, Sendable {
  /// First coefficient.
  public let coefficient: Int
  /// Number of coefficients.
  public let count: Int
  /// Inference, from zero.
  public let inference: Int
  /// First word of the CHW operand or result.
  public let element: Int
  /// Distance between the words.
  public let step: Int
}

/// What an input coefficient is to the protocol.
public enum CoefficientClass: UInt8, Sendable {
  /// No output that is sent back reads it: it need not be sent, and may decrypt to anything.
  case idle = 0
  /// A zero, or the repetition of a mask that another coefficient carries first: its plaintext is given.
  case fixed = 1
  /// The first occurrence of an operand word: its mask may be chosen freely.
  case free = 2
}

extension LinearPacking {
  /// Visits the words an input polynomial carries, by increasing coefficient.
  ///
  /// Every operand word that some output reads is free exactly once over all polynomials; repetitions (halos of bands
  /// and strips) stand in the same polynomial or a later one.
  public func forEachInputRun(_ input: Int, _ body: (_ run: PackingRun, _ isFree: Bool) -> Void) {
    let band = bands[bandOfInput[input]]
    let set = sets[band.set]
    let first = (input - band.firstInput) * set.channelsPerInput
    for channel in first..<min(first + set.channelsPerInput, virtualChannels) {
      forEachRun(of: channel, band, at: (channel - first) * set.spacing, body)
    }
  }

  private func forEachRun(of channel: Int, _ band: Band, at base: Int, _ body: (PackingRun, Bool) -> Void) {
    let (row, column) = phases(of: channel)
    let plane = channel / phasesPerChannel * geometry.inHeight
    let origin = stack.tallRow(ofOutput: band.rows.lowerBound)
    stack.forEachSegment(of: band.rows) { item, outputRows in
      let outputColumns = stack.outputColumns(ofItem: item)
      let data = stack.data(row: row, column: column, outputRows: outputRows, outputColumns: outputColumns)
      let newRow = stack.firstNewRow(outputRows)
      let newColumn = min(max(stack.firstNewColumn(outputColumns), data.columns.lowerBound), data.columns.upperBound)
      for position in data.rows {
        let start = base + (item * stack.itemRows + position - origin) * stack.pitch - outputColumns.lowerBound
        let words = (plane + stack.rows.input(row, position)) * geometry.inWidth
        func visit(_ range: Range<Int>, _ isFree: Bool) {
          if range.isEmpty { return }
          body(
            PackingRun(
              coefficient: start + range.lowerBound, count: range.count, inference: item % inferences,
              element: words + stack.columns.input(column, range.lowerBound), step: geometry.strideWidth), isFree)
        }
        let split = position < newRow ? data.columns.upperBound : newColumn
        visit(data.columns.lowerBound..<split, false)
        visit(split..<data.columns.upperBound, true)
      }
    }
  }

  func phases(of channel: Int) -> (row: PackingAxis.Phase, column: PackingAxis.Phase) {
    let (row, column) = (channel % phasesPerChannel).quotientAndRemainder(dividingBy: stack.columns.phases.count)
    return (stack.rows.phases[row], stack.columns.phases[column])
  }

  /// Places operands in an input polynomial; what carries no word becomes zero.
  ///
  /// - Parameters:
  ///   - input: which polynomial.
  ///   - operands: one CHW operand an inference.
  ///   - coefficients: receives N words.
  public func fill(input: Int, from operands: [UnsafePointer<UInt64>], into coefficients: UnsafeMutablePointer<UInt64>)
  {
    precondition(operands.count == inferences, "one operand an inference")
    coefficients.update(repeating: 0, count: degree)
    forEachInputRun(input) { run, _ in
      let to = coefficients + run.coefficient
      let from = operands[run.inference] + run.element
      if run.step == 1 {
        to.update(from: from, count: run.count)
      } else {
        for index in 0..<run.count { to[index] = from[index &* run.step] }
      }
    }
  }

  /// Writes the free coefficients of an input polynomial back to the operand words they stand for.
  public func scatter(
    input: Int, _ coefficients: UnsafePointer<UInt64>, to operands: [UnsafeMutablePointer<UInt64>]
  ) {
    precondition(operands.count == inferences, "one operand an inference")
    forEachInputRun(input) { run, isFree in
      if !isFree { return }
      let from = coefficients + run.coefficient
      let to = operands[run.inference] + run.element
      for index in 0..<run.count { to[index &* run.step] = from[index] }
    }
  }

  /// Visits the operand words that no polynomial carries since no output reads them, as runs of (first word, number,
  /// distance); the same for each inference. Their masks are the data owner's to draw.
  public func forEachUncarriedRun(_ body: (_ element: Int, _ count: Int, _ step: Int) -> Void) {
    let skipped = (0..<geometry.inWidth).filter { !stack.columns.carries($0) }
    for row in 0..<geometry.inChannels * geometry.inHeight {
      if !stack.rows.carries(row % geometry.inHeight) {
        body(row * geometry.inWidth, geometry.inWidth, 1)
      } else {
        for column in skipped { body(row * geometry.inWidth + column, 1, 1) }
      }
    }
  }
}
