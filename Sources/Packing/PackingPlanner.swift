/// Chooses how the output rows of a layer, all inferences together, are cut into bands, and how many virtual channels an
/// input polynomial and how many outputs an output polynomial carries in each.
///
/// A band of spacing S admits N / S slots, shared by ci channels and co outputs (ci * co <= N / S). A shortest path over
/// the output rows finds the cheapest sequence of bands, so that a full band may be followed by a small remainder that
/// is packed differently. All arithmetic is on integers: both parties find the same plan.
struct PackingPlanner {
  /// A band as planned.
  struct Choice: Hashable, Sendable {
    let rows: Range<Int>
    let channelsPerInput: Int
    let outputsPerOutput: Int
  }

  let stack: PackingStack
  let degree: Int
  /// Virtual channels and outputs of the layer.
  let channels, outputs: Int
  /// Blocks of channels an output sees: the number of groups.
  let groups: Int
  /// Weights that meet in one output.
  let tapsPerOutput: Int
  let costs: PackingCosts

  /// The cheapest sequence of bands and its cost, or nil if not even one output row fits.
  func plan() -> (cost: Int, bands: [Choice])? {
    let total = stack.totalRows
    var cost = [Int](repeating: .max, count: total + 1)
    var arrival = [Choice?](repeating: nil, count: total + 1)
    cost[0] = 0
    for row in 0..<total where cost[row] < .max {
      forEachChoice(from: row) { choice, price in
        let sum = cost[row] + price
        if sum < cost[choice.rows.upperBound] {
          cost[choice.rows.upperBound] = sum
          arrival[choice.rows.upperBound] = choice
        }
      }
    }
    guard cost[total] < .max else { return nil }
    var bands: [Choice] = []
    var row = total
    while row > 0, let choice = arrival[row] {
      bands.append(choice)
      row = choice.rows.lowerBound
    }
    return (cost[total], bands.reversed())
  }

  /// Visits, for each number of slots, the longest band from a row, and the longest one that ends with an item.
  private func forEachChoice(from row: Int, _ body: (Choice, Int) -> Void) {
    let height = stack.rows.outputs
    var slots = 1
    while slots <= degree {
      let end = lastRow(from: row, slots: slots)
      guard end > row else { return }
      slots = degree / stack.extent(row..<end).spacing
      consider(row..<end, body)
      let aligned = end / height * height
      if aligned > row && aligned < end { consider(row..<aligned, body) }
      if slots >= channels * outputs { return }
      slots += 1
    }
  }

  private func consider(_ rows: Range<Int>, _ body: (Choice, Int) -> Void) {
    let (price, ci, co) = cheapest(rows)
    body(Choice(rows: rows, channelsPerInput: ci, outputsPerOutput: co), price)
  }

  /// Largest end such that the band's spacing admits `slots`.
  private func lastRow(from row: Int, slots: Int) -> Int {
    let limit = degree / slots
    var low = row
    var high = min(stack.totalRows, row + limit / stack.pitch + 1)
    while low < high {
      let middle = (low + high + 1) / 2
      if stack.extent(row..<middle).spacing <= limit { low = middle } else { high = middle - 1 }
    }
    return low
  }

  /// The cheapest division of a band's slots between channels and outputs.
  private func cheapest(_ rows: Range<Int>) -> (cost: Int, channels: Int, outputs: Int) {
    let extent = stack.extent(rows)
    let slots = degree / extent.spacing
    let carried = freeCoefficients(rows) * channels
    let outputCap = max(1, costs.maximumWeightTerms / tapsPerOutput)
    var best = (cost: Int.max, channels: 1, outputs: 1)
    var ci = min(slots, channels)
    while ci >= 1 {
      let inputs = (channels + ci - 1) / ci
      ci = (channels + inputs - 1) / inputs
      let atMost = min(outputs, slots / ci, outputCap)
      let responses = (outputs + atMost - 1) / atMost
      let co = (outputs + responses - 1) / responses
      let read =
        extent.reads < extent.spacing
        ? min(slots, (2 * co - 1) * ci) * extent.reads
        : min(degree, (2 * co - 2) * ci * extent.spacing + (ci - 1) * extent.spacing + extent.reads)
      var price = inputs * (read * costs.fixedBits + costs.inputWork) - carried * (costs.fixedBits - costs.freeBits)
      price += responses * (degree * costs.outputBits + costs.outputWork)
      price += max(inputs, responses, inputs * responses / groups) * costs.productWork
      if price < best.cost { best = (price, ci, co) }
      // The largest block that needs one more polynomial.
      ci = (channels + inputs) / (inputs + 1) < ci ? (channels + inputs) / (inputs + 1) : ci - 1
    }
    return best
  }

  /// About how many masks of one virtual channel a band carries first.
  private func freeCoefficients(_ rows: Range<Int>) -> Int {
    let height = stack.rows.outputs
    let data = stack.rows.data
    func fresh(below row: Int) -> Int {
      let (items, rest) = row.quotientAndRemainder(dividingBy: height)
      let partial = rest == 0 ? 0 : max(0, min(data.upperBound, rest + stack.rows.taps - 1) - data.lowerBound)
      return items * data.count + partial
    }
    return (fresh(below: rows.upperBound) - fresh(below: rows.lowerBound)) * stack.columns.data.count / stack.strips
  }
}
