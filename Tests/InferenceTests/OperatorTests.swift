import Correlations
import Inference
import Networks
import Programs
import Randomness
import Rings
import TestSupport
import Testing

/// Operators of random networks, from the planner through the twin to two parties.
@Suite("Every operator from planner to two parties")
struct OperatorTests {
  static func word(_ random: StreamGenerator, _ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(random.word() % UInt64(range.count))
  }

  /// A convolution, the operator, and a linear layer behind; shapes, windows and bounds of every run differ.
  static func network(_ operation: Operation, _ random: StreamGenerator) -> Graph {
    let shape = TensorShape(
      channels: word(random, 1...3), height: word(random, 6...11), width: word(random, 6...11))
    var graph = Graph(name: operation.label, input: shape, inputNormalization: .none(channels: shape.channels))
    let kernel = word(random, 1...3)
    graph.append(
      .convolution(
        ConvolutionSpec(outChannels: word(random, 1...4), kernel: kernel, stride: word(random, 1...2), padding: 1)),
      name: "conv")
    graph.append(operation, name: "operator")
    if operation.averaging != nil { graph.append(.relu, name: "relu") }
    graph.append(.flatten, name: "flatten")
    graph.append(.linear(outFeatures: word(random, 2...6), bias: true), name: "fc")
    return graph
  }

  static func operation(_ index: Int, _ random: StreamGenerator) -> Operation {
    let bound = Float(word(random, 10...80)) / 100
    switch index {
    case 0: return .relu
    case 1: return .leakyRelu(shift: word(random, 1...6))
    case 2: return .clippedRelu(upper: bound)
    case 3: return .clip(lower: -bound, upper: Float(word(random, 5...90)) / 100)
    case 4: return .clip(lower: bound / 8, upper: bound)
    case 5: return .absolute
    case 6: return .sign
    case 7:
      let kernel = word(random, 2...3)
      return .maxPool(kernel: kernel, stride: word(random, 1...3), padding: word(random, 0...kernel - 1))
    case 8: return .maximum(over: window(random))
    default: return .average(over: AveragingWindow(window(random), countsPadding: word(random, 0...1) == 0))
    }
  }

  /// Windows with gaps, unequal padding and overhang, each with a pixel of every picture of at least two pixels a side.
  static func window(_ random: StreamGenerator) -> PoolingWindow {
    func axis(_ kernels: ClosedRange<Int>) -> PoolingAxis {
      var axis = PoolingAxis(kernel: word(random, kernels), stride: word(random, 1...2), before: word(random, 0...1))
      if axis.kernel == 1 { axis.before = 0 }
      if axis.before == 1, axis.kernel == 2 { axis.behind = 1 }
      return axis
    }
    return PoolingWindow(rows: axis(1...2), columns: axis(2...3))
  }

  struct Case {
    let planned: PlannedModel
    let twin: Twin
    let samples: [[Float]]

    init(_ graph: Graph, seed: UInt64, options: PlannerOptions) throws {
      var parameters = try Parameters.initialize(graph, seed: seed)
      // Biases, so that no operator meets zeros only.
      for key in parameters.keys where key.name == .bias {
        parameters[key.node, .bias] = parameters[key.node, .bias].indices.map { Float(($0 * 7 + 3) % 11 - 5) / 40 }
      }
      samples = (0..<2).map { Benchmarks.randomSample(graph, seed: seed &* 100 &+ $0) }
      let calibration = try Calibration.run(graph, parameters, samples: samples)
      planned = try Planner.plan(graph, parameters, calibration, options: options)
      twin = try Twin(planned.plan, planned.quantized)
    }

    func inputs() throws -> [[Int64]] { try samples.map { try planned.plan.input.quantize(normalized: $0) } }

    func run() throws -> [[Int64]] {
      let model = try ModelOwnerModel(planned: planned, salt: [UInt8](repeating: 3, count: 32))
      return try Trio(model: model).run(batches: [try inputs()], prepared: 2).results
    }
  }

  @Test("Faithful truncation: the twin's very integers", arguments: 0..<10, 0..<3 as Range<UInt64>)
  func faithful(index: Int, seed: UInt64) throws {
    let random = StreamGenerator(publicSeed: 900 + 10 * UInt64(index) + seed)
    let graph = Self.network(Self.operation(index, random), random)
    let options = PlannerOptions(
      comparisons: seed % 2 == 0 ? .messages : .bytes, ringTruncation: .faithful, reveals: seed == 2 ? .label : .scores)
    let found = try Case(graph, seed: seed, options: options)
    for step in found.planned.plan.program.comparisonSteps {
      #expect(found.planned.plan.program.comparisonDrops(step) == 0)
    }
    let results = try found.run()
    for (input, result) in zip(try found.inputs(), results) {
      let expected = try found.twin.run(input)
      #expect(expected.outOfRange == 0 && expected.output == result, "\(graph.name)")
    }
  }

  @Test(
    "Bits dropped by each party: within the plan's bound of the twin", arguments: 0..<10,
    [(0 as UInt64, RingTruncation.local), (1, .local), (2, .automatic), (0, .tracked), (1, .tracked)])
  func local(index: Int, form: (seed: UInt64, truncation: RingTruncation)) throws {
    let seed = form.seed
    let random = StreamGenerator(publicSeed: 900 + 10 * UInt64(index) + seed)
    let graph = Self.network(Self.operation(index, random), random)
    let found = try Case(
      graph, seed: seed,
      options: PlannerOptions(
        comparisons: seed % 2 == 0 ? .bytes : .messages, ringTruncation: form.truncation))
    let (results, bound) = (try found.run(), try #require(found.planned.details.last).errorBound)
    let units = 2 * bound * Double(Int64(1) << Int64(found.planned.plan.input.outputFractionBits)) + 1
    for (input, result) in zip(try found.inputs(), results) {
      let expected = try found.twin.run(input)
      #expect(expected.outOfRange == 0 && result.count == expected.output.count)
      let worst = zip(expected.output, result).map { abs($0 - $1) }.max()!
      #expect(Double(worst) <= units, "\(graph.name): \(worst) of \(units)")
    }
  }

  @Test("Labels alone: those of the twin, first of equal scores", arguments: 0..<4 as Range<UInt64>)
  func labels(seed: UInt64) throws {
    let random = StreamGenerator(publicSeed: 700 + seed)
    let graph = Self.network(.relu, random)
    let label = try Case(graph, seed: seed, options: PlannerOptions(ringTruncation: .faithful, reveals: .label))
    let scores = try Case(graph, seed: seed, options: PlannerOptions(outputBits: 24, ringTruncation: .faithful))
    #expect(label.planned.plan.program.outputBytesPerElement == 1 && label.planned.plan.program.output.shape.count == 1)
    let results = try label.run()
    for (position, sample) in label.samples.enumerated() {
      let (twin, floats) = (try label.twin.result(normalized: sample), try scores.twin.result(normalized: sample))
      #expect(results[position] == [Int64(twin.label)] && twin.scores.isEmpty && twin.label == floats.label)
      #expect(label.planned.plan.result(of: results[position]).label == twin.label)
    }
  }
}

@Suite("The whole ring")
struct WholeRingTests {
  /// Where signs, carries and turns change, in 64 bits.
  static let edges: [Int64] = {
    var edges: [Int64] = [0, 1, -1, .max, .min, .max - 1, .min + 1]
    for bit in 1..<63 {
      let power = Int64(1) << Int64(bit)
      edges += [power, power - 1, -power, -power - 1]
    }
    return edges
  }()

  private func run(_ program: Program, _ inputs: [Int64], prepared: Int = 1, alone: Bool = false) throws -> [Int64] {
    let model = try Example(program, seed: 3).model()
    return alone
      ? try Duo(model: model).run(batches: [[inputs]], prepared: prepared).results[0]
      : try Trio(model: model).run(batches: [[inputs]], prepared: prepared).results[0]
  }

  private func single(_ count: Int, _ spec: ComparisonSpec) -> Program {
    var p = ProgramAssembler(Examples.vector(count), .word)
    p.add(.comparison(spec), shape: p.shape)
    return p.finish(dropping: 0)
  }

  @Test("ReLU and sign of every kind of 64-bit integer", arguments: ComparisonPreference.allCases, [false, true])
  func whole(preference: ComparisonPreference, alone: Bool) throws {
    let digits = ComparisonDigits(bits: 64, preferring: preference)
    let spec = ComparisonSpec(droppedBits: 0, digits: digits)
    #expect(try run(single(Self.edges.count, spec), Self.edges, alone: alone) == Self.edges.map { max($0, 0) })
    var sign = spec
    sign.function = .sign
    #expect(
      try run(single(Self.edges.count, sign), Self.edges, alone: alone) == Self.edges.map { $0 >= 0 ? 1 : -1 })
  }

  static let trackable: [ComparisonFunction] = [
    .relu, .leakyReLU(shift: 1), .leakyReLU(shift: 3), .absolute, .clip(lower: 0, upper: 300),
    .clip(lower: -250, upper: 120),
  ]

  /// Any kind of integer below 2^61, of which a 64-bit word's shares turn half of the time.
  private static func held(_ count: Int, _ seed: UInt64) -> [Int64] {
    let random = StreamGenerator(publicSeed: seed)
    return edges.filter { $0 >= -(1 << 61) && $0 < 1 << 61 }
      + (0..<count).map { _ in Int64(bitPattern: random.word()) >> Int64(2 + random.word() % 60) }
  }

  private func value(_ function: ComparisonFunction, _ x: Int64) -> Int64 {
    switch function {
    case .leakyReLU(let shift): x >= 0 ? x << Int64(shift) : x
    case .absolute: abs(x)
    case .clip(let lower, let upper): min(max(x, lower), upper)
    default: max(x, 0)
    }
  }

  @Test(
    "Turns tracked: one of the two integers beside the quotient", arguments: [1, 2, 7, 12, 20, 31, 40], [false, true])
  func tracked(dropped: Int, alone: Bool) throws {
    for (index, function) in Self.trackable.enumerated() {
      // The integer above must fit as well.
      var inputs = Self.held(2100, UInt64(100 * dropped + index)).filter { $0 <= (1 << 61) - (1 << Int64(dropped)) - 1 }
      let preference: ComparisonPreference = alone == (index % 2 == 0) ? .bytes : .messages
      var bits = 62 - dropped
      if function.comparisons == 2 {
        // What a bound is taken from must stay within the word that is compared.
        inputs = inputs.map { $0 >> 1 }
        bits = min(bits, 40)
        inputs = inputs.map { ($0 << Int64(64 - bits - dropped + 1)) >> Int64(64 - bits - dropped + 1) }
      }
      let spec = ComparisonSpec(
        droppedBits: dropped, digits: ComparisonDigits(bits: bits, preferring: preference), function: function,
        tracksTurns: true)
      let program = single(inputs.count, spec)
      try program.validate()
      func wrong(_ found: [Int64]) -> Int {
        zip(inputs, found).count { input, result in
          let (low, isWhole) = (input >> Int64(dropped), input & (1 << Int64(dropped) - 1) == 0)
          return value(function, low) != result && (isWhole || value(function, low + 1) != result)
        }
      }
      #expect(try wrong(run(program, inputs, alone: alone)) == 0, "\(function)")
    }
  }

  @Test("The same values turn where nobody tracks them", arguments: [3, 12])
  func untracked(dropped: Int) throws {
    let random = StreamGenerator(publicSeed: UInt64(dropped))
    // Each turns with a chance of about 1/16.
    let inputs = (0..<2000).map { _ in (1 << 60) + Int64(random.word() >> 8) }
    var spec = ComparisonSpec(droppedBits: dropped, digits: ComparisonDigits(bits: 62 - dropped))
    var wrong: [Int] = []
    for tracks in [false, true] {
      spec.tracksTurns = tracks
      let results = try run(single(inputs.count, spec), inputs)
      wrong.append(zip(inputs, results).count { ($1 &- $0 >> Int64(dropped)).magnitude > 1 })
    }
    #expect(70...190 ~= wrong[0] && wrong[1] == 0, "\(wrong)")
  }

  @Test("What is dropped goes up or down as often as it should", arguments: [false, true])
  func unbiased(alone: Bool) throws {
    let spec = ComparisonSpec(droppedBits: 6, digits: ComparisonDigits(bits: 20), tracksTurns: true)
    for part in [1, 16, 48, 63] as [Int64] {
      let count = 20_000
      let results = try run(
        single(count, spec), [Int64](repeating: 7 * 64 + part, count: count), alone: alone)
      let (up, chance) = (Double(results.count { $0 == 8 }), Double(part) / 64)
      #expect(results.allSatisfy { $0 == 7 || $0 == 8 })
      // Six standard deviations.
      #expect(
        abs(up - chance * Double(count)) < 6 * (Double(count) * chance * (1 - chance)).squareRoot(), "\(part): \(up)")
    }
  }

  @Test("A floor is the integer's, up to the last bit", arguments: [1, 2, 7, 12, 20, 31, 40], [false, true])
  func floor(dropped: Int, alone: Bool) throws {
    let random = StreamGenerator(publicSeed: UInt64(dropped))
    let held = Self.edges.filter { $0 >= -(1 << 62) && $0 < 1 << 62 }
    let inputs = held + (0..<3000).map { _ in Int64(bitPattern: random.word()) >> 1 }
    let spec = ComparisonSpec(
      droppedBits: dropped, digits: ComparisonDigits(bits: dropped + 1, preferring: alone ? .bytes : .messages),
      function: .floor)
    let program = single(inputs.count, spec)
    try program.validate()
    #expect(try run(program, inputs, alone: alone) == inputs.map { $0 >> Int64(dropped) })
  }
}
