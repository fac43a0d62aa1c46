import Networks
import Rings

/// Builds the network node by node: what every name of the file stands for, and the layers so far.
struct Lowering {
  var graph: Graph
  var parameters = Parameters()
  var values: [String: Value] = [:]
  /// Initializers that nothing has read yet, still encoded.
  var encoded: [String: Onnx_TensorProto] = [:]
  /// How often each name is read from here on: what is read last is let go of.
  var readers: [String: Int]
  /// Whether the first axis of computed tensors counts samples.
  let hasBatchAxis: Bool
  /// What that axis is taken to be where a shape is asked for.
  let batch: Int
  let decoder: TensorDecoder
  /// What is under another shape in a node that only reshapes.
  var unshaped: [Int: SampleTensor] = [:]
  /// Names that are the output, or only passed on to it.
  var tail: Set<String> = []
  /// Dimensions of a finished output.
  var finishedDims: [Int] = []
  /// Elements that folding may still make.
  var foldable = DenseTensor.maximumElements

  // MARK: Operands

  /// What an operand stands for.
  mutating func value(_ node: OperatorNode, _ index: Int) throws -> Value {
    guard node.has(index) else { throw Refusal("its operand \(index) is missing") }
    return try value(named: node.inputs[index])
  }

  mutating func value(named name: String) throws -> Value {
    if let known = values[name] { return known }
    guard let proto = encoded.removeValue(forKey: name) else {
      throw Refusal("it reads \(ONNXError.shown(name)), which nothing before it makes")
    }
    let tensor = try decoder.decode(proto)
    values[name] = .constant(tensor)
    return .constant(tensor)
  }

  /// Notes that a node has read its operands, and lets go of constants that nothing reads any more.
  mutating func release(_ node: OperatorNode) {
    for name in node.inputs where !name.isEmpty {
      readers[name, default: 1] -= 1
      if readers[name] == 0, case .constant = values[name] { values[name] = nil }
    }
  }

  /// A constant operand.
  mutating func constant(_ node: OperatorNode, _ index: Int, _ what: String) throws -> DenseTensor {
    guard case .constant(let tensor) = try value(node, index) else {
      throw Refusal("its \(what) is computed from the input", "only constants can be \(what) here")
    }
    return tensor
  }

  /// A constant operand of integers, such as axes.
  mutating func integers(_ node: OperatorNode, _ index: Int, _ what: String) throws -> [Int] {
    let tensor = try constant(node, index, what)
    guard let values = tensor.integers, tensor.dims.count <= 1 else {
      throw Refusal("its \(what) must be a vector of integers")
    }
    return values.map { Int($0) }
  }

  /// An operand that is computed from the input, as a layer.
  mutating func tensor(_ node: OperatorNode, _ index: Int = 0) throws -> SampleTensor {
    let value = try value(node, index)
    switch value {
    case .tensor(let tensor): return tensor
    case .polynomial(let polynomial):
      let tensor = try materialize(polynomial, name: node.inputs[index])
      values[node.inputs[index]] = .tensor(tensor)
      return tensor
    case .bordered(let tensor, let border):
      let padded = try padded(tensor, border, name: node.inputs[index])
      values[node.inputs[index]] = .tensor(padded)
      return padded
    case .selected(let tensor, let selection):
      let part = try selected(tensor, selection, node.inputs[index])
      values[node.inputs[index]] = .tensor(part)
      return part
    case .moved(let movement): throw movement.refusal
    case .condition:
      throw Refusal("it reads the result of a comparison as a number", "choose between constants by it, with Where")
    case .constant: throw Refusal("its operand \(index) is a constant", "fold constants, for example with onnxsim")
    case .finished(let finish, _):
      throw Refusal(
        "it reads the result of a \(finish.rawValue)", "only the network's output may be a \(finish.rawValue)")
    case .refused: throw Refusal("it reads a refused layer")
    }
  }

  /// An operand as a polynomial of a layer.
  mutating func polynomial(_ node: OperatorNode, _ index: Int) throws -> Polynomial {
    if case .polynomial(let polynomial) = try value(node, index) { return polynomial }
    return Polynomial(try tensor(node, index))
  }

  // MARK: Layers

  /// Appends a layer whose tensor has the given dimensions.
  ///
  /// - Throws: ``Refusal`` where there would be too many layers or elements.
  mutating func append(
    _ operation: Operation, _ name: String, _ inputs: [Int], _ dims: [Int]
  ) throws -> SampleTensor {
    guard let count = DenseTensor.count(of: dims), (1...Graph.maximumElements).contains(count) else {
      throw Refusal("its result would be empty, or have more than \(Graph.maximumElements) elements")
    }
    guard graph.nodes.count < Graph.maximumNodes else {
      throw Refusal("the network would have more than \(Graph.maximumNodes) layers", "split the network")
    }
    return SampleTensor(node: graph.append(operation, name: ONNXError.shown(name), from: inputs), dims: dims)
  }

  /// The layer of a polynomial: none, an affine map per channel, or a quadratic activation.
  mutating func materialize(_ polynomial: Polynomial, name: String) throws -> SampleTensor {
    let base = polynomial.base
    let polynomial = polynomial.gathered
    if polynomial.isIdentity { return base }
    if polynomial.isPerElement { return try materializeElements(polynomial, name: name) }
    guard polynomial.isSquare else {
      return try affine(base, polynomial.slope, polynomial.offset, name)
    }
    let perChannel =
      !(Self.isUniform(polynomial.square) && Self.isUniform(polynomial.slope)
      && Self.isUniform(polynomial.offset))
    let spec = X2actSpec(perChannel: perChannel)
    let result = try append(.x2act(spec), name, [base.node], base.dims)
    let factor = Double(spec.squareFactor(elements: base.count))
    let kept = perChannel ? polynomial.slope.indices : 0..<1
    parameters[result.node, .w1] = kept.map { Float(polynomial.square[$0] / factor) }
    parameters[result.node, .w2] = kept.map { Float(polynomial.slope[$0]) }
    parameters[result.node, .b] = kept.map { Float(polynomial.offset[$0]) }
    return result
  }

  /// An affine map per channel is batch normalisation with statistics that change nothing, which folding merges with the
  /// layer before it. Variance and epsilon add up to one without rounding.
  private mutating func affine(
    _ base: SampleTensor, _ slope: [Double], _ offset: [Double], _ name: String
  ) throws -> SampleTensor {
    let epsilon: Float = 0x1p-10
    let result = try append(.batchNorm(epsilon: epsilon, momentum: 0), name, [base.node], base.dims)
    parameters[result.node, .gamma] = slope.map { Float($0) }
    parameters[result.node, .beta] = offset.map { Float($0) }
    parameters[result.node, .mean] = [Float](repeating: 0, count: slope.count)
    parameters[result.node, .variance] = [Float](repeating: 1 - epsilon, count: slope.count)
    return result
  }

  /// A border of zeros as a layer of its own: each channel convolved with one.
  mutating func padded(_ tensor: SampleTensor, _ border: Border, name: String) throws -> SampleTensor {
    let shape = tensor.shape
    var dims = tensor.dims
    dims[dims.count - 1] += border.left + border.right
    if dims.count == 3 { dims[1] += border.top + border.bottom }
    let window = ConvolutionWindow(
      kernelHeight: 1, kernelWidth: 1, padTop: border.top, padLeft: border.left, padBottom: border.bottom,
      padRight: border.right)
    let spec = ConvolutionSpec(outChannels: shape.channels, window: window, groups: shape.channels, bias: false)
    let result = try append(.convolution(spec), name, [tensor.node], dims)
    parameters[result.node, .weight] = [Float](repeating: 1, count: shape.channels)
    return result
  }

  static func isUniform(_ values: [Double]) -> Bool { values.allSatisfy { $0 == values[0] } }

  // MARK: Shapes

  /// The dimensions that the file gives a tensor, batch axis included.
  func fullDims(_ tensor: SampleTensor) -> [Int] { hasBatchAxis ? [batch] + tensor.dims : tensor.dims }

  /// Axes of one sample, counted without the batch axis.
  ///
  /// - Throws: ``Refusal`` where one is out of range, occurs twice or counts samples.
  func sampleAxes(_ axes: [Int], rank: Int) throws -> [Int] {
    let lead = hasBatchAxis ? 1 : 0
    let result = try axes.map { axis in
      let index = try Self.axis(axis, rank: rank + lead) - lead
      guard index >= 0 else {
        throw Refusal("it works across the samples of a batch", "a sample's result may depend on that sample only")
      }
      return index
    }
    guard Set(result).count == result.count else { throw Refusal("an axis occurs twice") }
    return result
  }

  static func axis(_ axis: Int, rank: Int) throws -> Int {
    let index = axis < 0 ? axis + rank : axis
    guard (0..<max(rank, 1)).contains(index) else { throw Refusal("its axis \(axis) is out of range") }
    return index
  }

  /// One value per channel of a constant that broadcasts to a tensor without enlarging it.
  ///
  /// - Throws: ``Refusal`` where it is larger, or differs inside a channel or between samples.
  func perChannel(_ constant: DenseTensor, _ tensor: SampleTensor) throws -> [Double] {
    let values = try coefficients(constant, tensor)
    guard values.count == tensor.shape.channels else {
      throw Refusal(
        "its constant differs inside a channel", "use one constant per channel; that of a layer is a bias")
    }
    return values
  }

  /// One value per channel of a constant that broadcasts to a tensor without enlarging it, or one per element where it differs
  /// inside a channel.
  ///
  /// - Throws: ``Refusal`` where it is larger, or differs between samples.
  func coefficients(_ constant: DenseTensor, _ tensor: SampleTensor) throws -> [Double] {
    let channels = tensor.shape.channels
    if constant.count == 1 { return [Double](repeating: Double(constant.floats[0]), count: channels) }
    var dims = constant.dims
    if hasBatchAxis, dims.count == tensor.dims.count + 1 {
      guard dims[0] == 1 else {
        throw Refusal("its constant differs between the samples of a batch", "use one constant for all samples")
      }
      dims.removeFirst()
    }
    guard dims.count <= tensor.dims.count else {
      throw Refusal("its constant has more axes than its operand", "give the constant the operand's shape")
    }
    dims = [Int](repeating: 1, count: tensor.dims.count - dims.count) + dims
    for (own, wanted) in zip(dims, tensor.dims) where own != 1 && own != wanted {
      throw Refusal("its constant enlarges its operand", "repeat the data before the network")
    }
    var strides = DenseTensor.strides(dims)
    for axis in dims.indices where dims[axis] == 1 { strides[axis] = 0 }
    let values = constant.floats
    var elements: [Double] = []
    elements.reserveCapacity(tensor.count)
    var walk = IndexWalk(tensor.dims, strides)
    for _ in 0..<tensor.count {
      elements.append(Double(values[walk.offset]))
      walk.advance()
    }
    return Polynomial.gathered(elements, channels: max(channels, 1)) ?? elements
  }
}

/// Visits the elements of a tensor in order, and carries the offset that strides give them.
struct IndexWalk {
  private let dims: [Int]
  private let strides: [Int]
  private var index: [Int]
  private(set) var offset = 0

  init(_ dims: [Int], _ strides: [Int], start: Int = 0) {
    self.dims = dims
    self.strides = strides
    index = [Int](repeating: 0, count: dims.count)
    offset = start
  }

  mutating func advance() {
    var axis = dims.count - 1
    while axis >= 0 {
      index[axis] += 1
      offset += strides[axis]
      if index[axis] < dims[axis] { return }
      offset -= strides[axis] * dims[axis]
      index[axis] = 0
      axis -= 1
    }
  }
}
