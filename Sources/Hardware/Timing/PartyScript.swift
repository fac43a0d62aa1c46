import Programs

/// What a party does next.
enum ScriptAction: Equatable {
  /// Computes.
  case work(RoutineCounts)
  /// Hands a piece to the transport, which lets go of it when told, or when enough has gathered.
  case send(to: CostParty, bytes: Double, flushes: Bool)
  /// Lets go of all that waits.
  case flush(to: CostParty)
  /// Takes the next part of what the other party sent here.
  case receive(from: CostParty, bytes: Double)
  /// Has ended a step.
  case mark(Int)
}

/// The actions of one party in a phase, in the engine's order.
struct PartyScript {
  let party: CostParty
  private(set) var actions: [ScriptAction] = []

  init(_ party: CostParty) { self.party = party }

  /// Which part of a step: the data owner asks for a step of a bulk first, and collects the answer later.
  enum Part { case all, request, collect }

  mutating func mark(_ step: StepScript) { if let index = step.index { actions.append(.mark(index)) } }

  mutating func add(_ step: StepScript, _ part: Part = .all) {
    let work = step.work[party] ?? [:]
    let messages = step.messages.filter {
      switch part {
      case .all: $0.from == party || $0.to == party
      case .request: $0.from == party
      case .collect: $0.to == party
      }
    }
    let known = Set(step.messages.map(\.name))
    if part != .request {
      append(work.filter { !known.contains($0.key) }.values.reduce(into: [:]) { $0.merge($1) { $0 + $1 } })
    }
    var place = 0
    while place < messages.count {
      let message = messages[place]
      let isStreamed =
        message.to == party && place + 1 < messages.count && messages[place + 1].isDuring
        && messages[place + 1].from == party && messages[place + 1].pieces == message.pieces
      let group = isStreamed ? [message, messages[place + 1]] : [message]
      pass(group, group.map { share(of: work[$0.name] ?? [:], $0, in: step) })
      place += group.count
    }
  }

  /// Work that goes with several frames of one name is theirs in equal parts.
  private func share(of work: RoutineCounts, _ message: ScriptMessage, in step: StepScript) -> RoutineCounts {
    let frames = step.messages.count { $0.name == message.name }
    return work.mapValues { $0 / Double(frames * message.pieces) }
  }

  private mutating func pass(_ group: [ScriptMessage], _ work: [RoutineCounts]) {
    for piece in 0..<group[0].pieces {
      for (message, work) in zip(group, work) {
        let bytes = message.bytes / Double(message.pieces)
        if message.from == party {
          append(work)
          let isLast = piece == message.pieces - 1
          send(to: message.to, bytes, flushes: message.flush == .pieces || isLast && message.flush != .later)
        } else {
          receive(from: message.from, bytes)
          append(work)
        }
      }
    }
  }

  /// Bytes that a receiver takes while the link passes what comes after them.
  private static let partBytes = 65536.0
  private static let maximumParts = 64

  /// In how many parts the receiver takes what its sender seals as a whole.
  static func parts(_ bytes: Double) -> Int { max(1, min(maximumParts, Int((bytes / partBytes).rounded(.up)))) }

  mutating func send(to peer: CostParty, _ bytes: Double, flushes: Bool) {
    actions.append(.send(to: peer, bytes: bytes, flushes: flushes))
  }

  mutating func receive(from peer: CostParty, _ bytes: Double) {
    let parts = Self.parts(bytes)
    for _ in 0..<parts { actions.append(.receive(from: peer, bytes: bytes / Double(parts))) }
  }

  mutating func append(_ work: RoutineCounts) { if !work.isEmpty { actions.append(.work(work)) } }

  mutating func append(_ action: ScriptAction) { actions.append(action) }
}
