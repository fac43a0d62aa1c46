import Foundation
import Networks

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
  mutating func spend(_ dims: [Int]) throws {
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
  func expansion(_ tensor: DenseTensor, _ dims: [Int]) -> [Int] {
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
}

extension Double {
  /// Fit to become an integer: truncated, not a number as 0.
  fileprivate var clamped: Double { isNaN ? 0 : min(max(self, -0x1p62), 0x1p62).rounded(.towardZero) }
}
