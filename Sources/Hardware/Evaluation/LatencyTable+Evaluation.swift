public import Networks
import Rings

extension HardwareEvaluator {
  /// The table of a search over a network: every activation and every pooling between layers, with the latency of each choice.
  ///
  /// A layer's choices differ by what the whole network's latency changes by when that layer alone is changed, so under a flow,
  /// whose layers do not touch one another, the table's `fixedMilliseconds` and one choice a row sum up to the latency of the
  /// network so chosen. Under this project's own protocol layers share changes of ring and places in front of a maximum, and the
  /// sum is near.
  ///
  /// - Parameter graph: any choices; they do not change the table of a flow.
  /// - Throws: ``HardwareError``, `NetworksError`, `ProgramError`
  public func latencyTable(of graph: Graph) throws -> LatencyTable {
    let polynomial = graph.choosing { _, choices in choices.contains(.x2act) ? .x2act : .averagePool }
    let base = try evaluate(polynomial)
    let shapes = try polynomial.shapes()
    var fixed = base.total.latency
    var rows: [LatencyTable.Row] = []
    for node in polynomial.nodes {
      let choices = node.operation.latencyChoices
      guard let own = choices.last else { continue }
      let seconds = base.layers.filter { $0.name == node.name }.reduce(0) { $0 + $1.cost.latency }
      fixed -= seconds
      var row = LatencyTable.Row(
        layer: node.name,
        shape: [shapes[node.inputs[0]].channels, shapes[node.inputs[0]].height, shapes[node.inputs[0]].width],
        milliseconds: [own: seconds * 1e3])
      for choice in choices.dropLast() {
        let changed = polynomial.choosing { $0 == node.name ? choice : nil }
        row.milliseconds[choice] = (seconds + (try evaluate(changed).total.latency - base.total.latency)) * 1e3
      }
      rows.append(row)
    }
    return LatencyTable(
      network: graph.name, device: target.name, link: link.name, protocolName: mode.name, batch: batch,
      fixedMilliseconds: max(0, fixed * 1e3), rows: rows)
  }
}

extension Graph {
  /// The graph with other choices of activations and poolings.
  ///
  /// - Parameter choice: for a layer's name and its possible choices, the one to take; nil keeps the layer as it is.
  func choosing(_ choice: (String, [LatencyTable.Choice]) -> LatencyTable.Choice?) -> Graph {
    var graph = self
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      let choices = node.operation.latencyChoices
      guard !choices.isEmpty, let wanted = choice(node.name, choices) else { continue }
      graph.nodes[index].operation = node.operation.choosing(wanted)
    }
    return graph
  }

  /// The graph with other choices of activations and poolings, by layer; nil keeps a layer as it is. A choice that a layer does
  /// not have is ignored.
  public func choosing(_ choice: (String) -> LatencyTable.Choice?) -> Graph {
    choosing { name, choices in choice(name).flatMap { choices.contains($0) ? $0 : nil } }
  }
}

extension Operation {
  /// What a search may put in this layer's place, the cheaper one last; empty where it has no choice.
  var latencyChoices: [LatencyTable.Choice] {
    switch self {
    case .x2act, .relu, .leakyRelu, .slopedRelu, .clippedRelu, .clip, .absolute, .sign: [.relu, .x2act]
    case .maxPool, .averagePool: pooling!.taps >= 2 ? [.maxPool, .averagePool] : []
    default: []
    }
  }

  /// The layer as chosen, with its window; a comparison stays the one that it is.
  func choosing(_ choice: LatencyTable.Choice) -> Operation {
    switch (choice, self) {
    case (.x2act, .x2act): self
    case (.relu, .relu), (.relu, .leakyRelu), (.relu, .slopedRelu), (.relu, .clippedRelu), (.relu, .clip),
      (.relu, .absolute), (.relu, .sign):
      self
    case (.x2act, _): .x2act(X2actSpec())
    case (.relu, _): .relu
    case (.maxPool, .averagePool): .maximum(over: pooling!)
    // A window of a maximum holds a pixel of the picture, so it can be averaged either way.
    case (.averagePool, .maxPool): .average(over: AveragingWindow(pooling!, countsPadding: pooling!.isSquare))
    default: self
    }
  }
}
