extension CostModel {
  /// What one call of a primitive costs: its frames, the correlated transfers it takes, and both ends' local work.
  ///
  /// - Parameters:
  ///   - primitive: a descriptor of that role.
  ///   - call: one of its scopes.
  ///   - variant: where it has several.
  ///   - symbols: values of those that the descriptor explains.
  /// - Throws: ``HardwareError``
  public func cost(
    of primitive: String, call: String, variant: String? = nil, symbols: [String: Int]
  ) throws -> CostSummary {
    let descriptor = try library.descriptor(primitive)
    guard descriptor.role == .primitive, CostSymbols.ofPrimitive[primitive]?[call] != nil else {
      throw HardwareError.missingDescriptor(name: "\(primitive) \(call)")
    }
    func applies(_ scope: String?, _ other: String?) -> Bool { scope == call && (other == nil || other == variant) }
    func count(_ expression: Expression) throws -> Int {
      let value = try expression.value(symbols)
      guard value >= 0 else { throw HardwareError.arithmetic(text: expression.text, reason: "a cost of \(value)") }
      return value
    }
    var result = CostSummary()
    for message in descriptor.messages where applies(message.scope, message.variant) {
      try result.add(
        Traffic(
          from: message.from, to: message.to, payloadBytes: try count(message.bytes),
          frames: try message.frames.map(count) ?? 1))
    }
    for part in descriptor.material where applies(part.scope, part.variant) {
      result.consumed[part.kind.rawValue] = try CostSummary.sum(
        result.consumed[part.kind.rawValue] ?? 0, try count(part.count))
    }
    for work in descriptor.operations where applies(work.scope, work.variant) {
      let times = try count(work.count)
      if times > 0 { try result.add(Work(party: work.party, operation: work.operation, count: times)) }
    }
    return result
  }
}
