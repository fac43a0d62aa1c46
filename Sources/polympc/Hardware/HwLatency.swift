import ArgumentParser
import Hardware
import Networks

struct HwLatency: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "latency",
    abstract: "Predict what a network costs: by layer, by operator, in total.",
    discussion: """
      Computation of both parties and communication add up, without overlap. The
      bytes are those of both directions; energy is the power of both boards for so
      long. "±" is how far the time may be off if every number that it rests on is
      off as far as its accuracy says. A model or plan file is evaluated by its plan;
      a built-in network by an outline, with one width for all comparisons.

      Examples:
        polympc hw latency --network resnet18 --dataset imagenet \\
          --activation x2act --device zcu104 --protocol pasnet --json
        polympc hw latency --network resnet20 --protocol rlwe --link ethernet-10g
        polympc hw latency --network resnet50-imagenet --protocol pasnet --timing
      """)

  @OptionGroup var network: HwNetworkOptions
  @OptionGroup var target: HwTargetOptions
  @OptionGroup var format: HwFormatOptions

  @Flag(help: "Say on standard error how long the evaluation took.")
  var timing = false

  func run() throws {
    try Failures.reporting {
      let evaluator = try target.evaluator()
      let clock = ContinuousClock()
      let start = clock.now
      let evaluation = try network.evaluate(by: evaluator)
      if timing {
        let seconds = Double((clock.now - start) / Duration.nanoseconds(1)) * 1e-9
        Output.note("evaluated in \(Output.duration(seconds))")
      }
      if format.json { return try Output.json(HwEvaluationReport(evaluation)) }
      var rows = [HwCostReport.heading(["layer", "operator"])]
      rows += evaluation.layers.map { HwCostReport($0.cost).cells([$0.name, $0.operation]) }
      rows.append(HwCostReport(evaluation.total).cells(["total", ""]))
      if format.csv { return format.rows(rows) }
      Output.line(
        "\(evaluation.network), \(evaluation.protocolName), \(evaluation.phase.rawValue), batch \(evaluation.batch), "
          + "on a pair of \(evaluation.device) over \(evaluation.link)")
      Output.line()
      format.rows(rows)
      Output.line()
      format.rows(
        [HwCostReport.heading(["operator", "layers"])]
          + evaluation.operators.map { HwCostReport($0.cost).cells([$0.name, "\($0.count)"]) })
      if !evaluation.total.onHost.isEmpty {
        Output.line()
        Output.line(
          "The device has no kernel for \(evaluation.total.onHost.joined(separator: ", ")): the host does these.")
      }
    }
  }
}

/// A cost as it is printed.
struct HwCostReport: Encodable {
  var latencyMs: Double
  var computationMs: Double
  var communicationMs: Double
  var uncertaintyMs: Double
  var communicationBytes: Int
  var messages: Int
  var rounds: Int
  var energyMj: Double?
  var operationEnergyMj: Double?
  var operations: [String: Double]
  var onHost: [String]

  init(_ cost: HardwareEvaluation.Cost) {
    latencyMs = cost.latency * 1e3
    computationMs = cost.computation * 1e3
    communicationMs = cost.communication * 1e3
    uncertaintyMs = cost.uncertainty * 1e3
    communicationBytes = cost.bytes
    messages = cost.messages
    rounds = cost.rounds
    energyMj = cost.energy.map { $0 * 1e3 }
    operationEnergyMj = cost.operationEnergy.map { $0 * 1e3 }
    operations = cost.operations
    onHost = cost.onHost
  }

  static func heading(_ first: [String]) -> [String] {
    first + ["latency ms", "± ms", "compute ms", "link ms", "bytes", "messages", "rounds", "energy mJ"]
  }

  func cells(_ first: [String]) -> [String] {
    first + [
      Output.fixed(latencyMs, 3), Output.fixed(uncertaintyMs, 3), Output.fixed(computationMs, 3),
      Output.fixed(communicationMs, 3), "\(communicationBytes)", "\(messages)", "\(rounds)",
      energyMj.map { Output.fixed($0, 2) } ?? "",
    ]
  }
}

/// An evaluation as JSON.
struct HwEvaluationReport: Encodable {
  struct Part: Encodable {
    var name: String
    var `operator`: String
    var layers: Int?
    var cost: HwCostReport

    enum CodingKeys: String, CodingKey { case name, `operator`, layers }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name, forKey: .name)
      try container.encode(`operator`, forKey: .operator)
      try container.encodeIfPresent(layers, forKey: .layers)
      try cost.encode(to: encoder)
    }
  }

  var network: String
  var protocolName: String
  var phase: String
  var device: String
  var link: String
  var batch: Int
  var layers: [Part]
  var operators: [Part]
  var total: HwCostReport

  enum CodingKeys: String, CodingKey {
    case network, phase, device, link, batch, layers, operators
    case protocolName = "protocol"
  }

  init(_ evaluation: HardwareEvaluation) {
    network = evaluation.network
    protocolName = evaluation.protocolName
    phase = evaluation.phase.rawValue
    device = evaluation.device
    link = evaluation.link
    batch = evaluation.batch
    layers = evaluation.layers.map {
      Part(name: $0.name, operator: $0.operation, layers: nil, cost: HwCostReport($0.cost))
    }
    operators = evaluation.operators.map {
      Part(name: $0.name, operator: $0.operation, layers: $0.count, cost: HwCostReport($0.cost))
    }
    total = HwCostReport(evaluation.total)
  }

  /// The total's fields stand at the top, beside the layers.
  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(network, forKey: .network)
    try container.encode(protocolName, forKey: .protocolName)
    try container.encode(phase, forKey: .phase)
    try container.encode(device, forKey: .device)
    try container.encode(link, forKey: .link)
    try container.encode(batch, forKey: .batch)
    try container.encode(layers, forKey: .layers)
    try container.encode(operators, forKey: .operators)
    try total.encode(to: encoder)
  }
}
