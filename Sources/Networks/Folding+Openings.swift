import Rings

/// Puts an opening between two layers with weights.
///
/// A layer with weights reads a tensor of which the model owner knows a masked copy, at a scale of its own: what another
/// layer with weights has made is neither masked nor truncated. An activation does both (Protocols/x2act), so the identity
/// `0 x^2 + x` is put where a network has none: behind MobileNetV2's linear bottlenecks, or behind the parts of a
/// concatenation that a layer with weights reads. A normalisation between open tensors and ReLU alone needs none: it becomes
/// part of the comparison (``Folding/absorbed(in:)``).
extension Folding {
  /// The graph with openings, and where its nodes went.
  static func withOpenings(_ graph: Graph) -> (graph: Graph, place: [Int]) {
    let marked = openings(of: graph)
    var result = graph
    result.nodes = []
    var place = [Int](repeating: 0, count: graph.nodes.count)
    var readable = place
    for node in graph.nodes {
      place[node.id] = result.append(node.operation, name: node.name, from: node.inputs.map { readable[$0] })
      readable[node.id] = place[node.id]
      if marked.contains(node.id) {
        readable[node.id] = result.append(.x2act(X2actSpec()), name: node.name + ".open", from: [place[node.id]])
      }
    }
    return (result, place)
  }

  /// The same with parameters.
  static func withOpenings(_ graph: Graph, _ parameters: Parameters) -> (graph: Graph, parameters: Parameters) {
    let (opened, place) = withOpenings(graph)
    guard opened.nodes.count > graph.nodes.count else { return (graph, parameters) }
    var result = Parameters()
    for key in parameters.keys { result[place[key.node], key.name] = parameters[key.node, key.name] }
    let known = Set(place)
    for node in opened.nodes where !known.contains(node.id) {
      (result[node.id, .w1], result[node.id, .w2], result[node.id, .b]) = ([0], [1], [0])
    }
    return (opened, result)
  }

  /// The nodes behind which an opening is needed, so that no layer with weights reads what another has made.
  static func openings(of graph: Graph) -> Set<Int> {
    let readers = readers(of: graph)
    let shapes = try? graph.shapes()
    var marked: Set<Int> = []
    while true {
      let open = open(graph, marked)
      let before = marked.count
      for node in graph.nodes where hasWeights(node) && open[node.inputs[0]] {
        if let shapes, isAbsorbable(node, graph, shapes, readers) { continue }
        mark(node.inputs[0], graph, open, &marked)
      }
      if marked.count == before { return marked }
    }
  }

  static func hasWeights(_ node: Node) -> Bool {
    switch node.operation {
    case .convolution, .linear: true
    default: false
    }
  }

  /// Whether each tensor is made by a layer with weights, through local steps only, and has no opening behind it.
  static func open(_ graph: Graph, _ marked: Set<Int> = []) -> [Bool] {
    var result = [Bool](repeating: false, count: graph.nodes.count)
    for node in graph.nodes where !marked.contains(node.id) {
      switch node.operation {
      case .convolution, .linear: result[node.id] = true
      case .averagePool, .globalAveragePool, .flatten, .reshape, .add, .concatenate, .offset, .subsamplePad:
        result[node.id] = node.inputs.contains { result[$0] }
      default: break
      }
    }
    return result
  }

  /// Marks a tensor, or the parts that it is put together of: each part is then opened once, however many concatenations
  /// read it.
  private static func mark(
    _ index: Int, _ graph: Graph, _ open: [Bool], _ marked: inout Set<Int>
  ) {
    let node = graph.nodes[index]
    switch node.operation {
    case .flatten, .reshape, .subsamplePad(stride: 1, before: _, after: _):
      mark(node.inputs[0], graph, open, &marked)
    case .concatenate:
      for operand in node.inputs where open[operand] { mark(operand, graph, open, &marked) }
    default: marked.insert(index)
    }
  }
}
