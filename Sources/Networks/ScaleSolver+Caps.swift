import Rings

extension ScaleSolver {
  /// What the activations and comparisons that will read a tensor through local steps ask of its scale, per channel.
  ///
  /// In networks whose layers read all earlier ones side by side, the first reader chooses a scale for all: it must leave room for
  /// what later readers multiply the tensor with, and make the tensor fine enough for those who compare it.
  struct ReaderDemand {
    /// No larger scale keeps every reader inside its word; infinite where nobody asks.
    var cap: [Double]
    /// Largest factor by which a comparison multiplies the values; zero where none reads.
    var gain: [Double]

    init(channels: Int) {
      cap = [Double](repeating: .infinity, count: channels)
      gain = [Double](repeating: 0, count: channels)
    }

    mutating func tighten(_ other: ReaderDemand) {
      for channel in cap.indices {
        cap[channel] = min(cap[channel], other.cap[channel])
        gain[channel] = max(gain[channel], other.gain[channel])
      }
    }

    /// The demand on an operand whose scale is multiplied by a factor on the way.
    func divided(by factor: Double) -> ReaderDemand {
      var result = self
      for channel in cap.indices {
        result.cap[channel] /= factor
        result.gain[channel] /= factor
      }
      return result
    }

    func capped(at largest: Double) -> ReaderDemand {
      var result = self
      for channel in cap.indices { result.cap[channel] = min(cap[channel], largest) }
      return result
    }

    func slice(_ range: Range<Int>) -> ReaderDemand {
      var result = self
      result.cap = Array(cap[range])
      result.gain = Array(gain[range])
      return result
    }
  }

  /// The largest scale of a part of a concatenation: what the weights before any other part can reach, and a bit. Parts that are
  /// much finer than others would have much finer results, and leave few bits to the weights behind those.
  private func partScale(_ operand: Int) -> Double {
    Scalar.power(options.activationBits + options.weightBits + 1 - units[operand])
  }

  /// Collects the demands on every tensor, readers first.
  mutating func findDemands() {
    demands = shapes.map { ReaderDemand(channels: $0.channels) }
    for node in graph.nodes.reversed() {
      let own = demands[node.id]
      switch node.operation {
      case .input, .batchNorm, .convolution, .linear: break
      case .x2act: demands[node.inputs[0]].tighten(demand(of: square[node.id]!))
      case .averagePool, .globalAveragePool:
        demands[node.inputs[0]].tighten(own.divided(by: poolFactor(node)))
      case .flatten: demands[node.inputs[0]].tighten(gathered(own, shapes[node.inputs[0]]))
      case .reshape: demands[node.inputs[0]].tighten(regrouped(own, shapes[node.id], shapes[node.inputs[0]]))
      case .offset: demands[node.inputs[0]].tighten(own)
      case .add: for operand in node.inputs { demands[operand].tighten(own) }
      case .concatenate:
        var first = 0
        for operand in node.inputs {
          let channels = shapes[operand].channels
          demands[operand].tighten(own.slice(first..<first + channels).capped(at: partScale(operand)))
          first += channels
        }
      case .subsamplePad(_, let before, _):
        demands[node.inputs[0]].tighten(own.slice(before..<before + shapes[node.inputs[0]].channels))
      default:
        let root = compared(by: node)
        demands[root].tighten(demand(of: node, reading: root))
      }
    }
  }

  private func regrouped(_ demand: ReaderDemand, _ shape: TensorShape, _ from: TensorShape) -> ReaderDemand {
    var result = ReaderDemand(channels: from.channels)
    let (area, size) = (shape.height * shape.width, from.height * from.width)
    for channel in demand.cap.indices {
      for source in channel * area / size...((channel + 1) * area - 1) / size {
        result.cap[source] = min(result.cap[source], demand.cap[channel])
        result.gain[source] = max(result.gain[source], demand.gain[channel])
      }
    }
    return result
  }

  private func gathered(_ demand: ReaderDemand, _ from: TensorShape) -> ReaderDemand {
    var result = ReaderDemand(channels: from.channels)
    let area = from.height * from.width
    for index in demand.cap.indices {
      let channel = index / area
      result.cap[channel] = min(result.cap[channel], demand.cap[index])
      result.gain[channel] = max(result.gain[channel], demand.gain[index])
    }
    return result
  }

  private func demand(of coefficients: SquareCoefficients) -> ReaderDemand {
    var result = ReaderDemand(channels: coefficients.a2.count)
    result.cap = coefficients.largestScales
    return result
  }

  /// Of a comparison: two bits of a word stay free, and where parties drop bits alone, the operand is small enough for its part of
  /// the failure budget, or loses few bits only.
  private func demand(of node: Node, reading root: Int) -> ReaderDemand {
    let affine = self.affine[node.id]
    let reach = affine?.reach ?? self.reach(node)
    var result = ReaderDemand(channels: reach.count)
    let turns = turnCap(root, affine)
    for channel in reach.indices {
      let gain = abs(affine?.gain[channel] ?? 1)
      result.gain[channel] = gain
      // Two bits more, by which the gains of shortcuts may spread.
      let least = Scalar.power(options.activationBits + Self.fewDroppedBits + 2 - units[node.id]) * gain
      result.cap[channel] = min(
        Scalar.power(60) / max(reach[channel], Scalar.power(units[node.id] - 20)), max(turns, least))
    }
    return result
  }

  /// The scale of a tensor at which flooring its shares apart takes a comparison's part of half the failure budget.
  private func turnCap(_ root: Int, _ affine: ComparisonAffine?) -> Double {
    if ringTruncation != .local { return .infinity }
    let comparisons = graph.nodes.count { $0.operation.isComparison }
    let turns = expectedTurns(root, [Double](repeating: 1, count: shapes[root].channels), affine)
    return options.failureBudget / max(turns * Double(2 * comparisons), 0x1p-200)
  }

  /// Whether a scale leaves room for everything that reads the tensor.
  func fitsReaders(of root: Int, _ wanted: [Double]) -> Bool {
    zip(wanted, demands[root].cap).allSatisfy { $0.isNaN || abs($0) < $1 }
  }
}
