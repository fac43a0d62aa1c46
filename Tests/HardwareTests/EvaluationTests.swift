import Foundation
import Hardware
import Networks
import Programs
import Rings
import Testing

@Suite struct EvaluationTests {
  static func evaluator(
    _ mode: String = "pasnet", device: String = "zcu104", link: String? = nil, phase: CostPhase = .online,
    batch: Int = 1,
    host: HostModel? = nil
  ) throws -> HardwareEvaluator {
    let library = try HardwareLibrary.load()
    let model = try CostModel()
    let target = try HardwareTarget(named: device, in: library, host: host)
    let wire = try library.link(try link ?? library.device(device).links[0])
    return try HardwareEvaluator(
      model: model, mode: try ProtocolMode.named(mode, in: model.library), target: target, link: wire, phase: phase,
      batch: batch)
  }

  /// A host that takes as many nanoseconds for every operation.
  static func host(nanoseconds: Double, power: Double? = nil) -> HostModel {
    func measured(_ value: Double, _ unit: String) -> Quantity {
      Quantity(value, unit, kind: .assumed, source: "a test", accuracy: 0.1)
    }
    return HostModel(
      name: "test", title: "test", processor: "none", threads: 1, power: power.map { measured($0, "W") },
      operations: Dictionary(
        uniqueKeysWithValues: Descriptor.operationKinds.map { ($0, measured(nanoseconds, "ns/op")) }),
      overheads: [.frame: measured(1, "us"), .step: measured(2, "us"), .query: measured(3, "us")],
      link: HostModel.Loopback(roundTrip: measured(20, "us"), rate: measured(1, "GB/s")))
  }

  static func network(_ name: String, _ data: PictureData? = nil, relu: Bool = false) throws -> Graph {
    let options = BuilderOptions(
      activation: relu ? .relu : .x2act(X2actSpec()), pooling: relu ? .maximum : .average)
    return try #require(Builders.named(name, dataset: data, options: options))
  }

  /// The local variant of X2act on a board: its own counts at the prices of the same kernels, no more than the exact one's.
  @Test func localTruncationIsPriced() throws {
    let graph = try Self.network("lenet")
    let model = try CostModel()
    func cost(_ truncation: TruncationVariant) throws -> HardwareEvaluation.Cost {
      let base = try Self.evaluator("rlwe")
      let evaluator = try HardwareEvaluator(
        model: model, mode: base.mode, target: base.target, link: base.link, phase: .online,
        outline: OutlineOptions(truncation: truncation))
      return try #require(try evaluator.evaluate(graph).operators.first { $0.name == "x2act" }).cost
    }
    let (exact, local) = (try cost(.exact), try cost(.local))
    #expect(local.onHost == [] && exact.onHost == [])
    #expect(local.operations["ring.mul"] == exact.operations["ring.mul"])
    #expect(local.operations["ring.add"]! * 12 == exact.operations["ring.add"]! * 9)
    #expect(local.computation < exact.computation && local.bytes < exact.bytes)
  }

  /// A host's scripts are of two owners: servers with shares are priced by the analytic sum, not by the owners' scripts.
  @Test func sharesHaveNoScripts() throws {
    let library = try HardwareLibrary.load()
    let host = try #require(library.hosts["epyc-zen5"])
    let model = try CostModel()
    func evaluate(_ mode: String, _ phase: CostPhase) throws -> HardwareEvaluation {
      try HardwareEvaluator(
        model: model, mode: try ProtocolMode.named(mode, in: model.library), target: HardwareTarget(host: host),
        link: try library.link("ethernet-1g"), phase: phase
      ).evaluate(try Self.network("lenet"))
    }
    for phase in [CostPhase.online, .offline] {
      let (owned, shared) = (try evaluate("rlwe", phase), try evaluate("outsourced-rlwe", phase))
      #expect(shared.total.bytes > owned.total.bytes && shared.total.operations != owned.total.operations)
    }
    // A model's plan is played as a network's outline is.
    let graph = try Self.network("lenet")
    let evaluator = try HardwareEvaluator(
      model: model, mode: try ProtocolMode.named("rlwe", in: model.library), target: HardwareTarget(host: host),
      link: try library.link("ethernet-1g"), phase: .online)
    let outline = try evaluator.evaluate(try Planner.outline(graph, options: evaluator.outline))
    #expect(abs(outline.total.latency - (try evaluator.evaluate(graph)).total.latency) < 1e-9)
  }

  // MARK: The paper's equations, by hand

  /// One layer each, n = 64*56*56 elements, against the equations of the paper written out.
  @Test func operatorsFollowTheEquations() throws {
    let (parallel, delay, rate) = (2.7e11, 1e-4, 8e9)
    let n = Double(64 * 56 * 56)
    var graph = Graph(
      name: "layers", input: TensorShape(channels: 64, height: 56, width: 56), inputNormalization: .none(channels: 64))
    graph.append(.convolution(ConvolutionSpec(outChannels: 64, kernel: 3, padding: 1)), name: "conv")
    graph.append(.x2act(X2actSpec()), name: "x2act")
    graph.append(.relu, name: "relu")
    graph.append(.maxPool(kernel: 3, stride: 2, padding: 1), name: "maxpool")
    graph.append(.averagePool(kernel: 2, stride: 2, padding: 0), name: "avgpool")
    let layers = try Self.evaluator("pasnet-equations").evaluate(graph).layers
    func transfer(_ n: Double) -> (Double, Double) {
      let work = 32 * 17 * n + 32 * (17 + 64) * n + (32 * 64 + 1) * n
      return (work / parallel, 4 * delay + (32 + 32 * 16 * n + 32 * 64 * n + n) / rate)
    }
    let pooled = transfer(2 * n)
    let expected: [(Double, Double)] = [
      (3 * 9 * 56 * 56 * 64 * 64 / parallel, 2 * (delay + 32 * n / rate)),
      (2 * n / parallel, 2 * (delay + 32 * n / rate)),
      transfer(n), (pooled.0, pooled.1 + 3 * delay), (2 * n / 4 / parallel, 0),
    ]
    for (layer, (computation, communication)) in zip(layers, expected) {
      #expect(abs(layer.cost.computation - computation) <= 1e-9 * computation, "\(layer.name)")
      #expect(abs(layer.cost.communication - communication) <= 1e-9 * communication, "\(layer.name)")
    }
    #expect(layers[0].cost.bytes == Int(8 * n) && layers[0].cost.messages == 2)
    // 320 bytes and a bit an element; the other variant has twice as many.
    #expect(layers[2].cost.bytes == Int((32 + 2561 * n) / 8 + 0.9))
    let published = try Self.evaluator().evaluate(graph).layers[2].cost
    #expect(abs(Double(published.bytes) / n - 640) < 1 && abs(published.latency / n - 963e-9) < 5e-9)
    // Depthwise convolutions are charged as dense ones.
    graph.nodes[1].operation = .convolution(ConvolutionSpec(outChannels: 64, kernel: 3, padding: 1, groups: 64))
    #expect(try Self.evaluator("pasnet-equations").evaluate(graph).layers[0] == layers[0])
  }

  @Test func fourReLULayersHavePublishedSizes() throws {
    let graph = try Self.network("resnet50", .imageNet)
    let shapes = try graph.shapes()
    let sizes = PublishedFigure.reluLayersOfC.map { name in
      graph.nodes.first { $0.name == name }.map { shapes[$0.id].count } ?? 0
    }
    #expect(sizes == [200_704, 50_176, 50_176, 25_088])
  }

  @Test(arguments: PublishedFigure.all.filter { $0.standing == .matched })
  func publishedFiguresAreReproduced(figure: PublishedFigure) throws {
    let value = try figure.modelled(by: try Self.evaluator())
    #expect(abs(value / figure.published - 1) <= figure.tolerance, "\(figure.row) \(figure.metric): \(value)")
  }

  /// Deviations are as large as they are said to be: were one to vanish, it would have to be told.
  @Test(arguments: PublishedFigure.all.filter { $0.standing == .deviates })
  func deviationsAreShown(figure: PublishedFigure) throws {
    let value = try figure.modelled(by: try Self.evaluator())
    #expect(abs(value / figure.published - 1) > 0.02 && !figure.note.isEmpty, "\(figure.row): \(value)")
  }

  /// 16 W for the pair.
  @Test func energyIsThePowerOfThePair() throws {
    let total = try Self.evaluator().evaluate(try Self.network("resnet18", .imageNet)).total
    #expect(abs((try #require(total.energy)) - 16 * total.latency) < 1e-12)
  }

  /// ResNet-50 on one device within 50 ms; the quickest of several, for other work may run beside.
  @Test(arguments: ["pasnet", "rlwe"])
  func evaluatingResNet50IsQuick(mode: String) throws {
    let graph = try Self.network("resnet50", .imageNet)
    let evaluator = try Self.evaluator(mode)
    let clock = ContinuousClock()
    let times = try (0..<5).map { _ in try clock.measure { _ = try evaluator.evaluate(graph) } }
    #expect(times.min()! < .milliseconds(50))
  }

  // MARK: Properties

  @Test(arguments: ["pasnet", "pasnet-equations", "rlwe", "dealer"])
  func costsGrowWithBatchAndLayersAddUp(mode: String) throws {
    for relu in [false, true] {
      let graph = try Self.network("resnet20", relu: relu)
      var last: HardwareEvaluation?
      for batch in [1, 2, 3, 8] {
        let found = try Self.evaluator(mode, batch: batch).evaluate(graph)
        var sum = (computation: 0.0, communication: 0.0, bytes: 0, flights: 0)
        for layer in found.layers {
          sum.computation += layer.cost.computation
          sum.communication += layer.cost.communication
          sum.bytes += layer.cost.bytes
          sum.flights += layer.cost.flights
        }
        #expect(abs(sum.computation + sum.communication - found.total.latency) < 1e-12)
        #expect(sum.bytes == found.total.bytes && sum.flights == found.total.flights)
        let operators = found.operators.reduce(0) { $0 + $1.cost.latency }
        #expect(abs(operators - found.total.latency) < 1e-12)
        if let last {
          #expect(found.total.latency > last.total.latency && found.total.bytes > last.total.bytes)
          for (now, before) in zip(found.layers, last.layers) { #expect(now.cost.latency >= before.cost.latency) }
        }
        last = found
      }
    }
  }

  /// A layer of a flow costs the same alone as among others: sixteen random chains.
  @Test(arguments: 0..<16)
  func layersOfAFlowAreIndependent(seed: Int) throws {
    var state = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1
    func draw(_ range: ClosedRange<Int>) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return range.lowerBound + Int(state >> 33) % range.count
    }
    let shape = TensorShape(channels: draw(1...40), height: draw(12...30), width: draw(12...30))
    var chain = Graph(name: "chain", input: shape, inputNormalization: .none(channels: shape.channels))
    for index in 0..<draw(2...8) {
      let operation: Networks.Operation =
        switch draw(0...5) {
        case 0: .x2act(X2actSpec())
        case 1: .relu
        case 2: .maxPool(kernel: 3, stride: 1, padding: 1)
        case 3: .averagePool(kernel: draw(2...3), stride: 1, padding: 1)
        case 4: .clippedRelu(upper: 6)
        default: .convolution(ConvolutionSpec(outChannels: draw(1...40), kernel: draw(1...5), stride: 1, padding: 2))
        }
      chain.append(operation, name: "layer\(index)")
    }
    let shapes = try chain.shapes()
    let evaluator = try Self.evaluator(batch: draw(1...5))
    let together = try evaluator.evaluate(chain)
    for (node, layer) in zip(chain.nodes.dropFirst(), together.layers) {
      let from = shapes[node.inputs[0]]
      var alone = Graph(name: "alone", input: from, inputNormalization: .none(channels: from.channels))
      alone.append(node.operation, name: node.name)
      #expect(try evaluator.evaluate(alone).layers == [layer])
    }
  }

  @Test(arguments: ["pasnet", "rlwe"])
  func costsGrowWithElements(mode: String) throws {
    var last = 0.0
    for elements in [1, 7, 8, 9, 100, 4096, 100_000] {
      let latency = try Self.evaluator(mode).evaluate(Builders.relu(elements: elements)).total.latency
      #expect(latency > last)
      last = latency
    }
  }

  @Test func longerLinksOnlyCostCommunication() throws {
    let graph = try Self.network("resnet18")
    let near = try Self.evaluator(link: "ethernet-10g").evaluate(graph).total
    let far = try Self.evaluator(link: "wan").evaluate(graph).total
    #expect(near.computation == far.computation && near.bytes == far.bytes && near.communication < far.communication)
    #expect(near.uncertainty > 0 && near.uncertainty < near.latency)
  }

  // MARK: Our own protocol

  /// Bytes, messages and rounds are those that the engine is held to.
  @Test(arguments: ["rlwe", "dealer"], [false, true])
  func ownProtocolHasTheDescriptorsBytes(mode: String, relu: Bool) throws {
    let graph = try Self.network("resnet20", relu: relu)
    let program = try Planner.outline(graph)
    for phase in [CostPhase.online, .offline] {
      let evaluator = try Self.evaluator(mode, phase: phase, batch: 2, host: Self.host(nanoseconds: 1))
      let found = try evaluator.evaluate(graph).total
      let source: CostModel.Source = mode == "rlwe" ? .lattice : .dealer
      let cost = try CostModel().predict(program: program, phase: phase, batch: 2, bulk: 2, source: source)
      #expect(found.bytes == cost.total.traffic.reduce(0) { $0 + $1.totalBytes })
      #expect(found.messages == cost.total.traffic.reduce(0) { $0 + $1.frames })
      if phase == .online { #expect(found.rounds == cost.rounds(.modelOwner, .dataOwner)) }
    }
  }

  /// What a plan costs online, an outline says without its numbers.
  @Test(arguments: ["lenet", "resnet20"])
  func outlinesCostWhatPlansCost(name: String) throws {
    let file = try #require(try Benchmarks.model(name, seed: 3))
    let planned = try file.planned().plan.program
    let outline = try Planner.outline(file.graph)
    let model = try CostModel()
    let (a, b) = try (
      model.predict(program: planned, phase: .online), model.predict(program: outline, phase: .online)
    )
    #expect(a.messages.dropLast().map(\.payloadBytes) == b.messages.dropLast().map(\.payloadBytes))
    #expect(a.total.work(.modelOwner, "ring.mac") >= b.total.work(.modelOwner, "ring.mac"))
    #expect(a.total.consumed == b.total.consumed)
    // The evaluator takes plans as they are, and flows take none.
    let online = try Self.evaluator("rlwe").evaluate(planned).total
    #expect(online.bytes == a.total.traffic.reduce(0) { $0 + $1.totalBytes })
    #expect(throws: HardwareError.self) { try Self.evaluator("pasnet").evaluate(planned) }
  }

  /// Whichever layers keep ReLU, an outline has a plan's steps in the same rings, but for rescaling.
  @Test(arguments: 0..<8)
  func outlinesHaveThePlansSteps(pattern: Int) throws {
    let names = ["conv1.act", "conv2.act", "pool1", "pool2", "fc1.act"]
    let kept = names.enumerated().filter { pattern >> ($0.offset % 3) & 1 == 1 }.map(\.element)
    let graph = try Self.network("lenet").choosing { name in
      name.hasPrefix("pool") ? (kept.contains(name) ? .maxPool : .averagePool) : (kept.contains(name) ? .relu : .x2act)
    }
    var file = ModelFile(graph: graph, parameters: try Parameters.benchmarkPolynomial(graph, seed: 5))
    try file.calibrate(samples: (0..<2).map { Benchmarks.randomSample(graph, seed: 40 + $0) })
    let plan = try file.planned().plan.program.steps.filter { !$0.name.contains(".rescale") }
    let outline = try Planner.outline(graph).steps
    #expect(plan.map(\.name) == outline.map(\.name))
    #expect(plan.map(\.tensor.modulus) == outline.map(\.tensor.modulus))
    #expect(plan.map(\.tensor.shape) == outline.map(\.tensor.shape))
  }

  @Test func absurdSizesAreRefused() throws {
    let evaluator = try Self.evaluator(batch: 1 << 40)
    #expect(throws: HardwareError.self) { try evaluator.evaluate(try Self.network("resnet50", .imageNet)) }
  }

  @Test(arguments: ["digits", "resnet20", "resnet18-w0.25", "resnet18-pool-w0.25"], [false, true])
  func structureIsThatOfFolding(name: String, relu: Bool) throws {
    let graph = try Self.network(name, relu: relu)
    let parameters = try Parameters.initialize(graph, seed: 1)
    #expect(try Folding.structure(graph) == Folding.fold(graph, parameters).graph)
  }

  @Test func missingKernelsAreNamedOrGoToTheHost() throws {
    let graph = try Self.network("resnet20")
    let evaluator = try Self.evaluator("rlwe", phase: .offline)
    #expect {
      try evaluator.evaluate(graph)
    } throws: { error in
      guard case .noKernel(let operation, let place, _)? = error as? HardwareError else { return false }
      return Descriptor.operationKinds.contains(operation) && place.contains("zcu104")
    }
    let helped = try Self.evaluator("rlwe", phase: .offline, host: Self.host(nanoseconds: 5)).evaluate(graph)
    #expect(helped.total.onHost.contains("ntt.8192") && !helped.total.onHost.contains("aes.block"))
    #expect(throws: HardwareError.self) { try Self.evaluator("pasnet", phase: .offline) }
    #expect(throws: HardwareError.self) { try Self.evaluator("pasnet", batch: 0) }
  }

  @Test func hostsPayTheirOverheads() throws {
    let graph = try Self.network("digits")
    let model = try CostModel()
    let host = Self.host(nanoseconds: 0, power: 50)
    let evaluator = try HardwareEvaluator(
      model: model, mode: try ProtocolMode.named("rlwe", in: model.library), target: HardwareTarget(host: host),
      link: LinkModel(loopbackOf: host))
    let found = try evaluator.evaluate(graph)
    let steps = found.layers.filter { $0.name != "begin" && $0.name != "end" }.count
    let expected = Double(found.total.messages) * 1e-6 + Double(steps) * 4e-6 + 3e-6
    #expect(abs(found.total.computation - expected) < 1e-12)
    #expect(abs(try #require(found.total.energy) - 100 * found.total.latency) < 1e-12)
    #expect(
      abs(found.total.communication - Double(found.total.flights) * 1e-5 - Double(found.total.bytes) * 1e-9) < 1e-12)
  }

  // MARK: Tables

  @Test func tablesSumUpToTheDerivedNetwork() throws {
    let graph = try Self.network("resnet18-pool", .cifar10)
    for mode in ["pasnet", "pasnet-equations"] {
      let evaluator = try Self.evaluator(mode)
      let table = try evaluator.latencyTable(of: graph)
      try table.validate()
      #expect(table.rows.count == 18)
      for pattern in [0, 1, 0b1010_0110_0000_0001, 0x3ffff] {
        var sum = table.fixedMilliseconds
        var chosen: [String: LatencyTable.Choice] = [:]
        for (index, row) in table.rows.enumerated() {
          let isExact = pattern >> index & 1 == 1
          let exact: [LatencyTable.Choice] = [.relu, .maxPool]
          let choice = try #require(
            LatencyTable.Choice.allCases.first { row.milliseconds[$0] != nil && exact.contains($0) == isExact })
          chosen[row.layer] = choice
          sum += row.milliseconds[choice]!
        }
        let latency = try evaluator.evaluate(graph.choosing { chosen[$0] }).total.latency * 1e3
        #expect(abs(sum - latency) <= 1e-9 * latency)
      }
      let again = try LatencyTable.decode(json: [UInt8](JSONEncoder().encode(table)))
      #expect(again == table)
    }
  }

  /// Under our own protocol layers share changes of ring, and the sum is near.
  @Test func tablesOfTheOwnProtocolAreNear() throws {
    let graph = try Self.network("resnet20")
    let evaluator = try Self.evaluator("rlwe")
    let table = try evaluator.latencyTable(of: graph)
    for choice in [LatencyTable.Choice.relu, .x2act] {
      let sum = table.rows.reduce(table.fixedMilliseconds) { $0 + $1.milliseconds[choice]! }
      let latency = try evaluator.evaluate(graph.choosing { _ in choice }).total.latency * 1e3
      #expect(abs(sum / latency - 1) < 0.02)
    }
    #expect(table.rows.allSatisfy { $0.milliseconds[.relu]! > $0.milliseconds[.x2act]! })
  }

  @Test func tablesDoNotDependOnTheChoicesGiven() throws {
    let evaluator = try Self.evaluator()
    #expect(
      try evaluator.latencyTable(of: Self.network("resnet18-pool"))
        == evaluator.latencyTable(of: Self.network("resnet18-pool", relu: true)))
  }
}
