public import Networks
import Programs
import Rings

extension HardwareEvaluator {
  /// The network as the scheduler takes it: every term of the evaluation as a stage, in whole ticks, with who waits for whom.
  ///
  /// Each term is rounded once, and to at least one tick, so the sum of all stages differs from ``evaluate(_:)-(Graph)`` by at most a
  /// tick a term. Where a descriptor does not say when in a step its operations are done, they are done as late as they must be for
  /// the first message of their party; those of a party that sends nothing at the end, and those of a flow after its leading openings
  /// or its first message.
  /// - Throws: ``HardwareError``, `NetworksError`, `ProgramError`; of phases, only the online one can be scheduled.
  public func layerFlows(of graph: Graph) throws -> [LayerFlow] {
    guard phase == .online else {
      throw HardwareError.invalidSchedule(reason: "only the online phase has a timetable, and \(phase) was asked for")
    }
    switch mode.kind {
    case .flow(let name, let variant):
      return try flows(of: graph, try model.library.descriptor(name), variant)
    case .program(let source):
      return try flows(of: try mode.deployed(Planner.outline(graph, options: outline)), source)
    }
  }

  // MARK: Flows that are only described

  private func flows(of graph: Graph, _ flow: Descriptor, _ variant: String?) throws -> [LayerFlow] {
    let accounts = try LayerAccount.layers(of: graph, flow: flow, variant: variant, batch: batch)
    let shapes = try graph.shapes()
    let maker = try StageMaker(self, work: accounts.flatMap(\.work))
    return try graph.nodes.map { node in
      let (to, from) = (shapes[node.id], node.inputs.first.map { shapes[$0] } ?? shapes[node.id])
      var layer = LayerFlow(
        name: node.name, operands: node.inputs, operandRows: from.height, resultRows: to.height,
        window: Self.window(node.operation), stages: maker.start(isFirst: node.id == 0))
      guard node.id > 0, let scope = LayerAccount.scope(node.operation) else { return layer }
      let messages = flow.messages.filter { $0.scope == scope && ($0.variant == nil || $0.variant == variant) }
      let bits = try flow.flowCost(scope, variant: variant, accountSymbols(node, from, to)).bits
      let crosses =
        messages.count >= 2 && messages[0].message == messages[1].message && messages[0].from != messages[1].from
      for (number, message) in messages.enumerated() {
        layer.stages += maker.overhead(ofFrameFrom: message.from)
        // Openings carry the operand, whose rows windows read; what else is sent belongs to results.
        layer.stages.append(
          try maker.send(
            message.message, from: message.from, to: message.to, bits: bits[number],
            space: crosses && number < 2 ? .operand : .result, isAnswer: number > (crosses ? 1 : 0)))
        if number == (crosses ? 1 : 0) { layer.stages += try work(of: node, accounts[node.id - 1], from, to, maker) }
      }
      if messages.isEmpty { layer.stages += try work(of: node, accounts[node.id - 1], from, to, maker) }
      return layer
    }
  }

  /// The symbols of a layer, as accounts have them.
  private func accountSymbols(_ node: Node, _ from: TensorShape, _ to: TensorShape) -> [String: Int] {
    var values = ["B": batch, "n": from.count, "outputs": to.count, "inChannels": from.channels]
    switch node.operation {
    case .convolution(let spec): values["taps"] = spec.window.taps
    case .linear: values["taps"] = 1
    case .maxPool:
      let window = node.operation.pooling!
      (values["taps"], values["strides"]) = (window.taps, window.rows.stride * window.columns.stride)
    default: break
    }
    return values
  }

  private func work(
    of node: Node, _ account: LayerAccount, _ from: TensorShape, _ to: TensorShape, _ maker: StageMaker
  ) throws -> [FlowStage] {
    // Words of 32 bits: the opened operand and the own share, the material's share and the result; of weights likewise.
    let data = 4 * 2 * (from.count + to.count) * batch
    let weights: Int
    switch node.operation {
    case .convolution(let spec): weights = to.channels * from.channels / spec.groups * spec.window.taps
    case .linear: weights = to.count * from.count
    default: weights = 0
    }
    return try account.work.enumerated().compactMap { index, work in
      try maker.compute(work, data: index == 0 ? data : 0, weights: index == 0 ? 4 * 2 * weights : 0)
    }
  }

  private static func rows(_ window: PoolingWindow) -> RowWindow {
    RowWindow(kernel: window.rows.reach, stride: window.rows.stride, padding: window.rows.before)
  }

  private static func window(_ operation: Operation) -> RowWindow {
    switch operation {
    case .convolution(let spec):
      RowWindow(kernel: spec.window.kernelHeight, stride: spec.window.strideHeight, padding: spec.window.padTop)
    case .maxPool, .averagePool: rows(operation.pooling!)
    case .subsamplePad(let stride, _, _): RowWindow(kernel: 1, stride: stride, padding: 0)
    case .globalAveragePool, .flatten, .reshape, .linear: .whole
    case .input, .batchNorm, .x2act, .relu, .leakyRelu, .slopedRelu, .clippedRelu, .clip, .absolute, .sign, .add,
      .concatenate,
      .offset:
      .same
    }
  }

  // MARK: This project's own protocol

  private func flows(of program: Program, _ source: CostModel.Source) throws -> [LayerFlow] {
    let cost = try model.predict(program: program, phase: .online, batch: batch, source: source)
    let accounts = try LayerAccount.layers(
      of: program, model: model, source: source, phase: .online, batch: batch, bulk: batch)
    let maker = try StageMaker(self, work: accounts.flatMap(\.work))
    // A message is awaited where the next one has other ends.
    var awaited = [Bool](repeating: true, count: cost.messages.count)
    for (index, next) in cost.messages.dropFirst().enumerated() {
      awaited[index] = next.from != cost.messages[index].from || next.to != cost.messages[index].to
    }
    var messages: [Int: [(PredictedMessage, Bool)]] = [:]
    for (message, isAwaited) in zip(cost.messages, awaited) {
      guard let step = message.step else {
        throw HardwareError.invalidSchedule(reason: "the message \(message.message) belongs to no step")
      }
      messages[step, default: []].append((message, isAwaited))
    }
    var steps: [Int: (account: LayerAccount, cost: CostSummary)] = [:]
    for (account, step) in zip(accounts, cost.steps) { steps[step.index ?? -1] = (account, step.cost) }
    return try program.steps.indices.map { index in
      let step = program.steps[index]
      let from = step.inputs.first.map { program.steps[$0].tensor.shape } ?? step.tensor.shape
      let data = 8 * (step.inputs.reduce(0) { $0 + program.steps[$1].tensor.shape.count } + step.tensor.shape.count)
      var weights = 0
      if case .linear(let geometry) = step.operation { weights = 4 * geometry.weightCount }
      var layer = LayerFlow(
        name: step.name, operands: step.inputs, operandRows: from.height, resultRows: step.tensor.shape.height,
        window: Self.window(step.operation, from, step.tensor.shape), stages: maker.start(isFirst: index == 0))
      guard let (account, summary) = steps[index] else { return layer }
      layer.stages += maker.overhead(ofStep: account)
      func work(of party: CostParty) throws -> [FlowStage] {
        let own = account.work.filter { $0.party == party }
        return try own.enumerated().compactMap { number, work in
          try maker.compute(
            work, data: number == 0 ? data * batch + Self.materialBytes(summary, party) : 0,
            weights: number == 0 ? weights : 0)
        }
      }
      var done: Set<CostParty> = []
      for (number, (message, isAwaited)) in (messages[index] ?? []).enumerated() {
        if done.insert(message.from).inserted { layer.stages += try work(of: message.from) }
        layer.stages += maker.overhead(ofFrameFrom: message.from)
        layer.stages.append(
          try maker.send(
            message.message, from: message.from, to: message.to,
            bits: Double(8 * (message.payloadBytes + Traffic.headerBytes)), space: .result, isAnswer: number > 0,
            isAwaited: isAwaited))
      }
      for party in [CostParty.modelOwner, .dataOwner, .client] where done.insert(party).inserted {
        layer.stages += try work(of: party)
      }
      return layer
    }
  }

  /// Words of material that a party reads for a step, as far as they are counted in elements: Protocols/README.md.
  private static func materialBytes(_ cost: CostSummary, _ party: CostParty) -> Int {
    switch party {
    case .modelOwner: 8 * (cost.consumed(.linear) + 2 * cost.consumed(.ole) + cost.consumed(.transfer))
    default: 8 * (cost.consumed(.mask) + 2 * cost.consumed(.ole) + 2 * cost.consumed(.transfer))
    }
  }

  private static func window(_ operation: StepOperation, _ from: TensorShape, _ to: TensorShape) -> RowWindow {
    switch operation {
    case .linear(let geometry):
      RowWindow(kernel: geometry.kernelHeight, stride: geometry.strideHeight, padding: geometry.padTop)
    case .sumPool(let geometry, _): rows(geometry.window)
    case .maxPool(let spec): rows(spec.window.window)
    case .subsamplePad(let stride, _, _): RowWindow(kernel: 1, stride: stride, padding: 0)
    case .globalSumPool, .argMax: .whole
    case .reshape: from.height == to.height ? .same : .whole
    case .input, .activation, .comparison, .add, .concatenate, .offset, .changeRing, .output: .same
    }
  }
}
