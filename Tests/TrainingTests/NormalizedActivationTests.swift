import Networks
import Rings
import Testing

@testable import Training

/// Quadratics that normalise their operand: the same network once folded, and no divergence while it learns.
@Suite struct NormalizedActivationTests {
  /// `blocks` residual sums of 3x3 convolutions on an 8x8 picture.
  private func network(blocks: Int, spec: X2actSpec) -> Graph {
    var graph = Graph(
      name: "residual", input: TensorShape(channels: 1, height: 8, width: 8),
      inputNormalization: InputNormalization(pixelMaximum: 16, mean: [0.3], deviation: [0.4]))
    let convolution = Operation.convolution(ConvolutionSpec(outChannels: 8, kernel: 3, padding: 1, bias: false))
    graph.append(convolution, name: "stem")
    graph.append(.batchNorm(epsilon: 1e-5, momentum: 0.1), name: "stem.bn")
    graph.append(.x2act(X2actSpec(scale: spec.scale)), name: "stem.act")
    for block in 0..<blocks {
      let entry = graph.nodes.count - 1
      graph.append(convolution, name: "block\(block)")
      graph.append(.batchNorm(epsilon: 1e-5, momentum: 0.1), name: "block\(block).bn")
      graph.append(.add, name: "block\(block).add", from: [graph.nodes.count - 1, entry])
      graph.append(.x2act(spec), name: "block\(block).act")
    }
    graph.append(.globalAveragePool, name: "pool")
    graph.append(.linear(outFeatures: 10, bias: true), name: "fc")
    return graph
  }

  private func configuration(epochs: Int) -> TrainingConfiguration {
    var result = Recipes.digits()
    result.epochs = epochs
    return result
  }

  private func distance(_ left: [[Float]], _ right: [[Float]]) -> Float {
    zip(left.joined(), right.joined()).map { abs($0 - $1) }.max()!
  }

  @Test(arguments: [false, true]) func foldingChangesNoAnswer(perChannel: Bool) throws {
    let graph = network(blocks: 2, spec: X2actSpec(scale: 8, perChannel: perChannel).normalized)
    let data = try DataSplit.load(.digits, path: nil)
    let trained = try Trainer(configuration: configuration(epochs: 1), data: data, graph: graph).run()
    let batcher = try Batcher(dataset: data.test, graph: graph)
    var generator = SeededGenerator(seed: 1)
    let batch = FloatTensor(shape: BatchShape(channels: 1, samples: 8, height: 8, width: 8))
    batcher.fill(batch, Array(0..<8)[...], generator: &generator)
    let executor = try GraphExecutor(graph: graph, parameters: trained.parameters, workers: Workers(threads: 1))
    let wanted = executor.logits(batch: batch)
    let (folded, parameters) = try Folding.fold(graph, trained.parameters)
    try parameters.validate(for: folded)
    for node in folded.nodes {
      if case .x2act(let spec) = node.operation { #expect(spec.normalizationEpsilon == nil) }
      if case .batchNorm = node.operation { Issue.record("a normalisation is left") }
    }
    #expect(try Folding.structure(graph) == folded)
    let after = try GraphExecutor(graph: folded, parameters: parameters, workers: Workers(threads: 1))
    #expect(distance(after.logits(batch: batch), wanted) < 1e-3)
    // The executor of plans' float twin computes the unfolded form as the trainer does.
    let plain = try FloatExecutor(graph: graph, parameters: trained.parameters)
    let samples = (0..<8).map { sample in (0..<64).map { batch.pointer[sample * 64 + $0] } }
    #expect(distance(try samples.map { try plain.tensors(of: $0).last! }, wanted) < 1e-3)
  }

  /// Moments make a normalised quadratic start as the one without normalisation.
  @Test func momentsStartWhereTheOperandLies() throws {
    let data = try DataSplit.load(.digits, path: nil)
    var answers: [[[Float]]] = []
    for spec in [X2actSpec(scale: 8), X2actSpec(scale: 8).normalized] {
      let graph = network(blocks: 3, spec: spec)
      let batcher = try Batcher(dataset: data.training, graph: graph)
      var parameters = try Parameters.initialize(graph, seed: 3)
      var configuration = configuration(epochs: 1)
      configuration.initialization = .moments
      try parameters.initializeActivations(
        of: graph, configuration: configuration, clip: .infinity, batcher: batcher, workers: Workers(threads: 1))
      let executor = try GraphExecutor(graph: graph, parameters: parameters, workers: Workers(threads: 1))
      var generator = SeededGenerator(seed: 1)
      let batch = FloatTensor(shape: BatchShape(channels: 1, samples: 16, height: 8, width: 8))
      batcher.fill(batch, Array(0..<16)[...], generator: &generator)
      answers.append(executor.logits(batch: batch))
    }
    let scale = answers[0].joined().map { abs($0) }.max()!
    #expect(distance(answers[0], answers[1]) < 1e-2 * scale)
  }

  /// Twelve sums in a row of quadratics a hundred times as curved as ReLU: outliers are squared twelve times over, and the
  /// loss of a training step is not finite. Behind a normalisation nothing is larger than the root of what a channel
  /// holds, whatever came before, and loss and gradients are finite.
  @Test(arguments: 1...4) func normalisedSumsBoundTrainingSteps(seed: UInt64) throws {
    let data = try DataSplit.load(.digits, path: nil)
    func step(_ spec: X2actSpec) throws -> (loss: Float, gradient: Float) {
      let graph = network(blocks: 12, spec: spec)
      var parameters = try Parameters.initialize(graph, seed: seed)
      for node in graph.nodes {
        guard case .x2act = node.operation else { continue }
        try parameters.setActivation(of: graph, node: node.id, square: 20, linear: 50, constant: 20)
      }
      let batcher = try Batcher(dataset: data.training, graph: graph)
      var generator = SeededGenerator(seed: seed)
      let batch = FloatTensor(shape: BatchShape(channels: 1, samples: 32, height: 8, width: 8))
      batcher.fill(batch, Array(0..<32)[...], generator: &generator)
      let executor = try GraphExecutor(graph: graph, parameters: parameters, workers: Workers(threads: 1))
      let result = executor.differentiate(
        batch: batch, labels: batcher.labels(Array(0..<32)[...]), options: GraphExecutor.LossOptions())
      return (result.loss, executor.gradient(ParameterKey(1, .weight))!.reduce(0) { $0 + abs($1) })
    }
    #expect(try !step(X2actSpec(scale: 16)).loss.isFinite)
    let bounded = try step(X2actSpec(scale: 16).normalized)
    #expect(bounded.loss.isFinite && bounded.gradient.isFinite)
  }

  @Test func statisticsOfInferenceAreMediansThatNoOddPictureMoves() throws {
    let graph = network(blocks: 2, spec: X2actSpec(scale: 8).normalized)
    let data = try DataSplit.load(.digits, path: nil)
    let trained = try Trainer(configuration: configuration(epochs: 1), data: data, graph: graph).run()
    let batcher = try Batcher(dataset: data.training, graph: graph)
    func batches(odd: Int?) -> [FloatTensor] {
      (0..<9).map { index in
        let batch = FloatTensor(shape: BatchShape(channels: 1, samples: 32, height: 8, width: 8))
        var generator = SeededGenerator(seed: 1)
        batcher.fill(batch, Array(32 * index..<32 * (index + 1))[...], generator: &generator)
        if index == odd { for place in 0..<64 { batch.pointer[place] *= 1e4 } }
        return batch
      }
    }
    func settled(_ batches: [FloatTensor]) throws -> Parameters {
      let executor = try GraphExecutor(graph: graph, parameters: trained.parameters, workers: Workers(threads: 1))
      executor.settleStatistics(batches: batches.count) { batches[$0] }
      return executor.parameters
    }
    let usual = batches(odd: nil)
    let (plain, odd) = (try settled(usual), try settled(batches(odd: 4)))
    // By hand at the stem: medians of the batches' own statistics.
    let stem = graph.nodes.first { $0.name == "stem.bn" }!.id
    let single = try usual.map { try settled([$0]) }
    for channel in 0..<8 {
      #expect(plain[stem, .mean][channel] == single.map { $0[stem, .mean][channel] }.sorted()[4])
      #expect(plain[stem, .variance][channel] == single.map { $0[stem, .variance][channel] }.sorted()[4])
    }
    for key in plain.keys {
      let (before, after) = (plain[key.node, key.name], odd[key.node, key.name])
      switch key.name {
      case .mean, .variance:
        let span = single.map { $0[key.node, key.name] }
        for channel in before.indices {
          let values = span.map { $0[channel] }
          #expect(after[channel] >= values.min()! && after[channel] <= values.max()!, "\(key), channel \(channel)")
        }
      default: #expect(before == after)
      }
    }
  }
}
