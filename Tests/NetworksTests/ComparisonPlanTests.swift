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
  ]

  @Test("Every choice for three places, in both rings", arguments: 0..<27)
  func mixed(index: Int) throws {
    let choices = Array(Self.operations[..<3])
    try agree(
      Self.network(choices[index % 3], choices[index / 3 % 3], choices[index / 9]), seed: UInt64(index))
  }

  @Test("Clipped ReLU and magnitude", arguments: 3..<5, 0..<3)
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
    for activation in [Operation.relu, .leakyRelu(shift: 2), .clippedRelu(upper: 2)] {
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

  @Test("Benchmark cases compare in the width asked for", arguments: [8, 20, 24, 32])
  func benchmarks(bits: Int) throws {
    for name in ["relu", "maxpool"] {
      let planned = try #require(try Benchmarks.model("\(name):300:\(bits)")).planned()
      let index = try #require(planned.plan.program.comparisonSteps.first)
      #expect(planned.plan.program.comparisonSchedule(index)!.stages[0].digits.bits == bits)
    }
  }
}
