public import Foundation

/// Hardware for one class of operations: identical lanes that start an operation each every `interval` cycles.
public struct KernelModel: Hashable, Sendable, Encodable {
  /// How many lanes a device gets.
  public enum Lanes: Hashable, Sendable {
    /// So many, on every device.
    case fixed(Quantity)
    /// As many as fit into this share of whichever part of the device runs out first.
    case share(Quantity)
  }

  /// Lanes.
  public var lanes: Lanes
  /// Operations that one lane starts at once.
  public var width: Quantity
  /// Cycles between two starts of a lane.
  public var interval: Quantity
  /// Cycles from an operation's start to its result.
  public var depth: Quantity
  /// Energy of an operation, without what the board takes when idle.
  public var energy: Quantity
  /// What one lane takes.
  public var resources: ResourceCounts
  /// The Verilog module under `HardwareModels/rtl`, where there is one.
  public var module: String?

  private enum CodingKeys: String, CodingKey {
    case lanes, share, width, interval, depth, energy, resources, module
  }

  init(_ reader: ModelReader) throws {
    switch (reader.has("lanes"), reader.has("share")) {
    case (true, false):
      let count = try reader.quantity("lanes", .none)
      guard count.value == count.value.rounded(), count.value <= Self.maximumLanes else {
        throw reader.failure("lanes.value", "it must be a whole number up to \(Int(Self.maximumLanes))")
      }
      lanes = .fixed(count)
    case (false, true):
      let share = try reader.quantity("share", .none)
      guard share.value <= 1 else { throw reader.failure("share.value", "a share is at most 1") }
      lanes = .share(share)
    default: throw reader.failure("lanes", "either lanes or share is needed, and not both")
    }
    width = try reader.quantity("width", .operations)
    interval = try reader.quantity("interval", .none)
    depth = try reader.quantity("depth", .none, positive: false)
    energy = try reader.quantity("energy", .energyOfOperation, positive: false)
    resources = try ResourceCounts(try reader.object("resources"))
    module = reader.has("module") ? try reader.string("module") : nil
    var formulas = ["width": width, "interval": interval, "depth": depth, "energy": energy]
    switch lanes {
    case .fixed(let count): formulas["lanes"] = count
    case .share(let share): formulas["share"] = share
    }
    try reader.checkFormulas(formulas)
    try reader.finish()
  }

  /// Writes the object that the file holds.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch lanes {
    case .fixed(let count): try container.encode(count, forKey: .lanes)
    case .share(let share): try container.encode(share, forKey: .share)
    }
    try container.encode(width, forKey: .width)
    try container.encode(interval, forKey: .interval)
    try container.encode(depth, forKey: .depth)
    try container.encode(energy, forKey: .energy)
    try container.encode(resources, forKey: .resources)
    try container.encodeIfPresent(module, forKey: .module)
  }

  /// Lanes that a kernel may have.
  static let maximumLanes = 1e9

  /// Lanes on a device: at least one where one fits, else none.
  public func laneCount(on device: DeviceModel) -> Int {
    switch lanes {
    case .fixed(let count): return Int(count.value)
    case .share(let share):
      let fits = ResourceCounts.names.compactMap { name -> Double? in
        let (own, all) = (resources[name]!.value, device.resources[name]!.value)
        return own > 0 ? share.value * all / own : nil
      }
      guard let least = fits.min() else { return 1 }
      // One part in 10^9 more than a whole number is that number: shares are written in decimals.
      return Int(min(least * (1 + 1e-9), Self.maximumLanes).rounded(.down))
    }
  }

  /// Operations a second on so many lanes.
  public func rate(lanes: Int, clock: Quantity) -> Measure {
    Measure(Double(lanes)) * width.measure * clock.measure / interval.measure
  }
}

/// The kernels of one design, as `HardwareModels/kernels/<name>.json` describes them.
public struct KernelSet: Hashable, Sendable, Encodable {
  /// Version of the format.
  public var format = 1
  /// `kernels`.
  public var kind = "kernels"
  /// The file's name.
  public var name: String
  /// For people.
  public var title: String
  /// By class of operations, one of ``Descriptor/operationKinds``.
  public var kernels: [String: KernelModel]

  /// Reads and checks a file.
  ///
  /// - Parameters:
  ///   - data: the file's content.
  ///   - file: its path or name, for errors.
  ///   - name: what it must call itself, or nil.
  /// - Throws: ``HardwareError/schema(file:key:reason:)``
  public init(_ data: Data, file: String, named name: String? = nil) throws {
    let reader = try ModelReader(file: file, data: data)
    (self.name, title) = try reader.header("kernels", named: name)
    let list = try reader.object("kernels")
    kernels = [:]
    for operation in list.keys {
      guard Descriptor.operationKinds.contains(operation) else {
        throw list.failure(operation, "there is no class of operations of that name")
      }
      kernels[operation] = try KernelModel(try list.object(operation))
    }
    try list.finish()
    try reader.finish()
  }
}
