public import Programs

/// A frame of a step, as the timetable of a phase moves it.
struct ScriptMessage: Hashable {
  let name: String
  let from: CostParty
  let to: CostParty
  let bytes: Double
  /// Answers pieces of the message before it, as they come.
  let isDuring: Bool
  /// When it leaves, if not at its end.
  let flush: MessageFlush?
  /// Pieces in which it is made and taken.
  var pieces = 1

  /// Pieces of a message at most: more would change nothing but the simulation's own time.
  static let maximumPieces = 64
}

/// Routines and their units.
typealias RoutineCounts = [String: Double]

/// What one step (or one run of comparisons, or what opens a phase) has its parties send and compute.
struct StepScript {
  let index: Int?
  let name: String
  var messages: [ScriptMessage] = []
  /// By party, by the message with which it goes.
  var work: [CostParty: [String: RoutineCounts]] = [:]

  /// Routines that a held transform of weights spares.
  static let ofTransforms = ["lattice.weight", "lattice.weightWord"]
  /// Where work without a message is kept.
  static let local = ""

  /// All routines of a party.
  func total(_ party: CostParty) -> RoutineCounts {
    (work[party] ?? [:]).values.reduce(into: [:]) { $0.merge($1) { $0 + $1 } }
  }

}

extension CostModel {
  /// Routines that a transform of weights spares that is held in memory.
  public static var routinesOfTransforms: [String] { StepScript.ofTransforms }

  /// The steps of a phase with their messages and routines, a script for each run of comparisons.
  func scripts(
    program: Program, phase: CostPhase, batch: Int, bulk: Int, source: Source
  ) throws -> [StepScript] {
    guard batch >= 1 else { throw HardwareError.invalidCount(what: "batch", found: batch) }
    guard bulk >= 1 else { throw HardwareError.invalidCount(what: "bulk", found: bulk) }
    try program.validate()
    let counts = ["B": batch, "S": bulk, "L": 1]
    return try plan(program, phase, counts, source, usesStore: false).flatMap { step in
      try step.parts.map { parts in
        var script = StepScript(index: step.index, name: step.name)
        for (descriptor, selection) in parts { try add(descriptor, selection, phase, to: &script) }
        return script
      }
    }
  }

  private func add(
    _ descriptor: Descriptor, _ selection: Selection, _ phase: CostPhase, to script: inout StepScript
  ) throws {
    var ignored = CostSummary()
    var sent: [(message: MessageDescriptor, bytes: Int)] = []
    try charge(descriptor, selection, phase, &ignored) { sent.append(($0, $1)) }
    for (message, bytes) in sent {
      let pieces = try message.pieces.map { try selection.count($0) } ?? 1
      script.messages.append(
        ScriptMessage(
          name: message.message, from: message.from, to: message.to, bytes: Double(bytes + Traffic.headerBytes),
          isDuring: message.during != nil, flush: message.flush,
          pieces: max(1, min(ScriptMessage.maximumPieces, pieces))))
    }
    for routine in descriptor.routines ?? []
    where routine.phase == phase && selection.includes(routine.scope, routine.variant) {
      let units = try selection.sum(routine.count, over: routine.sum)
      guard units > 0 else { continue }
      script.work[routine.party, default: [:]][routine.with ?? StepScript.local, default: [:]][
        routine.routine, default: 0] += Double(units)
    }
  }

  /// How often each party calls each routine in a phase.
  ///
  /// - Throws: ``HardwareError``, `ProgramError`
  public func routineCounts(
    program: Program, phase: CostPhase, batch: Int = 1, bulk: Int = 1, source: Source = .lattice
  ) throws -> [CostParty: [String: Double]] {
    try scripts(program: program, phase: phase, batch: batch, bulk: bulk, source: source).reduce(into: [:]) {
      for party in $1.work.keys { $0[party, default: [:]].merge($1.total(party)) { $0 + $1 } }
    }
  }
}
