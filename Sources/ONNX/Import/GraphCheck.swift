/// What holds for every graph whatever its operators: names are made once, and before they are read.
struct GraphCheck {
  /// Faults that a message names.
  private static let shownFaults = 8

  private let graph: Onnx_GraphProto
  private var faults: [String] = []

  /// Checks a graph.
  ///
  /// - Throws: ``ONNXError/invalidGraph(reason:)`` with all faults, up to some number.
  static func run(_ graph: Onnx_GraphProto) throws {
    var check = GraphCheck(graph: graph)
    check.names()
    check.attributes()
    check.order()
    guard check.faults.isEmpty else {
      let shown = check.faults.prefix(shownFaults).joined(separator: "; ")
      let more = check.faults.count > shownFaults ? "; and \(check.faults.count - shownFaults) more" : ""
      throw ONNXError.invalidGraph(reason: shown + more)
    }
  }

  private init(graph: Onnx_GraphProto) { self.graph = graph }

  private static func name(_ index: Int, _ node: Onnx_NodeProto) -> String {
    "node \(index) (\(ONNXError.shown(node.opType)) \(ONNXError.shown(node.name)))"
  }

  /// Inputs, initializers and the nodes' outputs have names of their own; an initializer may be an input's default.
  private mutating func names() {
    var inputs: Set<String> = []
    for input in graph.input where !inputs.insert(input.name).inserted {
      faults.append("two inputs are named \(ONNXError.shown(input.name))")
    }
    var initializers: Set<String> = []
    for tensor in graph.initializer where !initializers.insert(tensor.name).inserted {
      faults.append("two initializers are named \(ONNXError.shown(tensor.name))")
    }
    var made = inputs.union(initializers)
    for (index, node) in graph.node.enumerated() {
      for output in node.output where !output.isEmpty && !made.insert(output).inserted {
        faults.append("\(Self.name(index, node)) makes \(ONNXError.shown(output)) a second time")
      }
    }
    for output in graph.output where !made.contains(output.name) {
      faults.append("nothing makes its output \(ONNXError.shown(output.name))")
    }
  }

  private mutating func attributes() {
    for (index, node) in graph.node.enumerated() {
      var seen: Set<String> = []
      for attribute in node.attribute where !seen.insert(attribute.name).inserted {
        faults.append("\(Self.name(index, node)) has two attributes \(ONNXError.shown(attribute.name))")
      }
    }
  }

  /// Nodes read what stands before them.
  private mutating func order() {
    var maker: [String: Int] = [:]
    for (index, node) in graph.node.enumerated() {
      for output in node.output where !output.isEmpty && maker[output] == nil { maker[output] = index }
    }
    let given = Set(graph.input.map(\.name)).union(graph.initializer.map(\.name))
    var early: (reader: Int, name: String)?
    for (index, node) in graph.node.enumerated() {
      for operand in node.input where !operand.isEmpty && !given.contains(operand) {
        guard let source = maker[operand] else {
          faults.append("\(Self.name(index, node)) reads \(ONNXError.shown(operand)), which nothing makes")
          continue
        }
        if source >= index, early == nil { early = (index, operand) }
      }
    }
    guard let early else { return }
    let cycle = cycle(maker)
    guard cycle.isEmpty else {
      let shown = cycle.prefix(Self.shownFaults).map { Self.name($0, graph.node[$0]) }.joined(separator: ", ")
      faults.append("a result depends on itself: \(cycle.count) nodes are in or behind a cycle, among them \(shown)")
      return
    }
    faults.append(
      "its nodes are not in order: \(Self.name(early.reader, graph.node[early.reader])) stands before the node that makes "
        + ONNXError.shown(early.name))
  }

  /// The nodes that cannot be put in any order.
  private func cycle(_ maker: [String: Int]) -> [Int] {
    var readers = [[Int]](repeating: [], count: graph.node.count)
    var open = [Int](repeating: 0, count: graph.node.count)
    for (index, node) in graph.node.enumerated() {
      for source in Set(node.input.compactMap { maker[$0] }) {
        readers[source].append(index)
        open[index] += 1
      }
    }
    var ready = open.indices.filter { open[$0] == 0 }
    while let next = ready.popLast() {
      for reader in readers[next] {
        open[reader] -= 1
        if open[reader] == 0 { ready.append(reader) }
      }
    }
    return open.indices.filter { open[$0] > 0 }
  }
}
