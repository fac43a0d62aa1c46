import Inference
import Networks
import Programs
import Testing

/// Networks of the published architectures, thinned and shortened, planned and run by two parties alone: the answers are those
/// of the plan's arithmetic in plaintext, and so are the labels.
@Suite("Sessions with published architectures, scaled down")
struct NetworkSessionTests {
  @Test(
    "Residual blocks, fire modules, linear bottlenecks and plain layers, with either activation",
    arguments: [
      "resnet50-w0.125-d0.34", "squeezenet-w0.25", "mobilenetv2-w0.25-d0.34", "vgg16-w0.125",
      "densenet121-w0.125-d0.25",
    ],
    ["", ":relu"])
  func answersAreTheTwins(name: String, activation: String) throws {
    let file = try #require(try Benchmarks.model(name + activation))
    let planned = try file.planned()
    #expect(planned.plan.program.comparisonSteps.isEmpty == activation.isEmpty)
    let twin = try Twin(planned.plan, planned.quantized)
    let inputs = try (0..<2).map {
      try planned.plan.input.quantize(normalized: Benchmarks.randomSample(file.graph, seed: 40 + $0))
    }
    let model = try ModelOwnerModel(planned: planned, salt: file.salt)
    let outcome = try Duo(model: model).run(batches: [inputs], prepared: 1)
    #expect(outcome.results.count == 2)
    for (input, result) in zip(inputs, outcome.results) {
      let expected = try twin.run(input)
      #expect(expected.outOfRange == 0)
      let largest = expected.output.map(abs).max()!
      #expect(largest >= 512, "the example says nothing if its results are small")
      let worst = zip(result, expected.output).map { abs($0 - $1) }.max()!
      #expect(worst <= largest / 64, "off by \(worst), largest result \(largest)")
      #expect(planned.plan.result(of: result).label == planned.plan.result(of: expected.output).label)
    }
  }
}
