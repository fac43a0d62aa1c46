/// A tensor of an ONNX file, of any rank, row-major. Floating-point types become float32, integers and booleans Int64.
public struct DenseTensor: Hashable, Sendable {
  /// The numbers.
  public enum Elements: Hashable, Sendable {
    /// From float, double, float16 and bfloat16.
    case floats([Float])
    /// From integers of 4 to 64 bits, and booleans.
    case integers([Int64])
  }

  /// Elements that one tensor may have.
  public static let maximumElements = 1 << 28
  /// Dimensions that one tensor may have.
  public static let maximumRank = 16

  /// Length of each dimension; empty for a scalar.
  public let dims: [Int]
  /// As many as the dimensions' product.
  public var elements: Elements

  /// Makes a tensor of floats.
  public init(_ dims: [Int], floats: [Float]) {
    precondition(floats.count == dims.reduce(1, *), "a tensor's elements are its dimensions' product")
    self.dims = dims
    elements = .floats(floats)
  }

  /// Makes a tensor of integers.
  public init(_ dims: [Int], integers: [Int64]) {
    precondition(integers.count == dims.reduce(1, *), "a tensor's elements are its dimensions' product")
    self.dims = dims
    elements = .integers(integers)
  }

  /// Number of elements.
  public var count: Int {
    switch elements {
    case .floats(let values): values.count
    case .integers(let values): values.count
    }
  }

  /// The elements as float32; integers above 2^24 are rounded.
  public var floats: [Float] {
    switch elements {
    case .floats(let values): values
    case .integers(let values): values.map { Float($0) }
    }
  }

  /// The elements as integers; nil for floats.
  var integers: [Int64]? {
    if case .integers(let values) = elements { values } else { nil }
  }

  /// The same elements under other dimensions of the same product.
  func reshaped(_ dims: [Int]) -> DenseTensor {
    switch elements {
    case .floats(let values): DenseTensor(dims, floats: values)
    case .integers(let values): DenseTensor(dims, integers: values)
    }
  }

  /// Elements picked by their index.
  func gathered(_ dims: [Int], _ index: (Int) -> Int) -> DenseTensor {
    let count = dims.reduce(1, *)
    switch elements {
    case .floats(let values): return DenseTensor(dims, floats: (0..<count).map { values[index($0)] })
    case .integers(let values): return DenseTensor(dims, integers: (0..<count).map { values[index($0)] })
    }
  }

  /// The product of dimensions that come from a file, or nil where one is negative or the product is too large.
  static func count(of dims: [Int]) -> Int? {
    guard dims.count <= maximumRank else { return nil }
    // A zero must not hide that the rest overflows an index.
    var product = 1
    for dim in dims where dim != 0 {
      guard dim > 0, dim <= maximumElements / product else { return nil }
      product *= dim
    }
    return dims.contains(0) ? 0 : product
  }

  /// Distances between neighbours of each dimension.
  static func strides(_ dims: [Int]) -> [Int] {
    var result = [Int](repeating: 1, count: dims.count)
    for axis in dims.indices.dropLast().reversed() { result[axis] = result[axis + 1] * dims[axis + 1] }
    return result
  }
}
