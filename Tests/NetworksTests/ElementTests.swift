import Programs
import Rings
import Testing

@testable import Networks

@Suite("Constants per element, and elements under other shapes")
struct ElementTests {
  private static func convolution(_ channels: Int, padding: Int = 0) -> Operation {
    .convolution(ConvolutionSpec(outChannels: channels, kernel: 3, padding: padding))
  }

  /// Constants of the input, of a linear output and of an activation's result, and a picture of other channels.
  private static func network(_ activation: Operation) -> Graph {
    var graph = Graph(
      name: "elements", input: TensorShape(channels: 2, height: 6, width: 7), inputNormalization: .none(channels: 2))
    graph.append(.offset, name: "mean")
    graph.append(convolution(4, padding: 1), name: "conv1")
    graph.append(.offset, name: "bias1")
    let first = graph.append(activation, name: "act1")
    graph.append(.offset, name: "bias2")
    graph.append(.reshape(TensorShape(channels: 7, height: 4, width: 6)), name: "regrouped")
    graph.append(convolution(4, padding: 1), name: "conv2")
    let branch = graph.append(.reshape(TensorShape(channels: 4, height: 4, width: 6)), name: "same")
    graph.append(convolution(4), name: "short", from: [first])
    graph.append(.reshape(TensorShape(channels: 4, height: 4, width: 5)), name: "same2")
    graph.append(activation, name: "act2")
    graph.append(.globalAveragePool, name: "pool2")
    graph.append(.offset, name: "bias3")
    let pooled = graph.append(.linear(outFeatures: 5, bias: true), name: "fc1")
    graph.append(activation, name: "act3", from: [branch])
    graph.append(.flatten, name: "flatten")
    let flat = graph.append(.linear(outFeatures: 5, bias: true), name: "fc2")
    graph.append(.add, name: "add", from: [pooled, flat])
    graph.append(.offset, name: "bias4")
    return graph
  }

  static let activations: [Operation] = [.relu, .x2act(X2actSpec(perChannel: true)), .x2act(X2actSpec(scale: 2))]

  @Test("Twin and float network agree", arguments: 0..<3, 1..<5 as Range<UInt64>)
  func plans(index: Int, seed: UInt64) throws {
    let graph = Self.network(Self.activations[index])
    let parameters = Samples.disturb(try Parameters.initialize(graph, seed: seed), seed: seed + 1)
    let (folded, trained, planned, samples) = try Samples.plan(graph, parameters)
    try planned.plan.validate()
    #expect(planned.plan.program.offsetSteps.count == 5)
    #expect(try Plan.decode(json: planned.plan.canonicalBytes()) == planned.plan)
    let twin = try Twin(planned.plan, planned.quantized)
    let executor = try FloatExecutor(graph: folded, parameters: trained)
    for sample in samples {
      let found = try twin.logits(normalized: sample)
      let (largest, scale) = Samples.difference(found.values, try executor.output(of: sample))
      #expect(found.outOfRange == 0 && largest <= planned.details.last!.errorBound)
      #expect(largest < 0.05 * max(scale, 0.1))
    }
    // A model whose constants are missing does not belong to the plan.
    var quantized = planned.quantized
    quantized.offset = [:]
    #expect(throws: NetworksError.self) { try Twin(planned.plan, quantized) }
  }

  @Test("A constant is added where it stands, in the order of CHW")
  func byHand() throws {
    var graph = Graph(
      name: "hand", input: TensorShape(channels: 2, height: 1, width: 3),
      inputNormalization: .none(channels: 2, magnitude: 8))
    graph.append(.offset, name: "offset")
    graph.append(.reshape(TensorShape(channels: 3, height: 2, width: 1)), name: "shape")
    graph.append(.globalAveragePool, name: "mean")
    var parameters = Parameters()
    parameters[1, .bias] = [1, 2, 3, 4, 5, 6]
    let output = try FloatExecutor(graph: graph, parameters: parameters).output(of: [0, 0, 1, 0, 1, 0])
    #expect(output == [1.5, 4, 6])
    graph.nodes[2].operation = .reshape(TensorShape(channels: 3, height: 3, width: 1))
    #expect(throws: NetworksError.self) { try graph.validate() }
    graph.nodes[2].operation = .reshape(TensorShape(channels: -3, height: -2, width: 1))
    #expect(throws: NetworksError.self) { try graph.validate() }
    parameters[1, .bias] = [1, 2]
    graph.nodes[2].operation = .reshape(TensorShape(channels: 3, height: 2, width: 1))
    #expect(throws: NetworksError.self) { try parameters.validate(for: graph) }
  }

  @Test("Scales of elements that change channels are one, or the elements' own")
  func regrouping() {
    let picture = TensorShape(channels: 2, height: 2, width: 3)
    let other = Regrouping(from: picture, to: TensorShape(channels: 3, height: 4, width: 1))
    #expect(other.largest([1, 5]) == [1, 5, 5])
    #expect(other.uniform([2, 2]) == [2, 2, 2] && other.uniform([1, 5]) == nil)
    #expect(other.uniform([.nan, 4])![1] == 4 && other.uniform([.nan, 4])![0].isNaN)
    let vector = Regrouping(from: picture, to: TensorShape(vector: 12))
    #expect(vector.uniform([1, 5]) == [Double](repeating: 1, count: 6) + [Double](repeating: 5, count: 6))
  }

  @Test("A normalisation goes into the matrix or the convolution behind it", arguments: [false, true])
  func forward(isFlattened: Bool) throws {
    var graph = Graph(
      name: "forward", input: TensorShape(channels: 3, height: 6, width: 5), inputNormalization: .none(channels: 3))
    graph.append(Self.convolution(4, padding: 1), name: "conv1")
    graph.append(.relu, name: "act1")
    graph.append(.batchNorm(epsilon: 1e-3, momentum: 0.1), name: "norm1")
    graph.append(.convolution(ConvolutionSpec(outChannels: 6, kernel: 3, groups: 2, bias: false)), name: "conv2")
    graph.append(.relu, name: "act2")
    let norm = Operation.batchNorm(epsilon: 1e-3, momentum: 0.1)
    if !isFlattened { graph.append(norm, name: "norm2") }
    graph.append(.flatten, name: "flatten")
    if isFlattened { graph.append(norm, name: "norm2") }
    graph.append(.linear(outFeatures: 4, bias: false), name: "fc")
    let parameters = Samples.disturb(try Parameters.initialize(graph, seed: 1), seed: 2)
    let (folded, trained, planned, samples) = try Samples.plan(graph, parameters)
    let labels = folded.nodes.map(\.operation.label)
    #expect(labels == ["input", "conv", "relu", "conv", "relu", "flatten", "linear"])
    #expect(try Folding.structure(graph) == folded)
    #expect(planned.plan.program.linearSteps.count == 3)
    let (before, after) = (
      try FloatExecutor(graph: graph, parameters: parameters), try FloatExecutor(graph: folded, parameters: trained)
    )
    let twin = try Twin(planned.plan, planned.quantized)
    for sample in samples {
      let floats = try after.output(of: sample)
      let (largest, scale) = Samples.difference(floats.map(Double.init), try before.output(of: sample))
      #expect(largest < 1e-4 * max(scale, 1))
      let found = try twin.logits(normalized: sample)
      #expect(Samples.difference(found.values, floats).largest <= planned.details.last!.errorBound)
    }
  }

  @Test("It stays where padding would meet its constant, or others read it")
  func stays() throws {
    for isShared in [false, true] {
      var graph = Graph(
        name: "stays", input: TensorShape(channels: 3, height: 4, width: 4), inputNormalization: .none(channels: 3))
      graph.append(.relu, name: "act")
      let norm = graph.append(.batchNorm(epsilon: 1e-3, momentum: 0.1), name: "norm")
      let conv = graph.append(Self.convolution(3, padding: 1), name: "conv")
      if isShared {
        graph.nodes[conv].operation = .convolution(ConvolutionSpec(outChannels: 3, kernel: 1))
        graph.append(.add, name: "add", from: [norm, conv])
      }
      let labels = try Folding.structure(graph).nodes.map(\.operation.label)
      #expect(labels.filter { $0 == "conv" }.count == 2)
    }
  }
}
