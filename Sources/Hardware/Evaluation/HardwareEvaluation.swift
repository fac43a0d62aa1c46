public import Networks
public import Programs

/// What a network costs under a protocol, on a device and a link: by layer, by operator and in total. Computation of the two
/// parties and communication add up, without overlap; `hw schedule` overlaps them.
public struct HardwareEvaluation: Codable, Hashable, Sendable {
  /// Cost of a layer, of all layers of one operator, or of everything.
  public struct Cost: Codable, Hashable, Sendable {
    /// Seconds of local work, both parties' one after the other where they do not work at once.
    public var computation = 0.0
    /// Seconds on the link.
    public var communication = 0.0
    /// Half-width of both together, seconds, from the accuracy of every number used, all wrong in one direction.
    public var uncertainty = 0.0
    /// Bytes on the link, both directions together.
    public var bytes = 0
    /// Messages.
    public var messages = 0
    /// Messages in one direction after another in the other: round trips are half of them.
    public var flights = 0
    /// Joules of both boards at work for so long; nil where a power is unknown.
    public var energy: Double?
    /// Joules of the operations themselves, by the kernels' energies; nil where one is unknown.
    public var operationEnergy: Double? = 0
    /// How often each class of operations is done, both parties together.
    public var operations: [String: Double] = [:]
    /// Classes of operations that the host does for the board.
    public var onHost: [String] = []

    /// Seconds altogether.
    public var latency: Double { computation + communication }
    /// Round trips, rounded up.
    public var rounds: Int { (flights + 1) / 2 }

    mutating func add(_ more: Cost) {
      computation += more.computation
      communication += more.communication
      uncertainty += more.uncertainty
      bytes += more.bytes
      messages += more.messages
      flights += more.flights
      energy = energy.flatMap { own in more.energy.map { own + $0 } }
      operationEnergy = operationEnergy.flatMap { own in more.operationEnergy.map { own + $0 } }
      operations.merge(more.operations, uniquingKeysWith: +)
      onHost = Set(onHost + more.onHost).sorted()
    }
  }

  /// One layer, or one operator's layers together.
  public struct Part: Codable, Hashable, Sendable {
    /// The layer's or the operator's name.
    public var name: String
    /// The operator.
    public var operation: String
    /// Layers counted.
    public var count: Int
    /// Their cost.
    public var cost: Cost
  }

  /// The network's name.
  public var network: String
  /// The protocol mode's name.
  public var protocolName: String
  /// Device or host.
  public var device: String
  /// Link.
  public var link: String
  /// Phase.
  public var phase: CostPhase
  /// Samples of the query, or inferences of the bulk.
  public var batch: Int
  /// Layers, in order.
  public var layers: [Part]
  /// All of them.
  public var total: Cost

  /// The same by operator, in the order in which operators first occur; those that cost nothing are left out.
  public var operators: [Part] {
    var parts: [Part] = []
    for layer in layers where layer.cost.latency > 0 {
      if let index = parts.firstIndex(where: { $0.name == layer.operation }) {
        parts[index].count += 1
        parts[index].cost.add(layer.cost)
      } else {
        parts.append(Part(name: layer.operation, operation: layer.operation, count: 1, cost: layer.cost))
      }
    }
    return parts
  }
}

/// Evaluates networks: counts out of `Protocols/`, numbers out of `HardwareModels/`.
public struct HardwareEvaluator: Sendable {
  /// Counts.
  public let model: CostModel
  /// The protocol.
  public let mode: ProtocolMode
  /// Where the parties compute.
  public let target: HardwareTarget
  /// The wire between them.
  public let link: LinkModel
  /// The phase; flows know the online phase alone.
  public let phase: CostPhase
  /// Samples of a query; inferences of a bulk in the offline phase.
  public let batch: Int
  /// What a plan would choose.
  public let outline: OutlineOptions

  /// Makes an evaluator.
  /// - Throws: ``HardwareError``
  public init(
    model: CostModel, mode: ProtocolMode, target: HardwareTarget, link: LinkModel, phase: CostPhase = .online,
    batch: Int = 1, outline: OutlineOptions = OutlineOptions()
  ) throws {
    guard batch >= 1 else { throw HardwareError.invalidCount(what: "batch", found: batch) }
    if case .flow(let name, _) = mode.kind, phase != .online {
      throw HardwareError.invalidDescriptor(
        name: name, reason: "it describes the online phase, and \(phase) was asked for")
    }
    self.model = model
    self.mode = mode
    self.target = target
    self.link = link
    self.phase = phase
    self.batch = batch
    self.outline = outline
  }

  /// What each layer does and sends.
  /// - Throws: ``HardwareError``, `NetworksError`, `ProgramError`
  public func accounts(of graph: Graph) throws -> [LayerAccount] {
    switch mode.kind {
    case .flow(let name, let variant):
      try LayerAccount.layers(of: graph, flow: try model.library.descriptor(name), variant: variant, batch: batch)
    case .program(let source):
      try LayerAccount.layers(
        of: try mode.deployed(Planner.outline(graph, options: outline)), model: model, source: source, phase: phase,
        batch: batch,
        bulk: batch)
    }
  }

  /// Evaluates a network.
  /// - Throws: ``HardwareError``, `NetworksError`, `ProgramError`
  public func evaluate(_ graph: Graph) throws -> HardwareEvaluation {
    if isTimed, var timed = try timed(Planner.outline(graph, options: outline)) {
      timed.network = graph.name
      return timed
    }
    return try evaluate(try accounts(of: graph), network: graph.name)
  }

  /// Evaluates a planned program, its own widths and rescaling steps included.
  /// - Throws: ``HardwareError``, also where the protocol is a flow, which counts layers of a graph; `ProgramError`
  public func evaluate(_ program: Program) throws -> HardwareEvaluation {
    guard case .program(let source) = mode.kind else {
      throw HardwareError.invalidDescriptor(
        name: mode.name, reason: "it counts the layers of a network, and a plan holds the steps of another protocol")
    }
    let program = try mode.deployed(program)
    if let timed = try timed(program) { return timed }
    return try evaluate(
      try LayerAccount.layers(
        of: program, model: model, source: source, phase: phase, batch: batch, bulk: batch),
      network: program.name)
  }

  /// Evaluates what layers do and send.
  /// - Throws: ``HardwareError``
  public func evaluate(_ accounts: [LayerAccount], network: String) throws -> HardwareEvaluation {
    // Sums below stay exact integers far beyond any network; what files and flags can make is refused.
    let bits = accounts.reduce(0) { $0 + $1.bits }
    guard bits < 0x1p62 else {
      throw HardwareError.arithmetic(text: network, reason: "it would send \(bits / 8) bytes")
    }
    var prices: [String: HardwareTarget.Price] = [:]
    let layers = try accounts.map { account in
      for work in account.work where prices[work.operation] == nil {
        prices[work.operation] = try target.price(work.operation)
      }
      return HardwareEvaluation.Part(
        name: account.name, operation: account.operation, count: 1, cost: cost(account, prices))
    }
    var total = HardwareEvaluation.Cost(energy: 0)
    for layer in layers { total.add(layer.cost) }
    if let host = target.host, target.device == nil, phase == .online || phase == .offline {
      total.computation += host.seconds(phase == .online ? .query : .bulk)
      total.energy = target.pairPower.map { $0 * total.latency }
    }
    return HardwareEvaluation(
      network: network, protocolName: mode.name, device: target.name, link: link.name, phase: phase, batch: batch,
      layers: layers, total: total)
  }

  private func cost(_ account: LayerAccount, _ prices: [String: HardwareTarget.Price]) -> HardwareEvaluation.Cost {
    var cost = HardwareEvaluation.Cost()
    for work in account.work {
      let price = prices[work.operation]!
      let seconds = work.count * price.seconds + price.fill
      cost.computation += seconds
      cost.uncertainty += seconds * price.accuracy
      // Both parties' operations count, though they take the time of one.
      let times = work.party == .both ? 2 * work.count : work.count
      cost.operations[work.operation, default: 0] += times
      cost.operationEnergy = cost.operationEnergy.flatMap { own in price.joules.map { own + times * $0 } }
      if price.isOnHost, target.device != nil, !cost.onHost.contains(work.operation) {
        cost.onHost.append(work.operation)
      }
    }
    if let host = target.host, target.device == nil {
      cost.computation += Double(account.messages) * host.seconds(.frame)
      if account.isStep { cost.computation += 2 * host.seconds(.step) }
    }
    let (delay, wire) = (Double(account.flights) * link.latency.measure.value, account.bits / link.rate.measure.value)
    cost.communication = delay + wire
    cost.uncertainty += delay * link.latency.accuracy + wire * link.rate.accuracy
    cost.bytes = Int((account.bits / 8).rounded(.up))
    cost.messages = account.messages
    cost.flights = account.flights
    cost.onHost.sort()
    cost.energy = target.pairPower.map { $0 * cost.latency }
    return cost
  }
}
