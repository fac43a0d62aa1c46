import Networks
import Rings

extension Lowering {
  // MARK: Convolution

  mutating func convolution(_ node: OperatorNode) throws -> Value {
    var border = Border()
    let source: SampleTensor
    var weights = try constant(node, 1, "weights")
    var groups = try node.int("group", 1)
    var bias = try node.has(2) ? constant(node, 2, "bias").floats : nil
    var picks: [Int]?
    guard bias == nil || bias!.count == weights.dims.first else { throw Refusal("its bias has \(bias!.count) values") }
    switch try value(node, 0) {
    case .bordered(let tensor, let zeros): (source, border) = (tensor, zeros)
    case .selected(let tensor, let selection):
      guard groups >= 1, weights.dims.count >= 2, weights.dims[0] >= 1, weights.dims[0] % groups == 0 else {
        throw Refusal("its weights do not fit \(groups) groups")
      }
      if let moved = shuffledKernels(weights, bias, tensor, selection, groups: groups) {
        (source, weights, bias, picks) = (tensor, moved.weights, moved.bias, moved.picks)
      } else if let widened = Self.widened(
        groups == 1 ? weights : try ungrouped(weights, groups: groups), tensor, selection)
      {
        (source, weights, groups) = (tensor, widened, 1)
      } else {
        source = try self.tensor(node)
      }
    default: source = try tensor(node)
    }
    guard hasBatchAxis, source.dims.count == weights.dims.count - 1, (2...3).contains(source.dims.count),
      case .floats = weights.elements
    else {
      throw Refusal(
        "it convolves \(max(source.dims.count - 1, 0)) axes with weights of \(weights.dims.count) axes",
        "one and two axes are convolved")
    }
    let geometry = try WindowAttributes(
      node, shape: Array(weights.dims.dropFirst(2)), picture: Array(source.dims.dropFirst()))
    guard groups >= 1, weights.dims[0] >= 1, weights.dims[0] % groups == 0, source.dims[0] % groups == 0,
      weights.dims[1] == source.dims[0] / groups
    else { throw Refusal("its weights do not fit \(source.dims[0]) channels in \(groups) groups") }
    let dilated = try geometry.dilated(weights)
    var window = geometry.window
    window.padTop += border.top
    window.padLeft += border.left
    window.padBottom += border.bottom
    window.padRight += border.right
    let spec = ConvolutionSpec(
      outChannels: weights.dims[0], window: window, groups: groups, bias: bias != nil)
    let to = try geometry.output(channels: weights.dims[0], border)
    let result = try append(.convolution(spec), node.name, [source.node], to)
    parameters[result.node, .weight] = dilated
    if let bias { parameters[result.node, .bias] = bias }
    return picks.map { shuffled(result, $0) } ?? .tensor(result)
  }

  // MARK: Products with matrices

  mutating func gemm(_ node: OperatorNode) throws -> SampleTensor {
    let picked = try pickedVector(node)
    let source = try picked?.source ?? tensor(node)
    guard hasBatchAxis, source.dims.count == 1, try !node.flag("transA") else {
      throw Refusal("its left operand is no vector per sample", "put Flatten before it, and set transA to 0")
    }
    let matrix = try constant(node, 1, "matrix")
    let (alpha, beta) = (try node.float("alpha", 1), try node.float("beta", 1))
    guard matrix.dims.count == 2 else { throw Refusal("its matrix has \(matrix.dims.count) axes") }
    let transposed = try node.flag("transB")
    let outputs = matrix.dims[transposed ? 0 : 1]
    guard matrix.dims[transposed ? 1 : 0] == picked?.places.count ?? source.dims[0], outputs >= 1 else {
      throw Refusal("its matrix does not fit a vector of \(source.dims[0])")
    }
    var weights = transposed ? matrix.floats : Self.transposed(matrix)
    if let picked { weights = try spread(weights, picked.places, width: source.dims[0]) }
    if alpha != 1 { weights = weights.map { $0 * alpha } }
    let hasBias = node.has(2) && beta != 0
    let result = try append(.linear(outFeatures: outputs, bias: hasBias), node.name, [source.node], [outputs])
    parameters[result.node, .weight] = weights
    if hasBias {
      let bias = try perChannel(try constant(node, 2, "bias"), result)
      parameters[result.node, .bias] = bias.map { Float($0) * beta }
    }
    return result
  }

  mutating func matMul(_ node: OperatorNode) throws -> SampleTensor {
    let picked = try pickedVector(node)
    let source = try picked?.source ?? tensor(node)
    let matrix = try constant(node, 1, "matrix")
    guard hasBatchAxis, source.dims.count == 1, matrix.dims.count == 2 else {
      throw Refusal(
        "it multiplies \(source.dims.count) axes of a sample by \(matrix.dims.count) axes",
        "one vector per sample times one matrix is computed")
    }
    guard matrix.dims[0] == picked?.places.count ?? source.dims[0], matrix.dims[1] >= 1 else {
      throw Refusal("its matrix does not fit a vector of \(source.dims[0])")
    }
    let result = try append(
      .linear(outFeatures: matrix.dims[1], bias: false), node.name, [source.node], [matrix.dims[1]])
    let weights = Self.transposed(matrix)
    parameters[result.node, .weight] =
      try picked.map { try spread(weights, $0.places, width: source.dims[0]) } ?? weights
    return result
  }

  /// The transpose of a matrix, in blocks that stay in cache.
  private static func transposed(_ matrix: DenseTensor) -> [Float] {
    let (rows, columns) = (matrix.dims[0], matrix.dims[1])
    let values = matrix.floats
    return [Float](unsafeUninitializedCapacity: rows * columns) { target, filled in
      values.withUnsafeBufferPointer { source in
        for block in stride(from: 0, to: rows, by: 16) {
          for column in 0..<columns {
            for row in block..<min(block + 16, rows) { target[column * rows + row] = source[row * columns + column] }
          }
        }
      }
      filled = rows * columns
    }
  }

  // MARK: Batch normalisation

  /// - Parameter picks: where the operand is `source` with its channels shuffled, the channels that it takes.
  mutating func batchNormalization(
    _ node: OperatorNode, _ source: SampleTensor, _ picks: [Int]? = nil
  ) throws -> SampleTensor {
    guard try !node.flag("training_mode"), try node.opset >= 7 || node.flag("is_test"), try node.int("spatial", 1) == 1
    else { throw Refusal("it normalises by the batch at hand", "export the network in evaluation mode") }
    guard hasBatchAxis, !source.dims.isEmpty else { throw Refusal("its operand has no channels") }
    let statistics = try ["scale", "offset", "mean", "variance"].enumerated().map {
      try constant(node, $0.offset + 1, $0.element)
    }
    guard statistics.allSatisfy({ $0.count == source.dims[0] }) else {
      throw Refusal("its statistics do not fit \(source.dims[0]) channels")
    }
    let epsilon = try node.float("epsilon", 1e-5)
    guard epsilon >= 0 else { throw Refusal("its epsilon is negative") }
    // A layer's epsilon is positive; one of zero is made up for by the variance.
    let result = try append(
      .batchNorm(epsilon: max(epsilon, .leastNormalMagnitude), momentum: 0.1), node.name, [source.node], source.dims)
    for (name, values) in zip([ParameterName.gamma, .beta, .mean, .variance], statistics) {
      var own = values.floats
      if let picks { for (place, channel) in picks.enumerated() { own[channel] = values.floats[place] } }
      parameters[result.node, name] = own
    }
    return result
  }
}
