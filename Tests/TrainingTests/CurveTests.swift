import Foundation
import Networks
import Rings
import Testing

@testable import Training

/// The same ten steps as PyTorch's, from the same start.
@Suite struct CurveTests {
  private struct Reference: Decodable {
    var losses: [Double]
    var w1: [Double]
    var mean: [Double]
    var variance: [Double]
  }

  /// Losses are float32 sums of thousands of products; ten steps of rate 0.1 carry their rounding on. A rule that was
  /// wrong in any digit that matters would part the curves in the second step.
  @Test func lossesFollowPyTorch() throws {
    let url = Bundle.module.url(forResource: "curve", withExtension: "json", subdirectory: "References")!
    let reference = try JSONDecoder().decode(Reference.self, from: Data(contentsOf: url))
    let graph = Builders.digits(activation: .x2act(X2actSpec(scale: 8)))
    func node(_ name: String) -> Int { graph.nodes.first { $0.name == name }!.id }
    var parameters = try Parameters.initialize(graph, seed: 1)
    for (salt, name) in ["conv1", "conv2", "fc"].enumerated() {
      let count = parameters[node(name), .weight].count
      let fanIn = [9, 144, 512][salt]
      parameters[node(name), .weight] = Wave.values(count, salt, (4 / Double(fanIn)).squareRoot())
    }
    let executor = try GraphExecutor(graph: graph, parameters: parameters, workers: Workers(threads: 2))
    var configuration = TrainingConfiguration(network: "digits", data: .digits)
    configuration.clipNorm = 1
    let optimizer = Optimizer(executor: executor, configuration: configuration)
    for (step, wanted) in reference.losses.enumerated() {
      let batch = Layout.tensor(Wave.values(16 * 64, 20 + step % 3, 1.5), [16, 1, 8, 8])
      let labels = (0..<16).map { (7 * $0 + 3 * (step % 3)) % 10 }
      let found = executor.differentiate(
        batch: batch, labels: labels, options: GraphExecutor.LossOptions(labelSmoothing: 0.1))
      #expect(abs(Double(found.loss) - wanted) < 2e-5 * Double(1 + step) * max(1, wanted), "step \(step)")
      _ = optimizer.step(rate: 0.1)
    }
    let after = executor.parameters
    for (name, wanted) in zip(["conv1.act", "conv2.act"], reference.w1) {
      #expect(abs(Double(after[node(name), .w1][0]) - wanted) < 1e-4)
    }
    for (found, wanted) in zip(after[node("conv1.bn"), .mean], reference.mean) {
      #expect(abs(Double(found) - wanted) < 1e-3)
    }
    for (found, wanted) in zip(after[node("conv2.bn"), .variance], reference.variance) {
      #expect(abs(Double(found) - wanted) < 1e-3 * max(1, wanted))
    }
  }
}
