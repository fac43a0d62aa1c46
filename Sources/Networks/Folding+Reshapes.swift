import Rings

/// Elements that change channels after activations whose channels have gains of their own.
extension Folding {
  /// The graph with a depthwise layer of ones in front of every reshape that mixes channels whose gains may differ: the
  /// planner's weights there make the gains equal. Where the nodes went is told for parameters.
  static func withEqualGains(_ graph: Graph) -> (graph: Graph, place: [Int], added: [Int]) {
    var result = graph
    result.nodes = []
    var (place, added) = ([Int](), [Int]())
    let shapes = try? graph.shapes()
    for node in graph.nodes {
      var inputs = node.inputs.map { place[$0] }
      if case .reshape(let shape) = node.operation, let from = shapes?[node.inputs[0]],
        mixes(from, shape), gainsDiffer(graph, node.inputs[0])
      {
        let spec = ConvolutionSpec(outChannels: from.channels, kernel: 1, groups: from.channels, bias: false)
        inputs = [result.append(.convolution(spec), name: node.name + ".gains", from: inputs)]
        added.append(inputs[0])
      }
      place.append(result.append(node.operation, name: node.name, from: inputs))
    }
    return (result, place, added)
  }

  /// The same with parameters.
  static func withEqualGains(_ graph: Graph, _ parameters: Parameters) -> (graph: Graph, parameters: Parameters) {
    let (equal, place, added) = withEqualGains(graph)
    guard !added.isEmpty else { return (graph, parameters) }
    var result = Parameters()
    for key in parameters.keys { result[place[key.node], key.name] = parameters[key.node, key.name] }
    for node in added {
      guard case .convolution(let spec) = equal.nodes[node].operation else { preconditionFailure() }
      result[node, .weight] = [Float](repeating: 1, count: spec.outChannels)
    }
    return (equal, result)
  }

  /// Whether a channel of the second shape has elements of several channels of the first.
  private static func mixes(_ from: TensorShape, _ to: TensorShape) -> Bool {
    from.channels > 1 && (from.height * from.width) % (to.height * to.width) != 0
  }

  /// Whether a tensor is an activation's with coefficients per channel, through local steps.
  private static func gainsDiffer(_ graph: Graph, _ index: Int) -> Bool {
    let node = graph.nodes[index]
    switch node.operation {
    case .x2act(let spec): return spec.perChannel
    case .averagePool, .globalAveragePool, .flatten, .reshape, .offset, .add, .subsamplePad:
      return node.inputs.contains { gainsDiffer(graph, $0) }
    default: return false
    }
  }
}
