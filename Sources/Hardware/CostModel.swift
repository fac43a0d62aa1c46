public import Programs

/// Predicts traffic, material and local work from the descriptors.
public struct CostModel: Sendable {
  /// Correlation sources.
  public enum Source: String, Codable, Hashable, Sendable {
    /// The trusted third process.
    case dealer
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
  /// The order of frames is: what opens the phase, the program's steps, what closes it. Frames of variable or one-sided
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
    source: Source = .dealer, usesStore: Bool = false
  ) throws -> CostPrediction {
    guard batch >= 1 else { throw HardwareError.invalidCount(what: "batch", found: batch) }
    guard bulk >= 1 else { throw HardwareError.invalidCount(what: "bulk", found: bulk) }
    guard lease >= 1 else { throw HardwareError.invalidCount(what: "lease", found: lease) }
    try program.validate()
    let provider = try library.descriptor(source.rawValue)
    let store = usesStore ? try library.descriptor("store") : nil
    var result = CostPrediction(
      program: program.name, phase: phase, batch: batch, bulk: bulk, source: source.rawValue)
    let counts = ["B": batch, "S": bulk, "L": lease]

    func visit(_ index: Int?, _ name: String, _ operation: String, _ parts: [(Descriptor, Selection)]) throws {
      var cost = CostSummary()
      for (descriptor, selection) in parts {
        try charge(descriptor, selection, phase, &cost) { message, bytes in
          result.messages.append(
            PredictedMessage(
              step: index, message: message.message, from: message.from, to: message.to, payloadBytes: bytes))
        }
      }
      guard cost != CostSummary() else { return }
      try result.total.add(cost)
      result.steps.append(StepCost(index: index, name: name, operation: operation, cost: cost))
    }

    func frame(_ scope: String) -> Selection { Selection(scope: scope, variant: nil, values: counts) }
    // Stores are compared before a source is set up, and a bulk is committed after the source has ended it.
    if let store { try visit(nil, "begin", store.name, [(store, frame("begin"))]) }
    try visit(nil, "begin", provider.name, [(provider, frame("begin"))])
    for (index, step) in program.steps.enumerated() {
      let resolved = CostSymbols.resolve(program, index)
      let values = counts.merging(resolved.values) { first, _ in first }
      try visit(
        index, step.name, resolved.name,
        [
          (
            try library.descriptor(resolved.name),
            Selection(scope: nil, variant: resolved.variant, values: values)
          ),
          (provider, Selection(scope: resolved.name, variant: resolved.variant, values: values)),
        ])
    }
    try visit(nil, "end", provider.name, [(provider, frame("end"))])
    if let store { try visit(nil, "end", store.name, [(store, frame("end"))]) }
    return result
  }

  private struct Selection {
    let scope: String?
    let variant: String?
    let values: [String: Int]

    func includes(_ scope: String?, _ variant: String?) -> Bool {
      self.scope == scope && (variant == nil || variant == self.variant)
    }
  }

  private func charge(
    _ descriptor: Descriptor, _ selection: Selection, _ phase: CostPhase, _ cost: inout CostSummary,
    send: (MessageDescriptor, Int) -> Void
  ) throws {
    func count(_ expression: Expression) throws -> Int {
      let value = try expression.value(selection.values)
      guard value >= 0 else { throw HardwareError.arithmetic(text: expression.text, reason: "a cost of \(value)") }
      return value
    }
    for message in descriptor.messages where message.phase == phase {
      guard selection.includes(message.scope, message.variant) else { continue }
      let bytes = try count(message.bytes)
      try cost.add(Traffic(from: message.from, to: message.to, payloadBytes: bytes, frames: 1))
      send(message, bytes)
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
      let times = try count(work.count)
      if times > 0 { try cost.add(Work(party: work.party, operation: work.operation, count: times)) }
    }
  }
}
