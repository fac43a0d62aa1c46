import Networks

/// Removes layers that the output does not depend on, such as one that was asked for its shape only.
enum Pruning {
  static func prune(_ graph: Graph, _ parameters: Parameters, output: Int) -> (Graph, Parameters) {
    var used = [Bool](repeating: false, count: graph.nodes.count)
    used[0] = true
    used[output] = true
    for node in graph.nodes.reversed() where used[node.id] { for operand in node.inputs { used[operand] = true } }
    var result = graph
    result.nodes = []
    var place = [Int](repeating: 0, count: graph.nodes.count)
    var kept = Parameters()
    for node in graph.nodes where used[node.id] {
      place[node.id] = result.append(node.operation, name: node.name, from: node.inputs.map { place[$0] })
      for name in ParameterName.allCases { kept[place[node.id], name] = parameters[node.id, name] }
    }
    return (result, kept)
  }
}
