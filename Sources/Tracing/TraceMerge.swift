/// Both parties' traces of the same sessions in one file, by one clock.
public enum TraceMerge {
  /// Frames of one direction by session and number: the event.
  private typealias Frames = [Key: TraceEvent]

  private struct Key: Hashable {
    let session: String
    let sequence: Int
  }

  /// Moves the model owner's events to the data owner's clock, joins each frame's two ends by an arrow, and says how well the
  /// clocks are known.
  ///
  /// - Parameters:
  ///   - modelOwner: what that daemon wrote.
  ///   - dataOwner: what the other one wrote.
  /// - Throws: ``TraceError/notAligned(reason:)``
  public static func merge(modelOwner: TraceFile, dataOwner: TraceFile) throws -> TraceFile {
    for (file, role) in [(modelOwner, "model-owner"), (dataOwner, "data-owner")] {
      guard file.facts["role"] == .text(role) else {
        throw TraceError.notAligned(reason: "the trace given as the \(role)'s is not that of a \(role)")
      }
    }
    let up = pairs(sent: frames(dataOwner, "send"), seen: frames(modelOwner, "wait"))
    let down = pairs(sent: frames(modelOwner, "send"), seen: frames(dataOwner, "wait"))
    let sightings =
      up.map { ClockAlignment.Sighting(isForward: true, sent: $0.sent.time, received: $0.seen.time + $0.seen.duration) }
      + down.map {
        ClockAlignment.Sighting(isForward: false, sent: $0.sent.time, received: $0.seen.time + $0.seen.duration)
      }
    // By the data owner's clock.
    let clock = try ClockAlignment(
      sightings.sorted { ($0.isForward ? $0.sent : $0.received) < ($1.isForward ? $1.sent : $1.received) })
    func moved(_ event: TraceEvent) -> TraceEvent {
      var event = event
      if event.phase != .metadata { event.time -= clock.offset }
      return event
    }
    var events = dataOwner.events + modelOwner.events.map(moved)
    for (flow, pair) in (up.map { ($0.sent, moved($0.seen)) } + down.map { (moved($0.sent), $0.seen) }).enumerated() {
      events.append(arrow(.flowStart, pair.0, flow, at: pair.0.time))
      events.append(arrow(.flowEnd, pair.1, flow, at: pair.1.time + max(0, pair.1.duration - 1000)))
    }
    return TraceFile(
      events: events,
      facts: [
        "clock": .text("the data owner's"), "clock_offset_ps": .integer(clock.offset),
        "clock_uncertainty_ps": .integer(clock.uncertainty), "round_trips": .integer(clock.roundTrips),
        "frames_matched": .integer(up.count + down.count),
        "dropped_spans_model_owner": modelOwner.facts["dropped_spans"] ?? .integer(0),
        "dropped_spans_data_owner": dataOwner.facts["dropped_spans"] ?? .integer(0),
      ])
  }

  /// Adds a predicted timetable to a measured trace, its zero at the measured query's begin.
  ///
  /// - Parameters:
  ///   - predicted: a timetable's trace; its processes get numbers of their own.
  ///   - query: which of the data owner's queries in the trace, from 0.
  /// - Throws: ``TraceError/notAligned(reason:)`` where there is no such query.
  public static func add(_ predicted: TraceFile, to measured: TraceFile, query: Int = 0) throws -> TraceFile {
    let queries = measured.events.filter { $0.category == "query" && $0.process == 1 }.map(\.time).sorted()
    guard queries.indices.contains(query) else {
      throw TraceError.notAligned(
        reason: "query \(query) of the data owner is not in the trace, which has \(queries.count)")
    }
    let (first, flows) = (2, 1 + (measured.events.compactMap(\.flow).max() ?? 0))
    var result = measured
    result.events += predicted.events.map { event in
      var event = event
      event.process += first
      if event.phase != .metadata { event.time += queries[query] }
      event.flow = event.flow.map { $0 + flows }
      if event.name == "process_name", case .text(let name)? = event.argument("name") {
        event.arguments = [("name", .text("predicted: " + name))]
      }
      return event
    }
    result.facts["predicted_makespan_ps"] = predicted.facts["makespan_ps"]
    result.facts["predicted_query"] = .integer(query)
    return result
  }

  private static func frames(_ file: TraceFile, _ category: String) -> Frames {
    file.events.reduce(into: [:]) { frames, event in
      guard event.phase == .complete, event.category == category, case .text(let session)? = event.argument("session"),
        case .integer(let sequence)? = event.argument("sequence")
      else { return }
      frames[Key(session: session, sequence: sequence)] = event
    }
  }

  private static func pairs(sent: Frames, seen: Frames) -> [(sent: TraceEvent, seen: TraceEvent)] {
    sent.compactMap { key, event in seen[key].map { (event, $0) } }.sorted { $0.0.time < $1.0.time }
  }

  private static func arrow(_ phase: TraceEvent.Phase, _ event: TraceEvent, _ flow: Int, at time: Int) -> TraceEvent {
    TraceEvent(
      phase, name: "frame", category: "frame", process: event.process, thread: event.thread, time: time, flow: flow)
  }
}
