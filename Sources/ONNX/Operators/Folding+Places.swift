/// One axis of a slice.
struct SliceRange {
  var axis: Int
  var start: Int
  var step: Int
  var count: Int
}

/// Constants whose elements go to other places: joined, picked, cut, turned, repeated.
extension Lowering {
  mutating func joined(_ node: OperatorNode, _ parts: [DenseTensor]) throws -> DenseTensor {
    let rank = parts[0].dims.count
    guard rank > 0 else { throw Refusal("it joins scalars") }
    let axis = try Self.axis(try node.int("axis", 0), rank: rank)
    var dims = parts[0].dims
    for part in parts.dropFirst() {
      guard part.dims.count == rank, part.dims.indices.allSatisfy({ $0 == axis || part.dims[$0] == dims[$0] }) else {
        throw Refusal("its operands differ in other axes than the joined one")
      }
      dims[axis] += part.dims[axis]
    }
    try spend(dims)
    let outer = dims[..<axis].reduce(1, *)
    func all<Element>(_ values: [[Element]]) -> [Element] {
      var result: [Element] = []
      result.reserveCapacity(dims.reduce(1, *))
      for block in 0..<outer {
        for (part, elements) in zip(parts, values) {
          let length = part.dims[axis...].reduce(1, *)
          result += elements[block * length..<(block + 1) * length]
        }
      }
      return result
    }
    let integers = parts.compactMap(\.integers)
    if integers.count == parts.count { return DenseTensor(dims, integers: all(integers)) }
    return DenseTensor(dims, floats: all(parts.map(\.floats)))
  }

  mutating func gathered(
    _ node: OperatorNode, _ tensor: DenseTensor, _ given: [DenseTensor]
  ) throws -> DenseTensor {
    guard given.count == 2, let indices = given[1].integers, !tensor.dims.isEmpty else {
      throw Refusal("its indices are no integers")
    }
    let axis = try Self.axis(try node.int("axis", 0), rank: tensor.dims.count)
    let length = tensor.dims[axis]
    let places = indices.map { $0 < 0 ? Int($0) + length : Int($0) }
    guard places.allSatisfy((0..<max(length, 1)).contains), length > 0 || places.isEmpty else {
      throw Refusal("an index is out of range")
    }
    let dims = Array(tensor.dims[..<axis]) + given[1].dims + tensor.dims[(axis + 1)...]
    try spend(dims)
    let inner = tensor.dims[(axis + 1)...].reduce(1, *)
    return tensor.gathered(dims) { index in
      let (block, place) = (index / inner).quotientAndRemainder(dividingBy: places.count)
      return (block * length + places[place]) * inner + index % inner
    }
  }

  /// The ranges of a slice, every end clamped into its axis.
  mutating func sliceRanges(_ node: OperatorNode, _ dims: [Int]) throws -> [SliceRange] {
    let fromAttributes = node.opset < 10
    func list(_ index: Int, _ key: String) throws -> [Int]? {
      if fromAttributes { return try node.ints(key) }
      return node.has(index) ? try integers(node, index, key) : nil
    }
    guard let starts = try list(1, "starts"), let ends = try list(2, "ends"), starts.count == ends.count else {
      throw Refusal("its starts and ends do not fit")
    }
    let axes = try (try list(3, "axes") ?? Array(starts.indices)).map { try Self.axis($0, rank: dims.count) }
    let steps = try fromAttributes ? nil : list(4, "steps")
    guard axes.count == starts.count, Set(axes).count == axes.count, steps == nil || steps!.count == axes.count,
      !dims.isEmpty
    else { throw Refusal("its axes do not fit") }
    return try axes.indices.map { place in
      let (length, step) = (dims[axes[place]], steps?[place] ?? 1)
      guard step != 0, step.magnitude < 1 << 32 else { throw Refusal("its step is out of range") }
      let bounds = step > 0 ? 0...length : -1...length - 1
      // The clamp before the sum keeps the file's numbers from overflowing.
      func bounded(_ value: Int) -> Int {
        let small = min(max(value, -(1 << 40)), 1 << 40)
        return min(max(small < 0 ? small + length : small, bounds.lowerBound), bounds.upperBound)
      }
      let (start, end) = (bounded(starts[place]), bounded(ends[place]))
      let span = step > 0 ? end - start : start - end
      let size = Int(step.magnitude)
      return SliceRange(axis: axes[place], start: start, step: step, count: max((span + size - 1) / size, 0))
    }
  }

  mutating func sliced(_ node: OperatorNode, _ tensor: DenseTensor) throws -> DenseTensor {
    var dims = tensor.dims
    var strides = DenseTensor.strides(dims)
    var start = 0
    for range in try sliceRanges(node, tensor.dims) {
      start += range.start * strides[range.axis]
      strides[range.axis] *= range.step
      dims[range.axis] = range.count
    }
    try spend(dims)
    var walk = IndexWalk(dims, strides, start: start)
    return tensor.gathered(dims) { _ in
      defer { walk.advance() }
      return walk.offset
    }
  }

  mutating func transposed(_ node: OperatorNode, _ tensor: DenseTensor) throws -> DenseTensor {
    let order = try node.ints("perm") ?? tensor.dims.indices.reversed()
    guard order.sorted() == Array(tensor.dims.indices) else { throw Refusal("its perm is no permutation") }
    let dims = order.map { tensor.dims[$0] }
    try spend(dims)
    let strides = DenseTensor.strides(tensor.dims)
    var walk = IndexWalk(dims, order.map { strides[$0] })
    return tensor.gathered(dims) { _ in
      defer { walk.advance() }
      return walk.offset
    }
  }

  mutating func expanded(_ tensor: DenseTensor, _ wanted: [Int]) throws -> DenseTensor {
    guard wanted.allSatisfy({ $0 >= 0 }), let dims = Self.broadcast(tensor.dims, wanted) else {
      throw Refusal("its shape does not fit")
    }
    try spend(dims)
    let places = expansion(tensor, dims)
    return tensor.gathered(dims) { places[$0] }
  }

  mutating func chosen(_ given: [DenseTensor]) throws -> DenseTensor {
    guard given.count == 3, let condition = given[0].integers,
      let pair = Self.broadcast(given[1].dims, given[2].dims), let dims = Self.broadcast(pair, given[0].dims)
    else { throw Refusal("its operands do not broadcast") }
    try spend(dims)
    let places = given.map { expansion($0, dims) }
    if let yes = given[1].integers, let no = given[2].integers {
      return DenseTensor(
        dims, integers: places[0].indices.map { condition[places[0][$0]] != 0 ? yes[places[1][$0]] : no[places[2][$0]] }
      )
    }
    let (yes, no) = (given[1].floats, given[2].floats)
    return DenseTensor(
      dims, floats: places[0].indices.map { condition[places[0][$0]] != 0 ? yes[places[1][$0]] : no[places[2][$0]] })
  }
}
