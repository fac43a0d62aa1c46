import Programs
import Rings
import Testing

@testable import Networks

/// Tensors that are read side by side: shapes, scales of parts of different origin, normalisation in front of activations.
@Suite struct ConcatenationTests {
  static let activations: [Operation] = [.x2act(X2actSpec(scale: 2, perChannel: true)), .relu]

  private static func convolution(_ channels: Int, _ kernel: Int = 1, stride: Int = 1) -> Operation {
    .convolution(ConvolutionSpec(outChannels: channels, kernel: kernel, stride: stride, padding: kernel / 2))
  }

  private static let normalization = Operation.batchNorm(epsilon: 1e-5, momentum: 0.1)

  /// A dense block, its concatenations written in one of three ways.
  private enum Form: CaseIterable { case flat, nested, sums }

  private static func dense(_ activation: Operation, _ form: Form) -> Graph {
    var graph = Graph(
      name: "dense", input: TensorShape(channels: 3, height: 6, width: 6), inputNormalization: .none(channels: 3))
    var features = graph.append(convolution(4, 3), name: "stem")
    var parts = [features]
    for layer in 0..<3 {
      graph.append(normalization, name: "layer\(layer).bn", from: [features])
      graph.append(activation, name: "layer\(layer).act")
      let new = graph.append(convolution(2, 3), name: "layer\(layer).conv")
      parts.append(new)
      switch form {
      case .flat: features = graph.append(.concatenate, name: "layer\(layer).cat", from: parts)
      case .nested: features = graph.append(.concatenate, name: "layer\(layer).cat", from: [features, new])
      case .sums:
        let left = graph.append(
          .subsamplePad(stride: 1, before: 0, after: 2), name: "layer\(layer).old", from: [features])
        let right = graph.append(
          .subsamplePad(stride: 1, before: 4 + 2 * layer, after: 0), name: "layer\(layer).new", from: [new])
        features = graph.append(.add, name: "layer\(layer).cat", from: [left, right])
      }
    }
    graph.append(normalization, name: "last.bn", from: [features])
    graph.append(activation, name: "last.act")
    graph.append(.globalAveragePool, name: "pool")
    graph.append(.linear(outFeatures: 4, bias: true), name: "fc")
    return graph
  }

  @Test(arguments: [UInt64](1...4), activations) func denseBlocks(seed: UInt64, activation: Operation) throws {
    for form in Form.allCases {
      let planned = try Samples.expectAgreement(
        Self.dense(activation, form), try Samples.tame(Self.dense(activation, form), seed: seed))
      let steps = planned.plan.program.steps
      #expect(!steps.contains { $0.name.hasSuffix(".open") || $0.name.hasSuffix(".bn") })
      #expect(steps.count { if case .concatenate = $0.operation { true } else { false } } == 3)
      #expect(!steps.contains { if case .subsamplePad = $0.operation { true } else { false } })
      #expect(planned.quantized.comparison.isEmpty == (activation != .relu))
    }
  }

  /// Sums of tensors among zeros, as graphs were written before, fold into the very graph that says it in one.
  @Test func sumsAreConcatenations() throws {
    for activation in Self.activations {
      #expect(
        try Folding.structure(Self.dense(activation, .sums)) == Folding.structure(Self.dense(activation, .nested)))
      #expect(try Folding.structure(Self.dense(activation, .sums)) == Folding.structure(Self.dense(activation, .flat)))
    }
    // Three parts by two sums, out of order, and one that overlaps and stays a sum.
    var graph = Graph(
      name: "three", input: TensorShape(channels: 2, height: 3, width: 3), inputNormalization: .none(channels: 2))
    let convolutions = (0..<3).map { graph.append(Self.convolution(2), name: "c\($0)", from: [0]) }
    let places = [(2, 2), (4, 0), (0, 4)].enumerated().map { number, place in
      graph.append(
        .subsamplePad(stride: 1, before: place.0, after: place.1), name: "p\(number)", from: [convolutions[number]])
    }
    let partial = graph.append(.add, name: "partial", from: [places[0], places[1]])
    let whole = graph.append(.add, name: "whole", from: [partial, places[2]])
    let overlapping = graph.append(.add, name: "overlapping", from: [whole, places[0]])
    graph.append(.relu, name: "relu", from: [overlapping])
    let folded = try Folding.structure(graph)
    let joined = try #require(folded.nodes.first { $0.name == "whole" })
    #expect(joined.operation == .concatenate)
    #expect(joined.inputs.map { folded.nodes[$0].name } == ["c2", "c0", "c1"])
    #expect(folded.nodes.contains { $0.name == "overlapping" && $0.operation == .add })
    #expect(!folded.nodes.contains { $0.name == "partial" })
    #expect(folded.nodes.contains { $0.name == "p0" })
  }

  /// Layers that read some of the tensors before them, in concatenations of two to four operands or of concatenations, with
  /// pooling and strides in between.
  static func random(seed: UInt64, _ activation: Operation) -> Graph {
    var generator = SeededGenerator(seed: seed)
    var graph = Graph(
      name: "random", input: TensorShape(channels: 2, height: 11, width: 8), inputNormalization: .none(channels: 2))
    graph.append(convolution(4, 3), name: "stem")
    if generator.next() % 2 == 0 {
      graph.append(activation, name: "stem.act")
      graph.append(.averagePool(kernel: 3, stride: 2, padding: 1), name: "stem.pool")
    }
    for block in 0..<2 {
      var parts = [graph.nodes.count - 1]
      for layer in 0..<Int.random(in: 2...4, using: &generator) {
        let name = "block\(block).layer\(layer)"
        // The newest is read by the next layer, others as it comes.
        let others = parts.dropLast().filter { _ in generator.next() % 3 > 0 }
        join(&graph, name + ".cat", others + [parts.last!], &generator)
        if generator.next() % 4 > 0 { graph.append(normalization, name: name + ".bn") }
        graph.append(activation, name: name + ".act")
        graph.append(convolution(Int.random(in: 1...3, using: &generator), 3), name: name + ".conv")
        parts.append(graph.nodes.count - 1)
      }
      join(&graph, "block\(block).all", parts, &generator)
      graph.append(normalization, name: "block\(block).bn")
      graph.append(activation, name: "block\(block).act")
      guard block == 0 else { break }
      if generator.next() % 2 == 0 {
        graph.append(convolution(4), name: "transition")
        graph.append(.averagePool(kernel: 2, stride: 2, padding: 0), name: "transition.pool")
      } else {
        graph.append(convolution(4, 3, stride: 2), name: "transition")
      }
    }
    graph.append(.globalAveragePool, name: "pool")
    graph.append(.linear(outFeatures: 4, bias: true), name: "fc")
    return graph
  }

  private static func join(
    _ graph: inout Graph, _ name: String, _ parts: [Int], _ generator: inout SeededGenerator
  ) {
    var operands = parts
    if operands.count > 2, generator.next() % 2 == 0 {
      let inner = graph.append(.concatenate, name: name + ".inner", from: Array(operands.prefix(2)))
      operands = [inner] + operands.dropFirst(2)
    }
    if operands.count > 1 {
      graph.append(.concatenate, name: name, from: operands)
    } else {
      // What follows reads the last node.
      graph.append(.subsamplePad(stride: 1, before: 0, after: 0), name: name, from: operands)
    }
  }

  @Test(arguments: [UInt64](1...24), activations) func randomGraphs(seed: UInt64, activation: Operation) throws {
    let graph = Self.random(seed: seed, activation)
    _ = try Samples.expectAgreement(graph, try Samples.tame(graph, seed: seed))
    if activation == .relu {
      _ = try Samples.expectAgreement(
        graph, try Samples.tame(graph, seed: seed), options: PlannerOptions(ringTruncation: .faithful))
    }
  }

  /// Channels that normalisation silences, that never cross zero, and that it turns around.
  @Test func normalizationOfAnySize() throws {
    var graph = Graph(
      name: "sizes", input: TensorShape(channels: 2, height: 7, width: 7), inputNormalization: .none(channels: 2))
    let parts = (0..<2).map { graph.append(Self.convolution(4, 3), name: "part\($0)", from: [0]) }
    graph.append(.concatenate, name: "joined", from: parts)
    graph.append(Self.normalization, name: "bn")
    graph.append(.relu, name: "act")
    graph.append(Self.convolution(4, 3), name: "head")
    var parameters = try Samples.tame(graph, seed: 5)
    let bn = 4
    #expect(graph.nodes[bn].name == "bn")
    parameters[bn, .gamma] = [1, -1, 0, 1e-6, 3, -0.01, 0.02, 2]
    parameters[bn, .beta] = [0.1, -0.1, 0.7, -0.4, -40, 5, -1, 0]
    let planned = try Samples.expectAgreement(graph, parameters)
    let layer = try #require(planned.quantized.comparison.values.first)
    #expect(layer.flips.contains(true) && layer.flips.contains(false))
    #expect(layer.offset.contains { $0 != 0 })
  }

  /// A part without an activation that a concatenation reads twice, as it is and through local steps.
  private static func twice(_ activation: Operation, _ way: Int, normalized: Bool) -> Graph {
    var graph = Graph(
      name: "twice", input: TensorShape(channels: 2, height: 7, width: 6), inputNormalization: .none(channels: 2))
    let kept = graph.append(activation, name: "kept", from: [graph.append(convolution(3, 3), name: "stem")])
    let part = graph.append(convolution(4, 3), name: "part", from: [kept])
    var again = part
    switch way {
    case 1: again = graph.append(.averagePool(kernel: 3, stride: 1, padding: 1), name: "mean", from: [part])
    case 2: again = graph.append(.subsamplePad(stride: 1, before: 1, after: 2), name: "zeros", from: [part])
    case 3:
      let other = graph.append(convolution(4), name: "other", from: [kept])
      again = graph.append(.add, name: "sum", from: [part, other])
    case 4: again = graph.append(.concatenate, name: "inner", from: [kept, part])
    default: break
    }
    let parts = way == 5 ? [part, kept, part, part] : [part, again]
    graph.append(.concatenate, name: "joined", from: parts)
    if normalized { graph.append(normalization, name: "bn") }
    graph.append(activation, name: "act")
    graph.append(convolution(3, 3), name: "last")
    graph.append(activation, name: "last.act")
    graph.append(.globalAveragePool, name: "pool")
    graph.append(.linear(outFeatures: 3, bias: true), name: "fc")
    return graph
  }

  @Test(
    arguments: 0...5, [Operation.relu, .leakyRelu(shift: 2), .clip(lower: -2, upper: 3), .x2act(X2actSpec(scale: 2))])
  func partsReadTwice(way: Int, activation: Operation) throws {
    for normalized in [false, true] {
      let graph = Self.twice(activation, way, normalized: normalized)
      let parameters = try Samples.tame(graph, seed: UInt64(way + 7))
      if way == 1, activation.label == "clip", !normalized {
        // Bounds are public, so what is clipped has one scale: a part and its mean, of a divisor of nine, have two.
        #expect { try Samples.plan(graph, parameters) } throws: {
          "\($0)".contains("on two ways that ask for different")
        }
        continue
      }
      for truncation in RingTruncation.allCases {
        let planned = try Samples.expectAgreement(
          graph, parameters, options: PlannerOptions(ringTruncation: truncation))
        // Only layers with weights, which a normalisation may be, ask for an opening.
        let isAbsorbed = !normalized || activation == .relu || activation == .x2act(X2actSpec(scale: 2))
        #expect(planned.plan.program.steps.contains { $0.name.hasSuffix(".open") } != isAbsorbed)
      }
    }
  }

  @Test func shapesAreChecked() throws {
    var graph = Graph(
      name: "shapes", input: TensorShape(channels: 2, height: 4, width: 4), inputNormalization: .none(channels: 2))
    let left = graph.append(Self.convolution(3), name: "left", from: [0])
    let right = graph.append(Self.convolution(2, 3, stride: 2), name: "right", from: [0])
    graph.append(.concatenate, name: "joined", from: [left, right])
    #expect(throws: NetworksError.self) { try graph.shapes() }
    graph.nodes[3].inputs = [left]
    #expect(throws: NetworksError.self) { try graph.shapes() }
    graph.nodes[3].inputs = [left, left, 0]
    #expect(try graph.shapes()[3] == TensorShape(channels: 8, height: 4, width: 4))
  }

  @Test(arguments: [ActivationChoice.x2act(X2actSpec(perChannel: true)), .relu]) func denseNet(
    activation: ActivationChoice
  )
    throws
  {
    let options = BuilderOptions(activation: activation, width: 0.125, depth: 0.25)
    let graph = try #require(Builders.named("densenet121", options: options))
    _ = try Samples.expectAgreement(graph, try Samples.tame(graph, seed: 3))
  }
}
