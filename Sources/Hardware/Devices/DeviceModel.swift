public import Foundation

/// What a lane takes of a device, or a device has: counts of its programmable parts.
public struct ResourceCounts: Hashable, Sendable, Encodable {
  /// Multipliers: DSP slices or engines.
  public var dsp: Quantity
  /// Look-up tables of six inputs.
  public var lut: Quantity
  /// Flip-flops.
  public var ff: Quantity
  /// Block memories of 36 kbit.
  public var bram36: Quantity
  /// Block memories of 288 kbit.
  public var uram: Quantity

  /// Names of the counts, as they stand in files.
  public static let names = ["dsp", "lut", "ff", "bram36", "uram"]

  /// The counts by name.
  public subscript(name: String) -> Quantity? {
    switch name {
    case "dsp": dsp
    case "lut": lut
    case "ff": ff
    case "bram36": bram36
    case "uram": uram
    default: nil
    }
  }

  init(_ reader: ModelReader) throws {
    func count(_ key: String) throws -> Quantity { try reader.quantity(key, .none, positive: false) }
    dsp = try count("dsp")
    lut = try count("lut")
    ff = try count("ff")
    bram36 = try count("bram36")
    uram = try count("uram")
    try reader.finish()
  }
}

/// Memory outside the logic.
public struct MemoryModel: Hashable, Sendable, Encodable {
  /// Bytes that it holds.
  public var capacity: Quantity
  /// Bytes a second, both directions together.
  public var bandwidth: Quantity

  init(_ reader: ModelReader) throws {
    capacity = try reader.quantity("capacity", .data)
    bandwidth = try reader.quantity("bandwidth", .dataRate)
    try reader.finish()
  }
}

/// One board of a pair, as `HardwareModels/devices/<name>.json` describes it.
public struct DeviceModel: Hashable, Sendable, Encodable {
  /// Version of the format.
  public var format = 1
  /// `device`.
  public var kind = "device"
  /// The file's name.
  public var name: String
  /// For people.
  public var title: String
  /// The maker's number of the chip.
  public var part: String
  /// Clock of the design.
  public var clock: Quantity
  /// Power of one board at work.
  public var power: Quantity
  /// What the chip has.
  public var resources: ResourceCounts
  /// Memory on the board.
  public var memory: MemoryModel
  /// Names of the kernel sets that are built for it; no operation may be in two.
  public var kernels: [String]
  /// Names of links that its ports drive; the first is taken where none is asked for.
  public var links: [String]

  /// Reads and checks a file.
  ///
  /// - Parameters:
  ///   - data: the file's content.
  ///   - file: its path or name, for errors.
  ///   - name: what it must call itself, or nil.
  /// - Throws: ``HardwareError/schema(file:key:reason:)``
  public init(_ data: Data, file: String, named name: String? = nil) throws {
    let reader = try ModelReader(file: file, data: data)
    (self.name, title) = try reader.header("device", named: name)
    part = try reader.string("part")
    clock = try reader.quantity("clock", .frequency)
    power = try reader.quantity("power", .power)
    resources = try ResourceCounts(try reader.object("resources"))
    memory = try MemoryModel(try reader.object("memory"))
    kernels = try reader.strings("kernels")
    links = try reader.strings("links")
    guard !links.isEmpty else { throw reader.failure("links", "at least one link is needed") }
    guard Set(kernels).count == kernels.count else { throw reader.failure("kernels", "a set is named twice") }
    try reader.checkFormulas(["clock": clock, "power": power])
    try reader.finish()
  }
}
