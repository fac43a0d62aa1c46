public import Foundation

/// A computer whose operations were measured, as `HardwareModels/hosts/<name>.json` may keep it.
public struct HostModel: Hashable, Sendable, Encodable {
  /// What a run pays beside its operations.
  public enum Overhead: String, CaseIterable, Hashable, Sendable {
    /// Each frame sent and received, at both ends together, beside the link.
    case frame
    /// Each step of a program, at each party.
    case step
    /// Each query.
    case query
    /// Each bulk that is prepared.
    case bulk
  }

  /// The link on which the host was calibrated.
  public struct Loopback: Hashable, Sendable, Encodable {
    /// Of a small message, there and back.
    public var roundTrip: Quantity
    /// Bits of payload a second, in one direction.
    public var rate: Quantity

    /// States both.
    public init(roundTrip: Quantity, rate: Quantity) { (self.roundTrip, self.rate) = (roundTrip, rate) }
  }

  /// Version of the format.
  public var format = 1
  /// `host`.
  public var kind = "host"
  /// The file's name.
  public var name: String
  /// For people.
  public var title: String
  /// The processor's name.
  public var processor: String
  /// Threads that an operation may use.
  public var threads: Int
  /// Power at work; nil where nobody measured it.
  public var power: Quantity?
  /// Seconds of an operation, by class.
  public var operations: [String: Quantity]
  /// Seconds of each overhead.
  public var overheads: [String: Quantity]
  /// The link on which it was calibrated.
  public var link: Loopback
  /// Seconds of a unit of each of the engine's own routines (`Descriptor.routines`); none where they were not measured.
  public var routines: [String: Quantity]
  /// Links by name, as the engine's transport sees them.
  public var links: [String: HostLink]

  /// Name of the link of two processes of the host itself.
  public static let loopback = "loopback"

  /// Describes a host.
  public init(
    name: String, title: String, processor: String, threads: Int, power: Quantity? = nil,
    operations: [String: Quantity], overheads: [Overhead: Quantity], link: Loopback,
    routines: [String: Quantity] = [:], links: [String: HostLink] = [:]
  ) {
    self.name = name
    self.title = title
    self.processor = processor
    self.threads = threads
    self.power = power
    self.operations = operations
    self.overheads = Dictionary(uniqueKeysWithValues: overheads.map { ($0.key.rawValue, $0.value) })
    self.link = link
    self.routines = routines
    self.links = links
  }

  /// Reads and checks a file.
  ///
  /// - Parameters:
  ///   - data: the file's content.
  ///   - file: its path or name, for errors.
  ///   - name: what it must call itself, or nil.
  /// - Throws: ``HardwareError/schema(file:key:reason:)``
  public init(_ data: Data, file: String, named name: String? = nil) throws {
    let reader = try ModelReader(file: file, data: data)
    (self.name, title) = try reader.header("host", named: name)
    processor = try reader.string("processor")
    let count = try reader.number("threads")
    guard (1...4096).contains(count), count == count.rounded() else {
      throw reader.failure("threads", "it must be a whole number from 1 to 4096")
    }
    threads = Int(count)
    power = try reader.quantityIfPresent("power", .power)
    let list = try reader.object("operations")
    operations = [:]
    for operation in list.keys {
      guard Descriptor.operationKinds.contains(operation) else {
        throw list.failure(operation, "there is no class of operations of that name")
      }
      operations[operation] = try list.quantity(operation, .timeOfOperation, positive: false)
    }
    try list.finish()
    let extra = try reader.object("overheads")
    overheads = [:]
    for overhead in Overhead.allCases where extra.has(overhead.rawValue) {
      overheads[overhead.rawValue] = try extra.quantity(overhead.rawValue, .time, positive: false)
    }
    try extra.finish()
    let loopback = try reader.object("link")
    link = Loopback(
      roundTrip: try loopback.quantity("roundTrip", .time), rate: try loopback.quantity("rate", .dataRate))
    try loopback.finish()
    (routines, links) = ([:], [:])
    if reader.has("routines") {
      let list = try reader.object("routines")
      for routine in list.keys {
        guard Descriptor.routineKinds.contains(routine) else {
          throw list.failure(routine, "there is no routine of that name")
        }
        routines[routine] = try list.quantity(routine, .time, positive: false)
      }
      try list.finish()
    }
    if reader.has("links") {
      let list = try reader.object("links")
      for name in list.keys { links[name] = try HostLink(try list.object(name)) }
      try list.finish()
    }
    try reader.finish()
  }

  /// A link of that name.
  /// - Throws: ``HardwareError/unknownName(what:name:known:)``
  public func link(_ name: String) throws -> HostLink {
    guard let found = links[name] else {
      throw HardwareError.unknownName(what: "measured link", name: name, known: links.keys.sorted())
    }
    return found
  }

  /// Seconds of an overhead; none where it was not measured.
  public func seconds(_ overhead: Overhead) -> Double { overheads[overhead.rawValue]?.measure.value ?? 0 }

  /// The file's text: JSON with sorted keys and an end of line.
  public func fileText() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return try encoder.encode(self) + Data("\n".utf8)
  }
}
