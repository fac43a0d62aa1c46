public import Foundation

/// A key of a JSON object, whatever its name.
private struct AnyKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init?(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

/// Wraps a value whose JSON object may have only the fields of the value.
private struct DescriptorFields: Decodable {
  static let top: Set<String> = [
    "format", "name", "version", "role", "source", "adversary", "variants", "symbols", "messages", "material",
    "operations", "routines",
  ]
  static let lists: [String: Set<String>] = [
    "messages": [
      "phase", "scope", "variant", "sum", "each", "from", "to", "message", "bytes", "frames", "during", "pieces",
      "flush", "content",
    ],
    "material": ["phase", "scope", "variant", "kind", "count"],
    "operations": ["phase", "scope", "variant", "sum", "party", "operation", "count"],
    "routines": ["phase", "scope", "variant", "sum", "party", "with", "routine", "count"],
  ]
  var unknown: [String] = []

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: AnyKey.self)
    unknown = fields.allKeys.map(\.stringValue).filter { !Self.top.contains($0) }
    for (list, known) in Self.lists {
      guard let key = AnyKey(stringValue: list), fields.contains(key) else { continue }
      var entries = try fields.nestedUnkeyedContainer(forKey: key)
      while !entries.isAtEnd {
        let entry = try entries.nestedContainer(keyedBy: AnyKey.self)
        unknown += entry.allKeys.map(\.stringValue).filter { !known.contains($0) }.map { "\(list).\($0)" }
      }
    }
  }
}

extension Descriptor {
  /// Reads and checks a descriptor file; unknown fields are refused, for a misspelt one would silently cost nothing.
  ///
  /// - Parameter name: folder name, which the file must repeat.
  /// - Throws: ``HardwareError``
  public static func decode(_ data: Data, name: String) throws -> Descriptor {
    let descriptor: Descriptor
    do {
      let decoder = JSONDecoder()
      let unknown = try decoder.decode(DescriptorFields.self, from: data).unknown.sorted()
      guard unknown.isEmpty else {
        throw HardwareError.invalidDescriptor(
          name: name, reason: "unknown fields: \(unknown.joined(separator: ", "))")
      }
      descriptor = try decoder.decode(Descriptor.self, from: data)
    } catch let error as HardwareError {
      throw error
    } catch {
      throw HardwareError.invalidDescriptor(name: name, reason: "\(error)")
    }
    guard descriptor.name == name else {
      throw HardwareError.invalidDescriptor(name: name, reason: "it calls itself \(descriptor.name.prefix(64))")
    }
    try descriptor.validate()
    return descriptor
  }

  /// Checks names, variants, scopes and symbols.
  /// - Throws: ``HardwareError``
  public func validate() throws {
    try expect(format == Self.currentFormat, "its format is \(format), and this build reads \(Self.currentFormat)")
    try expect(version >= 1, "its version is \(version)")
    try expect(!source.isEmpty && !adversary.isEmpty, "source or adversary is empty")
    if role == .flow { return try validateFlow() }
    var used: Set<String> = []
    func entry(
      _ what: String, _ phase: CostPhase, _ scope: String?, _ variant: String?, _ list: String?, _ value: Expression
    ) throws {
      try expect(
        (role != .operator) == (scope != nil),
        "\(what): a scope belongs to sources and primitives, and to each of their entries")
      let owner = role == .operator ? name : scope!
      guard var known = CostSymbols.known(role, name, owner) else {
        throw invalid("\(what): there is no operator \(owner.prefix(64))")
      }
      if role == .source { known.formUnion(CostSymbols.ofPacking[owner] ?? []) }
      if let list {
        guard role == .source, let more = CostSymbols.lists[owner]?[list] else {
          throw invalid("\(what): there is no list \(list.prefix(64)) for \(owner)")
        }
        known.formUnion(more)
      }
      if let variant {
        try expect(
          CostSymbols.variants[role == .primitive ? name : owner]?.contains(variant) == true,
          "\(what): no variant \(variant.prefix(64))")
      }
      for symbol in value.symbols.sorted() {
        try expect(known.contains(symbol), "\(what): \(symbol) has no meaning for \(owner)")
        try expect(symbols[symbol] != nil, "\(what): \(symbol) is not declared among its symbols")
        let isOffline = symbol == "S"
        let isOnline = symbol == "B"
        try expect(!isOffline || phase == .offline, "\(what): S counts inferences of the offline phase")
        try expect(symbol != "L" || phase == .lease, "\(what): L counts rows of a lease")
        try expect(!isOnline || phase == .online, "\(what): B counts samples of the online phase")
      }
      used.formUnion(value.symbols)
    }
    for message in messages {
      try expect(
        message.sum == nil || message.each == nil, "\(message.message): it has both a sum and a frame for each")
      try entry(
        message.message, message.phase, message.scope, message.variant, message.sum ?? message.each, message.bytes)
      if let frames = message.frames {
        try entry(message.message, message.phase, message.scope, message.variant, nil, frames)
        try expect(role == .primitive, "\(message.message): only a primitive's message has several frames")
      }
      if let pieces = message.pieces {
        try entry(message.message, message.phase, message.scope, message.variant, nil, pieces)
        try expect(message.each == nil, "\(message.message): a frame of a list is made as a whole")
      }
      try expect(message.from != message.to, "\(message.message): sender and receiver are the same")
      try expect(!message.message.isEmpty && !message.content.isEmpty, "a message has no name or no content")
    }
    for part in material { try entry(part.kind.rawValue, part.phase, part.scope, part.variant, nil, part.count) }
    for work in operations {
      try entry(work.operation, work.phase, work.scope, work.variant, work.sum, work.count)
      try expect(Self.operationKinds.contains(work.operation), "\(work.operation.prefix(64)) is not a known operation")
    }
    for routine in routines ?? [] {
      try entry(routine.routine, routine.phase, routine.scope, routine.variant, routine.sum, routine.count)
      try expect(Self.routineKinds.contains(routine.routine), "\(routine.routine.prefix(64)) is not a known routine")
      if let message = routine.with {
        try expect(
          messages.contains { $0.message == message } || Self.primitiveMessages.contains(message),
          "\(routine.routine): it goes with \(message.prefix(64)), which is no message here")
      }
    }
    for (message, before) in zip(messages, [nil] + messages.map(\.self)) where message.during != nil {
      try expect(
        before?.message == message.during && before?.to == message.from,
        "\(message.message): it answers \(message.during!.prefix(64)), which is not the peer's message before it")
    }
    for symbol in symbols.keys.sorted() {
      try expect(used.contains(symbol), "\(symbol.prefix(64)) is declared and never used")
    }
    if role != .source {
      try expect(Set(variants) == CostSymbols.variants[name, default: []], "its variants are not those of the engine")
    }
  }

  private func expect(_ condition: Bool, _ reason: String) throws {
    guard condition else { throw invalid(reason) }
  }

  private func invalid(_ reason: String) -> HardwareError { .invalidDescriptor(name: name, reason: reason) }
}
