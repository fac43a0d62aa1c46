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

  /// Layers that each add channels to all before them, as in DenseNet: every part is opened once.
  private func dense(_ activation: Operation) -> Graph {
    var graph = Graph(
      name: "dense", input: TensorShape(channels: 3, height: 6, width: 6), inputNormalization: .none(channels: 3))
    var features = graph.append(convolution(4, 3), name: "stem")
    var channels = 4
    for layer in 0..<3 {
      graph.append(.batchNorm(epsilon: 1e-5, momentum: 0.1), name: "layer\(layer).bn", from: [features])
      graph.append(activation, name: "layer\(layer).act")
      let new = graph.append(convolution(2, 3), name: "layer\(layer).conv")
      let left = graph.append(
        .subsamplePad(stride: 1, before: 0, after: 2), name: "layer\(layer).old", from: [features])
      let right = graph.append(
        .subsamplePad(stride: 1, before: channels, after: 0), name: "layer\(layer).new", from: [new])
      features = graph.append(.add, name: "layer\(layer).cat", from: [left, right])
      channels += 2
    }
    graph.append(.batchNorm(epsilon: 1e-5, momentum: 0.1), name: "last.bn", from: [features])
    graph.append(activation, name: "last.act")
    graph.append(.globalAveragePool, name: "pool")
    graph.append(.linear(outFeatures: 4, bias: true), name: "fc")
    return graph
  }

  /// Random parameters under which values neither grow nor vanish over many layers.
  private func tame(_ graph: Graph, seed: UInt64) throws -> Parameters {
    var result = Samples.disturb(try Parameters.initialize(graph, seed: seed), seed: seed + 20)
    let shapes = try graph.parameterShapes()
    for node in graph.nodes {
      switch node.operation {
      case .x2act(let spec):
        try result.setActivation(of: graph, node: node.id, square: 0.02, linear: 1, constant: 0.05)
        if spec.perChannel { result[node.id, .w1][0] *= -2 }
      case .convolution:
        // Quadratics nearly keep the mean square, ReLU halves it.
        let quadratic = graph.nodes.contains { if case .x2act = $0.operation { true } else { false } }
        let count = result[node.id, .weight].count
        let fanIn = count / shapes[ParameterKey(node.id, .weight)]![0]
        let deviation = ((quadratic ? 1 : 2) / Double(fanIn)).squareRoot()
        result[node.id, .weight] = Samples.normal(count, seed: seed + UInt64(node.id), deviation: deviation)
      default: break
      }
    }
    return result
  }

  private func expectAgreement(_ graph: Graph, seed: UInt64) throws -> PlannedModel {
    let parameters = try tame(graph, seed: seed)
    let (folded, weights, planned, samples) = try Samples.plan(graph, parameters)
    #expect(try Folding.structure(graph) == folded)
    try planned.plan.validate()
    let executor = try FloatExecutor(graph: folded, parameters: weights)
    let original = try FloatExecutor(graph: graph, parameters: parameters)
    let twin = try Twin(planned.plan, planned.quantized)
    for sample in samples {
      let wanted = try original.output(of: sample)
      let (folding, scale) = Samples.difference(try executor.output(of: sample).map(Double.init), wanted)
      #expect(folding < 1e-3 * max(scale, 1))
      let result = try twin.logits(normalized: sample)
      let (largest, _) = Samples.difference(result.values, wanted)
      #expect(result.outOfRange == 0)
      #expect(largest < 0.03 * max(scale, 0.2), "\(largest) of \(scale)")
    }
    return planned
  }

  private func openings(_ planned: PlannedModel) -> [String] {
    planned.plan.program.steps.map(\.name).filter { $0.hasSuffix(".open") }
  }

  @Test(arguments: [UInt64](1...4), activations) func linearBottlenecks(seed: UInt64, activation: Operation) throws {
    let planned = try expectAgreement(bottlenecks(activation), seed: seed)
    #expect(openings(planned) == ["first.open", "add0.open", "project1.open", "add2.open"])
  }

  @Test(arguments: [UInt64](1...4), activations) func concatenations(seed: UInt64, activation: Operation) throws {
    let planned = try expectAgreement(dense(activation), seed: seed)
    #expect(
      openings(planned) == ["stem.open", "layer0.conv.open", "layer1.conv.open", "layer2.conv.open"])
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
