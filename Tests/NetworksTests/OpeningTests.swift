import Networks
import Programs
import Rings
import Testing

/// Layers with weights that read one another's output: an identity opens what is between them.
@Suite struct OpeningTests {
  private static let activations: [Operation] = [.x2act(X2actSpec(scale: 2, perChannel: true)), .relu]

  private func convolution(_ channels: Int, _ kernel: Int = 1, stride: Int = 1, groups: Int = 1) -> Operation {
    .convolution(
      ConvolutionSpec(outChannels: channels, kernel: kernel, stride: stride, padding: kernel / 2, groups: groups))
  }

  /// Linear bottlenecks with and without a shortcut, as in MobileNetV2.
  private func bottlenecks(_ activation: Operation) -> Graph {
    var graph = Graph(
      name: "bottlenecks", input: TensorShape(channels: 2, height: 9, width: 7), inputNormalization: .none(channels: 2))
    graph.append(convolution(4, 3, stride: 2), name: "stem")
    graph.append(activation, name: "stem.act")
    graph.append(convolution(4), name: "first")
    for block in 0..<3 {
      let entry = graph.nodes.count - 1
      graph.append(convolution(8), name: "expand\(block)")
      graph.append(activation, name: "expand\(block).act")
      graph.append(convolution(8, 3, groups: 8), name: "depthwise\(block)")
      graph.append(activation, name: "depthwise\(block).act")
      let project = graph.append(convolution(4), name: "project\(block)")
      if block != 1 { graph.append(.add, name: "add\(block)", from: [project, entry]) }
    }
    graph.append(convolution(6), name: "head")
    graph.append(activation, name: "head.act")
    graph.append(.globalAveragePool, name: "pool")
    graph.append(.linear(outFeatures: 5, bias: true), name: "fc")
    return graph
  }

  private func tame(_ graph: Graph, seed: UInt64) throws -> Parameters { try Samples.tame(graph, seed: seed) }

  private func expectAgreement(_ graph: Graph, seed: UInt64) throws -> PlannedModel {
    try Samples.expectAgreement(graph, try tame(graph, seed: seed))
  }

  private func openings(_ planned: PlannedModel) -> [String] {
    planned.plan.program.steps.map(\.name).filter { $0.hasSuffix(".open") }
  }

  @Test(arguments: [UInt64](1...4), activations) func linearBottlenecks(seed: UInt64, activation: Operation) throws {
    let planned = try expectAgreement(bottlenecks(activation), seed: seed)
    #expect(openings(planned) == ["first.open", "add0.open", "project1.open", "add2.open"])
  }

  /// Parts of a concatenation that a layer with weights reads are opened once each, however many layers read them.
  @Test(arguments: [UInt64](1...3), activations) func parts(seed: UInt64, activation: Operation) throws {
    var graph = Graph(
      name: "parts", input: TensorShape(channels: 2, height: 6, width: 5), inputNormalization: .none(channels: 2))
    let first = graph.append(convolution(3, 3), name: "first")
    let second = graph.append(convolution(2), name: "second", from: [0])
    let joined = graph.append(.concatenate, name: "joined", from: [first, second])
    let third = graph.append(convolution(4, 3), name: "third")
    let all = graph.append(.concatenate, name: "all", from: [joined, third])
    graph.append(convolution(4), name: "head", from: [all])
    graph.append(activation, name: "head.act")
    graph.append(.globalAveragePool, name: "pool")
    graph.append(.linear(outFeatures: 3, bias: true), name: "fc")
    let planned = try expectAgreement(graph, seed: seed)
    #expect(openings(planned) == ["first.open", "second.open", "third.open"])
  }

  @Test(arguments: [false, true]) func mobileNetV2(relu: Bool) throws {
    let graph = try #require(
      Builders.named("mobilenetv2-w0.25-d0.34", activation: relu ? .relu : .x2act(X2actSpec())))
    let (folded, weights, planned, samples) = try Samples.plan(
      graph, try tame(graph, seed: 1), count: 1)
    let wanted = try FloatExecutor(graph: folded, parameters: weights).output(of: samples[0])
    let result = try Twin(planned.plan, planned.quantized).logits(normalized: samples[0])
    let (largest, scale) = Samples.difference(result.values, wanted)
    #expect(result.outOfRange == 0 && largest < 0.03 * scale, "\(largest) of \(scale)")
    #expect(openings(planned).count >= 7)
  }

  /// Nothing is opened where activations stand already.
  @Test func othersAreLeftAlone() throws {
    for name in ["resnet20", "resnet50-w0.25", "vgg16-w0.25", "lenet"] {
      let graph = try #require(Builders.named(name))
      #expect(try !Folding.structure(graph).nodes.contains { $0.name.hasSuffix(".open") })
    }
  }
}
