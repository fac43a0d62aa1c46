import Rings

/// A normalisation `g x + h` in front of a ReLU, as the comparison takes it up: it compares `x + threshold`, keeps it where
/// `gain (x + threshold)` is not negative, and adds a constant.
struct ComparisonAffine {
  /// g per channel, never zero.
  var gain: [Double]
  /// What is added before the comparison, in units of x: `h / g`, but no further than x reaches.
  var threshold: [Double]
  /// What is added behind, in units of the result.
  var offset: [Double]
  /// Largest planned magnitude of what is compared, in units of x.
  var reach: [Double]

  /// No normalisation, for scales of both signs.
  init(identityOf reach: [Double]) {
    gain = reach.map { _ in 1 }
    (threshold, offset) = (reach.map { _ in 0 }, reach.map { _ in 0 })
    self.reach = reach
  }

  /// Takes a normalisation apart.
  ///
  /// Where `x` cannot reach across `-h/g` within the planned range, the comparison always ends alike: the threshold is cut to
  /// that range, and what the result lacks is a constant. Where `g x` is less than half a unit of the result, it is left out.
  ///
  /// - Parameters:
  ///   - factors: g per channel.
  ///   - offsets: h per channel.
  ///   - operand: what was seen of x.
  ///   - result: what was seen of g x + h.
  ///   - margin: by how much planned ranges exceed what was seen.
  ///   - bits: fraction bits of the result.
  init(
    factors: [Float], offsets: [Float], operand: TensorStatistics, result: TensorStatistics, margin: Double, bits: Int
  ) {
    // A channel that calibration saw nearly silent may speak up later: none is planned below 1/16 of the layer's range.
    let (operandFloor, resultFloor) = (Double(operand.largest) / 16, Double(result.largest) / 16)
    (gain, threshold, offset, reach) = ([], [], [], [])
    let magnitudes = factors.map { abs(Double($0)) }.sorted()
    let typical = max(magnitudes.isEmpty ? 1 : magnitudes[magnitudes.count / 2], 0x1p-40)
    for channel in factors.indices {
      let (g, h) = (Double(factors[channel]), Double(offsets[channel]))
      let limit = max(Double(operand.maximum[channel]), operandFloor, 0x1p-20) * margin
      if abs(g) * limit <= Scalar.power(-bits - 1) {
        append(gain: typical, threshold: -limit, offset: max(h, 0), reach: 2 * limit)
      } else if abs(h) > abs(g) * limit {
        let cut = h / g > 0 ? limit : -limit
        append(gain: g, threshold: cut, offset: h > 0 ? h - g * cut : 0, reach: 2 * limit)
      } else {
        let seen = max(Double(result.maximum[channel]), resultFloor) * margin / abs(g)
        append(gain: g, threshold: h / g, offset: 0, reach: min(seen, limit + abs(h / g)))
      }
    }
  }

  private mutating func append(gain: Double, threshold: Double, offset: Double, reach: Double) {
    self.gain.append(gain)
    self.threshold.append(threshold)
    self.offset.append(offset)
    self.reach.append(reach)
  }
}
