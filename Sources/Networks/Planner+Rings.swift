import Rings

extension Planner {
  /// The ring of every node's tensor: what an activation squares lives in F_p, what leads to the output in Z_2^64, and
  /// a linear or local step stays in one ring. Only an activation changes it.
  static func rings(of graph: Graph) throws -> [ModulusKind] {
    var result = [ModulusKind?](repeating: nil, count: graph.nodes.count)
    result[graph.nodes.count - 1] = .word
    for node in graph.nodes.reversed() {
      let ring = result[node.id] ?? .word
      result[node.id] = ring
      for operand in node.inputs {
        let wanted: ModulusKind = node.operation.isActivation ? .field : ring
        guard result[operand] == nil || result[operand] == wanted else {
          throw NetworksError.unsupportedNode(
            name: graph.nodes[operand].name, operation: graph.nodes[operand].operation.label,
            advice:
              "is read on the way to an activation and on the way to the output as well, which live in two rings; "
              + "put a linear layer and an activation on one of the two ways")
        }
        result[operand] = wanted
      }
    }
    return result.map { $0! }
  }

  /// Refuses what no step of a program can do.
  static func checkSupported(_ graph: Graph) throws {
    for node in graph.nodes {
      switch node.operation {
      case .relu:
        throw NetworksError.unsupportedNode(
          name: node.name, operation: "relu",
          advice: "needs the comparison protocol, which this version does not have; replace it by X2act")
      case .batchNorm:
        throw NetworksError.unsupportedNode(
          name: node.name, operation: "bn", advice: "must be folded before planning; call Folding.fold")
      default: break
      }
    }
  }
}
