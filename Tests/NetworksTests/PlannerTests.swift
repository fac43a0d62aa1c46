import Networks
import Programs
import Rings
import Testing

@Suite struct PlannerTests {
  /// The twin's output lies within the plan's own bound and near its estimate.
  private func expectAgreement(
    _ graph: Graph, _ parameters: Parameters, count: Int = 3, options: PlannerOptions = PlannerOptions()
  ) throws -> PlannedModel {
    let (folded, weights, planned, samples) = try Samples.plan(graph, parameters, count: count, options: options)
    let executor = try FloatExecutor(graph: folded, parameters: weights)
    let twin = try Twin(planned.plan, planned.quantized)
    let detail = try #require(planned.details.last)
    for sample in samples {
      let result = try twin.logits(normalized: sample)
      let (largest, _) = Samples.difference(result.values, try executor.output(of: sample))
      #expect(result.outOfRange == 0)
      #expect(largest <= detail.errorBound)
      // Random quadratic networks have heavy tails: the largest of some errors is far from their mean square.
      #expect(largest <= 12 * detail.errorEstimate, "\(largest) against \(detail.errorEstimate)")
    }
    try expectInvariants(planned)
    return planned
  }

  /// What the protocol needs of every plan.
  private func expectInvariants(_ planned: PlannedModel) throws {
    try planned.plan.validate()
    try planned.quantized.validate(for: planned.plan.program)
    for (index, step) in planned.plan.program.steps.enumerated() {
      if case .activation = step.operation { #expect(planned.details[index].rangeBits < 61) }
      if let layer = planned.quantized.linear[index] { #expect(layer.weights.allSatisfy { $0.magnitude < 1 << 16 }) }
    }
  }

  @Test(arguments: ["lenet", "resnet20", "digits"], [false, true])
  func benchmarkNetworks(name: String, batchNorm: Bool) throws {
    let graph = try #require(Builders.named(name, batchNorm: batchNorm))
    let planned = try expectAgreement(graph, try Parameters.benchmarkPolynomial(graph, seed: 1))
    #expect(planned.plan.expectedFailuresPerInference == 0)
    // No shortcut needs a step of its own while each layer has one triple of coefficients.
    #expect(!planned.plan.program.steps.contains { $0.name.hasSuffix(".rescale") })
  }

  @Test func resnet18() throws {
    let graph = Builders.resnet18(batchNorm: false)
    _ = try expectAgreement(graph, try Parameters.benchmarkPolynomial(graph, seed: 1), count: 1)
  }

  @Test(arguments: ["lenet", "resnet20", "square:64"])
  func benchmarkCases(name: String) throws {
    let model = try #require(try Benchmarks.model(name))
    try expectInvariants(model.planned())
    #expect(try Benchmarks.model("square:x")?.graph == nil)
  }

  @Test(arguments: [UInt64](1...6), [false, true])
  func trainedLikeCoefficients(seed: UInt64, perChannel: Bool) throws {
    let activation = ActivationChoice.x2act(X2actSpec(perChannel: perChannel))
    for graph in [Builders.digits(activation: activation), Builders.lenet(activation: activation, batchNorm: true)] {
      let parameters = Samples.disturb(try Parameters.initialize(graph, seed: seed), seed: seed + 100)
      _ = try expectAgreement(graph, parameters)
    }
  }

  /// Identity, projection and option-A shortcuts, odd pictures, a padded 3x3 pool, grouped convolution.
  private func residual(perChannel: Bool) -> Graph {
    let act = Operation.x2act(X2actSpec(scale: 2, perChannel: perChannel))
    var graph = Graph(
      name: "residual", input: TensorShape(channels: 2, height: 11, width: 9), inputNormalization: .none(channels: 2))
    func conv(_ channels: Int, _ stride: Int = 1, groups: Int = 1) -> Operation {
      .convolution(ConvolutionSpec(outChannels: channels, kernel: 3, stride: stride, padding: 1, groups: groups))
    }
    graph.append(conv(4), name: "stem")
    graph.append(.averagePool(kernel: 3, stride: 2, padding: 1), name: "pool before the activation")
    let first = graph.append(act, name: "stem.act")
    graph.append(conv(4, groups: 2), name: "a.conv1")
    graph.append(act, name: "a.act1")
    let branch = graph.append(conv(4), name: "a.conv2")
    graph.append(.add, name: "a.add", from: [branch, first])
    let second = graph.append(act, name: "a.act")
    graph.append(.averagePool(kernel: 3, stride: 1, padding: 0), name: "pool")
    let pooled = graph.append(.convolution(ConvolutionSpec(outChannels: 6, kernel: 1)), name: "b.conv")
    graph.append(.averagePool(kernel: 3, stride: 1, padding: 0), name: "b.shortcut pool", from: [second])
    let shortcut = graph.append(.subsamplePad(stride: 1, before: 1, after: 1), name: "b.shortcut")
    graph.append(.add, name: "b.add", from: [shortcut, pooled])
    let third = graph.append(act, name: "b.act")
    let left = graph.append(conv(5, 2), name: "c.conv", from: [third])
    let right = graph.append(
      .convolution(ConvolutionSpec(outChannels: 5, kernel: 1, stride: 2)), name: "c.projection", from: [third])
    graph.append(.add, name: "c.add", from: [left, right])
    graph.append(act, name: "c.act")
    graph.append(.globalAveragePool, name: "global")
    graph.append(.linear(outFeatures: 7, bias: true), name: "fc")
    return graph
  }

  @Test(arguments: [UInt64](1...8), [false, true])
  func randomResidualNetworks(seed: UInt64, perChannel: Bool) throws {
    let graph = residual(perChannel: perChannel)
    let parameters = Samples.disturb(try Parameters.initialize(graph, seed: seed), seed: seed + 50)
    let planned = try expectAgreement(graph, parameters)
    let rescaled = planned.plan.program.steps.filter { $0.name.hasSuffix(".rescale") }
    if !perChannel { #expect(rescaled.isEmpty) }
  }

  @Test func widelyUnequalGainsGetALinearStepOfTheirOwn() throws {
    let graph = residual(perChannel: true)
    var parameters = Samples.disturb(try Parameters.initialize(graph, seed: 1), seed: 2)
    let node = try #require(graph.nodes.first { $0.name == "a.act" })
    parameters[node.id, .w1] = [8, -0.3, 1, 2]
    let planned = try expectAgreement(graph, parameters)
    #expect(planned.plan.program.steps.contains { $0.name.hasSuffix(".rescale") })
  }

  @Test func vanishingSquaresAreRaised() throws {
    let graph = Builders.digits(activation: .x2act(X2actSpec(perChannel: true)))
    var parameters = Samples.disturb(try Parameters.initialize(graph, seed: 1), seed: 2)
    let node = try #require(graph.nodes.first { $0.operation.isActivation })
    parameters[node.id, .w1][0] = 0
    parameters[node.id, .w1][1] = -1e-9
    let planned = try expectAgreement(graph, parameters)
    #expect(planned.details.compactMap(\.clampedChannels).reduce(0, +) == 2)
  }

  @Test func squaresAlone() throws {
    let graph = Builders.square(elements: 1000)
    var parameters = try Parameters.initialize(graph, seed: 1)
    try parameters.setActivation(of: graph, node: 1, square: 1, linear: 0, constant: 0)
    let planned = try expectAgreement(graph, parameters)
    #expect(planned.plan.program.linearSteps.isEmpty)
    let twin = try Twin(planned.plan, planned.quantized)
    let result = try twin.logits(normalized: [Float](repeating: -0.5, count: 1000))
    #expect(result.values.allSatisfy { abs($0 - 0.25) < 0x1p-11 })
    // A negative square as the output needs its sign back: a diagonal step before the output.
    try parameters.setActivation(of: graph, node: 1, square: -0.3, linear: 1, constant: 0.2)
    let signed = try expectAgreement(graph, parameters)
    #expect(signed.plan.program.linearSteps.count == 1)
  }

  @Test func moreFractionBitsMeanSmallerErrors() throws {
    let graph = Builders.digits()
    let parameters = Samples.disturb(try Parameters.initialize(graph, seed: 5), seed: 6)
    let coarse = try expectAgreement(
      graph, parameters, options: PlannerOptions(inputBits: 7, activationBits: 7, weightBits: 8))
    let fine = try expectAgreement(graph, parameters)
    #expect(try #require(fine.details.last).errorEstimate < 0.5 * #require(coarse.details.last).errorEstimate)
  }

  @Test func unsupportedNetworksAreNamed() throws {
    func message(_ graph: Graph) throws -> String {
      let parameters = Samples.disturb(try Parameters.initialize(graph, seed: 1), seed: 3)
      do { _ = try Samples.plan(graph, parameters) } catch { return "\(error)" }
      return ""
    }
    var graph = Builders.digits(batchNorm: false)
    graph.nodes[2].operation = .convolution(ConvolutionSpec(outChannels: 16, kernel: 1))
    // Folding puts an opening there; without it the layer is named.
    #expect(try message(graph).isEmpty)
    do {
      let weights = try Parameters.initialize(graph, seed: 1)
      let samples = Samples.inputs(graph, count: 1, seed: 1)
      _ = try Planner.plan(graph, weights, Calibration.run(graph, weights, samples: samples))
      Issue.record("a layer with weights read another one's output")
    } catch { #expect("\(error)".contains("reads another linear layer's output")) }

    graph = Graph(name: "sum", input: TensorShape(vector: 4), inputNormalization: .none(channels: 4))
    graph.append(.linear(outFeatures: 4, bias: true), name: "l1")
    graph.append(.x2act(X2actSpec(perChannel: true)), name: "a1")
    graph.append(.linear(outFeatures: 4, bias: true), name: "l2", from: [0])
    graph.append(.x2act(X2actSpec(perChannel: true)), name: "a2")
    graph.append(.add, name: "joint", from: [2, 4])
    graph.append(.linear(outFeatures: 2, bias: true), name: "l3")
    let parameters = try { () throws -> Parameters in
      var parameters = try Parameters.initialize(graph, seed: 1)
      parameters[2, .w1] = [1, -1, 1, 1]
      parameters[4, .w1] = [1, 1, -1, 1]
      return parameters
    }()
    do {
      _ = try Samples.plan(graph, parameters)
      Issue.record("gains of different signs were added")
    } catch { #expect("\(error)".contains("joint") && "\(error)".contains("gains differ")) }
  }

  @Test func localTruncationIsBoundByTheBudget() throws {
    let graph = Builders.digits()
    let parameters = try Parameters.benchmarkPolynomial(graph, seed: 2)
    #expect(throws: NetworksError.self) {
      try Samples.plan(graph, parameters, options: PlannerOptions(truncation: .local))
    }
    let forced = try Samples.plan(
      graph, parameters, options: PlannerOptions(truncation: .local, allowExceeding: true)
    ).planned.plan
    #expect(forced.expectedFailuresPerInference > 0x1p-20)
    #expect(forced.expectedFailures.count == 2)
    let automatic = try Samples.plan(graph, parameters, options: PlannerOptions(truncation: .automatic)).planned.plan
    #expect(automatic.expectedFailuresPerInference <= 0x1p-20)
    let loose = try Samples.plan(
      graph, parameters, options: PlannerOptions(truncation: .automatic, failureBudget: 1e6)
    ).planned.plan
    for step in loose.program.steps {
      if case .activation(let spec) = step.operation { #expect(spec.truncation == .local) }
    }
    #expect(throws: NetworksError.self) {
      try Samples.plan(graph, parameters, options: PlannerOptions(inputBits: 17))
    }
  }
}
