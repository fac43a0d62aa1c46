import Networks
import Rings
import Testing

@Suite struct FloatTests {
  /// Convolution by its definition, in double.
  private func reference(_ x: [Float], _ from: TensorShape, _ w: [Float], _ b: [Float], _ s: ConvolutionSpec)
    -> [Double]
  {
    let height = (from.height + 2 * s.padding - s.kernel) / s.stride + 1
    let width = (from.width + 2 * s.padding - s.kernel) / s.stride + 1
    let (inputs, outputs) = (from.channels / s.groups, s.outChannels / s.groups)
    var result: [Double] = []
    for o in 0..<s.outChannels {
      for y in 0..<height {
        for x0 in 0..<width {
          var sum = b.isEmpty ? 0 : Double(b[o])
          for i in 0..<inputs {
            for ky in 0..<s.kernel {
              for kx in 0..<s.kernel {
                let (row, column) = (y * s.stride + ky - s.padding, x0 * s.stride + kx - s.padding)
                guard (0..<from.height).contains(row), (0..<from.width).contains(column) else { continue }
                let channel = o / outputs * inputs + i
                sum +=
                  Double(w[((o * inputs + i) * s.kernel + ky) * s.kernel + kx])
                  * Double(x[(channel * from.height + row) * from.width + column])
              }
            }
          }
          result.append(sum)
        }
      }
    }
    return result
  }

  @Test(arguments: [
    ConvolutionSpec(outChannels: 5, kernel: 3, padding: 1),
    ConvolutionSpec(outChannels: 4, kernel: 5, stride: 2, bias: false),
    ConvolutionSpec(outChannels: 6, kernel: 1, stride: 3),
    ConvolutionSpec(outChannels: 8, kernel: 3, stride: 2, padding: 2, groups: 2),
    ConvolutionSpec(outChannels: 4, kernel: 3, padding: 1, groups: 4),
  ])
  func convolutionIsItsDefinition(spec: ConvolutionSpec) throws {
    var graph = Graph(
      name: "c", input: TensorShape(channels: 4, height: 9, width: 7), inputNormalization: .none(channels: 4))
    graph.append(.convolution(spec), name: "conv")
    var parameters = try Parameters.initialize(graph, seed: 4)
    if spec.bias { parameters[1, .bias] = Samples.normal(spec.outChannels, seed: 5) }
    let sample = Samples.normal(graph.input.count, seed: 6)
    let output = try FloatExecutor(graph: graph, parameters: parameters).output(of: sample)
    let wanted = reference(sample, graph.input, parameters[1, .weight], parameters[1, .bias], spec)
    #expect(output.count == wanted.count)
    for (value, expected) in zip(output, wanted) { #expect(abs(Double(value) - expected) < 1e-4) }
  }

  @Test func smallOperationsByHand() throws {
    var graph = Graph(
      name: "p", input: TensorShape(channels: 1, height: 3, width: 3),
      inputNormalization: .none(channels: 1, magnitude: 9))
    graph.append(.averagePool(kernel: 2, stride: 2, padding: 1), name: "pool")
    let sample: [Float] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    var output = try FloatExecutor(graph: graph, parameters: Parameters()).output(of: sample)
    #expect(output == [0.25, 1.25, 2.75, 7])
    graph.nodes[1].operation = .subsamplePad(stride: 2, before: 1, after: 0)
    output = try FloatExecutor(graph: graph, parameters: Parameters()).output(of: sample)
    #expect(output == [0, 0, 0, 0, 1, 3, 7, 9])
    graph.nodes[1].operation = .globalAveragePool
    output = try FloatExecutor(graph: graph, parameters: Parameters()).output(of: sample)
    #expect(output == [5])
    graph.nodes[1].operation = .x2act(X2actSpec(scale: 2))
    var parameters = try Parameters.initialize(graph, seed: 1)
    (parameters[1, .w1], parameters[1, .w2], parameters[1, .b]) = ([3], [-1], [0.5])
    output = try FloatExecutor(graph: graph, parameters: parameters).output(of: [-1] + sample.dropFirst())
    #expect(abs(output[0] - (2 * 3 / 3 + 1 + 0.5)) < 1e-6)  // A negative operand reaches the square.
    #expect(throws: NetworksError.self) { try FloatExecutor(graph: graph, parameters: parameters).output(of: [1]) }
  }

  @Test(arguments: ["lenet", "digits", "resnet20"])
  func foldingKeepsTheFunction(name: String) throws {
    let graph = try #require(Builders.named(name, batchNorm: true))
    let parameters = Samples.disturb(try Parameters.initialize(graph, seed: 7), seed: 8, square: 0.05)
    let folded = try Folding.fold(graph, parameters)
    #expect(!folded.graph.nodes.contains { if case .batchNorm = $0.operation { true } else { false } })
    let (before, after) = (
      try FloatExecutor(graph: graph, parameters: parameters),
      try FloatExecutor(graph: folded.graph, parameters: folded.parameters)
    )
    for sample in Samples.inputs(graph, count: 3, seed: 9) {
      let difference = Samples.difference(try after.output(of: sample).map(Double.init), try before.output(of: sample))
      #expect(difference.largest < 1e-4 * difference.scale)
    }
  }

  @Test func aLoneBatchNormBecomesADiagonalConvolution() throws {
    var graph = Graph(
      name: "bn", input: TensorShape(channels: 3, height: 4, width: 4), inputNormalization: .none(channels: 3))
    graph.append(.batchNorm(epsilon: 1e-5, momentum: 0.1), name: "bn")
    graph.append(.x2act(X2actSpec()), name: "act")
    graph.append(.convolution(ConvolutionSpec(outChannels: 2, kernel: 3)), name: "conv")
    let parameters = Samples.disturb(try Parameters.initialize(graph, seed: 1), seed: 2)
    let (folded, weights) = try Folding.fold(graph, parameters)
    let sample = Samples.normal(graph.input.count, seed: 3, deviation: 0.3)
    let difference = Samples.difference(
      try FloatExecutor(graph: folded, parameters: weights).output(of: sample).map(Double.init),
      try FloatExecutor(graph: graph, parameters: parameters).output(of: sample))
    #expect(difference.largest < 1e-5)
  }

  @Test func calibrationSeesTheRanges() throws {
    var graph = Graph(
      name: "id", input: TensorShape(channels: 2, height: 1, width: 2),
      inputNormalization: .none(channels: 2, magnitude: 8))
    graph.append(.globalAveragePool, name: "pool")
    let calibration = try Calibration.run(graph, Parameters(), samples: [[1, -3, 2, 2], [0, 1, -8, 4]])
    #expect(calibration.nodes[0].maximum == [3, 8])
    #expect(calibration.nodes[0].mean == [1.25, 4])
    #expect(calibration.nodes[1].maximum == [1, 2])
    #expect(abs(calibration.nodes[0].rootMeanSquare - (99.0 / 8).squareRoot()) < 1e-6)
    #expect(throws: NetworksError.self) { try Calibration.run(graph, Parameters(), samples: [[Float]]()) }
    #expect(throws: NetworksError.self) { try Calibration.run(graph, Parameters(), samples: [[.infinity, 1, 1, 1]]) }
  }
}
