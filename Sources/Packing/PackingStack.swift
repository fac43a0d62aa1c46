/// The planes of one virtual channel, stacked.
///
/// An item is one inference's plane, or a strip of its columns where the plane is too wide. The items stand above one
/// another as one tall picture of `pitch` columns, `itemRows` rows an item. Zeros are shared: the zeros to the left of a
/// row are those to the right of the row above, the zero rows above an item those below the item before it.
/// A 3x3 kernel with padding 1 on 32x32 takes 33x33 coefficients instead of 34x34.
struct PackingStack: Hashable, Sendable {
  let rows: PackingAxis
  let columns: PackingAxis
  let inferences: Int
  /// Output columns of a strip; the last strip may be narrower.
  let stripWidth: Int
  /// Strips of a plane.
  let strips: Int
  /// Coefficients from a row to the next.
  let pitch: Int
  /// Rows from an item to the next.
  let itemRows: Int
  /// Smallest column, within a strip, that may hold data.
  let leadColumns: Int
  /// One more than the largest column, within a strip, that may hold data.
  let endColumns: Int
  /// Whether channels fall into groups, whose distances are not filled up.
  let isGrouped: Bool

  init(rows: PackingAxis, columns: PackingAxis, inferences: Int, strips wanted: Int, isGrouped: Bool) {
    self.isGrouped = isGrouped
    self.rows = rows
    self.columns = columns
    self.inferences = inferences
    let width = (columns.outputs + wanted - 1) / wanted
    stripWidth = width
    strips = (columns.outputs + width - 1) / width
    let reach = width + columns.taps - 1
    var lead = reach
    var end = 0
    for first in stride(from: 0, to: columns.outputs, by: width) {
      let data = columns.data.clamped(to: first..<min(first + reach, columns.outputs + columns.taps - 1))
      if data.isEmpty { continue }
      lead = min(lead, data.lowerBound - first)
      end = max(end, data.upperBound - first)
    }
    leadColumns = lead
    endColumns = end
    // Data must fit, reads past the row must end before the next row's data, and outputs must not share a place.
    pitch = max(end, reach - lead, width)
    itemRows = max(
      rows.data.upperBound, rows.outputs + rows.taps - 1 - rows.data.lowerBound, rows.outputs)
  }

  /// Virtual taps of a channel.
  var taps: Int { rows.taps * columns.taps }

  /// Output rows of all items.
  var totalRows: Int { inferences * strips * rows.outputs }

  /// Output columns of an item's strip.
  func outputColumns(ofItem item: Int) -> Range<Int> {
    let first = item / inferences * stripWidth
    return first..<min(first + stripWidth, columns.outputs)
  }

  /// Tall row at which an output row reads its first tap.
  func tallRow(ofOutput row: Int) -> Int { row / rows.outputs * itemRows + row % rows.outputs }

  /// Coefficients a band of output rows of one virtual channel takes.
  func extent(_ band: Range<Int>) -> PackingExtent {
    let origin = tallRow(ofOutput: band.lowerBound)
    let lastItem = (band.upperBound - 1) / rows.outputs
    let lastRow = (band.upperBound - 1) % rows.outputs
    let lastOutput = (lastItem * itemRows + lastRow - origin) * pitch + stripWidth - 1
    let reads = lastOutput + (rows.taps - 1) * pitch + columns.taps
    let lead = max(0, rows.data.lowerBound - band.lowerBound % rows.outputs) * pitch + leadColumns
    let endRow = max(rows.data.lowerBound, min(rows.data.upperBound, lastRow + rows.taps))
    let end = (lastItem * itemRows + endRow - 1 - origin) * pitch + endColumns
    let spacing = max(end, reads - lead, lastOutput + 1)
    return PackingExtent(
      reads: reads, spacing: isGrouped ? spacing : PackingAlignment.aligned(spacing, taps: taps))
  }

  /// Visits the parts of items a band touches: item, output rows of it.
  func forEachSegment(of band: Range<Int>, _ body: (_ item: Int, _ outputRows: Range<Int>) -> Void) {
    for item in band.lowerBound / rows.outputs...(band.upperBound - 1) / rows.outputs {
      let first = item * rows.outputs
      body(item, max(0, band.lowerBound - first)..<min(rows.outputs, band.upperBound - first))
    }
  }

  /// First virtual row of a segment that no earlier band has carried: an output row reads `taps` rows, so the row above
  /// the segment has seen all but its last.
  func firstNewRow(_ outputRows: Range<Int>) -> Int {
    outputRows.lowerBound > 0 ? outputRows.lowerBound + rows.taps - 1 : 0
  }

  /// First virtual column of a strip that no earlier strip has carried.
  func firstNewColumn(_ outputColumns: Range<Int>) -> Int {
    outputColumns.lowerBound > 0 ? outputColumns.lowerBound + columns.taps - 1 : 0
  }

  /// Virtual rows and columns of a segment that hold data of a phase.
  func data(row: PackingAxis.Phase, column: PackingAxis.Phase, outputRows: Range<Int>, outputColumns: Range<Int>)
    -> (rows: Range<Int>, columns: Range<Int>)
  {
    (
      row.data.clamped(to: outputRows.lowerBound..<outputRows.upperBound + rows.taps - 1),
      column.data.clamped(to: outputColumns.lowerBound..<outputColumns.upperBound + columns.taps - 1)
    )
  }
}

/// Size of a band of one virtual channel.
struct PackingExtent: Hashable, Sendable {
  /// Outputs read coefficients 0 ..< reads, relative to the channel.
  let reads: Int
  /// Least distance to the next channel. It may be below `reads`: what is read beyond it are the next channel's leading
  /// zeros (at the end of the polynomial, through X^N = -1, those of the first channel).
  let spacing: Int
}
