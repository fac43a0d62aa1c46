import Rings

/// The coefficients of one activation `a2 z^2 + a1 z + a0` per channel, with the ranges that bind its scale.
struct SquareCoefficients {
  /// Of the square; never zero.
  var a2: [Double]
  /// Of the operand.
  var a1: [Double]
  /// The constant.
  var a0: [Double]
  /// Largest planned magnitude of the operand, margin included.
  var operandLimit: [Double]
  /// Largest planned magnitude of the result, margin included.
  var resultLimit: [Double]
  /// Mean magnitude of the result, as calibrated.
  var resultMean: [Double]
  /// By how much `a2` was raised to the smallest that fits.
  var raised: [Double]

  /// Largest square in an opening (``Folding``), as a part of the largest operand. The square has to stand for a scale at
  /// which the weights before it are fine: half the bits that its distortion gains are lost by them.
  static let openingDistortion = 0x1p-9

  /// Channels whose `a2` was raised.
  var clamped: Int { raised.count { $0 > 0 } }

  /// Reads an activation's coefficients.
  ///
  /// A square coefficient near zero would leave its channel no scale, for the square is what is kept. It is raised to
  /// the magnitude at which the square stays below a quarter of a unit of the result over the planned range.
  init(
    _ node: Node, spec: X2actSpec, shape: TensorShape, parameters: Parameters, calibration: Calibration, bits: Int,
    units: (operand: Int, result: Int)
  ) {
    let factor = Double(spec.squareFactor(elements: shape.count))
    func expand(_ name: ParameterName) -> [Double] {
      let values = parameters[node.id, name].map(Double.init)
      return spec.perChannel ? values : [Double](repeating: values[0], count: shape.channels)
    }
    a2 = expand(.w1).map { $0 * factor }
    a1 = expand(.w2)
    a0 = expand(.b)
    let operand = calibration.nodes[node.inputs[0]]
    let result = calibration.nodes[node.id]
    // A channel that calibration saw nearly silent may speak up later: no channel is planned below 1/16 of the layer's range.
    let operandFloor = max(Double(operand.largest) / 16, Scalar.power(-4 + units.operand))
    let resultFloor = max(Double(result.largest) / 16, Scalar.power(-4 + units.result))
    operandLimit = operand.maximum.map { max(Double($0), operandFloor) * calibration.margin }
    resultLimit = result.maximum.map { max(Double($0), resultFloor) * calibration.margin }
    raised = [Double](repeating: 0, count: a2.count)
    let layerLimit = operandLimit.max() ?? 1
    resultMean = result.mean.map(Double.init)
    for channel in a2.indices {
      resultLimit[channel] = max(resultLimit[channel], 2 * abs(a0[channel]))
      let limit = spec.perChannel ? operandLimit[channel] : layerLimit
      var least = Scalar.power(units.result - (bits + 2)) / (limit * limit)
      if a2[channel] == 0, a1[channel] != 0 { least = max(least, Self.openingDistortion / limit) }
      if abs(a2[channel]) < least {
        raised[channel] = least - abs(a2[channel])
        a2[channel] = a2[channel] < 0 ? -least : least
      }
    }
  }

  /// Whether scale `S` per channel keeps `|Y| = S^2 / |a2| |y|` below the limit that the truncation needs.
  func fits(_ scale: [Double]) -> Bool {
    a2.indices.allSatisfy { channel in
      let result = scale[channel] * scale[channel] / abs(a2[channel])
      return result * resultLimit[channel] < ScaleSolver.squareLimit
        && abs(scale[channel]) * operandLimit[channel] < ScaleSolver.wordLimit
        && abs(a1[channel] * scale[channel] / a2[channel]) < ScaleSolver.wordLimit
    }
  }

  /// The scale per channel below which all of that holds (``fits(_:)``).
  var largestScales: [Double] {
    a2.indices.map { channel in
      var largest = min(
        (ScaleSolver.squareLimit * abs(a2[channel]) / resultLimit[channel]).squareRoot(),
        ScaleSolver.wordLimit / operandLimit[channel])
      if a1[channel] != 0 { largest = min(largest, ScaleSolver.wordLimit * abs(a2[channel] / a1[channel])) }
      return largest
    }
  }

  /// Factor between true results and the integers Y, with the square coefficient's sign.
  func squareScale(_ scale: [Double]) -> [Double] { a2.indices.map { scale[$0] * scale[$0] / a2[$0] } }

  /// Expected elements per inference that a local truncation would get wrong, from above: the sum of
  /// `(E|Y| + 1) / p` (Protocols/x2act/spec.md, local variant).
  func expectedLocalFailures(_ scale: [Double], area: Int) -> Double {
    let p = 0xFFFF_FFFF_0000_0001 as UInt64
    return zip(squareScale(scale), resultMean).reduce(0) { $0 + (abs($1.0) * $1.1 + 1) * Double(area) / Double(p) }
  }
}
