import Testing
import Tracing

@Suite struct TraceMergeTests {
  private static let skew = 3_000_000_000_000

  /// A frame of the session: sent by one end, waited for at the other, each by its own clock.
  private static func frame(
    up: Bool, sequence: Int, sent: Int, seen: Int, _ model: inout [TraceEvent], _ data: inout [TraceEvent]
  ) {
    let arguments: [(name: String, value: TraceValue)] = [
      ("bytes", .integer(8)), ("sequence", .integer(sequence)), ("session", .text("18446744073709551615")),
    ]
    func span(_ category: String, _ process: Int, _ from: Int, _ to: Int) -> TraceEvent {
      TraceEvent(
        .complete, name: "\(category) x", category: category, process: process, thread: 2, time: from,
        duration: to - from, arguments: arguments)
    }
    if up {
      data.append(span("send", 1, sent, sent + 10))
      model.append(span("wait", 0, sent + skew - 500_000, seen + skew))
    } else {
      model.append(span("send", 0, sent + skew, sent + skew + 10))
      data.append(span("wait", 1, sent - 700_000, seen))
    }
  }

  private static func files() -> (model: TraceFile, data: TraceFile) {
    var model = TraceEvent.processName("model owner", process: 0)
    var data = TraceEvent.processName("data owner", process: 1)
    data.append(
      TraceEvent(
        .complete, name: "query of 1", category: "query", process: 1, thread: 1, time: 900, duration: 9_000_000))
    for (number, delay) in [3_000_000, 900_000, 2_000_000].enumerated() {
      let start = 1000 + 10_000_000 * number
      frame(up: true, sequence: 2 * number, sent: start, seen: start + delay, &model, &data)
      frame(up: false, sequence: number, sent: start + delay + 5, seen: start + 2 * delay, &model, &data)
    }
    // One that only its sender has kept.
    frame(up: true, sequence: 99, sent: 50_000_000, seen: 51_000_000, &model, &data)
    model.removeLast()
    return (
      TraceFile(events: model, facts: ["role": .text("model-owner"), "dropped_spans": .integer(4)]),
      TraceFile(events: data, facts: ["role": .text("data-owner"), "dropped_spans": .integer(0)])
    )
  }

  @Test func movesTheModelOwner() throws {
    let (model, data) = Self.files()
    let merged = try TraceMerge.merge(modelOwner: model, dataOwner: data)
    guard case .integer(let offset)? = merged.facts["clock_offset_ps"],
      case .integer(let uncertainty)? = merged.facts["clock_uncertainty_ps"]
    else {
      Issue.record("the file does not say how its clocks lie")
      return
    }
    #expect(abs(offset - Self.skew) <= uncertainty && uncertainty <= 900_000)
    #expect(merged.facts["frames_matched"] == .integer(6))
    #expect(merged.facts["dropped_spans_model_owner"] == .integer(4))
    // No frame arrives before it was sent, up to what is said of the clocks.
    let starts = merged.events.filter { $0.phase == .flowStart }
    let ends = merged.events.filter { $0.phase == .flowEnd }
    #expect(starts.count == 6 && ends.count == 6)
    for start in starts {
      let end = try #require(ends.first { $0.flow == start.flow })
      #expect(end.process != start.process && end.time >= start.time - uncertainty)
    }
    // What the data owner wrote is as it was.
    #expect(
      merged.events.filter { $0.process == 1 && $0.phase == .complete } == data.events.filter { $0.phase == .complete })
  }

  @Test func laysAPredictionBeside() throws {
    let (model, data) = Self.files()
    let merged = try TraceMerge.merge(modelOwner: model, dataOwner: data)
    let predicted = TraceFile(
      events: TraceEvent.processName("model owner", process: 0) + [
        TraceEvent(.complete, name: "conv", category: "compute", process: 0, thread: 1, time: 5, duration: 7),
        TraceEvent(.flowStart, name: "message", category: "message", process: 0, thread: 1, time: 5, flow: 1),
      ], facts: ["makespan_ps": .integer(12)])
    let both = try TraceMerge.add(predicted, to: merged)
    let added = both.events.suffix(predicted.events.count)
    #expect(added.first?.argument("name") == .text("predicted: model owner"))
    #expect(added.contains { $0.name == "conv" && $0.process == 2 && $0.time == 905 && $0.duration == 7 })
    #expect(Set(both.events.filter { $0.phase == .flowStart }.map(\.flow)).count == 7)
    #expect(both.facts["predicted_makespan_ps"] == .integer(12))
    #expect(throws: TraceError.self) { try TraceMerge.add(predicted, to: merged, query: 1) }
  }

  @Test func filesOfOtherRolesOrSessionsAreRefused() throws {
    let (model, data) = Self.files()
    #expect(throws: TraceError.self) { try TraceMerge.merge(modelOwner: data, dataOwner: model) }
    var other = data
    other.events = other.events.map { event in
      var event = event
      event.arguments = event.arguments.map { ($0.name, $0.name == "session" ? .text("1") : $0.value) }
      return event
    }
    #expect(throws: TraceError.self) { try TraceMerge.merge(modelOwner: model, dataOwner: other) }
  }
}
