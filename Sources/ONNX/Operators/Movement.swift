import Networks
import Rings

/// The elements of a tensor in another order, until it is known what that order amounts to.
///
/// A transposition alone says little: between two reshapes it is a shuffle of channels, and in front of a matrix it is another
/// order of the matrix's columns.
struct Movement {
  /// What is moved, under dimensions of its own.
  var source: SampleTensor
  /// Dimensions of the result, without the batch axis.
  var dims: [Int]
  /// Of each element of the result, its index in the source.
  var places: [Int]
  /// The node that moves.
  var node: String

  /// The channels that the result takes, where it moves whole ones and nothing inside them.
  var channels: [Int]? {
    let shape = source.shape
    guard SampleTensor.shape(dims) == shape else { return nil }
    let area = shape.height * shape.width
    for index in places.indices where places[index] - places[index - index % area] != index % area { return nil }
    let result = stride(from: 0, to: places.count, by: area).map { places[$0] }
    guard result.allSatisfy({ $0 % area == 0 }) else { return nil }
    return result.map { $0 / area }
  }

  var refusal: Refusal {
    Refusal(
      "it reads elements that \(node) moves to other places",
      "export the network in NCHW order; channels may be shuffled, and a matrix may read any order")
  }
}

extension Lowering {
  /// A transposition.
  mutating func transposition(_ node: OperatorNode) throws -> Value {
    let (full, movement) = try moving(node)
    let order = try node.ints("perm") ?? full.indices.reversed()
    guard order.sorted() == Array(full.indices) else { throw Refusal("its perm is no permutation") }
    guard !hasBatchAxis || order[0] == 0 else {
      throw Refusal("it moves elements to other places", "export the network without it, in NCHW order")
    }
    let lead = hasBatchAxis ? 1 : 0
    let axes = order.dropFirst(lead).map { $0 - lead }
    let strides = DenseTensor.strides(movement.dims)
    var result = movement
    result.dims = axes.map { movement.dims[$0] }
    try spend(result.dims)
    var walk = IndexWalk(result.dims, axes.map { strides[$0] })
    result.places = movement.places.indices.map { _ in
      defer { walk.advance() }
      return movement.places[walk.offset]
    }
    return try settled(result)
  }

  /// An operand as a movement, which moves nothing if it was none.
  private mutating func moving(_ node: OperatorNode) throws -> (full: [Int], movement: Movement) {
    if let movement = try movement(node) {
      return (hasBatchAxis ? [batch] + movement.dims : movement.dims, movement)
    }
    let tensor = try tensor(node)
    let source = unshaped[tensor.node] ?? tensor
    return (
      fullDims(tensor),
      Movement(source: source, dims: tensor.dims, places: Array(0..<tensor.count), node: node.name)
    )
  }

  /// An operand that moves elements, shuffled channels among them; nil where it is another.
  mutating func movement(_ node: OperatorNode) throws -> Movement? {
    switch try value(node, 0) {
    case .moved(let movement): return movement
    case .selected(let source, let selection) where isShuffle(selection, source):
      let area = source.shape.height * source.shape.width
      let places = selection.picks[0].flatMap { channel in (0..<area).map { channel * area + $0 } }
      return Movement(source: source, dims: source.dims, places: places, node: node.name)
    default: return nil
    }
  }

  /// What a movement amounts to: nothing, other channels, or still a movement.
  mutating func settled(_ movement: Movement) throws -> Value {
    if movement.places.indices.allSatisfy({ movement.places[$0] == $0 }) {
      return .tensor(try reshape(movement.source, to: movement.dims, movement.node))
    }
    guard let channels = movement.channels else { return .moved(movement) }
    var selection = Selection(all: movement.dims)
    selection.picks[0] = channels
    return .selected(SampleTensor(node: movement.source.node, dims: movement.dims), selection)
  }

  /// The tensor beneath a vector of picked or moved elements, and the index there of each; nil where the operand is another.
  mutating func pickedVector(_ node: OperatorNode) throws -> (source: SampleTensor, places: [Int])? {
    switch try value(node, 0) {
    case .moved(let movement) where movement.dims.count == 1:
      let count = movement.source.count
      return (try reshape(movement.source, to: [count], node.name + ".vector"), movement.places)
    case .selected(let source, let selection) where source.dims.count == 1: return (source, selection.picks[0])
    default: return nil
    }
  }

  /// A matrix `[outputs][inputs]` whose inputs are found at the given places of a vector of `width` elements.
  ///
  /// - Throws: ``Refusal`` where it would be too large.
  func spread(_ matrix: [Float], _ places: [Int], width: Int) throws -> [Float] {
    let outputs = matrix.count / max(places.count, 1)
    guard let count = DenseTensor.count(of: [outputs, width]), count <= DenseTensor.maximumElements else {
      throw Refusal("its matrix would be too large for all \(width) elements that are picked from")
    }
    var result = [Float](repeating: 0, count: count)
    for output in 0..<outputs {
      for (index, place) in places.enumerated() {
        result[output * width + place] += matrix[output * places.count + index]
      }
    }
    return result
  }

  // MARK: Shuffled channels

  /// Operators that do the same to every channel, and make one of each.
  private static let channelwise: Set<String> = [
    "Relu", "LeakyRelu", "Abs", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool",
  ]

  /// The result of an operator on shuffled channels as shuffled channels of its result on the others, so that the shuffle
  /// waits for a layer that takes it up; nil where that is not so.
  mutating func shuffled(_ node: OperatorNode) throws -> Value? {
    guard node.has(0), case .selected(let source, let selection) = try value(node, 0), isShuffle(selection, source)
    else {
      return nil
    }
    let picks = selection.picks[0]
    switch node.type {
    case let type where Self.channelwise.contains(type):
      values[node.inputs[0]] = .tensor(source)
      defer { values[node.inputs[0]] = .selected(source, selection) }
      guard case .tensor(let result) = try layer(node) else { return nil }
      return shuffled(result, picks)
    case "BatchNormalization":
      return shuffled(try batchNormalization(node, source, picks), picks)
    default: return nil
    }
  }

  private func isShuffle(_ selection: Selection, _ source: SampleTensor) -> Bool {
    (1..<source.dims.count).allSatisfy { selection.isWhole($0, source.dims) }
      && selection.picks[0].count == source.dims[0] && Set(selection.picks[0]).count == source.dims[0]
  }

  func shuffled(_ result: SampleTensor, _ picks: [Int]) -> Value {
    var selection = Selection(all: result.dims)
    selection.picks[0] = picks
    return .selected(result, selection)
  }

  /// A depthwise convolution of shuffled channels: each channel's kernels move with it.
  ///
  /// - Returns: weights and bias for the channels in their own order, and the picks of its result; nil where it is not one.
  func shuffledKernels(
    _ weights: DenseTensor, _ bias: [Float]?, _ source: SampleTensor, _ selection: Selection, groups: Int
  ) -> (weights: DenseTensor, bias: [Float]?, picks: [Int])? {
    let channels = source.dims[0]
    guard isShuffle(selection, source), groups == channels, weights.dims[0] % channels == 0, weights.dims[1] == 1 else {
      return nil
    }
    let (copies, taps) = (weights.dims[0] / channels, weights.count / weights.dims[0])
    let given = weights.floats
    var (moved, offsets, picks) = (given, bias, [Int]())
    for (place, channel) in selection.picks[0].enumerated() {
      for copy in 0..<copies {
        let (from, to) = (place * copies + copy, channel * copies + copy)
        for tap in 0..<taps { moved[to * taps + tap] = given[from * taps + tap] }
        if let bias { offsets![to] = bias[from] }
        picks.append(to)
      }
    }
    return (DenseTensor(weights.dims, floats: moved), offsets, picks)
  }

  /// Weights of a convolution in groups as those of one without, zeros between the groups.
  func ungrouped(_ weights: DenseTensor, groups: Int) throws -> DenseTensor {
    let (outputs, width) = (weights.dims[0], weights.dims[1])
    let dims = [outputs, width * groups] + weights.dims.dropFirst(2)
    guard let count = DenseTensor.count(of: dims), count <= DenseTensor.maximumElements else {
      throw Refusal("its weights for channels in another order would be too large", "keep its channels in order")
    }
    let block = width * weights.dims.dropFirst(2).reduce(1, *)
    let values = weights.floats
    var result = [Float](repeating: 0, count: count)
    for output in 0..<outputs {
      let group = output / (outputs / groups)
      for index in 0..<block { result[(output * groups + group) * block + index] = values[output * block + index] }
    }
    return DenseTensor(dims, floats: result)
  }
}
