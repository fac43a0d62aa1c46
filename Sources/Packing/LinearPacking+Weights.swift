internal import Rings

extension LinearPacking {
  /// The products an output polynomial is the sum of: input polynomial, weight polynomial; by increasing input.
  public func products(output: Int) -> some RandomAccessCollection<(input: Int, weight: Int)> {
    let band = bands[bandOfOutput[output]]
    let set = sets[band.set]
    let block = output - band.firstOutput
    let inputs = set.inputBlocks[block]
    let weight = set.firstWeight + set.weightsBefore[block] - inputs.lowerBound
    return inputs.lazy.map { (input: band.firstInput + $0, weight: weight + $0) }
  }

  /// The input polynomials that an output polynomial is a sum over.
  public func inputs(output: Int) -> Range<Int> {
    let band = bands[bandOfOutput[output]]
    let inputs = sets[band.set].inputBlocks[output - band.firstOutput]
    return band.firstInput + inputs.lowerBound..<band.firstInput + inputs.upperBound
  }

  /// Number of weights that meet in each coefficient of an output polynomial, unread ones included: the noise of a
  /// response is at most this many times the largest weight times the noise of an input, and of standard deviation
  /// below its square root times as much.
  public func weightTerms(output: Int) -> Int {
    let band = bands[bandOfOutput[output]]
    return outputChannels(sets[band.set], block: output - band.firstOutput).count * geometry.tapsPerOutput
  }

  /// Largest ``weightTerms(output:)``.
  public var maximumWeightTerms: Int {
    sets.reduce(0) { max($0, $1.outputsPerOutput) } * geometry.tapsPerOutput
  }

  /// Output channels of an output block.
  func outputChannels(_ set: WeightSet, block: Int) -> Range<Int> {
    let first = block * set.outputsPerOutput
    return first..<min(first + set.outputsPerOutput, geometry.outChannels)
  }

  /// Writes a weight polynomial.
  ///
  /// - Parameters:
  ///   - weight: which polynomial, 0 ..< ``weightCount``.
  ///   - weights: the layer's weights in OIHW order, each below 2^30 in magnitude.
  ///   - coefficients: receives N signed integers.
  public func fill(weight: Int, from weights: UnsafePointer<Int32>, into coefficients: UnsafeMutablePointer<Int32>) {
    write(weight, weights, coefficients)
  }

  /// The same for full words, centred; the negative of -2^63 is itself, which is the same mod 2^64.
  public func fill(weight: Int, from weights: UnsafePointer<Int64>, into coefficients: UnsafeMutablePointer<Int64>) {
    write(weight, weights, coefficients)
  }

  private func write<W: FixedWidthInteger>(
    _ weight: Int, _ weights: UnsafePointer<W>, _ coefficients: UnsafeMutablePointer<W>
  ) {
    coefficients.update(repeating: 0, count: degree)
    forEachKernel(weight: weight) { virtual, kernel, exponent in
      place(virtual, weights + kernel, at: exponent, coefficients)
    }
  }

  /// Adds one virtual channel's taps, at exponents that fall from `exponent`.
  private func place<W: FixedWidthInteger>(
    _ virtual: Int, _ kernel: UnsafePointer<W>, at exponent: Int, _ coefficients: UnsafeMutablePointer<W>
  ) {
    let (row, column) = phases(of: virtual)
    let mask = degree - 1
    for (tapRow, y) in stride(from: row.residue, to: geometry.kernelHeight, by: stack.rows.stride).enumerated() {
      for (tapColumn, x) in stride(from: column.residue, to: geometry.kernelWidth, by: stack.columns.stride)
        .enumerated()
      {
        let place = exponent - tapRow * stack.pitch - tapColumn
        // X^N = -1: the sign is the parity of the whole turns.
        let value = kernel[y * geometry.kernelWidth + x]
        coefficients[place & mask] &+= place & degree == 0 ? value : 0 &- value
      }
    }
  }
}
