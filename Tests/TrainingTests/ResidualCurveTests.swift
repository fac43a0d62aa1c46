import Foundation
import Networks
import Rings
import Testing

@testable import Training

/// Ten steps of a residual network, the same as PyTorch's from the same start (References/residual.py): momentum, weight
/// decay, batch normalisation, range penalty, warm-up and cosine.
@Suite struct ResidualCurveTests {
  private struct Curve: Decodable {
    var losses: [[Double]]
    var rates: [Double]
    var logits: [[Double]]
  }

  private struct Reference: Decodable {
    var x2act: Curve
    var relu: Curve
  }

  private func batch(_ index: Int) -> FloatTensor {
    Layout.tensor(Wave.values(8 * 3 * 1024, 20 + index, 1.5), [8, 3, 32, 32])
  }

  /// Float32 rounding of 2^-24 a sum grows with every step, for the net is trained on it; a rule, a rate or a decay that
  /// was off by a thousandth would part the curves in the second or third step.
  @Test(arguments: [false, true]) func lossesFollowPyTorch(usesRelu: Bool) throws {
    let url = Bundle.module.url(forResource: "residual", withExtension: "json", subdirectory: "References")!
    let reference = try JSONDecoder().decode(Reference.self, from: Data(contentsOf: url))
    let curve = usesRelu ? reference.relu : reference.x2act
    var configuration = TrainingConfiguration(network: "resnet20-w0.25-d0.34", data: .cifar10)
    configuration.usesRelu = usesRelu
    configuration.activation = X2actSpec(scale: 8, perChannel: true)
    configuration.clipNorm = 0
    configuration.loss = GraphExecutor.LossOptions(rangeBound: 1.5, rangeWeight: 0.1)
    let graph = try configuration.makeGraph()
    var parameters = try Parameters.initialize(graph, seed: 1)
    let shapes = try graph.shapes()
    for (salt, node) in graph.nodes.filter({ !parameters[$0.id, .weight].isEmpty }).enumerated() {
      let count = parameters[node.id, .weight].count
      parameters[node.id, .weight] = Wave.values(
        count, salt, (4 * Double(shapes[node.id].channels) / Double(count)).squareRoot())
    }
    let executor = try GraphExecutor(graph: graph, parameters: parameters, workers: Workers(threads: 2))
    let optimizer = Optimizer(executor: executor, configuration: configuration)
    let schedule = CosineSchedule(peak: 0.05, final: 0.001, warmUpSteps: 2, steps: 10)
    for (step, wanted) in curve.losses.enumerated() {
      let found = executor.differentiate(
        batch: batch(step % 3), labels: (0..<8).map { (7 * $0 + 3 * (step % 3)) % 10 }, options: configuration.loss)
      let tolerance = 1e-5 * Double(1 + step * step)
      #expect(abs(Double(found.loss) - wanted[0]) < tolerance, "step \(step)")
      #expect(abs(Double(found.penalty) - wanted[1]) < tolerance, "step \(step)")
      let rate = schedule.rate(step: step)
      #expect(abs(Double(rate) - curve.rates[step]) < 1e-8)
      _ = optimizer.step(rate: rate)
    }
    for (found, wanted) in zip(executor.logits(batch: batch(0)), curve.logits) {
      for (a, b) in zip(found, wanted) { #expect(abs(Double(a) - b) < 5e-3) }
    }
  }
}
