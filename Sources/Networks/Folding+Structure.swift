import Rings

extension Folding {
  /// What ``fold(_:_:)`` makes of a graph, without its numbers: for questions that need none, such as what it costs.
  ///
  /// - Throws: ``NetworksError`` where the graph is invalid.
  public static func structure(_ graph: Graph) throws -> Graph {
    try graph.validate()
    let graph = try forward(graph).graph
    let shapes = try graph.shapes()
    let readers = readers(of: graph)
    var entered: Set<Int> = []
    var folded = graph
    folded.nodes = []
    var place = [Int](repeating: 0, count: graph.nodes.count)
    for node in graph.nodes {
      let inputs = node.inputs.map { place[$0] }
      if case .x2act(let spec) = node.operation {
        let absorbs = spec.normalizationEpsilon != nil || entered.contains(node.id)
        place[node.id] = folded.append(.x2act(absorbs ? absorbing(spec) : spec), name: node.name, from: inputs)
        continue
      }
      guard case .batchNorm = node.operation else {
        place[node.id] = folded.append(node.operation, name: node.name, from: inputs)
        continue
      }
      let operand = node.inputs[0]
      if readers[operand].count == 1, let operation = withBias(graph.nodes[operand].operation) {
        place[node.id] = inputs[0]
        folded.nodes[inputs[0]].operation = operation
      } else if let activation = absorber(of: node, graph, readers) {
        place[node.id] = inputs[0]
        entered.insert(activation)
      } else {
        let channels = shapes[node.id].channels
        let spec = ConvolutionSpec(outChannels: channels, kernel: 1, groups: channels)
        place[node.id] = folded.append(.convolution(spec), name: node.name, from: inputs)
      }
    }
    return withOpenings(withEqualGains(poolingFirst(try joined(folded).graph)).graph).graph
  }
}
