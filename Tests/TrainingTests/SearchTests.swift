import Foundation
import Networks
import Rings
import Testing

@testable import Training

/// `L_train = alpha w^2 + w`, `L_val = w^2 / 2 + 3 alpha w`: mixed derivatives that are known, and that central
/// differences give exactly.
private final class Toy: BilevelProblem {
  var alpha: Double
  let weights: [FloatTensor]
  let weightGradients: [FloatTensor]

  init(alpha: Double, weight: Float) {
    self.alpha = alpha
    weights = [FloatTensor(shape: .scalar, values: [weight])]
    weightGradients = [FloatTensor(shape: .scalar)]
  }

  func differentiateTraining() -> [Double] {
    let w = Double(weights[0].pointer[0])
    weightGradients[0].pointer[0] = Float(2 * alpha * w + 1)
    return [w * w]
  }

  func differentiateValidation() -> [Double] {
    let w = Double(weights[0].pointer[0])
    weightGradients[0].pointer[0] = Float(w + 3 * alpha)
    return [3 * w]
  }
}

@Suite struct BilevelTests {
  @Test(arguments: [(0.5, Float(2), Float(0.25)), (-1, 0.5, 0.125), (2, -1.5, 0.0625)])
  func secondOrderIsExact(alpha: Double, weight: Float, rate: Float) {
    let toy = Toy(alpha: alpha, weight: weight)
    let found = Bilevel.secondOrder(toy, rate: rate)
    let w = Double(weight)
    let ahead = w - Double(rate) * (2 * alpha * w + 1)
    // d/dalpha of L_val(w'(alpha), alpha), with dw'/dalpha = -rate 2 w.
    let exact = 3 * ahead + (ahead + 3 * alpha) * (-Double(rate) * 2 * w)
    #expect(abs(found[0] - exact) < 1e-4 * max(1, abs(exact)))
    #expect(toy.weights[0].values == [weight])
    #expect(abs(Bilevel.firstOrder(toy)[0] - 3 * w) < 1e-6)
  }

  /// On a real network: the total derivative of `alpha -> L_val(w - rate grad L_train(w, alpha), alpha)`, by central
  /// differences over alpha.
  @Test func secondOrderOfANetwork() throws {
    var graph = Graph(
      name: "tiny", input: TensorShape(channels: 1, height: 4, width: 4), inputNormalization: .none(channels: 1))
    graph.append(.convolution(ConvolutionSpec(outChannels: 4, kernel: 3, padding: 1)), name: "conv")
    graph.append(.x2act(X2actSpec(scale: 8)), name: "act")
    graph.append(.averagePool(kernel: 2, stride: 2, padding: 0), name: "pool")
    graph.append(.flatten, name: "flatten")
    graph.append(.linear(outFeatures: 3, bias: true), name: "fc")
    let space = try SearchSpace(graph)
    #expect(space.layers.map(\.comparisons) == [64, 16 * 3])
    let executor = try GraphExecutor(
      space: space, parameters: try Parameters.initialize(graph, seed: 3, square: 0.3), workers: Workers(threads: 1),
      mode: .learned)
    var generator = SplitMix(state: 3)
    func batch() -> LabelledBatch {
      let values = (0..<12 * 16).map { _ in Float(Int(generator.next() >> 60) - 8) / 4 }
      return LabelledBatch(batch: Layout.tensor(values, [12, 1, 4, 4]), labels: (0..<12).map { $0 % 3 })
    }
    let problem = SearchProblem(
      executor: executor, training: batch(), validation: batch(), options: GraphExecutor.LossOptions(),
      costs: [(0.3, 0.1), (0.2, 0.05)])
    let rate: Float = 0.4
    let start: [Float] = [0.3, -0.2, -0.1, 0.4]
    func set(_ alphas: [Float]) {
      for (index, value) in alphas.enumerated() { executor.gates[index / 2].numbers.pointer[index % 2] = value }
    }
    func cost() -> Double {
      zip(executor.gates, [(0.3, 0.1), (0.2, 0.05)]).reduce(0.0) { sum, pair in
        let share = 1 / (1 + exp(Double(pair.0.numbers.pointer[1] - pair.0.numbers.pointer[0])))
        return sum + share * pair.1.0 + (1 - share) * pair.1.1
      }
    }
    func outer(_ alphas: [Float]) -> Double {
      set(alphas)
      let kept = problem.weights.map(\.values)
      _ = problem.differentiateTraining()
      for (weight, gradient) in zip(problem.weights, problem.weightGradients) {
        for index in 0..<weight.count { weight.pointer[index] -= rate * gradient.pointer[index] }
      }
      _ = problem.differentiateValidation()
      for (weight, values) in zip(problem.weights, kept) {
        values.withUnsafeBufferPointer { weight.pointer.update(from: $0.baseAddress!, count: values.count) }
      }
      return Double(problem.last.loss) + cost()
    }
    let h: Float = 1.0 / 32
    let exact = start.indices.map { index in
      var (above, below) = (start, start)
      above[index] += h
      below[index] -= h
      return (outer(above) - outer(below)) / (2 * Double(h))
    }
    set(start)
    let before = problem.weights.map(\.values)
    let second = Bilevel.secondOrder(problem, rate: rate)
    #expect(problem.weights.map(\.values) == before)
    let first = Bilevel.firstOrder(problem)
    func distance(_ a: [Double]) -> Double {
      zip(a, exact).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
    }
    let size = exact.reduce(0) { $0 + $1 * $1 }.squareRoot()
    // ReLU's kinks leave the finite differences inexact; the first order misses what the step does altogether.
    #expect(distance(second) < 0.03 * size)
    #expect(distance(first) > 3 * distance(second))
  }

  @Test func adamTakesTheKnownFirstSteps() {
    var adam = Adam(rate: 0.1, decay: 0, count: 1)
    var values = [1.0]
    adam.update(&values, gradient: [4])
    #expect(abs(values[0] - 0.9) < 1e-8)  // The first step has the size of the rate.
    adam.update(&values, gradient: [-4])
    // m = (0.5 * 2 - 2) / (1 - 0.25), v = 16.
    #expect(abs(values[0] - (0.9 + 0.1 * (1 / 0.75) / 4)) < 1e-6)
  }
}

@Suite struct SearchTests {
  private static func configuration(_ objective: SearchConfiguration.Objective) -> SearchConfiguration {
    var result = SearchConfiguration(network: "digits", data: .digits, objective: objective)
    result.training.activation = X2actSpec(scale: 8)
    result.training.trainingLimit = 320
    result.training.epochs = 3
    result.training.batch = 32
    result.training.loss = GraphExecutor.LossOptions(rangeBound: 4, rangeWeight: 0.1)
    result.alphaRate = 0.05
    return result
  }

  private func table(_ space: SearchSpace, relu: [Double]) -> LatencyTable {
    LatencyTable(
      network: space.polynomial.name, device: "test", link: "test", protocolName: "test", batch: 1,
      fixedMilliseconds: 2,
      rows: zip(space.layers, relu).map {
        LatencyTable.Row(layer: $0.name, shape: [1, 1, 1], milliseconds: [.relu: $1, .x2act: 0.5])
      })
  }

  @Test func aHighPriceLeavesNoComparisonAndNoPriceLeavesTheLossToDecide() throws {
    let data = try DataSplit.load(.digits, path: nil)
    let configuration = Self.configuration(.penalty(perMillisecond: 1))
    let space = try configuration.makeSpace()
    let costs = try ChoiceCosts(table(space, relu: [10, 5]), space: space)
    #expect(costs.total(keepsComparison: [true, false]) == 12.5)
    #expect(costs.expected([0.5, 0.5]) == 2 + 5.25 + 2.75)
    let result = try Searcher(configuration: configuration, data: data, costs: costs).run()
    #expect(result.decisions.map(\.kept) == [.x2act, .x2act])
    #expect(result.cost == 3 && result.costRange == (17, 3))
    #expect(result.history.count == 3 && result.finished)
    #expect(result.history[2].expectedCost < result.history[0].expectedCost)
    #expect(abs(result.decisions.reduce(0) { $0 + $1.costShare } - 1.0 / 3) < 1e-9)
    try result.parameters.validate(for: result.graph)
  }

  /// Where the polynomial costs more, the price turns the choice.
  @Test func theTableDecidesWhichLayer() throws {
    let data = try DataSplit.load(.digits, path: nil)
    let configuration = Self.configuration(.penalty(perMillisecond: 0.5))
    let space = try configuration.makeSpace()
    func kept(_ relu: [Double]) throws -> [LatencyTable.Choice] {
      var table = table(space, relu: relu)
      for index in relu.indices where relu[index] == 0 { table.rows[index].milliseconds[.x2act] = 8 }
      let costs = try ChoiceCosts(table, space: space)
      let result = try Searcher(configuration: configuration, data: data, costs: costs).run()
      try result.parameters.validate(for: result.graph)
      return result.decisions.map(\.kept)
    }
    #expect(try kept([0, 8]) == [.relu, .x2act])
    #expect(try kept([8, 0]) == [.x2act, .relu])
  }

  @Test func budgetsAreKept() throws {
    let data = try DataSplit.load(.digits, path: nil)
    var configuration = Self.configuration(.comparisonBudget(count: 600))
    configuration.training.epochs = 2
    let space = try configuration.makeSpace()
    #expect(space.layers.map(\.comparisons) == [1024, 512])
    let searcher = try Searcher(
      configuration: configuration, data: data, costs: ChoiceCosts(comparisonsOf: space))
    let result = try searcher.run()
    #expect(result.cost <= 600)
    #expect(result.decisions[0].kept == .x2act)
    // The expectation of equal shares is 768: the multiplier has risen.
    #expect(result.history[0].multiplier > 0)
    configuration.objective = .latencyBudget(milliseconds: 8)
    let costs = try ChoiceCosts(table(space, relu: [10, 5]), space: space)
    #expect(try Searcher(configuration: configuration, data: data, costs: costs).run().cost <= 8)
  }

  @Test func tablesMustFit() throws {
    let space = try Self.configuration(.penalty(perMillisecond: 1)).makeSpace()
    var wrong = table(space, relu: [1, 1])
    wrong.rows[1].layer = "other"
    #expect(throws: TrainingError.self) { try ChoiceCosts(wrong, space: space) }
    wrong = table(space, relu: [1, 1])
    wrong.rows[0].milliseconds[.x2act] = nil
    let error = #expect(throws: TrainingError.self) { try ChoiceCosts(wrong, space: space) }
    #expect(error?.description.contains("conv1.act") == true)
  }

  @Test(arguments: [SearchConfiguration.Order.first, .second])
  func resumesBitForBit(order: SearchConfiguration.Order) throws {
    let data = try DataSplit.load(.digits, path: nil)
    let scratch = try ScratchFolder()
    var configuration = Self.configuration(.latencyBudget(milliseconds: 8))
    configuration.order = order
    configuration.warmUpEpochs = 1
    let space = try configuration.makeSpace()
    let costs = try ChoiceCosts(table(space, relu: [10, 5]), space: space)
    let whole = try Searcher(configuration: configuration, data: data, costs: costs).run()
    let path = scratch.path + "/search.checkpoint"
    let first = try Searcher(configuration: configuration, data: data, costs: costs)
    first.checkpointPath = path
    var calls = 0
    let stopped = try first.run(shouldStop: {
      calls += 1
      return calls > 12
    })
    #expect(!stopped.finished && stopped.history.count == 2)
    var threaded = configuration
    threaded.training.threads = 2
    let resumed = try Searcher(resuming: path, configuration: threaded, data: data, costs: costs).run()
    let isSame = resumed.parameters == whole.parameters
    #expect(isSame)
    #expect(resumed.history.map(\.comparisonShares) == whole.history.map(\.comparisonShares))
    #expect(resumed.decisions == whole.decisions)
    var other = configuration
    other.alphaRate = 0.01
    #expect(throws: TrainingError.self) {
      try Searcher(resuming: path, configuration: other, data: data, costs: costs)
    }
    let cheaper = try ChoiceCosts(table(space, relu: [9, 5]), space: space)
    #expect(throws: TrainingError.self) {
      try Searcher(resuming: path, configuration: configuration, data: data, costs: cheaper)
    }
    #expect(throws: TrainingError.self) {
      try Trainer(resuming: path, configuration: configuration.training, data: data)
    }
  }

  @Test func poolsHaveAChoiceToo() throws {
    var configuration = Self.configuration(.penalty(perMillisecond: 1))
    configuration.training.network = "lenet"
    let space = try configuration.makeSpace()
    #expect(space.layers.map(\.name) == ["conv1.act", "pool1", "conv2.act", "pool2", "fc1.act", "fc2.act"])
    let mixed = space.derive(keepsComparison: [true, true, false, false, false, true])
    try mixed.validate()
    #expect(mixed.nodes[space.layers[1].node].operation == .maxPool(kernel: 2, stride: 2, padding: 0))
    configuration.pools = false
    #expect(try configuration.makeSpace().layers.count == 4)
    #expect(SearchSpace.clip(network: "mobilenetv2-w0.5") == 6)
    let mobile = try SearchSpace(#require(Builders.named("mobilenetv2")), clip: 6)
    let clipped = mobile.derive(keepsComparison: mobile.layers.map { _ in true })
    #expect(clipped.nodes.contains { $0.operation == .clippedRelu(upper: 6) })
    let json = try JSONEncoder().encode(space)
    #expect(try JSONDecoder().decode(SearchSpace.self, from: json) == space)
  }
}
