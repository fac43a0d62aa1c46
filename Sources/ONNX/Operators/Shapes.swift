import Networks
import Rings

extension Lowering {
  // MARK: Other shapes of the same elements

  mutating func reshaping(_ node: OperatorNode) throws -> Value {
    if node.type == "Tile" { return .tensor(try unrepeated(node)) }
    if var movement = try movement(node) {
      movement.dims = try reshapedDims(node, movement.dims)
      return try settled(movement)
    }
    let source: SampleTensor
    var pending: Polynomial?
    if case .polynomial(let polynomial) = try value(node, 0) {
      (source, pending) = (polynomial.base, polynomial)
    } else {
      source = try tensor(node)
    }
    let dims = try reshapedDims(node, source.dims)
    if let pending, SampleTensor.shape(dims) == source.shape {
      var result = pending
      result.base.dims = dims
      return .polynomial(result)
    }
    if let pending = pending?.gathered, pending.isPerElement, dims.count == 1 {
      // The vector's elements are its channels: what reads it may take their factors up.
      return .polynomial(try flattened(pending, name: node.name))
    }
    return .tensor(try reshape(try tensor(node), to: dims, node.name))
  }

  /// The dimensions that a node gives a tensor's elements.
  private mutating func reshapedDims(_ node: OperatorNode, _ dims: [Int]) throws -> [Int] {
    let full = hasBatchAxis ? [batch] + dims : dims
    let target: [Int]
    switch node.type {
    case "Flatten":
      let axis = try node.int("axis", 1)
      guard (-full.count...full.count).contains(axis) else { throw Refusal("its axis is out of range") }
      let place = axis < 0 ? axis + full.count : axis
      target = [full[..<place].reduce(1, *), full[place...].reduce(1, *)]
    case "Squeeze": target = try squeezed(node, full)
    case "Unsqueeze": target = try unsqueezed(node, full)
    case "Expand":
      let wanted = try integers(node, 1, "shape")
      guard Self.broadcast(full, wanted) == full else {
        throw Refusal("it repeats elements", "repeat the data before the network")
      }
      target = full
    default: target = try Self.reshaped(full, try integers(node, 1, "shape"), zeroCopies: !node.flag("allowzero"))
    }
    return try sampleDims(target)
  }

  /// Takes the batch axis off, which must still be the first.
  private func sampleDims(_ full: [Int]) throws -> [Int] {
    guard hasBatchAxis else { return full }
    guard full.first == batch else {
      throw Refusal("it moves or merges the axis of the batch", "keep the first axis as it is")
    }
    return Array(full.dropFirst())
  }

  /// The same words under another shape.
  mutating func reshape(_ source: SampleTensor, to dims: [Int], _ name: String) throws -> SampleTensor {
    let shape = SampleTensor.shape(dims)
    guard shape.count == source.count else { throw Refusal("it changes the number of elements") }
    if shape == source.shape { return SampleTensor(node: source.node, dims: dims) }
    let base = unshaped[source.node] ?? source
    if shape == base.shape { return SampleTensor(node: base.node, dims: dims) }
    let isVector = shape.height == 1 && shape.width == 1
    let result = try append(isVector ? .flatten : .reshape(shape), name, [base.node], dims)
    unshaped[result.node] = base
    return result
  }

  /// The dimensions that a reshape asks for: 0 copies an axis, -1 takes what is left.
  static func reshaped(_ full: [Int], _ wanted: [Int], zeroCopies: Bool) throws -> [Int] {
    guard wanted.count <= DenseTensor.maximumRank, wanted.allSatisfy({ $0 >= -1 }) else {
      throw Refusal("its shape is out of range")
    }
    var result = wanted
    for axis in wanted.indices where wanted[axis] == 0 && zeroCopies {
      guard axis < full.count else { throw Refusal("its shape copies an axis that is not there") }
      result[axis] = full[axis]
    }
    guard let known = DenseTensor.count(of: result.filter { $0 >= 0 }) else { throw Refusal("its shape is too large") }
    let count = full.reduce(1, *)
    let open = result.indices.filter { result[$0] < 0 }
    guard open.count <= 1 else { throw Refusal("its shape leaves two axes open") }
    if let axis = open.first {
      guard known > 0, count % known == 0 else { throw Refusal("its shape does not divide \(count) elements") }
      result[axis] = count / known
    }
    guard result.reduce(1, *) == count else { throw Refusal("it changes the number of elements") }
    return result
  }

  mutating func squeezed(_ node: OperatorNode, _ full: [Int]) throws -> [Int] {
    let axes = node.has(1) ? try integers(node, 1, "axes") : try node.ints("axes")
    let gone: Set<Int>
    if let axes {
      gone = Set(try axes.map { try Self.axis($0, rank: full.count) })
      guard gone.allSatisfy({ full[$0] == 1 }) else { throw Refusal("an axis that it removes is longer than one") }
    } else {
      gone = Set(full.indices.filter { full[$0] == 1 && !(hasBatchAxis && $0 == 0) })
    }
    return full.indices.filter { !gone.contains($0) }.map { full[$0] }
  }

  mutating func unsqueezed(_ node: OperatorNode, _ full: [Int]) throws -> [Int] {
    guard let axes = node.has(1) ? try integers(node, 1, "axes") : try node.ints("axes"),
      full.count + axes.count <= DenseTensor.maximumRank
    else { throw Refusal("it names no axes, or too many") }
    let new = Set(try axes.map { try Self.axis($0, rank: full.count + axes.count) })
    guard new.count == axes.count else { throw Refusal("an axis occurs twice") }
    var rest = full[...]
    return (0..<full.count + axes.count).map { new.contains($0) ? 1 : rest.removeFirst() }
  }

  /// The shape to which two shapes broadcast; nil where they do not.
  static func broadcast(_ left: [Int], _ right: [Int]) -> [Int]? {
    let rank = max(left.count, right.count)
    let (a, b) = (
      [Int](repeating: 1, count: rank - left.count) + left, [Int](repeating: 1, count: rank - right.count) + right
    )
    var result: [Int] = []
    for (x, y) in zip(a, b) {
      guard x == y || x == 1 || y == 1 else { return nil }
      result.append(x == 1 ? y : x)
    }
    return result
  }

  /// A repetition of one time.
  private mutating func unrepeated(_ node: OperatorNode) throws -> SampleTensor {
    let source = try tensor(node)
    guard try integers(node, 1, "repeats") == [Int](repeating: 1, count: fullDims(source).count) else {
      throw Refusal("it repeats elements", "repeat the data before the network")
    }
    return source
  }

  // MARK: Joining and cutting

  /// Channels side by side.
  mutating func concatenation(_ node: OperatorNode) throws -> SampleTensor {
    let parts = try node.inputs.indices.map { try tensor(node, $0) }
    let rank = parts[0].dims.count
    let axis = try sampleAxes([try node.int("axis", 1)], rank: rank)[0]
    for part in parts {
      guard part.dims.count == rank,
        part.dims.indices.allSatisfy({ $0 == axis || part.dims[$0] == parts[0].dims[$0] })
      else { throw Refusal("its operands differ in other axes than the joined one") }
    }
    if parts.count == 1 { return parts[0] }
    guard axis == 0 else { throw Refusal("it joins other axes than the channels", "join channels") }
    let channels = parts.reduce(0) { $0 + $1.dims[0] }
    guard channels <= 65536 else { throw Refusal("it makes more than 65536 channels") }
    let dims = [channels] + parts[0].dims.dropFirst()
    return try append(.concatenate, node.name, parts.map(\.node), dims)
  }

  /// Zeros around a picture, which the next convolution takes up, or channels of zeros.
  mutating func border(_ node: OperatorNode) throws -> Value {
    let source = try tensor(node)
    let rank = source.dims.count
    let pads = node.has(1) ? try integers(node, 1, "pads") : try node.ints("pads") ?? node.ints("paddings") ?? []
    guard try node.string("mode", "constant") == "constant" else {
      throw Refusal("it repeats or mirrors the border", "pad with zeros")
    }
    let filler = node.has(2) ? try constant(node, 2, "filler").floats.first ?? 0 : try node.float("value", 0)
    guard filler == 0 else { throw Refusal("it pads with another value than zero", "pad with zeros") }
    let lead = hasBatchAxis ? 1 : 0
    var axes = Array(0..<rank)
    if node.has(3) { axes = try sampleAxes(try integers(node, 3, "axes"), rank: rank) }
    let count = node.has(3) ? axes.count : rank + lead
    guard pads.count == 2 * count, pads.allSatisfy((0...4096).contains) else {
      throw Refusal("its pads must be \(2 * count) numbers of 0 to 4096")
    }
    let offset = node.has(3) ? 0 : lead
    guard offset == 0 || (pads[0] == 0 && pads[count] == 0) else { throw Refusal("it pads the batch") }
    var (before, behind) = ([Int](repeating: 0, count: rank), [Int](repeating: 0, count: rank))
    for (place, axis) in axes.enumerated() {
      before[axis] = pads[place + offset]
      behind[axis] = pads[place + offset + count]
    }
    guard (1...3).contains(rank) else { throw Refusal("it pads \(rank) axes of a sample") }
    var result = source
    if before[0] > 0 || behind[0] > 0 {
      guard source.shape.height * source.shape.width * (source.dims[0] + before[0] + behind[0]) <= Graph.maximumElements
      else { throw Refusal("its result is too large") }
      result = try append(
        .subsamplePad(stride: 1, before: before[0], after: behind[0]), node.name, [source.node],
        [source.dims[0] + before[0] + behind[0]] + source.dims.dropFirst())
    }
    guard rank >= 2 else { return .tensor(result) }
    let border = Border(
      top: rank == 3 ? before[1] : 0, left: before[rank - 1], bottom: rank == 3 ? behind[1] : 0,
      right: behind[rank - 1])
    return border.isEmpty ? .tensor(result) : .bordered(result, border)
  }

  // MARK: Passing on

  mutating func passed(_ node: OperatorNode) throws -> Value {
    if node.type == "Dropout" {
      if node.has(2), case .constant(let training) = try value(node, 2), training.integers != [0] {
        throw Refusal("it drops values at random", "export the network in evaluation mode")
      }
      guard try node.opset >= 7 || node.flag("is_test") else {
        throw Refusal("it drops values at random", "export the network in evaluation mode")
      }
    }
    if node.type.hasPrefix("Cast") {
      let type = Onnx_TensorProto.DataType(rawValue: try node.int("to", 1))
      guard node.type == "Cast" else { throw Refusal("its type is that of another tensor", "use Cast") }
      guard [.float, .double, .float16, .bfloat16].contains(type) else {
        throw Refusal("it rounds hidden values to integers", "keep floating-point types")
      }
    }
    return try value(node, 0)
  }

  mutating func finishing(_ node: OperatorNode) throws -> Value {
    var source: SampleTensor
    let finish: OutputFinish
    switch node.type {
    case "Softmax": finish = .softmax
    case "LogSoftmax": finish = .logSoftmax
    case "Sigmoid", "Tanh":
      source = try tensor(node)
      finishedDims = source.dims
      return .finished(node.type == "Tanh" ? .tanh : .sigmoid, source)
    default: finish = .argMax
    }
    if case .finished(_, let scores) = try value(node, 0) {
      // The greatest of what rises with the scores is the greatest score's.
      source = SampleTensor(node: scores.node, dims: finishedDims)
    } else {
      source = try tensor(node)
    }
    let axis = try node.int("axis", finish == .argMax ? 0 : node.opset < 13 ? 1 : -1)
    let index = try sampleAxes([axis], rank: source.dims.count)[0]
    // Before operator set 13 a softmax runs over all axes from its axis on.
    let covered = finish != .argMax && node.opset < 13 ? source.dims[index...].reduce(1, *) : source.dims[index]
    guard covered == source.count else {
      throw Refusal("it does not run over all elements of a sample", "apply it to a vector per sample")
    }
    if finish == .argMax {
      guard try !node.flag("select_last_index") else { throw Refusal("it takes the last of equal elements") }
      var dims = source.dims
      if try node.flag("keepdims", true) { dims[index] = 1 } else { dims.remove(at: index) }
      finishedDims = dims
    } else {
      finishedDims = source.dims
    }
    return .finished(finish, source)
  }
}
