public import Programs

/// Predicts traffic, material and local work from the descriptors.
public struct CostModel: Sendable {
  /// Correlation sources.
  public enum Source: String, Codable, Hashable, Sendable, CaseIterable {
    /// Lattices between the two parties.
    case lattice
    /// The trusted third process.
    case dealer

    /// Name of the descriptor.
    public var descriptor: String {
      switch self {
      case .lattice: "rlwe"
      case .dealer: "dealer"
      }
    }
  }

  /// The descriptors read.
  public let library: DescriptorLibrary

  /// Uses the given descriptors.
  public init(library: DescriptorLibrary) { self.library = library }

  /// Uses the descriptors that ship with the product.
  /// - Throws: ``HardwareError``
  public init() throws { self.init(library: try DescriptorLibrary.load()) }

  /// Predicts one phase.
  ///
  /// The order of frames is: what opens the phase, the program's steps (of a bulk: in the waves of `PreparationOrder`), what
  /// closes it. Frames of variable or one-sided
  /// length (the order to the dealer, hello, farewell) are not predicted.
  /// - Parameters:
  ///   - program: validated.
  ///   - batch: B, samples of a query; counts in the online phase.
  ///   - bulk: S, inferences of a bulk; counts in the offline phase.
  ///   - lease: L, rows of a lease; counts in that phase.
  ///   - usesStore: whether material waits in a store between preparation and queries.
  /// - Throws: ``HardwareError``, `ProgramError`
  public func predict(
    program: Program, phase: CostPhase, batch: Int = 1, bulk: Int = 1, lease: Int = 1,
    source: Source = .lattice, usesStore: Bool = false
  ) throws -> CostPrediction {
    guard batch >= 1 else { throw HardwareError.invalidCount(what: "batch", found: batch) }
    guard bulk >= 1 else { throw HardwareError.invalidCount(what: "bulk", found: bulk) }
    guard lease >= 1 else { throw HardwareError.invalidCount(what: "lease", found: lease) }
    try program.validate()
    var result = CostPrediction(
      program: program.name, phase: phase, batch: batch, bulk: bulk, source: source.rawValue)
    let counts = ["B": batch, "S": bulk, "L": lease]
    let planned = try plan(program, phase, counts, source, usesStore: usesStore)
    func visit(_ step: PlannedStep) throws {
      var cost = CostSummary()
      for (descriptor, selection) in step.parts.joined() {
        try charge(descriptor, selection, phase, &cost) { message, bytes in
          result.messages.append(
            PredictedMessage(
              step: step.index, message: message.message, from: message.from, to: message.to, payloadBytes: bytes))
        }
      }
      guard cost != CostSummary() else { return }
      try result.total.add(cost)
      result.steps.append(StepCost(index: step.index, name: step.name, operation: step.operation, cost: cost))
    }
    for step in planned where step.name != "end" || step.index != nil { try visit(step) }
    if source == .lattice { try addTransfers(of: program, phase, bulk: bulk, to: &result) }
    for step in planned where step.name == "end" && step.index == nil { try visit(step) }
    if phase == .offline { result.messages = Self.ordered(result.messages, as: PreparationOrder(program), of: program) }
    return result
  }

  /// What of which descriptors applies to a step; a list for each of its runs, where it compares.
  struct PlannedStep {
    let index: Int?
    let name: String
    let operation: String
    let parts: [[(Descriptor, Selection)]]
  }

  /// What opens the phase, the program's steps in order, what closes it.
  func plan(
    _ program: Program, _ phase: CostPhase, _ counts: [String: Int], _ source: Source, usesStore: Bool
  ) throws -> [PlannedStep] {
    let provider = try library.descriptor(source.descriptor)
    let mode = program.deployment == .outsourced ? "outsourced" : "owned"
    func frame(_ scope: String, _ descriptor: Descriptor) -> PlannedStep {
      PlannedStep(
        index: nil, name: scope, operation: descriptor.name,
        parts: [[(descriptor, Selection(scope: scope, variant: mode, values: counts))]])
    }
    // Stores are compared before a source is set up, and a bulk is committed after the source has ended it.
    let store = usesStore ? try library.descriptor("store") : nil
    var packing = PackingSymbols(program: program, bulk: counts["S"] ?? 1)
    var planned = [store, provider].compactMap { $0 }.map { frame("begin", $0) }
    for (index, step) in program.steps.enumerated() {
      let parts = CostSymbols.parts(program, index)
      let runs = program.comparisonStages(index) ?? []
      let charges = try parts.enumerated().map { number, part -> [(Descriptor, Selection)] in
        let values = counts.merging(part.values) { first, _ in first }
        var prepared = Selection(scope: part.name, variant: part.variant, values: values)
        if source == .lattice && phase == .offline {
          let packed = try packing.symbols(ofStep: index)
          prepared.values.merge(packed.values) { first, _ in first }
          prepared.lists = runs.isEmpty ? packed.lists : packing.lists(ofRun: runs[number])
        }
        let done = Selection(scope: nil, variant: part.variant, values: values)
        return [(try library.descriptor(part.name), done), (provider, prepared)]
      }
      planned.append(PlannedStep(index: index, name: step.name, operation: parts[0].name, parts: charges))
    }
    return planned + [provider, store].compactMap { $0 }.map { frame("end", $0) }
  }

  /// The set-up of both directions of transfers that comparisons draw from, and what the first bulk's extension sends: later ones
  /// go on where it stopped. These frames stand in no order among the others', so they are in no flight.
  private func addTransfers(
    of program: Program, _ phase: CostPhase, bulk: Int, to result: inout CostPrediction
  ) throws {
    let runs = program.comparisonSteps.flatMap { program.comparisonStages($0)! }
    guard !runs.isEmpty, phase == .session || phase == .offline else { return }
    let call = phase == .session ? "begin" : "draw"
    let descriptor = try library.descriptor("ot")
    var cost = CostSummary()
    let directions = [
      (CostParty.modelOwner, CostParty.dataOwner, runs.reduce(0) { $0 + bulk * $1.tableTransfers }),
      (.dataOwner, .modelOwner, runs.reduce(0) { $0 + bulk * $1.factorTransfers }),
    ]
    for (sender, receiver, transfers) in directions {
      for message in descriptor.messages
      where message.phase == phase && message.scope == call && (message.variant ?? "silent") == "silent" {
        let values = ["n": transfers]
        let from = message.from == .sender ? sender : receiver
        try cost.add(
          Traffic(
            from: from, to: from == sender ? receiver : sender, payloadBytes: try message.bytes.value(values),
            frames: try message.frames?.value(values) ?? 1))
      }
    }
    if phase == .session {
      for party in [CostParty.modelOwner, .dataOwner] {
        try cost.add(Work(party: party, operation: "ot.base", count: 256))
      }
    }
    try result.total.add(cost)
    result.steps.append(StepCost(index: nil, name: "transfers", operation: "ot", cost: cost))
  }

  /// Frames of a bulk in the order in which the data owner sends and takes them.
  private static func ordered(
    _ messages: [PredictedMessage], as order: PreparationOrder, of program: Program
  ) -> [PredictedMessage] {
    let bySteps = Dictionary(grouping: messages.filter { $0.step != nil }) { $0.step! }
    guard !bySteps.isEmpty else { return messages }
    // Outsourced, linear steps are prepared again with the servers' places exchanged, after the first wave.
    func isReverse(_ message: PredictedMessage) -> Bool {
      message.message == "latticeMasks" && message.from == .modelOwner
        || message.message == "latticeLinear" && message.from == .dataOwner
    }
    func isRequest(_ message: PredictedMessage) -> Bool {
      switch program.steps[message.step!].operation {
      case .linear where isReverse(message): message.from == .modelOwner
      case .linear, .activation: message.from == .dataOwner
      // Comparisons ask and answer in turns, when their turn has come.
      default: false
      }
    }
    func events(_ wave: [Int], _ part: [Int: [PredictedMessage]]) -> [PredictedMessage] {
      PreparationOrder.events(wave) { step -> Int? in
        switch program.steps[step].operation {
        case .linear, .activation: (part[step] ?? []).filter(isRequest).reduce(0) { $0 + $1.payloadBytes }
        default: nil
        }
      }.flatMap { event in
        switch event {
        case .request(let step): (part[step] ?? []).filter(isRequest)
        case .collect(let step): (part[step] ?? []).filter { !isRequest($0) }
        }
      }
    }
    let forward = bySteps.mapValues { $0.filter { !isReverse($0) } }
    let steps =
      events(order.waves[0], forward) + events(order.waves[0], bySteps.mapValues { $0.filter(isReverse) })
      + events(order.waves[1], forward)
    return messages.prefix { $0.step == nil } + steps + messages.reversed().prefix { $0.step == nil }.reversed()
  }

  struct Selection {
    let scope: String?
    let variant: String?
    var values: [String: Int]
    /// Entries of each list, with how often they occur one after the other.
    var lists: [String: [SymbolEntry]] = [:]

    func includes(_ scope: String?, _ variant: String?) -> Bool {
      self.scope == scope && (variant == nil || variant == self.variant)
    }

    func count(_ expression: Expression, _ more: [String: Int] = [:]) throws -> Int {
      let value = try expression.value(values.merging(more) { first, _ in first })
      guard value >= 0 else { throw HardwareError.arithmetic(text: expression.text, reason: "a cost of \(value)") }
      return value
    }

    func sum(_ expression: Expression, over list: String?) throws -> Int {
      guard let list else { return try count(expression) }
      return try (lists[list] ?? []).reduce(0) { total, entry in
        let (product, overflow) = try count(expression, entry.values).multipliedReportingOverflow(by: entry.times)
        guard !overflow else { throw HardwareError.arithmetic(text: expression.text, reason: "the sum overflows") }
        return try CostSummary.sum(total, product)
      }
    }
  }

  func charge(
    _ descriptor: Descriptor, _ selection: Selection, _ phase: CostPhase, _ cost: inout CostSummary,
    send: (MessageDescriptor, Int) -> Void
  ) throws {
    func count(_ expression: Expression, _ more: [String: Int] = [:]) throws -> Int {
      try selection.count(expression, more)
    }
    func sum(_ expression: Expression, over list: String?) throws -> Int { try selection.sum(expression, over: list) }
    func pass(_ message: MessageDescriptor, _ bytes: Int) throws {
      try cost.add(Traffic(from: message.from, to: message.to, payloadBytes: bytes, frames: 1))
      send(message, bytes)
    }
    var sent = descriptor.messages.filter {
      $0.phase == phase && selection.includes($0.scope, $0.variant)
    }[...]
    while let message = sent.first {
      guard let list = message.each else {
        try pass(message, try sum(message.bytes, over: message.sum))
        sent.removeFirst()
        continue
      }
      let turns = sent.prefix { $0.each == list }
      for entry in selection.lists[list] ?? [] {
        for _ in 0..<entry.times { for turn in turns { try pass(turn, try count(turn.bytes, entry.values)) } }
      }
      sent.removeFirst(turns.count)
    }
    for part in descriptor.material where part.phase == phase {
      guard selection.includes(part.scope, part.variant) else { continue }
      let units = try count(part.count)
      if descriptor.role == .source {
        cost.produced[part.kind.rawValue] = try CostSummary.sum(cost.produced[part.kind.rawValue] ?? 0, units)
      } else {
        cost.consumed[part.kind.rawValue] = try CostSummary.sum(cost.consumed[part.kind.rawValue] ?? 0, units)
      }
    }
    for work in descriptor.operations where work.phase == phase {
      guard selection.includes(work.scope, work.variant) else { continue }
      let times = try sum(work.count, over: work.sum)
      if times > 0 { try cost.add(Work(party: work.party, operation: work.operation, count: times)) }
    }
  }
}
