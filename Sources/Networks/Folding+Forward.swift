import Rings

/// Normalisations, and other affine maps per channel, that the layer behind them takes up.
extension Folding {
  /// The network without those batch normalisations that no layer before them takes up and whose only reader is a linear
  /// layer, behind a flattening or not, or a convolution that pads nothing: its weights are multiplied and its bias grows.
  ///
  /// - Parameter parameters: empty for the structure alone.
  static func forward(_ graph: Graph, _ parameters: Parameters = Parameters()) throws -> (
    graph: Graph, parameters: Parameters
  ) {
    var (graph, parameters) = (graph, parameters)
    while let (norm, reader) = forwardPair(of: graph) {
      guard case .batchNorm(let epsilon, _) = graph.nodes[norm].operation else { preconditionFailure() }
      if !parameters.values.isEmpty {
        let from = try graph.shapes()[graph.nodes[reader].inputs[0]]
        absorb(Affine(parameters, norm, epsilon), &parameters, reader, graph.nodes[reader].operation, from)
      }
      graph.nodes[reader].operation = withBias(graph.nodes[reader].operation)!
      (graph, parameters) = without(norm, graph, parameters)
    }
    return (graph, parameters)
  }

  /// A normalisation and the layer that takes it up.
  private static func forwardPair(of graph: Graph) -> (norm: Int, reader: Int)? {
    var readers = [[Int]](repeating: [], count: graph.nodes.count)
    for node in graph.nodes { for operand in node.inputs { readers[operand].append(node.id) } }
    for node in graph.nodes {
      guard case .batchNorm = node.operation, readers[node.id].count == 1 else { continue }
      let operand = node.inputs[0]
      if readers[operand].count == 1, withBias(graph.nodes[operand].operation) != nil { continue }
      var reader = readers[node.id][0]
      if case .flatten = graph.nodes[reader].operation, readers[reader].count == 1 { reader = readers[reader][0] }
      switch graph.nodes[reader].operation {
      case .linear: return (node.id, reader)
      case .convolution(let spec) where reader == readers[node.id][0]:
        let window = spec.window
        if window.padTop + window.padLeft + window.padBottom + window.padRight == 0 { return (node.id, reader) }
      default: break
      }
    }
    return nil
  }

  /// Multiplies the weights that read each channel, and adds to the bias what its offset makes there.
  private static func absorb(
    _ affine: Affine, _ parameters: inout Parameters, _ reader: Int, _ operation: Operation, _ from: TensorShape
  ) {
    var weight = parameters[reader, .weight]
    var groups = 1
    var outputs = 0
    switch operation {
    case .convolution(let spec): (groups, outputs) = (spec.groups, spec.outChannels)
    case .linear(let outFeatures, _): outputs = outFeatures
    default: preconditionFailure("\(operation.label) has no weights")
    }
    let width = from.channels / groups
    let taps = weight.count / (outputs * width)
    // A vector holds the channels of the picture that it was, one behind the other.
    let area = from.channels / affine.factors.count
    var bias = parameters[reader, .bias].map(Double.init)
    if bias.isEmpty { bias = [Double](repeating: 0, count: outputs) }
    for output in 0..<outputs {
      let first = output / (outputs / groups) * width
      for input in 0..<width {
        let channel = (first + input) / area
        let place = (output * width + input) * taps
        for index in place..<place + taps {
          bias[output] += Double(weight[index]) * affine.offsets[channel]
          weight[index] = Float(Double(weight[index]) * affine.factors[channel])
        }
      }
    }
    parameters[reader, .weight] = weight
    parameters[reader, .bias] = bias.map { Float($0) }
  }

  /// The graph without a node, whose reader reads its operand instead.
  private static func without(_ gone: Int, _ graph: Graph, _ parameters: Parameters) -> (Graph, Parameters) {
    var result = graph
    result.nodes = []
    var kept = Parameters()
    var place = [Int](repeating: 0, count: graph.nodes.count)
    for node in graph.nodes {
      if node.id == gone {
        place[gone] = place[node.inputs[0]]
        continue
      }
      place[node.id] = result.append(node.operation, name: node.name, from: node.inputs.map { place[$0] })
      for name in ParameterName.allCases { kept[place[node.id], name] = parameters[node.id, name] }
    }
    return (result, kept)
  }
}
