import Correlations
import MaterialStore
import ObliviousTransfer
import Programs
import Tracing
import Transport
import TwoParty

/// Turns records into events, and names what they are about.
struct TraceEvents {
  let role: PartyRole
  let program: Program

  /// Boards of a timetable have the same numbers.
  private var process: Int { role == .modelOwner ? 0 : 1 }

  func events(_ records: [TraceRecord]) -> [TraceEvent] {
    var events = TraceEvent.processName(role == .modelOwner ? "model owner" : "data owner", process: process)
    for ordinal in Set(records.map(\.ordinal)).sorted() {
      for track in Track.allCases {
        events += TraceEvent.threadName(
          "session \(ordinal): \(track.title)", process: process, thread: thread(ordinal, track))
      }
    }
    return events + records.sorted { ($0.begin, -$0.end) < ($1.begin, -$1.end) }.map(event)
  }

  /// Spans of one track lie in one another or apart. What is sent leaves while the next frame is waited for already.
  private enum Track: Int, CaseIterable {
    case steps = 1
    case outgoing, incoming

    var title: String {
      switch self {
      case .steps: "steps"
      case .outgoing: "link, sent"
      case .incoming: "link, received"
      }
    }
  }

  private func thread(_ ordinal: UInt32, _ track: Track) -> Int { Track.allCases.count * Int(ordinal) + track.rawValue }

  private func event(_ record: TraceRecord) -> TraceEvent {
    let track: Track =
      switch record.kind {
      case .send: .outgoing
      case .wait, .receive: .incoming
      case .preparation, .lease, .query, .step: .steps
      }
    let (name, category) = title(record)
    var arguments: [(name: String, value: TraceValue)] = []
    if track != .steps {
      arguments = [
        ("bytes", .integer(record.bytes)), ("sequence", .integer(Int(record.sequence))),
        ("session", .text("\(record.session)")),
      ]
    }
    return TraceEvent(
      .complete, name: name, category: category, process: process, thread: thread(record.ordinal, track),
      time: record.begin * 1000, duration: (record.end - record.begin) * 1000, arguments: arguments)
  }

  private func title(_ record: TraceRecord) -> (name: String, category: String) {
    switch record.kind {
    case .preparation: ("prepare \(record.subject)", "preparation")
    case .lease: ("lease", "lease")
    case .query: ("query of \(record.subject)", "query")
    case .step: (program.steps[record.subject].name, Self.category(program.steps[record.subject].operation))
    case .send: ("send \(Self.name(record.subject))", "send")
    case .wait: ("wait for \(Self.name(record.subject))", "wait")
    case .receive: ("receive \(Self.name(record.subject))", "receive")
    }
  }

  private static func category(_ operation: StepOperation) -> String {
    switch operation {
    case .input: "input"
    case .linear: "linear"
    case .activation: "x2act"
    case .comparison, .maxPool, .argMax: "comparison"
    case .output: "output"
    case .sumPool, .globalSumPool, .add, .concatenate, .offset, .reshape, .changeRing, .subsamplePad: "local"
    }
  }

  private static func name(_ kind: Int) -> String {
    names[FrameKind(rawValue: UInt16(truncatingIfNeeded: kind))] ?? "frame \(kind)"
  }

  private static let names: [FrameKind: String] = [
    .query: "query", .maskedInput: "masked input", .activationOpen: "opening", .activationAnswer: "answer",
    .output: "output", .comparisonTables: "tables", .comparisonDataOpenings: "openings",
    .comparisonModelOpenings: "openings", .comparisonSelect: "selection", .comparisonAnswer: "answer",
    .prepare: "prepare", .prepared: "prepared", .goodbye: "goodbye", .oleDelta: "differences",
    .weightRequest: "weight request", .weightDifference: "weight difference", .latticeSeed: "seed",
    .latticeKeys: "public keys", .latticeMasks: "encrypted masks", .latticeLinear: "linear responses",
    .latticeShares: "encrypted shares", .latticeProducts: "products", .storeState: "store state",
    .storeStock: "stock", .storeKeys: "row keys", .storeCommit: "commit", .storeTake: "take",
    .storeTakeKeys: "row keys",
    .storeTaken: "taken", .transferBasePoint: "base point", .transferBaseAnswer: "base answers",
    .transferTrees: "trees", .transferColumns: "columns", .transferNoise: "noise", .transferChoices: "choices",
    .transferMessages: "transfers", .comparisonDelta: "differences", .comparisonFactors: "factors",
  ]
}
