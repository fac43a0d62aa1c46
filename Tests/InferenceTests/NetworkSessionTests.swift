import Inference
import Networks
import Programs
import Testing
import Transport

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
    let inputs = try (0..<2).map {
      try planned.plan.input.quantize(normalized: Benchmarks.randomSample(file.graph, seed: 40 + $0))
    }
    let model = try ModelOwnerModel(planned: planned, salt: file.salt)
    let outcome = try Duo(model: model).run(batches: [inputs], prepared: 1)
    try expect(outcome.results, planned, inputs)
  }

  @Test(
    "Two servers with shares give them too", arguments: ["densenet121-w0.125-d0.25:relu", "squeezenet-w0.25"],
    [HelloSource.dealer, .lattice])
  func serversAnswersAreTheTwins(name: String, source: HelloSource) throws {
    let file = try #require(try Benchmarks.model(name))
    let planned = try file.planned()
    let inputs = try (0..<2).map {
      try planned.plan.input.quantize(normalized: Benchmarks.randomSample(file.graph, seed: 50 + $0))
    }
    let (zero, one) = try ServerShareFile.split(planned)
    var servers = Servers(shares: (zero.share, one.share))
    servers.source = source
    try expect(try servers.run(batches: [inputs], prepared: 1).results, planned, inputs)
  }

  private func expect(_ results: [[Int64]], _ planned: PlannedModel, _ inputs: [[Int64]]) throws {
    let twin = try Twin(planned.plan, planned.quantized)
    #expect(results.count == inputs.count)
    for (input, result) in zip(inputs, results) {
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
