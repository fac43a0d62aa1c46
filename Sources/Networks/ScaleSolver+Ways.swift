import Rings

/// Open tensors that one reader reaches on several ways, such as a part that a concatenation joins twice.
///
/// Each way may ask for a scale of its own, and a tensor is made with one. The finest is taken, channel by channel, and the
/// reader's scale raised to what that gives on the other ways.
extension ScaleSolver {
  /// Rounds in which scales that depend on each other have to meet.
  private static let rounds = 8

  /// The scale of an open region's root that is at least `wanted` and asks every tensor for one scale.
  ///
  /// - Returns: `wanted` itself where no tensor is reached twice, nil where there is no such scale.
  func settled(_ root: Int, _ wanted: [Double]) -> [Double]? {
    guard !severalWays.isEmpty else { return wanted }
    var wanted = wanted
    for _ in 0..<Self.rounds {
      guard let asked = asked(root, wanted), let made = made(root, asked) else { return nil }
      let isReached = zip(made, wanted).allSatisfy { $0 == $1 || ($0.isNaN && $1.isNaN) || abs($0 / $1 - 1) < 1e-12 }
      if isReached { return wanted }
      wanted = made
    }
    return nil
  }

  /// What every open tensor beneath a root is asked for, the finest of all ways.
  private func asked(_ root: Int, _ wanted: [Double]) -> [Int: [Double]]? {
    var result = [root: wanted]
    func ask(_ operand: Int, _ values: [Double]) -> Bool {
      guard scale[operand] == nil else { return true }
      guard let known = result[operand] else {
        result[operand] = values
        return true
      }
      for (a, b) in zip(known, values) where a * b < 0 { return false }
      result[operand] = zip(known, values).map { $0.isNaN || abs($1) > abs($0) ? $1 : $0 }
      return true
    }
    for index in stride(from: root, through: 1, by: -1) {
      guard let own = result[index] else { continue }
      let node = graph.nodes[index]
      var fits = true
      switch node.operation {
      case .averagePool, .globalAveragePool:
        let factor = poolFactor(node)
        fits = ask(node.inputs[0], own.map { $0 / factor })
      case .flatten, .reshape:
        let regrouping = Regrouping(from: shapes[index], to: shapes[node.inputs[0]])
        guard let beneath = regrouping.uniform(own) else { return nil }
        fits = ask(node.inputs[0], beneath)
      case .offset: fits = ask(node.inputs[0], own)
      case .subsamplePad(_, let before, let after):
        fits = ask(node.inputs[0], Array(own[before..<own.count - after]))
      case .add: fits = node.inputs.allSatisfy { ask($0, own) }
      case .concatenate:
        var first = 0
        for operand in node.inputs {
          let next = first + shapes[operand].channels
          fits = fits && ask(operand, Array(own[first..<next]))
          first = next
        }
      default: break
      }
      guard fits else { return nil }
    }
    return result
  }

  /// The root's scale when every tensor is made as it was asked for.
  private func made(_ root: Int, _ asked: [Int: [Double]]) -> [Double]? {
    var result: [Int: [Double]] = [:]
    for index in asked.keys.sorted() {
      let (node, own) = (graph.nodes[index], asked[index]!)
      switch node.operation {
      case .convolution, .linear: result[index] = own
      case .add:
        // What is stored is shifted to the other operand.
        let open = node.inputs.compactMap { result[$0] }
        result[index] = own.indices.map { channel in
          open.reduce(own[channel]) { abs($1[channel]) > abs($0) ? $1[channel] : $0 }
        }
      case .concatenate:
        var first = 0
        result[index] = node.inputs.flatMap { operand in
          defer { first += shapes[operand].channels }
          return result[operand] ?? Array(own[first..<first + shapes[operand].channels])
        }
      case .reshape:
        let regrouping = Regrouping(from: shapes[node.inputs[0]], to: shapes[index])
        guard let beneath = result[node.inputs[0]], let regrouped = regrouping.uniform(beneath) else { return nil }
        result[index] = regrouped
      case .subsamplePad(_, let before, let after):
        // Channels of zeros have the scale that they are asked for.
        guard let beneath = result[node.inputs[0]] else { return nil }
        result[index] = Array(own.prefix(before)) + beneath + Array(own.suffix(after))
      default:
        guard let beneath = result[node.inputs[0]] else { return nil }
        result[index] = forward(node, beneath)
      }
    }
    return result[root]
  }

  /// Why a reader of a tensor that it reaches on several ways is not planned; nil where it reaches none so.
  func refusalOfWays(_ root: Int) -> NetworksError? {
    var (seen, rest) = (Set<Int>(), [root])
    while let index = rest.popLast() {
      guard seen.insert(index).inserted else { continue }
      if severalWays.contains(index) {
        return .unsupportedNode(
          name: graph.nodes[index].name, operation: graph.nodes[index].operation.label,
          advice: "reaches one activation on two ways that ask for different scales; put an activation on one of them")
      }
      if scale[index] == nil { rest += graph.nodes[index].inputs }
    }
    return nil
  }
}
