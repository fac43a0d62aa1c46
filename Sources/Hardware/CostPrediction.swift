/// Traffic from one party to another.
public struct Traffic: Codable, Hashable, Sendable {
  /// Bytes before each payload.
  public static let headerBytes = 16
  /// Sender.
  public let from: CostParty
  /// Receiver.
  public let to: CostParty
  /// Bytes of payload.
  public internal(set) var payloadBytes: Int
  /// Frames.
  public internal(set) var frames: Int
  /// Payload and headers, before encryption.
  public var totalBytes: Int { payloadBytes + Self.headerBytes * frames }
}

/// Local work of one kind by one party.
public struct Work: Codable, Hashable, Sendable {
  /// Who works.
  public let party: CostParty
  /// Kind, one of ``Descriptor/operationKinds``.
  public let operation: String
  /// How often.
  public internal(set) var count: Int
}

/// Cost of a step, or of a phase.
public struct CostSummary: Codable, Hashable, Sendable {
  /// Each direction in which something is sent.
  public internal(set) var traffic: [Traffic] = []
  /// Units consumed by the program's operators.
  public internal(set) var consumed: [String: Int] = [:]
  /// Units made by the source.
  public internal(set) var produced: [String: Int] = [:]
  /// Local work.
  public internal(set) var work: [Work] = []

  /// Nothing.
  public init() {}

  /// Traffic in one direction; zeros where nothing is sent.
  public func traffic(from: CostParty, to: CostParty) -> Traffic {
    traffic.first { $0.from == from && $0.to == to } ?? Traffic(from: from, to: to, payloadBytes: 0, frames: 0)
  }

  /// Units of a kind consumed.
  public func consumed(_ kind: MaterialKind) -> Int { consumed[kind.rawValue] ?? 0 }
  /// Units of a kind produced.
  public func produced(_ kind: MaterialKind) -> Int { produced[kind.rawValue] ?? 0 }
  /// How often one party does one kind of work.
  public func work(_ party: CostParty, _ operation: String) -> Int {
    work.first { $0.party == party && $0.operation == operation }?.count ?? 0
  }

  static func sum(_ a: Int, _ b: Int) throws -> Int {
    let (value, overflow) = a.addingReportingOverflow(b)
    guard !overflow else { throw HardwareError.arithmetic(text: "total", reason: "a sum over the steps overflows") }
    return value
  }

  mutating func add(_ more: Traffic) throws {
    if let index = traffic.firstIndex(where: { $0.from == more.from && $0.to == more.to }) {
      traffic[index].payloadBytes = try Self.sum(traffic[index].payloadBytes, more.payloadBytes)
      traffic[index].frames += more.frames
    } else {
      traffic.append(more)
    }
  }

  mutating func add(_ more: Work) throws {
    if let index = work.firstIndex(where: { $0.party == more.party && $0.operation == more.operation }) {
      work[index].count = try Self.sum(work[index].count, more.count)
    } else {
      work.append(more)
    }
  }

  mutating func add(_ more: CostSummary) throws {
    for part in more.traffic { try add(part) }
    for part in more.work { try add(part) }
    try consumed.merge(more.consumed) { try Self.sum($0, $1) }
    try produced.merge(more.produced) { try Self.sum($0, $1) }
  }
}

/// One frame foreseen.
public struct PredictedMessage: Codable, Hashable, Sendable {
  /// Index of the program's step; nil for what opens or closes a phase.
  public let step: Int?
  /// Frame kind, by name.
  public let message: String
  /// Sender.
  public let from: CostParty
  /// Receiver.
  public let to: CostParty
  /// Payload bytes.
  public let payloadBytes: Int
}

/// Cost of one step of the program in the phase.
public struct StepCost: Codable, Hashable, Sendable {
  /// Index; nil for what opens or closes the phase.
  public let index: Int?
  /// The step's name.
  public let name: String
  /// Descriptor.
  public let operation: String
  /// Its cost.
  public internal(set) var cost: CostSummary
}

/// What one phase of a program costs, frame by frame, step by step and in total.
public struct CostPrediction: Codable, Hashable, Sendable {
  /// The program's name.
  public let program: String
  /// Phase.
  public let phase: CostPhase
  /// B: samples of a query.
  public let batch: Int
  /// S: inferences of a bulk.
  public let bulk: Int
  /// The correlation source's descriptor.
  public let source: String
  /// Frames, in the order of the program.
  public internal(set) var messages: [PredictedMessage] = []
  /// Steps that cost anything.
  public internal(set) var steps: [StepCost] = []
  /// All steps together.
  public internal(set) var total = CostSummary()

  /// Maximal runs of frames in one direction between two parties: what `ChannelMeters.flights` counts on their channel.
  public func flights(_ first: CostParty, _ second: CostParty) -> Int {
    var last: CostParty?
    var count = 0
    for message in messages where Set([message.from, message.to]) == Set([first, second]) {
      if message.from != last { count += 1 }
      last = message.from
    }
    return count
  }

  /// Round trips between two parties: flights in pairs, rounded up.
  public func rounds(_ first: CostParty, _ second: CostParty) -> Int { (flights(first, second) + 1) / 2 }

  /// Payload and headers between two parties, both directions together.
  public func totalBytes(_ first: CostParty, _ second: CostParty) -> Int {
    total.traffic(from: first, to: second).totalBytes + total.traffic(from: second, to: first).totalBytes
  }

  /// A table for people: a line a step, bytes with headers.
  public func table() -> String {
    func row(_ cells: [String]) -> String {
      let widths = [24, 14, 16, 16, 16]
      return zip(cells, widths).enumerated().map { column, cell in
        let text = String(cell.0.prefix(cell.1))
        let fill = String(repeating: " ", count: cell.1 - text.count)
        return column < 2 ? text + fill : fill + text
      }.joined(separator: " ")
    }
    func cells(_ name: String, _ operation: String, _ cost: CostSummary) -> [String] {
      let toData = cost.traffic(from: .modelOwner, to: .dataOwner).totalBytes
      let toModel = cost.traffic(from: .dataOwner, to: .modelOwner).totalBytes
      let dealer = cost.traffic.filter { $0.from == .dealer || $0.to == .dealer }.reduce(0) { $0 + $1.totalBytes }
      return [name, operation, "\(toData)", "\(toModel)", "\(dealer)"]
    }
    var lines = [row(["step", "operator", "model->data B", "data->model B", "dealer B"])]
    lines += steps.map { row(cells($0.name, $0.operation, $0.cost)) }
    lines.append(row(cells("total", phase.rawValue, total)))
    lines.append("flights \(flights(.modelOwner, .dataOwner)), round trips \(rounds(.modelOwner, .dataOwner))")
    return lines.joined(separator: "\n")
  }
}
