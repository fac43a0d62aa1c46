import Foundation

/// The rules of the Trace Event Format ("Trace Event Format", Google, 2016) and of what Perfetto does with it, as far as files of this
/// project use it: reads the text itself, with nothing of the code that writes it.
public struct TraceFormat {
  private struct Track: Hashable {
    var process: Int
    var thread: Int
  }

  private struct Span {
    var start, end: Double
  }

  private struct FlowEnd {
    var track: Track
    var time: Double
    var name: String
    var category: String
  }

  private var faults: [String] = []
  private var processes: [Int: Int] = [:]
  private var threads: [Track: Int] = [:]
  private var used: Set<Track> = []
  private var last: [Track: Double] = [:]
  private var spans: [Track: [Span]] = [:]
  private var flows: [Int: [String: FlowEnd]] = [:]

  /// What is wrong with a file; nothing, if a viewer shows all of it where it belongs.
  public static func faults(_ text: [UInt8]) -> [String] {
    guard let top = try? JSONSerialization.jsonObject(with: Data(text)) as? [String: Any],
      let events = top["traceEvents"] as? [Any]
    else { return ["it is no JSON object with a list traceEvents"] }
    var format = TraceFormat()
    if let unit = top["displayTimeUnit"], !["ms", "ns"].contains(unit as? String) {
      format.faults.append("displayTimeUnit is neither ms nor ns")
    }
    for (index, event) in events.enumerated() { format.take(event, "event \(index)") }
    format.checkNames()
    format.checkNesting()
    format.checkFlows()
    return format.faults
  }

  private mutating func take(_ event: Any, _ place: String) {
    guard let event = event as? [String: Any], let phase = event["ph"] as? String, phase.count == 1,
      let name = event["name"] as? String, !name.isEmpty, let process = event["pid"] as? Int,
      let thread = event["tid"] as? Int, process >= 0, thread >= 0
    else { return faults.append("\(place) lacks ph, name, pid or tid") }
    if let arguments = event["args"], !(arguments is [String: Any]) { faults.append("\(place): args is no object") }
    let track = Track(process: process, thread: thread)
    if phase == "M" { return takeName(name, track, event["args"] as? [String: Any] ?? [:], place) }
    guard let time = event["ts"] as? Double, time.isFinite else { return faults.append("\(place) has no ts") }
    used.insert(track)
    if time < last[track] ?? -.infinity { faults.append("\(place): ts goes back on its track") }
    last[track] = time
    switch phase {
    case "X":
      guard let duration = event["dur"] as? Double, duration >= 0 else { return faults.append("\(place) has no dur") }
      spans[track, default: []].append(Span(start: time, end: time + duration))
    case "s", "f":
      guard let id = event["id"] as? Int, let category = event["cat"] as? String, !category.isEmpty else {
        return faults.append("\(place), an arrow, has no id or no cat")
      }
      if phase == "f", event["bp"] as? String != "e" { faults.append("\(place) ends in the next span, not in its own") }
      if flows[id]?[phase] != nil { faults.append("\(place): a second \(phase) of arrow \(id)") }
      flows[id, default: [:]][phase] = FlowEnd(track: track, time: time, name: name, category: category)
    default: faults.append("\(place): ph \(phase) is none that this project writes")
    }
  }

  private mutating func takeName(_ name: String, _ track: Track, _ arguments: [String: Any], _ place: String) {
    switch name {
    case "process_name", "thread_name":
      guard let text = arguments["name"] as? String, !text.isEmpty else {
        return faults.append("\(place) names nothing")
      }
      if name == "process_name" { processes[track.process, default: 0] += 1 } else { threads[track, default: 0] += 1 }
    case "process_sort_index", "thread_sort_index":
      if !(arguments["sort_index"] is Int) { faults.append("\(place) has no sort_index") }
    default: faults.append("\(place): \(name) is no metadata of the format")
    }
  }

  private mutating func checkNames() {
    for track in used {
      if processes[track.process] != 1 {
        faults.append("process \(track.process) has \(processes[track.process] ?? 0) names")
      }
      if threads[track] != 1 {
        faults.append("thread \(track.thread) of process \(track.process) has \(threads[track] ?? 0) names")
      }
    }
  }

  /// Spans of a track lie in one another or apart: others are drawn wrongly.
  private mutating func checkNesting() {
    for (track, spans) in spans {
      var open: [Double] = []
      for span in spans {
        // A picosecond less, for what decimal fractions lose.
        while let end = open.last, end <= span.start + 1e-6 { open.removeLast() }
        if let end = open.last, span.end > end + 1e-6 {
          faults.append("spans of thread \(track.thread) of process \(track.process) cross at \(span.start)")
        }
        open.append(span.end)
      }
    }
  }

  private mutating func checkFlows() {
    for (id, ends) in flows {
      guard let start = ends["s"], let end = ends["f"] else {
        faults.append("arrow \(id) has one end")
        continue
      }
      if start.name != end.name || start.category != end.category { faults.append("arrow \(id) has two names") }
      if end.time < start.time { faults.append("arrow \(id) goes back in time") }
      for point in [start, end] where !isInside(point) { faults.append("arrow \(id) has an end outside of all spans") }
    }
  }

  private func isInside(_ point: FlowEnd) -> Bool {
    (spans[point.track] ?? []).contains { $0.start <= point.time && point.time <= $0.end }
  }
}
