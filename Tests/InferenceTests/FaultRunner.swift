import Foundation
import TestSupport

/// What became of a faulty session.
enum FaultEnding { case result([[Int64]]), error(any Error), hung, nextSessionFailed(any Error) }

/// Runs sessions with faults, some at a time.
enum FaultRunner {
  /// Frames lost, doubled, misplaced, cut, stalled, and bits of every header field, for each frame.
  static func frameFaults(_ frames: Int) -> [Fault] {
    (0..<frames).flatMap { frame -> [Fault] in
      [
        .drop(frame: frame), .duplicate(frame: frame), .swap(frame: frame), .cutFrame(frame: frame),
        .stallFrame(frame: frame),
      ]
        // Kind, flags, sequence number, length by little and by 2^63.
        + [(0, 0), (2, 0), (4, 1), (8, 0), (15, 7)].map { .flipInFrame(frame: frame, byte: $0.0, bit: $0.1) }
    }
  }

  /// Bits of payloads.
  static func payloadFaults(_ frames: Int) -> [Fault] {
    (0..<frames).flatMap { frame in
      [(16, 0), (23, 7), (24, 1), (40, 6)].map { Fault.flipInFrame(frame: frame, byte: $0.0, bit: $0.1) }
    }
  }

  /// The frame that a fault damages.
  static func frame(_ fault: Fault) -> Int {
    switch fault {
    case .drop(let frame), .duplicate(let frame), .swap(let frame), .cutFrame(let frame), .stallFrame(let frame),
      .flipInFrame(let frame, _, _):
      frame
    case .cut, .stall, .flip, .count: -1
    }
  }

  /// The endings of `session(fault)`, in order.
  static func run(
    _ faults: [Fault], concurrency: Int, _ session: @escaping @Sendable (Fault) -> FaultEnding
  ) -> [FaultEnding] {
    final class Endings: @unchecked Sendable {
      let lock = NSLock()
      var next = 0
      var endings: [FaultEnding?]
      init(_ count: Int) { endings = Array(repeating: nil, count: count) }
    }
    let shared = Endings(faults.count)
    let threads = Threads()
    for _ in 0..<concurrency {
      threads.start {
        while true {
          let index = shared.lock.withLock {
            defer { shared.next += 1 }
            return shared.next
          }
          guard index < faults.count else { return }
          let ending = session(faults[index])
          shared.lock.withLock { shared.endings[index] = ending }
        }
      }
    }
    try? threads.join()
    return shared.endings.map { $0 ?? .hung }
  }
}
