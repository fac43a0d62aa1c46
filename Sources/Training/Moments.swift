import Glibc
import Networks
import Rings

/// The quadratic that is closest to ReLU where its operand is Gaussian, in mean square: AutoReP's "distribution-aware
/// polynomial approximation" (H. Peng et al., 2023).
///
/// With mean `u` and *standard deviation* `v`, `e = exp(-u^2 / 2 v^2) / (2 sqrt(2 pi) v)`:
/// `c2 = e`, `c1 = 1 - erfc(u / (sqrt(2) v)) / 2 - 2 u e`, `c0 = (u^2 + v^2) e`. The authors' published code passes the
/// variance where the formula wants `v`.
public struct GaussianQuadratic: Hashable, Sendable {
  /// Coefficient of the square.
  public var square: Double
  /// Coefficient of the operand.
  public var linear: Double
  /// Constant.
  public var constant: Double

  /// The quadratic of a Gaussian; a deviation of zero is taken as 1e-3.
  public init(mean: Double, deviation: Double) {
    let v = max(deviation, 1e-3)
    let e = exp(-mean * mean / (2 * v * v)) / (2 * (2 * Double.pi).squareRoot() * v)
    square = e
    linear = 1 - erfc(mean / (2.0.squareRoot() * v)) / 2 - 2 * mean * e
    constant = (mean * mean + v * v) * e
  }
}

/// Running mean and variance of one operand, layer-wide or a channel at a time.
struct OperandMoments {
  private var sums: [(count: Double, first: Double, second: Double)] = []

  mutating func add(_ tensor: FloatTensor) {
    let stride = tensor.shape.channelStride
    if sums.isEmpty {
      sums = [(count: Double, first: Double, second: Double)](repeating: (0, 0, 0), count: tensor.shape.channels)
    }
    for channel in 0..<tensor.shape.channels {
      let x = tensor.pointer + channel * stride
      sums[channel].count += Double(stride)
      sums[channel].first += VectorSums.sum(x, stride)
      sums[channel].second += VectorSums.squares(x, center: 0, stride)
    }
  }

  /// Mean and variance of every channel.
  var channels: [(mean: Double, variance: Double)] {
    sums.map { sum in
      let mean = sum.first / sum.count
      return (mean, max(sum.second / sum.count - mean * mean, 0))
    }
  }

  /// One quadratic a channel, or one for all.
  func quadratics(perChannel: Bool) -> [GaussianQuadratic] {
    let groups = perChannel ? sums.map { [$0] } : [sums]
    return groups.map { group in
      let count = group.reduce(0) { $0 + $1.count }
      let mean = group.reduce(0) { $0 + $1.first } / count
      let variance = max(group.reduce(0) { $0 + $1.second } / count - mean * mean, 0)
      return GaussianQuadratic(mean: mean, deviation: variance.squareRoot())
    }
  }
}

extension Parameters {
  /// Sets every quadratic activation of `graph` to the one closest to ReLU under the moments of its operand, measured on
  /// batches that run through the same network with ReLU in their place. One that normalises its operand starts with the
  /// operand's own scale and place.
  mutating func setActivationsByMoments(
    of graph: Graph, clip: Float, batches: [FloatTensor], workers: Workers
  ) throws {
    let space = try SearchSpace(graph, clip: clip, pools: false)
    let twin = space.derive(keepsComparison: space.layers.map { _ in true })
    let executor = try GraphExecutor(
      graph: twin, parameters: SearchSpace.parameters(self, for: twin), workers: workers)
    let wanted = Set(space.layers.map(\.node))
    var moments: [Int: OperandMoments] = [:]
    for batch in batches {
      executor.visitOperands(batch: batch) { node, tensor in
        if wanted.contains(node) { moments[node, default: OperandMoments()].add(tensor) }
      }
    }
    let shapes = try graph.shapes()
    for (node, moments) in moments {
      guard case .x2act(let spec) = graph.nodes[node].operation else { continue }
      let quadratics = moments.quadratics(perChannel: spec.perChannel)
      let factor = Double(spec.squareFactor(elements: shapes[node].count))
      self[node, .w1] = quadratics.map { Float($0.square / factor) }
      self[node, .w2] = quadratics.map { Float($0.linear) }
      self[node, .b] = quadratics.map { Float($0.constant) }
      guard let epsilon = spec.normalizationEpsilon else { continue }
      let channels = moments.channels
      self[node, .mean] = channels.map { Float($0.mean) }
      self[node, .variance] = channels.map { Float($0.variance) }
      self[node, .beta] = channels.map { Float($0.mean) }
      self[node, .gamma] = channels.map { Float(($0.variance + Double(epsilon)).squareRoot()) }
    }
  }
}
