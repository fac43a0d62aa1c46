import Rings

extension ScaleSolver {
  /// Channels of a tensor whose scale is free, or known up to a power of two.
  struct Part {
    /// The channels.
    var channels: Range<Int>
    /// Their scale, which exact left shifts may raise; nil where steps with weights beneath can make any.
    var known: [Double]?
  }

  /// The parts that a tensor is joined of, seen through pooling and flattening; one where nothing is joined.
  ///
  /// Scales of everything stored beneath must be known (``prepareOperands(_:_:)``).
  func parts(of index: Int) -> [Part] {
    let node = graph.nodes[index]
    let channels = shapes[index].channels
    if let known = scale[index] { return [Part(channels: 0..<channels, known: known)] }
    switch node.operation {
    case .concatenate:
      var first = 0
      return node.inputs.flatMap { operand in
        defer { first += shapes[operand].channels }
        return parts(of: operand).map {
          Part(channels: $0.channels.lowerBound + first..<$0.channels.upperBound + first, known: $0.known)
        }
      }
    case .averagePool, .globalAveragePool:
      let factor = poolFactor(node)
      return parts(of: node.inputs[0]).map { part in
        Part(channels: part.channels, known: part.known.map { $0.map { $0 * factor } })
      }
    case .offset: return parts(of: node.inputs[0])
    case .flatten:
      let area = channels / shapes[node.inputs[0]].channels
      return parts(of: node.inputs[0]).map { part in
        Part(
          channels: part.channels.lowerBound * area..<part.channels.upperBound * area,
          known: part.known.map { $0.flatMap { [Double](repeating: $0, count: area) } })
      }
    case .add: return [Part(channels: 0..<channels, known: forcedScales(index).first?.scale)]
    default: return [Part(channels: 0..<channels, known: nil)]
    }
  }

  /// Whether a tensor is joined of parts of which some have a scale already: then all of them have to meet.
  func isJoined(_ parts: [Part]) -> Bool { parts.count > 1 && parts.contains { $0.known != nil } }

  /// A scale that is at least `least` in every channel: parts that are known are shifted as little as that takes, others get it.
  ///
  /// - Returns: nil where a shift would be too large.
  func joined(_ parts: [Part], atLeast least: [Double]) -> [Double]? {
    var result = least
    for part in parts {
      guard let known = part.known else { continue }
      let quotients = zip(part.channels, known).map { $1.isNaN ? 0 : least[$0] / abs($1) }
      let shift = max(0, Int((Scalar.log2(max(quotients.max() ?? 0, 1)) - 1e-9).rounded(.up)))
      guard shift <= Self.largestShift else { return nil }
      for (channel, value) in zip(part.channels, known) where !value.isNaN {
        result[channel] = value * Scalar.power(shift)
      }
    }
    return result
  }

  /// Gives the parts of a concatenation their shares of its scale.
  mutating func assignJoined(_ node: Node, _ wanted: [Double], _ bits: Int?, _ limits: Limits) -> Bool {
    var (first, isMasked) = (0, true)
    var aligned = [Int](repeating: 0, count: node.inputs.count)
    for (slot, operand) in node.inputs.enumerated() {
      let slice = Array(wanted[first..<first + shapes[operand].channels])
      first += slice.count
      isMasked = isMasked && masked[operand]
      guard let known = scale[operand] else {
        guard assign(operand, slice, bits, limits) else { return false }
        continue
      }
      if let shift = Self.powerOfTwo(slice, over: known), (0...Self.largestShift).contains(shift) {
        aligned[slot] = shift
      } else {
        guard masked[operand], diagonalFits(slice, known, limits) else { return false }
        if let bits { rescaled[Edge(consumer: node.id, slot: slot)] = (slice, bits) }
      }
    }
    guard bits != nil else { return true }
    shifts[node.id] = aligned
    masked[node.id] = isMasked
    return true
  }
}
