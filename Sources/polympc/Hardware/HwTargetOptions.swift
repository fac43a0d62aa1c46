import ArgumentParser
import Foundation
import Hardware
import Networks

/// What a plan would choose, and how much is done at once.
struct HwWorkOptions: ParsableArguments {
  @Option(help: "Samples of a query; in the offline phase inferences of a bulk.")
  var batch = 1

  @Option(help: "Phase of this project's protocol: session, setup, offline or online.")
  var phase = "online"

  @Option(
    name: .customLong("comparison-bits"),
    help: "Bits of every comparison of this project's protocol; plans choose them layer by layer.")
  var comparisonBits = 20

  @Option(
    help: ArgumentHelp(
      "Calibrated host (name or file) that does what a device has no kernel for.", valueName: "host"))
  var host: String?

  func validate() throws {
    guard batch >= 1, batch <= 1 << 20 else { throw ValidationError("--batch is 1 to \(1 << 20).") }
    guard (2...40).contains(comparisonBits) else { throw ValidationError("--comparison-bits is 2 to 40.") }
    guard let found = CostPhase(rawValue: phase), found != .lease else {
      throw ValidationError("--phase is session, setup, offline or online, not \(phase).")
    }
  }

  var outline: OutlineOptions { OutlineOptions(comparisonBits: comparisonBits) }
}

/// Names to models: those that ship, and files.
struct HwModels {
  var library: HardwareLibrary
  let cost: CostModel

  init() throws {
    library = try HardwareLibrary.load()
    cost = try CostModel()
  }

  /// A name, or the name that a file gives to what it describes.
  private mutating func resolve(_ text: String, _ folder: HardwareLibrary.ModelFolder) throws -> String {
    guard text.contains("/") || text.hasSuffix(".json") else { return text }
    guard let data = FileManager.default.contents(atPath: text) else {
      throw HardwareError.schema(file: text, key: "", reason: "the file cannot be read")
    }
    return try library.add(data, in: folder, file: text)
  }

  /// A calibrated host.
  mutating func host(_ name: String) throws -> HostModel {
    let found = try resolve(name, .hosts)
    return try library.host(found)
  }

  /// A board or host.
  mutating func target(_ name: String, host: String?) throws -> HardwareTarget {
    // Resolved first: a call's receiver is read before its arguments change it.
    let hostName = try host.map { try resolve($0, .hosts) }
    let extra = try hostName.map { try library.host($0) }
    let isFile = name.contains("/") || name.hasSuffix(".json")
    let isHostFile = isFile && HardwareLibrary.isHost(FileManager.default.contents(atPath: name) ?? Data())
    let found = try resolve(name, isHostFile ? .hosts : .devices)
    if isFile { try library.validate() }
    return try HardwareTarget(named: found, in: library, host: extra)
  }

  /// A link, described or measured between hosts, or the one that a device or host has by itself.
  mutating func link(_ name: String?, for target: HardwareTarget) throws -> LinkModel {
    if let name {
      // What was measured between such hosts goes before what is described under the same name.
      if target.device == nil, let host = target.host, host.links[name] != nil {
        return try LinkModel(measured: name, of: host)
      }
      let found = try resolve(name, .links)
      return try library.link(found)
    }
    if let device = target.device { return try library.link(device.links[0]) }
    return LinkModel(loopbackOf: target.host!)
  }

  /// Puts the pieces together.
  mutating func evaluator(
    protocolName: String, device: String, link: String?, work: HwWorkOptions
  ) throws -> HardwareEvaluator {
    try evaluator(
      protocolName: protocolName, device: device, link: link, host: work.host, phase: CostPhase(rawValue: work.phase)!,
      batch: work.batch, outline: work.outline)
  }

  /// The same without options of a command.
  mutating func evaluator(
    protocolName: String, device: String, link: String?, host: String? = nil, phase: CostPhase, batch: Int = 1,
    outline: OutlineOptions = OutlineOptions()
  ) throws -> HardwareEvaluator {
    let target = try target(device, host: host)
    return try HardwareEvaluator(
      model: cost, mode: try ProtocolMode.named(protocolName, in: cost.library), target: target,
      link: try self.link(link, for: target), phase: phase, batch: batch, outline: outline)
  }
}

/// One protocol on one device and link.
struct HwTargetOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Device or calibrated host: a name (see polympc hw list), or a file.", valueName: "device"))
  var device = "zcu104"

  @Option(help: ArgumentHelp("Link: a name or a file; the device's first where none is given.", valueName: "link"))
  var link: String?

  @Option(name: .customLong("protocol"), help: ArgumentHelp("Protocol (see polympc hw list).", valueName: "protocol"))
  var protocolName = "rlwe"

  @OptionGroup var work: HwWorkOptions

  func evaluator() throws -> HardwareEvaluator {
    var models = try HwModels()
    return try models.evaluator(protocolName: protocolName, device: device, link: link, work: work)
  }
}

/// How a result is printed.
struct HwFormatOptions: ParsableArguments {
  @Flag(help: "Print JSON.")
  var json = false

  @Flag(help: "Print comma-separated values, with a heading.")
  var csv = false

  func validate() throws {
    if json, csv { throw ValidationError("Give either --json or --csv.") }
  }

  /// Prints rows, the first of them a heading, as values or as a table.
  func rows(_ rows: [[String]]) {
    guard csv else { return Output.table(rows) }
    for row in rows { Output.line(row.map(Self.quoted).joined(separator: ",")) }
  }

  private static func quoted(_ cell: String) -> String {
    guard cell.contains(where: { ",\"\n\r".contains($0) }) else { return cell }
    return "\"" + cell.replacingOccurrences(of: "\"", with: "\"\"") + "\""
  }
}
