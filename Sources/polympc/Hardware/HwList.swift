import ArgumentParser
import Hardware
import Networks

struct HwList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List devices, links, kernels, hosts, protocols and networks.",
    discussion: """
      With --json every number comes with its unit, kind, source and accuracy.

      Examples:
        polympc hw list
        polympc hw list devices --json
        polympc hw list kernels --csv
      """)

  enum Subject: String, ExpressibleByArgument, CaseIterable {
    case devices, links, kernels, hosts, protocols, networks
  }

  @Argument(help: "devices, links, kernels, hosts, protocols or networks; all where none is given.")
  var subject: Subject?

  @OptionGroup var format: HwFormatOptions

  private struct Everything: Encodable {
    var devices: [DeviceModel]?
    var links: [LinkModel]?
    var kernels: [KernelSet]?
    var hosts: [HostModel]?
    var protocols: [Mode]?
    var networks: [String]?
  }

  private struct Mode: Encodable {
    var name: String
    var runs: Bool
    var source: String
  }

  func run() throws {
    try Failures.reporting {
      let models = try HwModels()
      let subjects = subject.map { [$0] } ?? Subject.allCases
      if format.json { return try Output.json(everything(models, subjects)) }
      for (index, subject) in subjects.enumerated() {
        if subjects.count > 1, !format.csv {
          if index > 0 { Output.line() }
          Output.line(subject.rawValue)
        }
        format.rows(rows(models, subject))
      }
    }
  }

  private func modes(_ models: HwModels) -> [Mode] {
    ProtocolMode.all(in: models.cost.library).map { mode in
      if case .program = mode.kind { return Mode(name: mode.name, runs: true, source: mode.source) }
      return Mode(name: mode.name, runs: false, source: mode.source)
    }
  }

  private func sorted<Model>(_ models: [String: Model]) -> [Model] {
    models.sorted { $0.key < $1.key }.map(\.value)
  }

  private func everything(_ models: HwModels, _ subjects: [Subject]) -> Everything {
    let library = models.library
    var result = Everything()
    for subject in subjects {
      switch subject {
      case .devices: result.devices = sorted(library.devices)
      case .links: result.links = sorted(library.links)
      case .kernels: result.kernels = sorted(library.kernelSets)
      case .hosts: result.hosts = sorted(library.hosts)
      case .protocols: result.protocols = modes(models)
      case .networks: result.networks = Builders.names
      }
    }
    return result
  }

  private func text(_ quantity: Quantity) -> String {
    let value =
      quantity.value == quantity.value.rounded() && abs(quantity.value) < 1e15
      ? "\(Int(quantity.value))"
      : quantity.kind == .measured ? Output.significant(quantity.value) : "\(quantity.value)"
    let unit = ["1", "cycle"].contains(quantity.unit.text) ? "" : " " + quantity.unit.text
    return value + unit + (quantity.kind == .assumed ? " (assumed)" : "")
  }

  private func rows(_ models: HwModels, _ subject: Subject) -> [[String]] {
    let library = models.library
    switch subject {
    case .devices:
      return [["name", "clock", "power", "DSP", "LUT", "BRAM36", "URAM", "memory", "default link", "title"]]
        + sorted(library.devices).map { device in
          let parts = device.resources
          return [
            device.name, text(device.clock), text(device.power), text(parts.dsp), text(parts.lut), text(parts.bram36),
            text(parts.uram), text(device.memory.bandwidth), device.links[0], device.title,
          ]
        }
    case .links:
      return [["name", "rate", "latency", "title"]]
        + sorted(library.links).map { [$0.name, text($0.rate), text($0.latency), $0.title] }
    case .kernels:
      return [["set", "operation", "device", "lanes", "rate/s", "DSP each", "LUT each", "kind"]]
        + sorted(library.kernelSets).flatMap { set in
          sorted(library.devices).filter { $0.kernels.contains(set.name) }.flatMap { device in
            set.kernels.sorted { $0.key < $1.key }.map { operation, kernel in
              let lanes = kernel.laneCount(on: device)
              let rate = kernel.rate(lanes: lanes, clock: device.clock).value
              return [
                set.name, operation, device.name, "\(lanes)", Output.scientific(rate), text(kernel.resources.dsp),
                text(kernel.resources.lut), kernel.interval.kind.rawValue,
              ]
            }
          }
        }
    case .hosts:
      return [["name", "threads", "round trip", "rate", "processor"]]
        + sorted(library.hosts).map {
          [$0.name, "\($0.threads)", text($0.link.roundTrip), text($0.link.rate), $0.processor]
        }
    case .protocols:
      return [["name", "runs here", "source"]] + modes(models).map { [$0.name, $0.runs ? "yes" : "no", $0.source] }
    case .networks: return [["name"]] + Builders.names.map { [$0] }
    }
  }
}
