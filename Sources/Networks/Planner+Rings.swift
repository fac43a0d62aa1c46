import Rings

extension Planner {
  /// The ring of every node's tensor: what an activation squares lives in F_p, what is compared or leads to the output in
  /// Z_2^64, and a linear or local step stays in one ring. Of a tensor that is read in both, its last reader's; the others
  /// read it through a change of ring.
  static func rings(of graph: Graph) -> [ModulusKind] {
    var result = [ModulusKind?](repeating: nil, count: graph.nodes.count)
    result[graph.nodes.count - 1] = .word
    for node in graph.nodes.reversed() {
      let ring = result[node.id] ?? .word
      result[node.id] = ring
      for operand in node.inputs { result[operand] = result[operand] ?? operandRing(node, ring) }
    }
    return result.map { $0! }
  }

  /// The ring in which a node reads its operands, its own tensor being in `ring`.
  static func operandRing(_ node: Node, _ ring: ModulusKind) -> ModulusKind {
    if case .x2act = node.operation { return .field }
    return node.operation.isComparison ? .word : ring
  }

  /// Refuses what no step of a program can do.
  static func checkSupported(_ graph: Graph) throws {
    for node in graph.nodes {
      guard case .batchNorm = node.operation else { continue }
      throw NetworksError.unsupportedNode(
        name: node.name, operation: "bn", advice: "must be folded before planning; call Folding.fold")
    }
  }
}
