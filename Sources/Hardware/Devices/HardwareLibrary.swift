public import Foundation
import HardwareModels

/// All devices, links, kernels and hosts that are known by name.
public struct HardwareLibrary: Sendable {
  /// Boards by name.
  public private(set) var devices: [String: DeviceModel] = [:]
  /// Links by name.
  public private(set) var links: [String: LinkModel] = [:]
  /// Kernel sets by name.
  public private(set) var kernelSets: [String: KernelSet] = [:]
  /// Calibrated hosts by name.
  public private(set) var hosts: [String: HostModel] = [:]

  /// Loads what ships with the product, from the top-level folder `HardwareModels`.
  /// - Throws: ``HardwareError`` naming file and key of a mistake.
  public static func load() throws -> HardwareLibrary {
    var library = HardwareLibrary()
    for kind in ModelFolder.allCases {
      guard let names = HardwareModels.names(in: kind.rawValue) else {
        throw HardwareError.missingModels(folder: kind.rawValue)
      }
      for name in names {
        guard let data = HardwareModels.data(kind.rawValue, name) else {
          throw HardwareError.missingModels(folder: "\(kind.rawValue)/\(name)")
        }
        try library.add(data, in: kind, file: "HardwareModels/\(kind.rawValue)/\(name).json", named: name)
      }
    }
    try library.validate()
    return library
  }

  /// Folders of model files.
  public enum ModelFolder: String, CaseIterable, Sendable {
    /// Boards.
    case devices
    /// Links.
    case links
    /// Kernel sets.
    case kernels
    /// Calibrated hosts.
    case hosts
  }

  /// Nothing.
  public init() {}

  /// Adds a file's content; a later one replaces an earlier one of the same name.
  ///
  /// - Parameters:
  ///   - data: its content.
  ///   - folder: what it describes.
  ///   - file: its path or name, for errors.
  ///   - name: what it must call itself, or nil.
  /// - Returns: what it calls itself.
  /// - Throws: ``HardwareError/schema(file:key:reason:)``
  @discardableResult
  public mutating func add(
    _ data: Data, in folder: ModelFolder, file: String, named name: String? = nil
  ) throws -> String {
    switch folder {
    case .devices:
      let device = try DeviceModel(data, file: file, named: name)
      devices[device.name] = device
      return device.name
    case .links:
      let link = try LinkModel(data, file: file, named: name)
      links[link.name] = link
      return link.name
    case .kernels:
      let set = try KernelSet(data, file: file, named: name)
      kernelSets[set.name] = set
      return set.name
    case .hosts:
      let host = try HostModel(data, file: file, named: name)
      hosts[host.name] = host
      return host.name
    }
  }

  /// Whether a file calls itself the description of a host.
  public static func isHost(_ data: Data) -> Bool {
    (try? ModelReader(file: "", data: data).string("kind")) == "host"
  }

  /// Checks what files say of one another: names that exist, no operation in two sets of a device, lanes that fit.
  /// - Throws: ``HardwareError/schema(file:key:reason:)``
  public func validate() throws {
    for device in devices.values.sorted(by: { $0.name < $1.name }) {
      let file = "HardwareModels/devices/\(device.name).json"
      for link in device.links where links[link] == nil {
        throw HardwareError.schema(file: file, key: "links", reason: "there is no link \(link.prefix(64))")
      }
      var seen: Set<String> = []
      for name in device.kernels {
        guard let set = kernelSets[name] else {
          throw HardwareError.schema(file: file, key: "kernels", reason: "there is no kernel set \(name.prefix(64))")
        }
        for operation in set.kernels.keys where !seen.insert(operation).inserted {
          throw HardwareError.schema(file: file, key: "kernels", reason: "\(operation) is in two of its kernel sets")
        }
        // Sets are designs of their own: a board holds one at a time.
        for resource in ResourceCounts.names {
          let used = set.kernels.values.reduce(0) {
            $0 + Double($1.laneCount(on: device)) * $1.resources[resource]!.value
          }
          let available = device.resources[resource]!.value
          guard used <= available * (1 + 1e-9) else {
            throw HardwareError.schema(
              file: file, key: "resources.\(resource)",
              reason: "the kernels \(name) take \(Int(used)) of \(Int(available))")
          }
        }
      }
    }
  }

  /// A board by name.
  /// - Throws: ``HardwareError/unknownName(what:name:known:)``
  public func device(_ name: String) throws -> DeviceModel { try find("device", name, devices) }
  /// A link by name.
  /// - Throws: ``HardwareError/unknownName(what:name:known:)``
  public func link(_ name: String) throws -> LinkModel { try find("link", name, links) }
  /// A host by name.
  /// - Throws: ``HardwareError/unknownName(what:name:known:)``
  public func host(_ name: String) throws -> HostModel { try find("host", name, hosts) }

  /// The kernels of a device, by class of operations.
  public func kernels(of device: DeviceModel) -> [String: KernelModel] {
    device.kernels.compactMap { kernelSets[$0]?.kernels }.reduce(into: [:]) { all, set in
      all.merge(set) { first, _ in first }
    }
  }

  private func find<Model>(_ what: String, _ name: String, _ models: [String: Model]) throws -> Model {
    guard let found = models[name] else {
      throw HardwareError.unknownName(what: what, name: name, known: models.keys.sorted())
    }
    return found
  }
}
