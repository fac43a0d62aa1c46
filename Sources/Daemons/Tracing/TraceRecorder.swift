import Foundation
import Logging
import Networks
public import Programs
import Synchronization
public import Tracing

/// One span as it is kept: 64 bytes, whatever happened.
struct TraceRecord: Sendable {
  enum Kind: UInt8, Sendable { case preparation, lease, query, step, send, wait, receive }

  /// Nanoseconds of the monotonic clock from the recorder's start.
  var begin: Int
  var end: Int
  var kind: Kind
  /// Which of the daemon's sessions, from 0, and the number that both ends know it by.
  var ordinal: UInt32
  var session: UInt64
  /// Inferences, samples, the step's index, or the frame's kind.
  var subject: Int
  /// Of frames.
  var sequence: UInt32 = 0
  var bytes = 0
}

/// Records what a daemon's sessions do, and writes it as a trace: on a track of each session its preparation, queries and steps, on a
/// second one the frames sent and the waits for those of the peer. Names, indices, times and sizes; never content.
///
/// Memory is bounded: of more spans than fit, the latest are kept, and the file says how many were dropped.
public final class TraceRecorder: Sendable {
  /// Spans kept: 8 MiB.
  public static let capacity = 1 << 17

  private struct State {
    var records: [TraceRecord] = []
    /// Where the next one goes once all places are taken.
    var next = 0
    var dropped = 0
    var sessions: UInt32 = 0
  }

  private let path: String
  private let role: PartyRole
  private let program: Program
  private let capacity: Int
  private let start = TraceRecorder.now()
  private let startOfDay = Date().timeIntervalSince1970
  private let state = Mutex(State())
  private let writing = Mutex(())

  /// - Parameters:
  ///   - path: of the file, which is replaced at the end of each session.
  ///   - role: whose daemon it is.
  ///   - program: whose steps the sessions run.
  ///   - capacity: spans kept.
  public init(path: String, role: PartyRole, program: Program, capacity: Int = TraceRecorder.capacity) {
    precondition(capacity >= 1, "no room for a span")
    self.path = path
    self.role = role
    self.program = program
    self.capacity = capacity
  }

  /// The recorder of one session, for its thread.
  ///
  /// - Parameter number: as both ends know it.
  public func session(number: UInt64) -> SessionTrace {
    let ordinal = state.withLock { state in
      defer { state.sessions &+= 1 }
      return state.sessions
    }
    // The data owner has nothing to do in steps that are the model owner's alone.
    let steps = role == .dataOwner ? Set(program.maskedSteps + [program.steps.count - 1]) : nil
    return SessionTrace(self, ordinal: ordinal, number: number, steps: steps)
  }

  /// Nanoseconds since the recorder was made.
  func time() -> Int { Self.now() - start }

  private static func now() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  func add(_ record: TraceRecord) {
    state.withLock { state in
      guard state.records.count == capacity else { return state.records.append(record) }
      state.records[state.next] = record
      state.next = (state.next + 1) % capacity
      state.dropped += 1
    }
  }

  /// Replaces the file, at once or not at all.
  /// - Throws: `NetworksError.fileSystem`
  public func write() throws {
    // Of two sessions that end together the later one writes what both did.
    try writing.withLock { _ in
      try FileBytes.replace(path, with: file().json(), mode: 0o600)
    }
  }

  /// What was recorded so far.
  public func file() -> TraceFile {
    let (records, dropped) = state.withLock { ($0.records, $0.dropped) }
    let events = TraceEvents(role: role, program: program).events(records)
    return TraceFile(
      events: events,
      facts: [
        "role": .text(role.rawValue), "program": .text(program.name), "clock": .text("CLOCK_MONOTONIC"),
        "clock_start_ns": .integer(start),
        "started_unix_s": .number(startOfDay), "dropped_spans": .integer(dropped),
      ])
  }
}
