import Rings

/// Normalisations that ReLU takes up.
///
/// `relu(g x + h)` is `g [g (x + h/g) >= 0] (x + h/g)`: the model owner alone adds `h/g` before the comparison and turns the
/// comparison's bit where `g` is negative; `g` becomes part of the result's scale. Nothing of it is seen by the data owner, no
/// message changes, and the tensor `x` may be one that no layer with weights could read.
extension Folding {
  /// The steps of one weight a channel that are part of the comparison behind them: those that read a tensor made by layers
  /// with weights through local steps, and are read by a ReLU alone. Of a folded graph, openings included.
  static func absorbed(in graph: Graph) throws -> Set<Int> {
    let (readers, open, shapes) = (readers(of: graph), open(graph), try graph.shapes())
    return Set(
      graph.nodes.filter { node in
        hasWeights(node) && open[node.inputs[0]] && isAbsorbable(node, graph, shapes, readers)
      }.map(\.id))
  }

  /// Whether a node has one weight and bias a channel, and a ReLU for its only reader.
  static func isAbsorbable(_ node: Node, _ graph: Graph, _ shapes: [TensorShape], _ readers: [[Int]]) -> Bool {
    guard case .convolution(let spec) = node.operation, readers[node.id].count == 1,
      graph.nodes[readers[node.id][0]].operation == .relu
    else { return false }
    let channels = shapes[node.inputs[0]].channels
    return spec.groups == channels && spec.outChannels == channels
      && spec.window == ConvolutionWindow(kernel: 1, stride: 1, padding: 0)
  }
}
