extension CostSymbols {
  /// Operators of a flow and the symbols of each. A flow describes a protocol that this build does not run.
  static let ofFlow: [String: Set<String>] = [
    "conv": ["B", "n", "outputs", "taps", "inChannels"],
    "x2act": ["B", "n"],
    "relu": ["B", "n"],
    "maxpool": ["B", "n", "taps", "strides"],
    "avgpool": ["B", "n"],
  ]
  /// Units that expressions of a flow may name.
  static let flowUnits: [String: Measure] = [
    "bit": UnitName.named["bit"]!, "byte": UnitName.named["byte"]!, "op": UnitName.named["op"]!,
  ]
}

extension Descriptor {
  /// Checks a flow: operators, symbols, and that bytes are data and counts are operations.
  /// - Throws: ``HardwareError``
  func validateFlow() throws {
    func refuse(_ reason: String) -> HardwareError { .invalidDescriptor(name: name, reason: reason) }
    guard material.isEmpty else { throw refuse("a flow has no material") }
    var used: Set<String> = []
    func entry(
      _ what: String, _ phase: CostPhase, _ scope: String?, _ variant: String?, _ value: Expression, _ wanted: Dimension
    ) throws {
      guard phase == .online else { throw refuse("\(what): a flow counts the online phase alone") }
      guard let scope, let known = CostSymbols.ofFlow[scope] else {
        throw refuse("\(what): there is no operator \((scope ?? "").prefix(64)) of flows")
      }
      if let variant, !variants.contains(variant) { throw refuse("\(what): no variant \(variant.prefix(64))") }
      let own = value.symbols.subtracting(CostSymbols.flowUnits.keys)
      for symbol in own.sorted() {
        guard known.contains(symbol) else { throw refuse("\(what): \(symbol) has no meaning for \(scope)") }
        guard symbols[symbol] != nil else { throw refuse("\(what): \(symbol) is not declared among its symbols") }
      }
      used.formUnion(own)
      // Dimensions do not depend on values; 2 divides nothing by zero in a sensible expression.
      let sample = Dictionary(uniqueKeysWithValues: own.map { ($0, Measure(2)) })
      let place = "\(name), \(scope), \(what)"
      _ = try value.measure(sample.merging(CostSymbols.flowUnits) { first, _ in first }, at: place)
        .number(as: wanted, at: "\(place), \"\(value.text)\"")
    }
    for message in messages {
      try entry(message.message, message.phase, message.scope, message.variant, message.bytes, .data)
      guard message.sum == nil, message.each == nil, message.frames == nil else {
        throw refuse("\(message.message): a flow's message has no lists and is one frame")
      }
      guard message.from != message.to else { throw refuse("\(message.message): sender and receiver are the same") }
    }
    for work in operations {
      try entry(work.operation, work.phase, work.scope, work.variant, work.count, .operations)
      guard work.sum == nil else { throw refuse("\(work.operation): a flow's work has no lists") }
      guard Self.operationKinds.contains(work.operation) else {
        throw refuse("\(work.operation.prefix(64)) is not a known operation")
      }
    }
    for symbol in symbols.keys.sorted() where !used.contains(symbol) {
      throw refuse("\(symbol.prefix(64)) is declared and never used")
    }
    guard Set(variants).count == variants.count else { throw refuse("a variant is named twice") }
  }

  /// Data and work of one operator of a flow.
  ///
  /// - Parameters:
  ///   - scope: one of the operators of `CostSymbols.ofFlow`.
  ///   - variant: one of ``variants``, or nil where there is none.
  ///   - values: its symbols.
  /// - Returns: bits of each message in order, and operations of each kind with the party that does them.
  func flowCost(
    _ scope: String, variant: String?, _ values: [String: Int]
  ) throws -> (bits: [Double], work: [(party: CostParty, operation: String, count: Double)]) {
    let symbols = values.mapValues { Measure(Double($0)) }.merging(CostSymbols.flowUnits) { first, _ in first }
    func applies(_ owner: String?, _ other: String?) -> Bool { owner == scope && (other == nil || other == variant) }
    func number(_ expression: Expression, _ what: String, _ dimension: Dimension) throws -> Double {
      let place = "\(name), \(scope), \(what)"
      let value = try expression.measure(symbols, at: place).number(as: dimension, at: place)
      guard value >= 0 else { throw HardwareError.arithmetic(text: expression.text, reason: "a cost of \(value)") }
      return value
    }
    return (
      try messages.filter { applies($0.scope, $0.variant) }.map { try number($0.bytes, $0.message, .data) },
      try operations.filter { applies($0.scope, $0.variant) }
        .map { ($0.party, $0.operation, try number($0.count, $0.operation, .operations)) }
    )
  }
}
