import Networks
import Programs
import Rings
import Testing

@Suite struct PlannerTests {
  @Test(arguments: ["lenet", "resnet20", "digits"], [false, true])
  func benchmarkNetworksAgreeWithFloat(name: String, batchNorm: Bool) throws {
    let graph = try #require(Builders.named(name, batchNorm: batchNorm))
    let parameters = try Parameters.benchmarkPolynomial(graph, seed: 1)
    let (folded, weights, planned, samples) = try Samples.plan(graph, parameters, count: 2)
    let executor = try FloatExecutor(graph: folded, parameters: weights)
    let twin = try Twin(planned.plan, planned.quantized)
    let detail = try #require(planned.details.last)
    for sample in samples {
      let result = try twin.logits(normalized: sample)
      let (largest, scale) = Samples.difference(result.values, try executor.output(of: sample))
      print(name, largest, scale, detail.errorBound, detail.errorEstimate)
      #expect(result.outOfRange == 0)
      #expect(largest <= detail.errorBound)
      #expect(largest <= 5 * detail.errorEstimate)
    }
  }
}
