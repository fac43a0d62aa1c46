public import Rings

extension Graph {
  /// Nodes that a graph may have.
  public static let maximumNodes = 4096
  /// Elements that one tensor of one sample may have.
  public static let maximumElements = 1 << 28

  /// The shape of every node's tensor, by node index.
  ///
  /// - Throws: ``NetworksError`` naming the first node whose operands do not fit.
  public func shapes() throws -> [TensorShape] {
    guard let first = nodes.first, first.operation == .input else {
      throw NetworksError.invalidGraph(reason: "its first node is not the input")
    }
    guard nodes.count <= Self.maximumNodes else {
      throw NetworksError.invalidGraph(
        reason: "it has \(nodes.count) nodes, and at most \(Self.maximumNodes) are accepted")
    }
    var shapes: [TensorShape] = []
    shapes.reserveCapacity(nodes.count)
    for (index, node) in nodes.enumerated() {
      guard node.id == index else { throw invalid(index, "its id is \(node.id) and must be its index") }
      let counts = node.operation.operandCounts
      guard counts.contains(node.inputs.count) else {
        let wanted = counts.count == 1 ? "\(counts.lowerBound)" : "\(counts.lowerBound) or more"
        throw invalid(index, "it has \(node.inputs.count) operands and needs \(wanted)")
      }
      for operand in node.inputs where operand < 0 || operand >= index {
        throw invalid(index, "its operand \(operand) does not precede it")
      }
      if index > 0, node.operation == .input { throw invalid(index, "a graph has one input, its first node") }
      let shape = try shape(of: index, operands: node.inputs.map { shapes[$0] })
      for side in [shape.channels, shape.height, shape.width] where side < 1 || side > 1 << 24 {
        throw invalid(index, "its tensor would have the shape \(Self.text(shape))")
      }
      let (plane, overflow) = shape.height.multipliedReportingOverflow(by: shape.width)
      guard !overflow, plane <= Self.maximumElements, shape.channels <= Self.maximumElements / plane else {
        throw invalid(index, "its tensor would have more than \(Self.maximumElements) elements")
      }
      shapes.append(shape)
    }
    return shapes
  }

  /// Checks the graph's structure, shapes, normalisation and classes.
  ///
  /// - Throws: ``NetworksError``
  public func validate() throws {
    let shapes = try shapes()
    let normalization = inputNormalization
    guard normalization.mean.count == input.channels, normalization.deviation.count == input.channels else {
      throw NetworksError.invalidGraph(
        reason:
          "its normalisation has \(normalization.mean.count) means and \(normalization.deviation.count) deviations "
          + "for \(input.channels) channels")
    }
    let numbers =
      normalization.mean + normalization.deviation + [normalization.pixelMinimum, normalization.pixelMaximum]
    guard numbers.allSatisfy(\.isFinite), normalization.deviation.allSatisfy({ $0 > 0 }),
      normalization.pixelMaximum > 0, normalization.pixelMinimum < normalization.pixelMaximum
    else {
      throw NetworksError.invalidGraph(
        reason: "its normalisation needs finite values, positive deviations and an ordered range")
    }
    let output = shapes[shapes.count - 1]
    guard classes.isEmpty || classes.count == output.count else {
      throw NetworksError.invalidGraph(
        reason: "it names \(classes.count) classes, and its output has \(output.count) elements")
    }
    var used = [Bool](repeating: false, count: nodes.count)
    for node in nodes { for operand in node.inputs { used[operand] = true } }
    for index in nodes.indices.dropLast() where !used[index] {
      throw invalid(index, "nothing reads it; remove it, or make it the last node")
    }
  }

  private func invalid(_ index: Int, _ reason: String) -> NetworksError {
    .invalidNode(index: index, name: String(nodes[index].name.prefix(64)), reason: reason)
  }

  static func text(_ shape: TensorShape) -> String { "\(shape.channels)x\(shape.height)x\(shape.width)" }

  private func shape(of index: Int, operands: [TensorShape]) throws -> TensorShape {
    let from = operands.first ?? input
    switch nodes[index].operation {
    case .input: return input
    case .convolution(let spec):
      guard (1...1 << 20).contains(spec.outChannels), (1...4096).contains(spec.groups),
        from.channels % spec.groups == 0, spec.outChannels % spec.groups == 0
      else {
        throw invalid(index, "\(spec.groups) groups do not divide \(from.channels) and \(spec.outChannels) channels")
      }
      let window = spec.window
      let shape = try windowed(index, from, spec.outChannels, window)
      try checkWeights(
        index, [spec.outChannels, from.channels / spec.groups, window.kernelHeight, window.kernelWidth])
      return shape
    case .linear(let outFeatures, _):
      guard from.height == 1, from.width == 1 else {
        throw invalid(index, "its operand has the shape \(Self.text(from)) and must be a vector; put flatten before it")
      }
      guard (1...1 << 20).contains(outFeatures) else { throw invalid(index, "it has \(outFeatures) outputs") }
      try checkWeights(index, [outFeatures, from.channels])
      return TensorShape(channels: outFeatures, height: 1, width: 1)
    case .batchNorm(let epsilon, let momentum):
      guard epsilon.isFinite, epsilon > 0, (0...1).contains(momentum) else {
        throw invalid(index, "its epsilon must be positive and its momentum between 0 and 1")
      }
      return from
    case .x2act(let spec):
      guard spec.scale.isFinite, spec.scale > 0 else { throw invalid(index, "its scale must be positive") }
      if let epsilon = spec.normalizationEpsilon, !(epsilon.isFinite && epsilon > 0) {
        throw invalid(index, "the epsilon of its normalisation must be positive")
      }
      return from
    case .relu, .absolute, .sign: return from
    case .leakyRelu(let shift):
      guard (1...20).contains(shift) else {
        throw invalid(index, "its slope is 2^-\(shift), and must be 2^-1 to 2^-20")
      }
      return from
    case .slopedRelu(let numerator, let denominator):
      guard (2...4096).contains(denominator), (1..<denominator).contains(numerator) else {
        throw invalid(
          index, "its slope is \(numerator) / \(denominator), and must be below one with a denominator of at most 4096")
      }
      return from
    case .clippedRelu(let upper):
      guard upper.isFinite, upper > 0, upper < 65536 else {
        throw invalid(index, "its upper bound must lie between 0 and 65536")
      }
      return from
    case .clip(let lower, let upper):
      guard lower < upper, lower > -65536, upper < 65536 else {
        throw invalid(index, "its bounds must lie between -65536 and 65536, the lower one first")
      }
      return from
    case .maxPool, .averagePool: return try pooled(index, from)
    case .globalAveragePool: return TensorShape(channels: from.channels, height: 1, width: 1)
    case .flatten: return TensorShape(channels: from.count, height: 1, width: 1)
    case .reshape(let shape):
      let sides = [shape.channels, shape.height, shape.width]
      guard sides.allSatisfy((1...1 << 24).contains), shape.height <= Self.maximumElements / shape.width,
        shape.channels <= Self.maximumElements / (shape.height * shape.width), shape.count == from.count
      else { throw invalid(index, "it makes \(Self.text(shape)) of \(Self.text(from)), which has other elements") }
      return shape
    case .offset: return from
    case .add:
      guard operands[0] == operands[1] else {
        throw invalid(index, "its operands have the shapes \(Self.text(operands[0])) and \(Self.text(operands[1]))")
      }
      return from
    case .concatenate:
      guard let other = operands.first(where: { $0.height != from.height || $0.width != from.width }) else {
        return TensorShape(
          channels: operands.reduce(0) { $0 + $1.channels }, height: from.height, width: from.width)
      }
      throw invalid(
        index, "it joins channels of pictures of \(from.height)x\(from.width) and \(other.height)x\(other.width)")
    case .subsamplePad(let stride, let before, let after):
      guard (1...64).contains(stride), (0...65536).contains(before), (0...65536).contains(after) else {
        throw invalid(index, "its stride or padding is out of range")
      }
      return TensorShape(
        channels: from.channels + before + after, height: (from.height + stride - 1) / stride,
        width: (from.width + stride - 1) / stride)
    }
  }

  private func checkWeights(_ index: Int, _ factors: [Int]) throws {
    var product = 1
    for factor in factors {
      guard factor <= Self.maximumElements / product else {
        throw invalid(index, "it has more than \(Self.maximumElements) weights")
      }
      product *= factor
    }
  }

  private func windowed(
    _ index: Int, _ from: TensorShape, _ channels: Int, _ window: ConvolutionWindow
  ) throws -> TensorShape {
    let positive = [window.kernelHeight, window.kernelWidth, window.strideHeight, window.strideWidth]
    let padding = [window.padTop, window.padBottom, window.padLeft, window.padRight]
    guard positive.allSatisfy((1...4096).contains), padding.allSatisfy((0...4096).contains) else {
      throw invalid(index, "its kernel, stride or padding is out of range")
    }
    let height = from.height + window.padTop + window.padBottom
    let width = from.width + window.padLeft + window.padRight
    guard window.kernelHeight <= height, window.kernelWidth <= width else {
      throw invalid(
        index,
        "its window of \(window.kernelHeight)x\(window.kernelWidth) does not fit a picture of "
          + "\(from.height)x\(from.width)")
    }
    return TensorShape(
      channels: channels, height: (height - window.kernelHeight) / window.strideHeight + 1,
      width: (width - window.kernelWidth) / window.strideWidth + 1)
  }
}
