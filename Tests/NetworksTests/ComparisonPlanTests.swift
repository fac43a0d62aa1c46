import Networks
import Programs
import Rings
import Testing

@Suite("Plans with comparisons")
struct ComparisonPlanTests {
  /// A small residual network with every comparison, and X2act where asked for.
  static func network(_ first: Operation, _ second: Operation, _ third: Operation) -> Graph {
    var graph = Graph(
      name: "mixed", input: TensorShape(channels: 2, height: 8, width: 8), inputNormalization: .none(channels: 2))
    graph.append(.convolution(ConvolutionSpec(outChannels: 4, kernel: 3, padding: 1)), name: "stem")
    let entry = graph.append(first, name: "stem.act")
    graph.append(.convolution(ConvolutionSpec(outChannels: 4, kernel: 3, padding: 1)), name: "conv1")
    graph.append(second, name: "conv1.act")
    let branch = graph.append(.convolution(ConvolutionSpec(outChannels: 4, kernel: 3, padding: 1)), name: "conv2")
    graph.append(.add, name: "add", from: [branch, entry])
    graph.append(third, name: "add.act")
    graph.append(.maxPool(kernel: 3, stride: 2, padding: 1), name: "pool")
    graph.append(.flatten, name: "flatten")
    graph.append(.linear(outFeatures: 5, bias: true), name: "fc")
    return graph
  }

  /// The twin of a plan against the float network: within the plan's own bound, and near its estimate.
  @discardableResult
  private func agree(_ graph: Graph, seed: UInt64, options: PlannerOptions = PlannerOptions()) throws -> PlannedModel {
    let parameters = Samples.disturb(try Parameters.initialize(graph, seed: seed), seed: seed + 1, square: 0.5)
    let (folded, trained, planned, samples) = try Samples.plan(graph, parameters, options: options)
    try planned.plan.validate()
    let twin = try Twin(planned.plan, planned.quantized)
    let executor = try FloatExecutor(graph: folded, parameters: trained)
    let detail = try #require(planned.details.last)
    for sample in samples {
      let found = try twin.logits(normalized: sample)
      #expect(found.outOfRange == 0)
      let (largest, scale) = Samples.difference(found.values, try executor.output(of: sample))
      #expect(largest <= detail.errorBound)
      #expect(largest <= 12 * detail.errorEstimate && largest < 0.05 * max(scale, 0.1), "\(graph.name)")
    }
    return planned
  }

  static let operations: [Operation] = [
    .relu, .x2act(X2actSpec(perChannel: true)), .leakyRelu(shift: 3), .clippedRelu(upper: 1), .absolute,
    .clip(lower: -0.5, upper: 0.75),
  ]

  @Test("Every choice for three places, in both rings", arguments: 0..<27)
  func mixed(index: Int) throws {
    let choices = Array(Self.operations[..<3])
    try agree(
      Self.network(choices[index % 3], choices[index / 3 % 3], choices[index / 9]), seed: UInt64(index))
  }

  @Test("Clipped ReLU, magnitude and clip", arguments: 3..<6, 0..<3)
  func others(index: Int, place: Int) throws {
    var places = [Operation](repeating: .relu, count: 3)
    places[place] = Self.operations[index]
    let planned = try agree(Self.network(places[0], places[1], places[2]), seed: UInt64(30 + index + place))
    #expect(planned.plan.program.comparisonSteps.count == 4)
  }

  @Test("A tensor that is read in both rings passes through a change of ring")
  func rings() throws {
    let planned = try agree(
      Self.network(.relu, .x2act(X2actSpec()), .relu), seed: 50)
    let steps = planned.plan.program.steps
    let changed = steps.filter { $0.operation == .changeRing }
    #expect(changed.count == 1 && changed[0].tensor.modulus == .field)
    for index in planned.plan.program.comparisonSteps {
      #expect(steps[steps[index].inputs[0]].tensor.modulus == .word)
    }
  }

  @Test("Maxima come before a monotone activation, and change no result")
  func commute() throws {
    for activation in [Operation.relu, .leakyRelu(shift: 2), .clippedRelu(upper: 2), .clip(lower: -1, upper: 1), .sign]
    {
      let graph = Self.network(.relu, .relu, activation)
      let parameters = Samples.disturb(try Parameters.initialize(graph, seed: 3), seed: 4)
      let folded = try Folding.fold(graph, parameters)
      let labels = folded.graph.nodes.map(\.operation.label)
      let pool = try #require(labels.firstIndex(of: "maxpool"))
      #expect(labels[pool + 1] == activation.label)
      let (before, after) = (
        try FloatExecutor(graph: graph, parameters: parameters),
        try FloatExecutor(graph: folded.graph, parameters: folded.parameters)
      )
      for sample in Samples.inputs(graph, count: 3, seed: 5) {
        #expect(try before.output(of: sample) == after.output(of: sample))
      }
    }
    // The magnitude is not monotone, and stays where it is.
    let graph = Self.network(.relu, .relu, .absolute)
    let folded = try Folding.fold(graph, try Parameters.initialize(graph, seed: 3)).graph
    #expect(folded.nodes.map(\.operation.label).firstIndex(of: "abs")! < 9)
    #expect(folded.nodes.map(\.operation) == graph.nodes.map(\.operation))
  }

  @Test("Widths follow the calibrated ranges, values beyond them are counted, and the report says so")
  func widths() throws {
    let planned = try agree(Self.network(.relu, .relu, .relu), seed: 60)
    let program = planned.plan.program
    let twin = try Twin(planned.plan, planned.quantized)
    let calm = try twin.run([Int64](repeating: 100, count: 128), keepingAll: true)
    #expect(calm.outOfRange == 0)
    // Inputs far beyond the calibrated ones.
    #expect(try twin.run([Int64](repeating: 1 << 24, count: 128)).outOfRange > 0)
    for index in program.comparisonSteps {
      let bits = program.comparisonSchedule(index)!.stages[0].digits.bits
      #expect((10...24).contains(bits), "\(bits)")
      let range = planned.details[index].rangeBits
      #expect(Double(bits) >= range + 1 && Double(bits) <= range + 3)
    }
    let report = Report(planned)
    #expect(
      report.comparisons
        == program.comparisonSteps.reduce(0) { sum, index in
          sum + program.comparisonSchedule(index)!.stages.reduce(0) { $0 + $1.count }
        })
    let table = report.table()
    #expect(table.contains("max-pool") && table.contains("relu") && table.contains("comparisons per inference"))
    #expect(planned.plan.expectedFailures.count == program.turningSteps.count)
    #expect(planned.plan.expectedFailuresPerInference > 0 && planned.plan.expectedFailuresPerInference < 0x1p-25)
  }

  @Test("Preferences choose digits", arguments: ComparisonPreference.allCases)
  func preference(preference: ComparisonPreference) throws {
    let planned = try agree(
      Self.network(.relu, .relu, .relu), seed: 61, options: PlannerOptions(comparisons: preference))
    for index in planned.plan.program.comparisonSteps {
      let digits = planned.plan.program.comparisonSchedule(index)!.stages[0].digits
      #expect(digits == ComparisonDigits(bits: digits.bits, preferring: preference))
    }
  }

  @Test("ResNet-20 and LeNet with ReLU", arguments: ["lenet", "digits", "resnet20"])
  func builders(name: String) throws {
    let graph = try #require(Builders.named(name, activation: .relu, batchNorm: true))
    let planned = try agree(graph, seed: 8)
    #expect(planned.plan.program.activationSteps.isEmpty && !planned.plan.program.comparisonSteps.isEmpty)
  }

  @Test("Options of files without comparisons are read")
  func olderOptions() throws {
    let options = PlannerOptions(inputBits: 9, comparisons: .bytes)
    let model = ModelFile(
      graph: Builders.relu(elements: 3), parameters: try Parameters.initialize(Builders.relu(elements: 3), seed: 1),
      options: options)
    #expect(try ModelFile.decode(model.encoded()).options == options)
  }

  @Test("A sign is an integer of either value, 1 at zero, and the float network's but near zero")
  func sign() throws {
    let graph = Self.network(.sign, .relu, .relu)
    let (folded, trained, planned, samples) = try Samples.plan(graph, try Parameters.initialize(graph, seed: 5))
    let twin = try Twin(planned.plan, planned.quantized)
    let executor = try FloatExecutor(graph: folded, parameters: trained)
    let step = try #require(planned.plan.program.comparisonSteps.first)
    #expect(planned.plan.program.steps[step].tensor.fractionBits == 0)
    let operand = planned.plan.program.steps[step].inputs[0]
    for sample in samples {
      let integers = try twin.run(planned.plan.input.quantize(normalized: sample), keepingAll: true)
      let floats = try executor.tensors(of: sample)
      let scale = Double(Int64(1) << Int64(planned.plan.program.steps[operand].tensor.fractionBits))
      for (index, value) in integers.tensors[step].enumerated() {
        #expect(value == 1 || value == -1)
        let before = Double(integers.tensors[operand][index]) / scale
        #expect(Float(value) == floats[2][index] || abs(before) < planned.details[operand].errorBound)
      }
    }
    let zero = try FloatExecutor(graph: folded, parameters: trained).tensors(of: samples[0])[2]
    #expect(zero.allSatisfy { $0 == 1 || $0 == -1 })
  }

  @Test("Faithful truncation gives the same results, drops nothing at one party, and fails no more than the rest")
  func faithful() throws {
    for (index, third) in [Operation.relu, .x2act(X2actSpec(perChannel: true)), .absolute].enumerated() {
      let graph = Self.network(.relu, .clip(lower: -0.4, upper: 0.6), third)
      let local = try agree(graph, seed: 70 + UInt64(index), options: PlannerOptions(ringTruncation: .local))
      let faithful = try agree(graph, seed: 70 + UInt64(index), options: PlannerOptions(ringTruncation: .faithful))
      let program = faithful.plan.program
      #expect(program.comparisonSteps.allSatisfy { program.comparisonDrops($0) == 0 })
      #expect(program.steps.contains { if case .output(let dropped) = $0.operation { dropped == 0 } else { false } })
      let sample = try local.plan.input.quantize(normalized: Samples.inputs(graph, count: 1, seed: 7)[0])
      // One floors, the other rounds.
      let (first, second) = (
        try Twin(local.plan, local.quantized).run(sample).output,
        try Twin(faithful.plan, faithful.quantized).run(sample).output
      )
      let bound = try #require(local.details.last).errorBound + #require(faithful.details.last).errorBound
      let unit = Double(Int64(1) << Int64(local.plan.input.outputFractionBits))
      #expect(first.count == second.count && zip(first, second).allSatisfy { Double(abs($0 - $1)) <= bound * unit })
      #expect(faithful.plan.expectedFailures.count == program.turningSteps.count)
      #expect(faithful.plan.expectedFailuresPerInference < local.plan.expectedFailuresPerInference / 16)
      let table = Report(faithful).table()
      #expect(table.contains("floor") && table.contains("exact"))
    }
    let whole = try agree(
      Self.network(.relu, .relu, .relu), seed: 75, options: PlannerOptions(ringTruncation: .faithful))
    #expect(whole.plan.expectedFailuresPerInference == 0)
  }

  @Test("Turns are tracked where a budget leaves operands too few bits, and nowhere else")
  func automatic() throws {
    func tracked(_ planned: PlannedModel) -> [Bool] {
      planned.plan.program.steps.compactMap {
        if case .comparison(let spec) = $0.operation { spec.tracksTurns } else { nil }
      }
    }
    let graph = Self.network(.relu, .clip(lower: -0.4, upper: 0.6), .absolute)
    let ample = try agree(graph, seed: 72)
    #expect(tracked(ample) == [false, false, false] && ample.plan.expectedFailuresPerInference > 0)
    let none = try agree(graph, seed: 72, options: PlannerOptions(failureBudget: 0))
    #expect(tracked(none) == [true, true, true] && none.plan.expectedFailuresPerInference == 0)
    #expect(Report(none).table().contains("tracked"))
    // Between the two some comparisons turn rarely enough, though weights before them are finer.
    let share = ample.plan.expectedFailuresPerInference
    let between = try agree(graph, seed: 72, options: PlannerOptions(failureBudget: 8 * share))
    #expect(between.plan.expectedFailuresPerInference <= 8 * share)
    #expect(tracked(between).contains(true) || between.plan.expectedFailuresPerInference > 0)
    // A sign needs none, and what an activation reads afterwards lives in F_p: there a floor takes its place.
    let others = try agree(
      Self.network(.sign, .relu, .x2act(X2actSpec(perChannel: true))), seed: 73,
      options: PlannerOptions(ringTruncation: .tracked))
    let floors = others.plan.program.steps.map(\.name).filter { $0.hasSuffix(".floor") }
    #expect(!tracked(others).contains(true) && floors == ["conv1.act.floor", "pool.floor"], "\(floors)")
    // Operands that local dropping would have to keep small get all their bits.
    let tight = Self.network(.relu, .relu, .relu)
    let options = PlannerOptions(failureBudget: 0x1p-38, ringTruncation: .local)
    let local = try Samples.plan(tight, try Parameters.initialize(tight, seed: 74), options: options).planned
    let free = try agree(tight, seed: 74, options: PlannerOptions(failureBudget: 0x1p-38))
    let errors = [local, free].map { $0.details.last!.errorEstimate }
    #expect(errors[1] < errors[0] / 4, "\(errors)")
  }

  @Test("A plan that reveals labels: one byte, the first of equal scores, and a report that says so")
  func labels() throws {
    let graph = Self.network(.relu, .relu, .relu)
    let (_, _, planned, samples) = try Samples.plan(
      graph, try Parameters.initialize(graph, seed: 9), options: PlannerOptions(reveals: .label))
    let (_, _, scored, _) = try Samples.plan(
      graph, try Parameters.initialize(graph, seed: 9), options: PlannerOptions(outputBits: 24))
    #expect(planned.plan.reveals == .label && planned.plan.classCount == 5 && planned.plan.program.labels == 5)
    #expect(scored.plan.reveals == .scores && scored.plan.classCount == 5 && scored.plan.program.labels == nil)
    #expect(planned.plan.program.outputBytesPerElement == 1)
    for sample in samples {
      let label = try Twin(planned.plan, planned.quantized).result(normalized: sample)
      let scores = try Twin(scored.plan, scored.quantized).result(normalized: sample)
      #expect(label.label == scores.label && label.scores.isEmpty && scores.scores.count == 5 && label.outOfRange == 0)
    }
    #expect(Report(planned).table().contains("the label, nothing else"))
    #expect(Report(scored).table().contains("the scores of all classes"))
    #expect(try Plan.decode(json: planned.plan.canonicalBytes()) == planned.plan)
    // Equal scores: the first.
    #expect(scored.plan.result(of: [3, 7, 7, -1, 7]).label == 1)
    // Names are those of the classes, not of the single output.
    var named = planned.plan
    named.input.classes = ["a", "b", "c", "d", "e"]
    try named.validate()
    named.input.classes = ["a"]
    #expect(throws: NetworksError.self) { try named.validate() }
  }

  @Test("A least width is kept to, up to the whole word", arguments: [30, 64])
  func leastWidth(bits: Int) throws {
    for truncation in RingTruncation.allCases {
      let planned = try agree(
        Self.network(.relu, .leakyRelu(shift: 2), .relu), seed: 80,
        options: PlannerOptions(comparisonBits: bits, ringTruncation: truncation))
      let program = planned.plan.program
      for index in program.comparisonSteps {
        if case .comparison(let spec) = program.steps[index].operation, spec.function == .floor { continue }
        let width = program.comparisonSchedule(index)!.stages[0].digits.bits
        #expect(width >= min(bits, 64 - program.comparisonDrops(index)))
      }
    }
    #expect(throws: NetworksError.self) {
      try agree(Self.network(.relu, .relu, .relu), seed: 80, options: PlannerOptions(comparisonBits: 65))
    }
  }

  @Test("Benchmark cases compare in the width asked for", arguments: [8, 20, 24, 32, 33, 48, 64])
  func benchmarks(bits: Int) throws {
    for name in ["relu", "maxpool"] {
      let planned = try #require(try Benchmarks.model("\(name):300:\(bits)")).planned()
      let index = try #require(planned.plan.program.comparisonSteps.first)
      #expect(planned.plan.program.comparisonSchedule(index)!.stages[0].digits.bits == bits)
    }
  }
}
