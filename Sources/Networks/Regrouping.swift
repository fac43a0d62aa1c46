import Rings

/// Values per channel of a tensor, for the channels that the same elements form under another shape.
struct Regrouping {
  private let from: TensorShape
  private let to: TensorShape

  /// Both shapes have as many elements.
  init(from: TensorShape, to: TensorShape) { (self.from, self.to) = (from, to) }

  /// Channels of the first shape of which each channel of the second has elements.
  private func sources(_ channel: Int) -> ClosedRange<Int> {
    let (area, size) = (from.height * from.width, to.height * to.width)
    return channel * size / area...((channel + 1) * size - 1) / area
  }

  /// The largest value of each channel.
  func largest(_ values: [Double]) -> [Double] {
    (0..<to.channels).map { sources($0).reduce(0) { max($0, values[$1]) } }
  }

  /// The value that all elements of a channel have, NaN fitting any; nil where they differ in one.
  func uniform(_ values: [Double]) -> [Double]? {
    var result: [Double] = []
    result.reserveCapacity(to.channels)
    for channel in 0..<to.channels {
      var found = Double.nan
      for source in sources(channel) where !values[source].isNaN {
        if found.isNaN { found = values[source] }
        guard abs(values[source] / found - 1) <= 1e-12 else { return nil }
      }
      result.append(found)
    }
    return result
  }
}

extension ScaleSolver {
  /// The scale of elements of another shape: their own, or, where elements of one channel had different ones, one for all that
  /// a diagonal step makes.
  mutating func storedReshape(_ node: Node, _ operand: [Double]) throws -> [Double] {
    let from = node.inputs[0]
    let regrouping = Regrouping(from: shapes[from], to: shapes[node.id])
    if let scale = regrouping.uniform(operand) {
      store(node.id, scale, label[from], masked[from])
      return scale
    }
    let scale = Self.geometricMean(operand)
    let wanted = [Double](repeating: scale, count: operand.count)
    let limits = Limits(weight: Self.largestWeight, quotient: Scalar.power(options.weightBits))
    guard masked[from], diagonalFits(wanted, operand, limits) else {
      throw NetworksError.unsupportedNode(
        name: node.name, operation: node.operation.label,
        advice: "makes channels of elements whose gains differ; put an activation before it")
    }
    let bits = bits(wanted, from)
    rescaled[Edge(consumer: node.id, slot: 0)] = (wanted, bits)
    let result = [Double](repeating: scale, count: shapes[node.id].channels)
    store(node.id, result, bits, false)
    return result
  }
}
