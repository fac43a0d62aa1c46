/// A value among an event's arguments.
public enum TraceValue: Hashable, Sendable {
  /// A whole number.
  case integer(Int)
  /// A number; not-a-number and infinities are written as text.
  case number(Double)
  /// Text.
  case text(String)
}

/// One event of the Trace Event Format ("Trace Event Format", Google, 2016), which Perfetto and chrome://tracing open. The parts
/// of the format that are used here, and no others.
public struct TraceEvent: Hashable, Sendable {
  /// The event's `ph`.
  public enum Phase: String, CaseIterable, Hashable, Sendable {
    /// A span with a duration.
    case complete = "X"
    /// A name of a process or thread, or its place.
    case metadata = "M"
    /// An arrow begins in the span that holds this time.
    case flowStart = "s"
    /// The arrow ends there.
    case flowEnd = "f"
  }

  /// Shown on the span; of metadata, what is said: `process_name`, `thread_name`, `process_sort_index`, `thread_sort_index`.
  public var name: String
  /// Category, by which a viewer filters; empty for metadata.
  public var category: String
  /// What it is.
  public var phase: Phase
  /// The board or party.
  public var process: Int
  /// The lane.
  public var thread: Int
  /// Picoseconds from the file's zero; may be negative where clocks were moved.
  public var time: Int
  /// Picoseconds that a span lasts.
  public var duration: Int
  /// What pairs the two ends of an arrow.
  public var flow: Int?
  /// Arguments, in order.
  public var arguments: [(name: String, value: TraceValue)] {
    get { fields.map { ($0.name, $0.value) } }
    set { fields = newValue.map { Field(name: $0.name, value: $0.value) } }
  }

  struct Field: Hashable, Sendable {
    var name: String
    var value: TraceValue
  }

  private var fields: [Field]

  /// The argument of that name.
  public func argument(_ name: String) -> TraceValue? { fields.first { $0.name == name }?.value }

  /// Makes an event.
  public init(
    _ phase: Phase, name: String, category: String = "", process: Int, thread: Int = 0, time: Int = 0,
    duration: Int = 0, flow: Int? = nil, arguments: [(name: String, value: TraceValue)] = []
  ) {
    self.name = name
    self.category = category
    self.phase = phase
    self.process = process
    self.thread = thread
    self.time = time
    self.duration = duration
    self.flow = flow
    fields = arguments.map { Field(name: $0.name, value: $0.value) }
  }

  /// The name of a board or party.
  public static func processName(_ name: String, process: Int) -> [TraceEvent] {
    [
      TraceEvent(.metadata, name: "process_name", process: process, arguments: [("name", .text(name))]),
      TraceEvent(
        .metadata, name: "process_sort_index", process: process, arguments: [("sort_index", .integer(process))]),
    ]
  }

  /// The name of a lane, shown in the order of the numbers.
  public static func threadName(_ name: String, process: Int, thread: Int) -> [TraceEvent] {
    [
      TraceEvent(.metadata, name: "thread_name", process: process, thread: thread, arguments: [("name", .text(name))]),
      TraceEvent(
        .metadata, name: "thread_sort_index", process: process, thread: thread,
        arguments: [("sort_index", .integer(thread))]),
    ]
  }
}

/// A file of events, as a JSON object with `traceEvents`.
public struct TraceFile: Hashable, Sendable {
  /// The events, in any order.
  public var events: [TraceEvent]
  /// What is known of the file as a whole: written as `otherData`.
  public var facts: [String: TraceValue]

  /// Collects events.
  public init(events: [TraceEvent], facts: [String: TraceValue] = [:]) { (self.events, self.facts) = (events, facts) }
}
