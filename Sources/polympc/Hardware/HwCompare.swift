import ArgumentParser
import Hardware
import Networks

struct HwCompare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Set devices, links, protocols and activations side by side.",
    discussion: """
      Each option takes names joined by commas; every combination is a row. "all"
      stands for all that are known. A combination that cannot be evaluated has its
      reason in the last column. With --published, the figures of PASNet beside what
      the model says of them, deviations included.

      Examples:
        polympc hw compare --network resnet18-imagenet --device all --protocol pasnet
        polympc hw compare --network resnet20 --link ethernet-1g,wan \\
          --protocol rlwe,pasnet
        polympc hw compare --network resnet18 --dataset imagenet \\
          --protocol pasnet,pasnet-equations --activation x2act,relu
        polympc hw compare --published
      """)

  @Flag(help: "Published figures beside the model's, instead of a network.")
  var published = false

  @Option(help: ArgumentHelp("Built-in network.", valueName: "name"))
  var network: String?

  @Option(help: ArgumentHelp("Model or plan file instead of a built-in network.", valueName: "path"))
  var model: String?

  @Option(help: "Pictures: \(PictureData.allCases.map(\.rawValue).joined(separator: ", ")).")
  var dataset: String?

  @Option(help: "Devices or hosts.")
  var device = "zcu104"

  @Option(help: "Links; each device's first where none is given.")
  var link: String?

  @Option(name: .customLong("protocol"), help: ArgumentHelp("Protocols.", valueName: "protocol"))
  var protocolName = "rlwe"

  @Option(help: "Activations: x2act, relu, or both; x2act where none is given, or those of the model.")
  var activation: String?

  @OptionGroup var work: HwWorkOptions
  @OptionGroup var format: HwFormatOptions

  func validate() throws {
    if published {
      guard network == nil, model == nil else { throw ValidationError("--published has networks of its own.") }
    } else {
      for name in activations { try options(name).validate() }
    }
  }

  private var activations: [String?] {
    activation.map { Self.list($0, all: ["x2act", "relu"]) } ?? [model == nil ? "x2act" : nil]
  }

  private func options(_ activation: String?) -> HwNetworkOptions {
    var options = HwNetworkOptions()
    (options.network, options.model, options.dataset, options.activation) = (network, model, dataset, activation)
    (options.pooling, options.reluLayers) = (nil, [])
    return options
  }

  private static func list(_ text: String, all: [String]) -> [String] {
    text == "all" ? all : text.split(separator: ",").map(String.init)
  }

  private struct Row: Encodable {
    var activation: String
    var protocolName: String
    var device: String
    var link: String
    var cost: HwCostReport?
    var reason: String?
  }

  func run() throws {
    try Failures.reporting {
      if published { return try printPublished() }
      let rows = try combinations()
      if format.json { return try Output.json(rows) }
      var lines = [HwCostReport.heading(["activation", "protocol", "device", "link"]) + ["cannot, because"]]
      for row in rows {
        let names = [row.activation, row.protocolName, row.device, row.link]
        let cells = row.cost?.cells(names) ?? names + [String](repeating: "", count: lines[0].count - names.count - 1)
        lines.append(cells + [row.reason ?? ""])
      }
      format.rows(lines)
      if rows.allSatisfy({ $0.cost == nil }) { throw ExitCode(65) }
    }
  }

  private func combinations() throws -> [Row] {
    var models = try HwModels()
    let modes = ProtocolMode.all(in: models.cost.library).map(\.name)
    let devices = Self.list(device, all: models.library.devices.keys.sorted() + models.library.hosts.keys.sorted())
    let links = link.map { Self.list($0, all: models.library.links.keys.sorted()) }
    var rows: [Row] = []
    for activation in activations {
      let options = options(activation)
      for protocolName in Self.list(protocolName, all: modes) {
        for device in devices {
          for link in links.map({ $0.map(Optional.some) }) ?? [nil] {
            // Names must exist, whatever a combination then comes to.
            let evaluator = try models.evaluator(protocolName: protocolName, device: device, link: link, work: work)
            var row = Row(
              activation: activation ?? "own", protocolName: protocolName, device: evaluator.target.name,
              link: evaluator.link.name)
            do { row.cost = HwCostReport(try options.evaluate(by: evaluator).total) } catch { row.reason = "\(error)" }
            rows.append(row)
          }
        }
      }
    }
    return rows
  }

  private struct PublishedRow: Encodable {
    var row: String
    var metric: String
    var published: Double
    var model: Double
    var deviation: Double
    var standing: String
    var note: String
  }

  private func printPublished() throws {
    let evaluator = try HwModels.paper()
    let rows = try PublishedFigure.all.map { figure in
      let model = try figure.modelled(by: evaluator)
      return PublishedRow(
        row: figure.row, metric: figure.metric.rawValue, published: figure.published, model: model,
        deviation: model / figure.published - 1, standing: figure.standing.rawValue, note: figure.note)
    }
    if format.json { return try Output.json(rows) }
    format.rows(
      [["row", "", "published", "model", "off by", "", "remark"]]
        + rows.map {
          [
            $0.row, $0.metric, Output.fixed($0.published, 2), Output.fixed($0.model, 2), Output.percent($0.deviation),
            $0.standing, $0.note,
          ]
        })
  }
}

extension HwModels {
  /// The paper's flow on its own boards.
  static func paper() throws -> HardwareEvaluator {
    var models = try HwModels()
    let target = try models.target("zcu104", host: nil)
    return try HardwareEvaluator(
      model: models.cost, mode: try ProtocolMode.named("pasnet", in: models.cost.library), target: target,
      link: try models.link(nil, for: target))
  }
}
