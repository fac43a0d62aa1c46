import Foundation
import Networks

/// One axis of a slice.
struct SliceRange {
  var axis: Int
  var start: Int
  var step: Int
  var count: Int
}

extension Lowering {
  /// Computes a node whose operands are all constants, or the shape of a tensor that is not.
  ///
  /// - Returns: one tensor an output, or nil where the node is a layer.
  mutating func fold(_ node: OperatorNode) throws -> [DenseTensor]? {
    switch node.type {
    case "Constant": return [try literal(node)]
    case "Shape", "Size":
      if case .constant(let tensor) = try value(node, 0) { return [try shape(node, tensor.dims)] }
      if case .polynomial(let polynomial) = try value(node, 0) { return [try shape(node, fullDims(polynomial.base))] }
      return [try shape(node, fullDims(try tensor(node)))]
    case "ConstantOfShape": return [try filled(node)]
    default: break
    }
    var operands: [DenseTensor?] = []
    for index in node.inputs.indices {
      guard node.has(index) else {
        operands.append(nil)
        continue
      }
      guard case .constant(let tensor) = try value(node, index) else { return nil }
      operands.append(tensor)
    }
    guard let first = operands.first, let first else { return nil }
    let given = operands.map { $0 ?? DenseTensor([0], integers: []) }
    return try folded(node, first, given)
  }

  private mutating func folded(
    _ node: OperatorNode, _ first: DenseTensor, _ given: [DenseTensor]
  ) throws -> [DenseTensor]? {
    switch node.type {
    case "Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Equal", "Mod":
      return [try given.dropFirst().reduce(first) { try combined(node.type, $0, $1) }]
    case "Neg", "Abs", "Sqrt", "Reciprocal", "Exp", "Log", "Floor", "Ceil", "Relu", "Sign":
      return [try mapped(node.type, first)]
    case "Identity", "Dropout": return [first]
    case "Cast": return [try cast(node, first)]
    case "Reshape":
      let wanted = try integers(node, 1, "shape")
      return [first.reshaped(try Self.reshaped(first.dims, wanted, zeroCopies: !node.flag("allowzero")))]
    case "Flatten":
      let axis = try node.int("axis", 1)
      guard (-first.dims.count...first.dims.count).contains(axis) else { throw Refusal("its axis is out of range") }
      let place = axis < 0 ? axis + first.dims.count : axis
      return [first.reshaped([first.dims[..<place].reduce(1, *), first.dims[place...].reduce(1, *)])]
    case "Squeeze":
      let axes = node.has(1) ? try integers(node, 1, "axes") : try node.ints("axes")
      guard axes != nil else { return [first.reshaped(first.dims.filter { $0 != 1 })] }
      return [first.reshaped(try squeezed(node, first.dims))]
    case "Unsqueeze": return [first.reshaped(try unsqueezed(node, first.dims))]
    case "Concat": return [try joined(node, given)]
    case "Gather": return [try gathered(node, first, given)]
    case "Slice": return [try sliced(node, first)]
    case "Transpose": return [try transposed(node, first)]
    case "Expand": return [try expanded(first, try integers(node, 1, "shape"))]
    case "ReduceProd", "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin":
      return first.dims.count <= 1 ? [try reduced(node, first)] : nil
    case "Range": return [try range(given)]
    case "Where": return [try chosen(given)]
    default: return nil
    }
  }

  /// Takes elements from the budget of folding before they are made.
  private mutating func spend(_ dims: [Int]) throws {
    guard let count = DenseTensor.count(of: dims), count <= foldable else {
      throw Refusal("folding constants would make more than \(DenseTensor.maximumElements) elements")
    }
    foldable -= count
  }

  // MARK: Sources

  private mutating func literal(_ node: OperatorNode) throws -> DenseTensor {
    if let proto = try node.tensor("value") { return try decoder.decode(proto) }
    if node.has(attribute: "value_float") { return DenseTensor([], floats: [try node.float("value_float", 0)]) }
    if let values = try node.floats("value_floats") { return DenseTensor([values.count], floats: values) }
    if node.has(attribute: "value_int") { return DenseTensor([], integers: [Int64(try node.int("value_int", 0))]) }
    if let values = try node.ints("value_ints") { return DenseTensor([values.count], integers: values.map(Int64.init)) }
    throw Refusal("its value is no dense tensor of numbers", "store it as a tensor")
  }

  private func shape(_ node: OperatorNode, _ dims: [Int]) throws -> DenseTensor {
    if node.type == "Size" { return DenseTensor([], integers: [Int64(dims.reduce(1, *))]) }
    func place(_ key: String, _ standard: Int) throws -> Int {
      let value = try node.int(key, standard)
      return min(max(value < 0 ? value + dims.count : value, 0), dims.count)
    }
    let (start, end) = (try place("start", 0), try place("end", dims.count))
    let part = start < end ? dims[start..<end].map { Int64($0) } : []
    return DenseTensor([part.count], integers: part)
  }

  private mutating func filled(_ node: OperatorNode) throws -> DenseTensor {
    let dims = try integers(node, 0, "shape")
    try spend(dims)
    let count = dims.reduce(1, *)
    guard let proto = try node.tensor("value") else {
      return DenseTensor(dims, floats: [Float](repeating: 0, count: count))
    }
    let value = try decoder.decode(proto)
    guard value.count == 1 else { throw Refusal("its value is no scalar") }
    if let integer = value.integers?.first {
      return DenseTensor(dims, integers: [Int64](repeating: integer, count: count))
    }
    return DenseTensor(dims, floats: [Float](repeating: value.floats[0], count: count))
  }

  private mutating func range(_ given: [DenseTensor]) throws -> DenseTensor {
    guard given.count == 3, let start = given[0].integers?.first, let end = given[1].integers?.first,
      let step = given[2].integers?.first, step != 0, abs(Double(start)) < 0x1p52, abs(Double(end)) < 0x1p52,
      abs(Double(step)) < 0x1p52
    else { throw Refusal("its bounds are no integers, or its step is zero") }
    let count = max(Int((Double(end - start) / Double(step)).rounded(.up)), 0)
    try spend([count])
    return DenseTensor([count], integers: (0..<count).map { start + Int64($0) * step })
  }

  // MARK: Arithmetic

  private mutating func combined(_ type: String, _ left: DenseTensor, _ right: DenseTensor) throws -> DenseTensor {
    guard let dims = Self.broadcast(left.dims, right.dims) else { throw Refusal("its operands do not broadcast") }
    try spend(dims)
    let (a, b) = (expansion(left, dims), expansion(right, dims))
    if let x = left.integers, let y = right.integers {
      return DenseTensor(dims, integers: try zip(a, b).map { try Self.integer(type, x[$0], y[$1]) })
    }
    let (x, y) = (left.floats, right.floats)
    let result = zip(a, b).map { Self.float(type, x[$0], y[$1]) }
    return type == "Equal" ? DenseTensor(dims, integers: result.map { Int64($0) }) : DenseTensor(dims, floats: result)
  }

  /// The index in a tensor of every element of what it broadcasts to.
  private func expansion(_ tensor: DenseTensor, _ dims: [Int]) -> [Int] {
    let own = [Int](repeating: 1, count: dims.count - tensor.dims.count) + tensor.dims
    var strides = DenseTensor.strides(own)
    for axis in own.indices where own[axis] == 1 { strides[axis] = 0 }
    var walk = IndexWalk(dims, strides)
    return (0..<dims.reduce(1, *)).map { _ in
      defer { walk.advance() }
      return walk.offset
    }
  }

  private static func integer(_ type: String, _ x: Int64, _ y: Int64) throws -> Int64 {
    switch type {
    case "Add", "Sum": return x &+ y
    case "Sub": return x &- y
    case "Mul": return x &* y
    case "Min": return min(x, y)
    case "Max": return max(x, y)
    case "Equal": return x == y ? 1 : 0
    case "Div", "Mod":
      guard y != 0, y != -1 else {
        guard y == -1 else { throw Refusal("it divides by zero") }
        return type == "Div" ? 0 &- x : 0
      }
      if type == "Div" { return x / y }
      let rest = x % y
      return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest
    default: return Int64(truncatingIfNeeded: Int(Foundation.pow(Double(x), Double(y)).clamped))
    }
  }

  private static func float(_ type: String, _ x: Float, _ y: Float) -> Float {
    switch type {
    case "Add", "Sum": x + y
    case "Sub": x - y
    case "Mul": x * y
    case "Div": x / y
    case "Min": min(x, y)
    case "Max": max(x, y)
    case "Equal": x == y ? 1 : 0
    case "Mod": x - y * (x / y).rounded(.down)
    default: Float(Foundation.pow(Double(x), Double(y)))
    }
  }

  private mutating func mapped(_ type: String, _ tensor: DenseTensor) throws -> DenseTensor {
    try spend(tensor.dims)
    if let values = tensor.integers {
      switch type {
      case "Neg": return DenseTensor(tensor.dims, integers: values.map { 0 &- $0 })
      case "Abs": return DenseTensor(tensor.dims, integers: values.map { $0 < 0 ? 0 &- $0 : $0 })
      case "Relu": return DenseTensor(tensor.dims, integers: values.map { max($0, 0) })
      case "Sign": return DenseTensor(tensor.dims, integers: values.map { $0.signum() })
      case "Floor", "Ceil": return tensor
      default: throw Refusal("its operand must be of floating point")
      }
    }
    return DenseTensor(
      tensor.dims,
      floats: tensor.floats.map { x in
        switch type {
        case "Neg": -x
        case "Abs": abs(x)
        case "Sqrt": x.squareRoot()
        case "Reciprocal": 1 / x
        case "Exp": Foundation.exp(x)
        case "Log": Foundation.log(x)
        case "Floor": x.rounded(.down)
        case "Ceil": x.rounded(.up)
        case "Sign": x > 0 ? 1 : x < 0 ? -1 : 0
        default: max(x, 0)
        }
      })
  }

  private mutating func reduced(_ node: OperatorNode, _ tensor: DenseTensor) throws -> DenseTensor {
    let dims = try node.flag("keepdims", true) ? [Int](repeating: 1, count: tensor.dims.count) : []
    guard tensor.count > 0 else { throw Refusal("it reduces nothing") }
    if let values = tensor.integers {
      let result: Int64 =
        switch node.type {
        case "ReduceProd": values.reduce(1, &*)
        case "ReduceMax": values.max()!
        case "ReduceMin": values.min()!
        case "ReduceMean": values.reduce(0, &+) / Int64(values.count)
        default: values.reduce(0, &+)
        }
      return DenseTensor(dims, integers: [result])
    }
    let values = tensor.floats
    let result: Float =
      switch node.type {
      case "ReduceProd": values.reduce(1, *)
      case "ReduceMax": values.max()!
      case "ReduceMin": values.min()!
      case "ReduceMean": values.reduce(0, +) / Float(values.count)
      default: values.reduce(0, +)
      }
    return DenseTensor(dims, floats: [result])
  }

  private func cast(_ node: OperatorNode, _ tensor: DenseTensor) throws -> DenseTensor {
    switch Onnx_TensorProto.DataType(rawValue: try node.int("to", 0)) {
    case .float, .double: return DenseTensor(tensor.dims, floats: tensor.floats)
    case .float16: return DenseTensor(tensor.dims, floats: tensor.floats.map { Float(Float16($0)) })
    case .int64, .int32:
      if tensor.integers != nil { return tensor }
      return DenseTensor(tensor.dims, integers: tensor.floats.map { Int64(Double($0).clamped) })
    case .bool:
      if let values = tensor.integers { return DenseTensor(tensor.dims, integers: values.map { $0 == 0 ? 0 : 1 }) }
      return DenseTensor(tensor.dims, integers: tensor.floats.map { $0 == 0 ? 0 : 1 })
    default: throw Refusal("it casts a constant to a type that is not folded", "cast to float or int64")
    }
  }

  // MARK: Places

  private mutating func joined(_ node: OperatorNode, _ parts: [DenseTensor]) throws -> DenseTensor {
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

  private mutating func gathered(
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

  private mutating func sliced(_ node: OperatorNode, _ tensor: DenseTensor) throws -> DenseTensor {
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

  private mutating func transposed(_ node: OperatorNode, _ tensor: DenseTensor) throws -> DenseTensor {
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

  private mutating func expanded(_ tensor: DenseTensor, _ wanted: [Int]) throws -> DenseTensor {
    guard wanted.allSatisfy({ $0 >= 0 }), let dims = Self.broadcast(tensor.dims, wanted) else {
      throw Refusal("its shape does not fit")
    }
    try spend(dims)
    let places = expansion(tensor, dims)
    return tensor.gathered(dims) { places[$0] }
  }

  private mutating func chosen(_ given: [DenseTensor]) throws -> DenseTensor {
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

extension Double {
  /// Fit to become an integer: truncated, not a number as 0.
  fileprivate var clamped: Double { isNaN ? 0 : min(max(self, -0x1p62), 0x1p62).rounded(.towardZero) }
}
