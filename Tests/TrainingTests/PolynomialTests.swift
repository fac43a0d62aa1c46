import Foundation
import Networks
import Rings
import Testing

@testable import Training

/// What makes true quadratics train: each option does what its source says.
@Suite struct PolynomialTests {
  private func short(epochs: Int = 2) -> TrainingConfiguration {
    var configuration = Recipes.digits()
    configuration.epochs = epochs
    configuration.trainingLimit = 320
    return configuration
  }

  /// The published gate cut negative operands off before its polynomial read them. Here a net whose pre-activations are
  /// all negative must give a different answer from one with their ReLU, in every form of the activation.
  @Test(arguments: [Float(0), 0.5, 1]) func negativeOperandsReachThePolynomial(share: Float) throws {
    var graph = Graph(name: "one", input: TensorShape(vector: 1), inputNormalization: .none(channels: 1))
    graph.append(.x2act(X2actSpec()), name: "act")
    graph.append(.linear(outFeatures: 2, bias: false), name: "fc")
    var parameters = try Parameters.initialize(graph, seed: 1)
    (parameters[1, .w1], parameters[1, .w2], parameters[1, .b]) = ([2], [-1], [0.5])
    parameters[2, .weight] = [1, 0]
    let space = try SearchSpace(graph)
    let executor = try GraphExecutor(
      space: space, parameters: parameters, workers: Workers(threads: 1), mode: .scheduled)
    executor.setPolynomialShare(share)
    let batch = FloatTensor(shape: BatchShape(channels: 1, samples: 1), values: [-3])
    #expect(executor.logits(batch: batch)[0][0] == share * (2 * 9 + 3 + 0.5))
    let learned = try GraphExecutor(
      space: space, parameters: parameters, workers: Workers(threads: 1), mode: .learned)
    #expect(learned.logits(batch: batch)[0][0] == 0.5 * (2 * 9 + 3 + 0.5))
  }

  /// `c / sqrt(Nx)`: the square of a layer of Nx elements is scaled by exactly that, a layer or a channel at a time.
  @Test(arguments: [false, true]) func scaleAndGranularity(perChannel: Bool) throws {
    let spec = X2actSpec(scale: 3, perChannel: perChannel)
    var graph = Graph(
      name: "two", input: TensorShape(channels: 2, height: 3, width: 3), inputNormalization: .none(channels: 2))
    graph.append(.x2act(spec), name: "act")
    graph.append(.globalAveragePool, name: "pool")
    var parameters = try Parameters.initialize(graph, seed: 1)
    #expect(parameters[1, .w1].count == (perChannel ? 2 : 1))
    parameters[1, .w1] = perChannel ? [1, 2] : [1]
    parameters[1, .w2] = perChannel ? [0, 0] : [0]
    let executor = try GraphExecutor(graph: graph, parameters: parameters, workers: Workers(threads: 1))
    let batch = Layout.tensor([Float](repeating: -2, count: 18), [1, 2, 3, 3])
    let factor = 3 / Float(18).squareRoot() * 4
    for (found, wanted) in zip(executor.logits(batch: batch)[0], [factor, factor * (perChannel ? 2 : 1)]) {
      #expect(abs(found - wanted) < 1e-5)
    }
  }

  /// Least squares against ReLU under the Gaussian weight, by quadrature: the normal equations of 1, x, x^2.
  @Test(arguments: [(0.0, 1.0), (0.7, 2.0), (-1.5, 0.6), (3.0, 1.2)])
  func momentsGiveTheNearestQuadratic(mean: Double, deviation: Double) {
    let found = GaussianQuadratic(mean: mean, deviation: deviation)
    var residuals = [0.0, 0.0, 0.0]
    let steps = 40_000
    for step in 0..<steps {
      let t = -10 + 20 * (Double(step) + 0.5) / Double(steps)
      let weight = exp(-t * t / 2) / (2 * Double.pi).squareRoot() * 20 / Double(steps)
      let x = mean + deviation * t
      let error = max(x, 0) - (found.square * x * x + found.linear * x + found.constant)
      for power in 0..<3 { residuals[power] += weight * error * pow(t, Double(power)) }
    }
    // The best quadratic leaves a residual orthogonal to 1, t, t^2.
    for residual in residuals { #expect(abs(residual) < 1e-6) }
    // The published code's variance in place of the deviation does not.
    if deviation != 1 {
      let wrong = GaussianQuadratic(mean: mean, deviation: deviation * deviation)
      #expect(abs(wrong.square - found.square) > 1e-4)
    }
  }

  @Test func momentsAreMeasuredOnTheOperands() throws {
    let graph = Builders.digits(activation: .x2act(X2actSpec(scale: 8, perChannel: true)))
    var parameters = try Parameters.initialize(graph, seed: 4)
    let bn = graph.nodes.first { $0.name == "conv1.bn" }!.id
    let act = graph.nodes.first { $0.name == "conv1.act" }!.id
    // Batch normalisation makes every channel of deviation |gamma| around beta: known moments.
    parameters[bn, .gamma] = (0..<16).map { 0.5 + Float($0) / 8 }
    parameters[bn, .beta] = (0..<16).map { Float($0) / 8 - 1 }
    let data = try DataSplit.load(.digits, path: nil)
    let batcher = try Batcher(dataset: data.training, graph: graph)
    var configuration = short()
    configuration.initialization = .moments
    try parameters.initializeActivations(
      of: graph, configuration: configuration, clip: .infinity, batcher: batcher, workers: Workers(threads: 1))
    let factor = Double(X2actSpec(scale: 8).squareFactor(elements: 16 * 64))
    for channel in 0..<16 {
      let wanted = GaussianQuadratic(mean: Double(channel) / 8 - 1, deviation: 0.5 + Double(channel) / 8)
      #expect(abs(Double(parameters[act, .w1][channel]) * factor - wanted.square) < 2e-3)
      #expect(abs(Double(parameters[act, .w2][channel]) - wanted.linear) < 2e-3)
      #expect(abs(Double(parameters[act, .b][channel]) - wanted.constant) < 2e-3)
    }
    // STPAI puts them back near the identity.
    configuration.initialization = .stpai
    try parameters.initializeActivations(
      of: graph, configuration: configuration, clip: .infinity, batcher: batcher, workers: Workers(threads: 1))
    #expect(parameters[act, .w2] == [Float](repeating: 1, count: 16) && parameters[act, .w1][3] == 0.005)
  }

  @Test func gradualReplacementStartsAtReluAndEndsAtTheQuadratic() throws {
    let data = try DataSplit.load(.digits, path: nil)
    var configuration = short(epochs: 3)
    configuration.gradualEpochs = 2
    let gradual = try Trainer(configuration: configuration, data: data).run()
    // What comes out is the polynomial network alone: evaluating it anew gives the same figure.
    let judged = try Evaluation.run(graph: gradual.graph, parameters: gradual.parameters, dataset: data.test)
    #expect(judged.accuracy == gradual.history.epochs[2].testAccuracy)
    configuration.gradualEpochs = 0
    let plain = try Trainer(configuration: configuration, data: data).run()
    #expect(plain.parameters != gradual.parameters)
    // The first step sees ReLU: its loss is that of the ReLU network with the same weights.
    configuration.gradualEpochs = 2
    configuration.epochs = 1
    configuration.batch = 320
    let first = try Trainer(configuration: configuration, data: data).run().history.epochs[0]
    configuration.gradualEpochs = 0
    configuration.usesRelu = true
    let relu = try Trainer(configuration: configuration, data: data).run().history.epochs[0]
    #expect(abs(first.trainingLoss - relu.trainingLoss) < 1e-4)
  }

  @Test func teacherPullsThePupil() throws {
    let data = try DataSplit.load(.digits, path: nil)
    var relu = short(epochs: 8)
    relu.usesRelu = true
    let taught = try Trainer(configuration: relu, data: data).run()
    let teacher = Teacher(graph: taught.graph, parameters: taught.parameters)
    func agreement(_ distillation: Distillation?) throws -> Double {
      var configuration = short(epochs: 12)
      configuration.distillation = distillation
      let pupil = try Trainer(
        configuration: configuration, data: data, teacher: distillation == nil ? nil : teacher
      ).run()
      let batch = try sample(data.test, pupil.graph)
      let workers = Workers(threads: 1)
      func softened(_ graph: Graph, _ parameters: Parameters) throws -> FloatTensor {
        let logits = try GraphExecutor(graph: graph, parameters: parameters, workers: workers)
          .logitsTensor(batch: batch)
        let output = FloatTensor(shape: logits.shape)
        SoftmaxRule.softmax(logits, temperature: 4, into: output)
        return output
      }
      let (a, b) = (
        try softened(pupil.graph, pupil.parameters), try softened(taught.graph, taught.parameters)
      )
      return (0..<a.count).reduce(0) { $0 + abs(Double(a.pointer[$1] - b.pointer[$1])) }
    }
    let followed = try agreement(Distillation(weight: 1, temperature: 4, teacher: "t"))
    let alone = try agreement(nil)
    #expect(followed < 0.8 * alone)
    var configuration = short()
    configuration.distillation = Distillation(teacher: "t")
    #expect(throws: TrainingError.self) { try Trainer(configuration: configuration, data: data) }
    #expect(throws: TrainingError.self) {
      try Trainer(configuration: self.short(), data: data, teacher: teacher)
    }
  }

  private func sample(_ dataset: Dataset, _ graph: Graph) throws -> FloatTensor {
    let batch = FloatTensor(shape: BatchShape(channels: 1, samples: 64, height: 8, width: 8))
    var generator = SeededGenerator(seed: 1)
    try Batcher(dataset: dataset, graph: graph).fill(batch, Array(0..<64)[...], generator: &generator)
    return batch
  }

  /// Ten times what training ever sees, in both signs, over several seeds: losses stay finite and fall.
  @Test func penaltyKeepsOperandsInRange() throws {
    let data = try DataSplit.load(.digits, path: nil)
    func largest(_ weight: Float) throws -> Float {
      var configuration = short(epochs: 6)
      configuration.loss = GraphExecutor.LossOptions(labelSmoothing: 0.1, rangeBound: 2, rangeWeight: weight)
      let result = try Trainer(configuration: configuration, data: data).run()
      let judged = try Evaluation.run(graph: result.graph, parameters: result.parameters, dataset: data.test)
      return result.graph.nodes.filter { $0.operation.isActivation }
        .reduce(0) { max($0, judged.magnitudes[$1.inputs[0]]) }
    }
    #expect(try largest(3) < 0.9 * largest(0))
  }
}
