internal import Rings

extension LinearPacking {
  /// Visits the outputs an output polynomial carries, by increasing coefficient; `step` is one.
  public func forEachOutputRun(_ output: Int, _ body: (PackingRun) -> Void) {
    let band = bands[bandOfOutput[output]]
    let set = sets[band.set]
    let origin = stack.tallRow(ofOutput: band.rows.lowerBound)
    let channels = outputChannels(set, block: output - band.firstOutput)
    for channel in channels {
      let base = (channel - channels.lowerBound) * set.channelsPerInput * set.spacing
      stack.forEachSegment(of: band.rows) { item, outputRows in
        let columns = stack.outputColumns(ofItem: item)
        for row in outputRows {
          body(
            PackingRun(
              coefficient: base + (item * stack.itemRows + row - origin) * stack.pitch, count: columns.count,
              inference: item % inferences,
              element: (channel * geometry.outHeight + row) * geometry.outWidth + columns.lowerBound, step: 1))
        }
      }
    }
  }

  /// Number of outputs an output polynomial carries.
  public func outputValueCount(_ output: Int) -> Int {
    let band = bands[bandOfOutput[output]]
    var count = 0
    stack.forEachSegment(of: band.rows) { item, rows in
      count += rows.count * stack.outputColumns(ofItem: item).count
    }
    return count * outputChannels(sets[band.set], block: output - band.firstOutput).count
  }

  /// Copies the outputs of an output polynomial (N coefficients) to the CHW results, one an inference.
  public func gather(
    output: Int, _ coefficients: UnsafePointer<UInt64>, to results: [UnsafeMutablePointer<UInt64>]
  ) {
    precondition(results.count == inferences, "one result an inference")
    forEachOutputRun(output) { run in
      (results[run.inference] + run.element).update(from: coefficients + run.coefficient, count: run.count)
    }
  }

  /// Copies CHW results to the coefficients of an output polynomial that stand for them; leaves the others alone.
  public func scatter(
    output: Int, _ results: [UnsafePointer<UInt64>], to coefficients: UnsafeMutablePointer<UInt64>
  ) {
    precondition(results.count == inferences, "one result an inference")
    forEachOutputRun(output) { run in
      (coefficients + run.coefficient).update(from: results[run.inference] + run.element, count: run.count)
    }
  }

  /// Output polynomials that are sums over the same weight polynomials, in the order in which responses are sent.
  public func responseGroups() -> [[Int]] {
    var groups: [[Int]] = []
    var known: [Int: Int] = [:]
    for output in 0..<outputCount {
      let first = products(output: output).first!.weight
      if let group = known[first] {
        groups[group].append(output)
      } else {
        known[first] = groups.count
        groups.append([output])
      }
    }
    return groups
  }
}
