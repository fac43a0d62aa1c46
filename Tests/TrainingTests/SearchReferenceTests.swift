import Foundation
import Networks
import Rings
import Testing

@testable import Training

/// A step of the search of LeNet against PyTorch's numbers, to which the package in Scripts/torch is held as well.
@Suite struct SearchReferenceTests {
  private struct Reference: Decodable {
    var table: LatencyTable
    var scale: Float
    var rate: Float
    var weight: Double
    var logits: [[Double]]
    var trainingLoss: Double
    var milliseconds: Double
    var validationLoss: Double
    var gradients: [String: [Double]]
    var first: [[Double]]
    var second: [[Double]]
  }

  private let reference: Reference
  private let executor: GraphExecutor
  private let problem: SearchProblem
  private let costs: ChoiceCosts
  private let batches: [LabelledBatch]

  init() throws {
    let url = Bundle.module.url(forResource: "search", withExtension: "json", subdirectory: "References")!
    reference = try JSONDecoder().decode(Reference.self, from: Data(contentsOf: url))
    let space = try SearchSpace(Builders.lenet(activation: .x2act(X2actSpec(scale: reference.scale))))
    costs = try ChoiceCosts(reference.table, space: space)
    executor = try GraphExecutor(
      space: space, parameters: Self.start(space.polynomial), workers: Workers(threads: 2), mode: .learned)
    for (salt, gate) in executor.gates.enumerated() {
      for (index, value) in Wave.values(2, 30 + salt, 1).enumerated() { gate.numbers.pointer[index] = value }
    }
    batches = (0..<2).map { index in
      LabelledBatch(
        batch: Layout.tensor(Wave.values(6 * 784, 20 + index, 1.5), [6, 1, 28, 28]),
        labels: (0..<6).map { (7 * $0 + 3 * index) % 10 })
    }
    let weight = reference.weight
    problem = SearchProblem(
      executor: executor, training: batches[0], validation: batches[1], options: GraphExecutor.LossOptions(),
      costs: costs.layers.map { (Float(weight * $0.comparison), Float(weight * $0.polynomial)) })
  }

  /// The start that search.py describes.
  private static func start(_ graph: Graph) throws -> Parameters {
    var parameters = try Parameters.initialize(graph, seed: 1)
    func node(_ name: String) -> Int { graph.nodes.first { $0.name == name }!.id }
    for (salt, layer) in [("conv1", 25), ("conv2", 150), ("fc1", 256), ("fc2", 120), ("fc3", 84)].enumerated() {
      let id = node(layer.0)
      parameters[id, .weight] = Wave.values(
        parameters[id, .weight].count, salt, (4 / Double(layer.1)).squareRoot())
      parameters[id, .bias] = Wave.values(parameters[id, .bias].count, 10 + salt, 0.1)
    }
    for (salt, name) in ["conv1.act", "conv2.act", "fc1.act", "fc2.act"].enumerated() {
      parameters[node(name), .w1] = [0.5 - 0.25 * Float(salt)]
      parameters[node(name), .w2] = [0.75 + 0.125 * Float(salt)]
      parameters[node(name), .b] = [0.125 * Float(salt) - 0.25]
    }
    return parameters
  }

  private func key(_ name: String) throws -> ParameterKey {
    let dot = try #require(name.lastIndex(of: "."))
    let node = try #require(executor.graph.nodes.first { $0.name == name[..<dot] })
    return ParameterKey(node.id, try #require(ParameterName(rawValue: String(name[name.index(after: dot)...]))))
  }

  /// Float32 sums of at most some thousand products of size one: 2^-24 times a few hundred.
  @Test func forwardBackwardAndLatency() throws {
    for (found, wanted) in zip(executor.logits(batch: batches[0].batch), reference.logits) {
      for (a, b) in zip(found, wanted) { #expect(abs(Double(a) - b) < 2e-5) }
    }
    let result = executor.differentiate(
      batch: batches[0].batch, labels: batches[0].labels, options: GraphExecutor.LossOptions(),
      terms: GraphExecutor.StepTerms())
    #expect(abs(Double(result.loss) - reference.trainingLoss) < 1e-5)
    #expect(reference.gradients.count == 15)
    for (name, wanted) in reference.gradients {
      let found = try #require(executor.gradient(try key(name)))
      #expect(found.count == wanted.count)
      for (a, b) in zip(found, wanted) { #expect(abs(Double(a) - b) < 1e-6 + 1e-4 * abs(b), "\(name)") }
    }
    let shares = executor.gates.map { gate in
      1 / (1 + exp(Double(gate.numbers.pointer[1]) - Double(gate.numbers.pointer[0])))
    }
    #expect(abs(costs.expected(shares) - reference.milliseconds) < 1e-5)
  }

  /// Second order divides a difference of float32 gradients, each true to 1e-7, by twice epsilon, at least 0.005, and
  /// takes 0.05 of it. A maximum that float32 decides otherwise would add to that.
  @Test func orders() throws {
    let first = Bilevel.firstOrder(problem)
    #expect(
      abs(Double(problem.last.loss) - (reference.validationLoss - reference.weight * reference.milliseconds)) < 1e-5)
    #expect(zip(first, reference.first.joined()).allSatisfy { abs($0 - $1) < 1e-6 })
    let before = executor.parameters
    let second = Bilevel.secondOrder(problem, rate: reference.rate)
    #expect(zip(second, reference.second.joined()).allSatisfy { abs($0 - $1) < 2e-5 })
    #expect(executor.parameters == before)
    #expect(zip(reference.first.joined(), reference.second.joined()).contains { abs($0 - $1) > 1e-3 })
  }
}

/// The numbers that the references are made of.
enum Wave {
  static func values(_ count: Int, _ salt: Int, _ scale: Double) -> [Float] {
    (0..<count).map { Float(scale * sin(0.7 * Double($0 + 1) * (1 + 0.013 * Double(salt)) + Double(salt))) }
  }
}
