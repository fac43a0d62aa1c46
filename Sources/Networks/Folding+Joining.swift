import Rings

/// Concatenations in one form: those that were written as sums of tensors among channels of zeros, before graphs had an
/// operation for them, and those of other concatenations, whose parts then are parts like the others.
extension Folding {
  /// A tensor that takes some channels of a larger one.
  private struct Piece {
    var source: Int
    var channels: Range<Int>
  }

  /// The graph with concatenations of what is none, and where its nodes went; nil for those that nothing reads any more.
  static func joined(_ graph: Graph) throws -> (graph: Graph, place: [Int?]) {
    let shapes = try graph.shapes()
    var pieces: [Int: [Piece]] = [:]
    var changed = graph
    for node in graph.nodes {
      switch node.operation {
      case .subsamplePad(stride: 1, let before, let after) where before + after > 0:
        let operand = node.inputs[0]
        let inner = pieces[operand] ?? [Piece(source: operand, channels: 0..<shapes[operand].channels)]
        pieces[node.id] = inner.map {
          Piece(source: $0.source, channels: $0.channels.lowerBound + before..<$0.channels.upperBound + before)
        }
      case .add:
        guard let left = pieces[node.inputs[0]], let right = pieces[node.inputs[1]] else { continue }
        let both = (left + right).sorted { $0.channels.lowerBound < $1.channels.lowerBound }
        guard zip(both, both.dropFirst()).allSatisfy({ $0.channels.upperBound <= $1.channels.lowerBound }) else {
          continue
        }
        if both.reduce(0, { $0 + $1.channels.count }) == shapes[node.id].channels {
          changed.nodes[node.id].operation = .concatenate
          changed.nodes[node.id].inputs = flat(both.map(\.source), changed)
        } else {
          pieces[node.id] = both
        }
      case .concatenate: changed.nodes[node.id].inputs = flat(node.inputs, changed)
      default: break
      }
    }
    return withoutUnread(changed)
  }

  private static func flat(_ operands: [Int], _ graph: Graph) -> [Int] {
    operands.flatMap { graph.nodes[$0].operation == .concatenate ? graph.nodes[$0].inputs : [$0] }
  }

  private static func withoutUnread(_ graph: Graph) -> (graph: Graph, place: [Int?]) {
    var isRead = [Bool](repeating: false, count: graph.nodes.count)
    isRead[0] = true
    isRead[graph.nodes.count - 1] = true
    for node in graph.nodes.reversed() where isRead[node.id] { for operand in node.inputs { isRead[operand] = true } }
    var result = graph
    result.nodes = []
    var place = [Int?](repeating: nil, count: graph.nodes.count)
    for node in graph.nodes where isRead[node.id] {
      place[node.id] = result.append(node.operation, name: node.name, from: node.inputs.map { place[$0]! })
    }
    return (result, place)
  }

  /// The same with parameters.
  static func joined(_ graph: Graph, _ parameters: Parameters) throws -> (graph: Graph, parameters: Parameters) {
    let (joined, place) = try joined(graph)
    var result = Parameters()
    for key in parameters.keys {
      if let node = place[key.node] { result[node, key.name] = parameters[key.node, key.name] }
    }
    return (joined, result)
  }
}
