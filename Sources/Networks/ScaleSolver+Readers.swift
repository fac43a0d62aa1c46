import Rings

extension ScaleSolver {
  /// How much larger the operands of activations can be that read open tensors beneath a root beside it, as in networks whose
  /// layers read all earlier ones side by side: the first of them chooses a scale for all, and must leave room.
  ///
  /// - Returns: a factor of the root's scale, a power of two of at least one; one where nobody else reads what is open.
  func roomForReaders(of root: Int) -> Double {
    let own = Double(calibration.nodes[root].largest)
    let largest = readers(of: root).reduce(own) { max($0, Double(calibration.nodes[$1.operand].largest) * $1.factor) }
    guard largest > own, own > 0 else { return 1 }
    return Scalar.power(Int(Scalar.log2(largest / own).rounded(.up)))
  }

  /// Operands of activations and comparisons that open tensors reach through local steps, and what pooling multiplies their scale by.
  private func readers(of root: Int) -> [(operand: Int, factor: Double)] {
    // Operands precede their readers: one way down collects what is open, one way up what it reaches.
    var isOpenBeneath = [Bool](repeating: false, count: graph.nodes.count)
    isOpenBeneath[root] = true
    for index in stride(from: root, through: 0, by: -1) where isOpenBeneath[index] {
      switch graph.nodes[index].operation {
      case .convolution, .linear: break
      default: for operand in graph.nodes[index].inputs where isOpen(operand) { isOpenBeneath[operand] = true }
      }
    }
    var factor = isOpenBeneath.map { $0 ? 1.0 : nil }
    var found: [(operand: Int, factor: Double)] = []
    for node in graph.nodes {
      let reached = node.inputs.compactMap { operand in factor[operand].map { (operand, $0) } }
      guard let (operand, largest) = reached.max(by: { $0.1 < $1.1 }) else { continue }
      switch node.operation {
      case .add, .subsamplePad, .flatten, .reshape, .offset: factor[node.id] = factor[node.id] ?? largest
      case .averagePool, .globalAveragePool: factor[node.id] = factor[node.id] ?? largest * poolFactor(node)
      case .convolution, .linear, .input, .batchNorm: break
      default: if operand != root { found.append((operand, largest)) }
      }
    }
    return found
  }
}
