public import Networks
public import Programs
import Rings

/// What one layer does and sends, before any device or link is known.
public struct LayerAccount: Hashable, Sendable {
  /// Work of one kind by one party.
  public struct Work: Hashable, Sendable {
    /// Who works.
    public var party: CostParty
    /// Kind, one of ``Descriptor/operationKinds``.
    public var operation: String
    /// How often.
    public var count: Double
  }

  /// The layer's name.
  public var name: String
  /// The operator: a node's label, or a descriptor's name.
  public var operation: String
  /// Local work, in order.
  public var work: [Work] = []
  /// Bits on the link, both directions together, framing included.
  public var bits = 0.0
  /// Messages.
  public var messages = 0
  /// Times that the link's latency is paid: a flow's every message, an own protocol's every change of direction.
  public var flights = 0
  /// Whether it is a step of a program, each of which a host pays for.
  public var isStep = false
}

extension LayerAccount {
  /// The layers of a graph under a flow; layers that cost nothing are there, with zeros.
  ///
  /// - Parameters:
  ///   - graph: the network.
  ///   - flow: a descriptor of that role.
  ///   - variant: one of its variants, or nil.
  ///   - batch: samples of the query.
  /// - Throws: ``HardwareError``, `NetworksError`
  public static func layers(of graph: Graph, flow: Descriptor, variant: String?, batch: Int) throws -> [LayerAccount] {
    guard batch >= 1 else { throw HardwareError.invalidCount(what: "batch", found: batch) }
    try graph.validate()
    let shapes = try graph.shapes()
    return try graph.nodes.dropFirst().map { node in
      var account = LayerAccount(name: node.name, operation: node.operation.label)
      let from = shapes[node.inputs[0]]
      guard let scope = scope(node.operation) else { return account }
      var values = ["B": batch, "n": from.count, "outputs": shapes[node.id].count, "inChannels": from.channels]
      switch node.operation {
      case .convolution(let spec): values["taps"] = spec.window.taps
      case .linear: values["taps"] = 1
      case .maxPool:
        let window = node.operation.pooling!
        (values["taps"], values["strides"]) = (window.taps, window.rows.stride * window.columns.stride)
      default: break
      }
      let cost = try flow.flowCost(scope, variant: variant, values)
      account.work = cost.work.map { Work(party: $0.party, operation: $0.operation, count: $0.count) }
      account.bits = cost.bits.reduce(0, +)
      account.messages = cost.bits.count
      account.flights = cost.bits.count
      return account
    }
  }

  /// The operator of flows that an operation is; nil where it is local and free.
  static func scope(_ operation: Operation) -> String? {
    switch operation {
    case .convolution, .linear: "conv"
    case .x2act: "x2act"
    case .relu, .leakyRelu, .slopedRelu, .clippedRelu, .clip, .absolute, .sign: "relu"
    case .maxPool: "maxpool"
    case .averagePool, .globalAveragePool: "avgpool"
    case .input, .batchNorm, .flatten, .reshape, .add, .concatenate, .offset, .subsamplePad: nil
    }
  }

  /// The steps of a program in one phase of this project's protocol, and what opens and closes the phase.
  ///
  /// - Throws: ``HardwareError``, `ProgramError`
  public static func layers(
    of program: Program, model: CostModel, source: CostModel.Source, phase: CostPhase, batch: Int, bulk: Int
  ) throws -> [LayerAccount] {
    let cost = try model.predict(program: program, phase: phase, batch: batch, bulk: bulk, source: source)
    // A flight begins with a message whose ends are not those of the message before it.
    var flights: [Int?: Int] = [:]
    var last: PredictedMessage?
    var isOpening = true
    var edges: [Bool: Int] = [:]
    for message in cost.messages {
      if message.step != nil { isOpening = false }
      guard message.from != last?.from || message.to != last?.to else { continue }
      last = message
      if message.step == nil { edges[isOpening, default: 0] += 1 } else { flights[message.step, default: 0] += 1 }
    }
    var seen = false
    return cost.steps.map { step in
      var account = LayerAccount(name: step.name, operation: step.operation)
      account.work = step.cost.work.map { Work(party: $0.party, operation: $0.operation, count: Double($0.count)) }
      account.bits = Double(8 * step.cost.traffic.reduce(0) { $0 + $1.totalBytes })
      account.messages = step.cost.traffic.reduce(0) { $0 + $1.frames }
      account.isStep = step.index != nil
      if let index = step.index {
        account.flights = flights[index] ?? 0
        seen = true
      } else if step.operation != "ot", account.messages > 0 {
        account.flights = edges.removeValue(forKey: !seen) ?? 0
      }
      return account
    }
  }
}
