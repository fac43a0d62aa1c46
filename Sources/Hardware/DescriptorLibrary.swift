import ProtocolDescriptors

/// All descriptors of this build.
public struct DescriptorLibrary: Sendable {
  /// By name.
  public let descriptors: [String: Descriptor]

  /// Wraps checked descriptors; names are unique.
  public init(_ list: [Descriptor]) throws {
    for descriptor in list { try descriptor.validate() }
    descriptors = try Dictionary(list.map { ($0.name, $0) }) { first, _ in
      throw HardwareError.invalidDescriptor(name: first.name, reason: "there are two of that name")
    }
  }

  /// Loads what ships with the product, from the top-level folder `Protocols`.
  /// - Throws: ``HardwareError``
  public static func load() throws -> DescriptorLibrary {
    try DescriptorLibrary(
      ProtocolDescriptors.names.map { name in
        guard let data = ProtocolDescriptors.data(name) else { throw HardwareError.missingDescriptor(name: name) }
        return try Descriptor.decode(data, name: name)
      })
  }

  /// The descriptor of that name.
  /// - Throws: ``HardwareError/missingDescriptor(name:)``
  public func descriptor(_ name: String) throws -> Descriptor {
    guard let found = descriptors[name] else { throw HardwareError.missingDescriptor(name: name) }
    return found
  }

  /// What the parties must agree on, in one byte string: the input of hello's protocols digest. Prose and local work are
  /// left out, so a better explanation does not part two builds; so are flows, which nobody runs. Every field is preceded by its length.
  public var canonicalBytes: [UInt8] {
    var bytes: [UInt8] = []
    func put(_ text: String) {
      for place in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: text.utf8.count >> (8 * place))) }
      bytes += text.utf8
    }
    put("polympc protocols \(Descriptor.currentFormat)")
    for name in descriptors.keys.sorted() where descriptors[name]!.role != .flow {
      let descriptor = descriptors[name]!
      put(name)
      put(String(descriptor.version))
      put(String(descriptor.messages.count))
      for message in descriptor.messages {
        put(message.phase.rawValue)
        put(message.scope ?? "")
        put(message.variant ?? "")
        put(message.sum ?? "")
        put(message.each ?? "")
        put(message.from.rawValue)
        put(message.to.rawValue)
        put(message.message)
        put(message.bytes.text.filter { $0 != " " })
        put(message.frames?.text.filter { $0 != " " } ?? "1")
      }
    }
    return bytes
  }
}
