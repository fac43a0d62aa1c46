import Rings

/// Bounds and estimates of how far a plan's integers stray from the float network, tensor by tensor.
///
/// Rounding of the input, of weights, biases and coefficients, and the dropped bits all count; an exact truncation
/// counts two units, as between two parties, and what lattices leave over in linear results. The bound is worst case over inputs within the planned ranges, and grows
/// with every layer; the estimate takes the roundings of different weights for independent, and is near what one sees
/// where no few inputs or channels dominate.
struct ErrorAnalysis {
  /// Errors of one tensor in true units, per channel.
  struct TensorError {
    /// No element is further off.
    var bound: [Double]
    /// Expected square of an element's error.
    var variance: [Double]

    /// Largest bound over the channels.
    var largestBound: Double { bound.max() ?? 0 }
    /// Root mean square over the channels.
    var estimate: Double { (variance.reduce(0, +) / Double(max(variance.count, 1))).squareRoot() }
  }

  /// By how many units of its own a linear result may be off where the two parties prepare alone: `NoiseBudget.linearLimit`
  /// of the lattices, which holds but for a chance of 2^-40 an inference (Protocols/rlwe/spec.md, "Correctness"). With a
  /// dealer it is exact. The estimate leaves it out: it is mostly a few units of many thousands that are dropped later.
  static let preparationUnits = 128.0

  let solver: ScaleSolver
  private(set) var nodes: [TensorError] = []

  init(_ solver: ScaleSolver) { self.solver = solver }

  /// Follows the error through one node, in the graph's order.
  ///
  /// - Parameter operands: errors of the tensors read, diagonal steps included.
  mutating func follow(_ node: Node, _ operands: [TensorError]) {
    nodes.append(error(node, operands))
  }

  /// The error behind a diagonal step.
  func rescaled(_ operand: Int, to scale: [Double]) -> TensorError {
    let layer = LinearScaling(diagonal: solver.shapes[operand])
    return linear(layer, nodes[operand], operand, scale)
  }

  private func error(_ node: Node, _ operands: [TensorError]) -> TensorError {
    let shape = solver.shapes[node.id]
    switch node.operation {
    case .input:
      let unit = Scalar.power(-solver.options.inputBits)
      return TensorError(
        bound: [Double](repeating: unit / 2, count: shape.channels),
        variance: [Double](repeating: unit * unit / 12, count: shape.channels))
    case .convolution where solver.absorbed.contains(node.id): return absorbed(node, operands[0])
    case .convolution, .linear:
      return linear(LinearScaling(solver, node), operands[0], node.inputs[0], solver.scale[node.id]!)
    case .x2act: return activation(node, operands[0])
    case .averagePool, .globalAveragePool:
      // A rounded weight errs alike in all pixels, so an average does not lessen the error.
      return average(node, operands[0])
    case .flatten, .reshape:
      let regrouping = Regrouping(from: solver.shapes[node.inputs[0]], to: shape)
      return TensorError(
        bound: regrouping.largest(operands[0].bound), variance: regrouping.largest(operands[0].variance))
    case .offset:
      let scale = solver.scale[node.id]!
      return TensorError(
        bound: zip(operands[0].bound, scale).map { $0 + 0.5 / abs($1) },
        variance: zip(operands[0].variance, scale).map { $0 + 1 / (12 * $1 * $1) })
    case .add:
      func sum(_ values: KeyPath<TensorError, [Double]>) -> [Double] {
        zip(operands[0][keyPath: values], operands[1][keyPath: values]).map { $0 + $1 }
      }
      return TensorError(bound: sum(\.bound), variance: sum(\.variance))
    case .concatenate:
      return TensorError(bound: operands.flatMap(\.bound), variance: operands.flatMap(\.variance))
    case .subsamplePad(_, let before, let after):
      func padded(_ values: [Double]) -> [Double] {
        [Double](repeating: 0, count: before) + values + [Double](repeating: 0, count: after)
      }
      return TensorError(bound: padded(operands[0].bound), variance: padded(operands[0].variance))
    case .relu, .leakyRelu, .slopedRelu, .clippedRelu, .clip, .absolute, .maxPool: return comparison(node, operands[0])
    case .sign: return sign(node, operands[0])
    case .batchNorm: preconditionFailure("refused before")
    }
  }

  private func linear(_ layer: LinearScaling, _ operand: TensorError, _ source: Int, _ wanted: [Double]) -> TensorError
  {
    let given = solver.scale[source]!
    let seen = solver.calibration.nodes[source]
    let margin = solver.calibration.margin
    let square = Double(seen.rootMeanSquare) * Double(seen.rootMeanSquare)
    var result = TensorError(
      bound: wanted.map { (0.5 + Self.preparationUnits) / abs($0) }, variance: wanted.map { 1 / (12 * $0 * $0) })
    layer.forEachWeight { output, input, weight in
      let step = given[input].isNaN ? 0 : abs(given[input] / wanted[output])
      // The rounded weight is off by half a step; it meets the operand and the operand's own error.
      let reach = Double(seen.maximum[input]) * margin
      result.bound[output] += (abs(weight) + 0.5 * step) * operand.bound[input] + 0.5 * step * reach
      result.variance[output] += weight * weight * operand.variance[input] + step * step * square / 12
    }
    return result
  }

  /// A normalisation that a comparison takes up: its threshold is rounded to the operand's scale, its constant to the result's.
  private func absorbed(_ node: Node, _ operand: TensorError) -> TensorError {
    let reader = solver.graph.nodes.first { $0.inputs == [node.id] }!
    let (affine, scale) = (solver.affine[reader.id]!, solver.comparison[reader.id]!.scale)
    var result = operand
    for channel in affine.gain.indices {
      let (gain, unit) = (abs(affine.gain[channel]), 1 / scale[channel])
      result.bound[channel] = gain * operand.bound[channel] + unit
      result.variance[channel] = gain * gain * operand.variance[channel] + unit * unit / 6
    }
    return result
  }

  /// Factors that no common divisor makes exact add their part of the mean.
  private func average(_ node: Node, _ operand: TensorError) -> TensorError {
    let from = solver.shapes[node.inputs[0]]
    guard let windows = node.operation.averaging,
      let distortion = windows.balance(on: from)?.distortion(windows.window, on: from), distortion > 0
    else { return operand }
    let seen = solver.calibration.nodes[node.inputs[0]]
    let (margin, mean) = (solver.calibration.margin, Double(seen.rootMeanSquare))
    return TensorError(
      bound: operand.bound.indices.map {
        operand.bound[$0] * (1 + distortion) + distortion * Double(seen.maximum[$0]) * margin
      }, variance: operand.variance.map { $0 + distortion * distortion * mean * mean })
  }

  /// No function of a sign, and no maximum, enlarges an error; dropping bits at two parties adds up to a unit.
  private func comparison(_ node: Node, _ operand: TensorError) -> TensorError {
    let comparison = solver.comparison[node.id]!
    let isClip = node.operation.clipBounds != nil
    var result = operand
    for channel in comparison.scale.indices where !comparison.scale[channel].isNaN {
      let unit = 1 / comparison.scale[channel]
      if comparison.droppedBits > 0 {
        result.bound[channel] += unit
        result.variance[channel] += unit * unit / 6
      }
      // Bounds are rounded to integers of that scale.
      if isClip {
        result.bound[channel] += unit / 2
        result.variance[channel] += unit * unit / 12
      }
    }
    return result
  }

  /// A sign is right or wrong by two, and wrong only where the operand's error reaches across zero: about as often as the
  /// error is large against the values.
  private func sign(_ node: Node, _ operand: TensorError) -> TensorError {
    let seen = Double(solver.calibration.nodes[node.inputs[0]].rootMeanSquare)
    return TensorError(
      bound: operand.bound.map { _ in 2 },
      variance: operand.variance.map { 4 * min(1, $0.squareRoot() / max(seen, 1e-30)) })
  }

  private func activation(_ node: Node, _ operand: TensorError) -> TensorError {
    let coefficients = solver.square[node.id]!
    let edge = ScaleSolver.Edge(consumer: node.id, slot: 0)
    let given = solver.rescaled[edge]?.scale ?? solver.scale[node.inputs[0]]!
    let results = coefficients.squareScale(given)
    let units = solver.scale[node.id]!
    let seen = Double(solver.calibration.nodes[node.inputs[0]].rootMeanSquare)
    var result = TensorError(bound: [], variance: [])
    for channel in units.indices {
      let (a2, a1) = (coefficients.a2[channel], coefficients.a1[channel])
      let reach = coefficients.operandLimit[channel]
      let unit = 1 / abs(units[channel])
      let off = operand.bound[channel]
      let clamp = coefficients.raised[channel] * reach * reach
      let coefficient = 0.5 * (abs(given[channel]) * (reach + off) + 1) / abs(results[channel])
      // Within the planned ranges two results can never be further apart than twice the range.
      result.bound.append(
        min(
          (2 * abs(a2) * reach + abs(a1)) * off + abs(a2) * off * off + clamp + coefficient + 2 * unit,
          2 * coefficients.resultLimit[channel]))
      let slope = 4 * a2 * a2 * seen * seen + a1 * a1
      result.variance.append(slope * operand.variance[channel] + unit * unit / 3 + clamp * clamp)
    }
    return result
  }
}
