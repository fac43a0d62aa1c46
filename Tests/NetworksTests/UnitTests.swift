import Networks
import Programs
import Rings
import Testing

/// Networks whose numbers are far from the size of one.
@Suite struct UnitTests {
  private static func convolution(_ channels: Int, _ kernel: Int = 3) -> Operation {
    .convolution(ConvolutionSpec(outChannels: channels, kernel: kernel, padding: kernel / 2))
  }

  /// Layers that each multiply the size of their results by a factor, and what lets factors pass between them; with a sum
  /// that its branch outgrows, and a concatenation of parts of different size.
  static func network(_ activation: Operation) -> Graph {
    var graph = Graph(
      name: "sizes", input: TensorShape(channels: 2, height: 9, width: 7), inputNormalization: .none(channels: 2))
    graph.append(convolution(4), name: "first")
    graph.append(activation, name: "first.act")
    graph.append(.maxPool(kernel: 3, stride: 2, padding: 1), name: "maxima")
    let short = graph.append(convolution(4), name: "second")
    let kept = graph.append(activation, name: "second.act", from: [short])
    let branch = graph.append(convolution(4), name: "third", from: [kept])
    let sum = graph.append(.add, name: "sum", from: [branch, kept])
    let grown = graph.append(activation, name: "sum.act", from: [sum])
    graph.append(.concatenate, name: "joined", from: [kept, grown])
    graph.append(.averagePool(kernel: 2, stride: 1, padding: 0), name: "means")
    graph.append(convolution(3, 1), name: "fourth")
    graph.append(activation, name: "fourth.act")
    graph.append(.globalAveragePool, name: "pool")
    graph.append(.linear(outFeatures: 4, bias: true), name: "fc")
    return graph
  }

  /// Parameters whose layers' results are `factor` times as large as tame ones' would be.
  static func parameters(_ graph: Graph, _ factor: Float, seed: UInt64) throws -> Parameters {
    var result = try Samples.tame(graph, seed: seed)
    var size: Float = 1
    for node in graph.nodes {
      switch node.operation {
      case .convolution, .linear:
        size *= factor
        result[node.id, .weight] = result[node.id, .weight].map { $0 * factor }
        result[node.id, .bias] = result[node.id, .bias].map { $0 * size }
      default: break
      }
    }
    return result
  }

  @Test(
    "Whatever the size of their numbers, networks are planned, and the twin is as near as at size one",
    arguments: [
      Operation.relu, .leakyRelu(shift: 3), .slopedRelu(numerator: 1, denominator: 100), .absolute, .x2act(X2actSpec()),
    ])
  func sizes(activation: Operation) throws {
    let isQuadratic = if case .x2act = activation { true } else { false }
    for factor in isQuadratic ? [Float(1)] : [0x1p-9, 0.03, 1, 40, 0x1p14, 0x1p20] {
      for truncation in RingTruncation.allCases {
        let graph = Self.network(activation)
        let parameters = try Self.parameters(graph, factor, seed: 3)
        let (folded, weights, planned, samples) = try Samples.plan(
          graph, parameters, options: PlannerOptions(ringTruncation: truncation))
        let executor = try FloatExecutor(graph: folded, parameters: weights)
        let twin = try Twin(planned.plan, planned.quantized)
        let bound = planned.details.last!.errorBound
        // Bits that are dropped locally have to be few, and weights pay for that.
        let limit = truncation == .local ? 0.06 : 0.01
        for sample in samples {
          let wanted = try executor.output(of: sample)
          let result = try twin.logits(normalized: sample)
          let (largest, scale) = Samples.difference(result.values, wanted)
          #expect(result.outOfRange == 0)
          #expect(largest <= bound && largest < limit * scale, "\(factor), \(truncation): \(largest / scale)")
        }
        // Only the data owner's reading of the output says how large its numbers are.
        let bits = planned.plan.input.outputFractionBits
        #expect(factor < 0x1p14 || bits < 0)
        #expect(planned.plan.program.steps.allSatisfy { $0.tensor.fractionBits >= 0 })
        #expect(try Plan.decode(json: planned.plan.canonicalBytes()) == planned.plan)
      }
    }
  }

  @Test("Numbers of ordinary size count in ones, as they always did")
  func ordinary() throws {
    let graph = Self.network(.relu)
    let (_, _, planned, _) = try Samples.plan(graph, try Samples.tame(graph, seed: 3))
    #expect(planned.plan.input.outputFractionBits == planned.plan.program.output.fractionBits)
  }

  @Test("An argmax of large scores tells the twin's label")
  func labels() throws {
    let graph = Self.network(.relu)
    for factor: Float in [0x1p-9, 0x1p16] {
      let parameters = try Self.parameters(graph, factor, seed: 5)
      let (folded, weights, planned, samples) = try Samples.plan(
        graph, parameters, options: PlannerOptions(ringTruncation: .faithful, reveals: .label))
      let executor = try FloatExecutor(graph: folded, parameters: weights)
      let twin = try Twin(planned.plan, planned.quantized)
      for sample in samples {
        let scores = try executor.output(of: sample)
        let result = try twin.result(normalized: sample)
        #expect(result.outOfRange == 0)
        #expect(scores[result.label] > scores.max()! - 0.02 * abs(scores.max()!))
      }
    }
  }

  @Test("A slope that is no power of two is multiplied by, exactly")
  func slopes() throws {
    for (numerator, denominator) in [(1, 100), (3, 10), (1, 2), (4095, 4096)] {
      var graph = Graph(
        name: "slope", input: TensorShape(channels: 2, height: 5, width: 5), inputNormalization: .none(channels: 2))
      graph.append(Self.convolution(3), name: "conv")
      graph.append(.slopedRelu(numerator: numerator, denominator: denominator), name: "act")
      graph.append(.maxPool(kernel: 2, stride: 2, padding: 0), name: "maxima")
      graph.append(Self.convolution(3), name: "last")
      _ = try Samples.expectAgreement(graph, try Samples.tame(graph, seed: UInt64(denominator)))
    }
    var graph = Graph(
      name: "slope", input: TensorShape(channels: 2, height: 5, width: 5), inputNormalization: .none(channels: 2))
    graph.append(.slopedRelu(numerator: 3, denominator: 3), name: "act")
    #expect(throws: NetworksError.self) { try graph.validate() }
  }
}
