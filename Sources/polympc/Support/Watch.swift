import Daemons
import Foundation
import Synchronization

/// Shows on a terminal what a daemon is busy with while it is asked for something that takes long.
enum Watch {
  /// Seconds before the first look, and between looks.
  private static let interval = 0.5

  /// - Parameters:
  ///   - control: the daemon's socket, on which a second connection asks.
  ///   - title: what stands before.
  static func during<Result>(control: String, title: String = "", _ body: () throws -> Result) rethrows -> Result {
    guard isatty(2) == 1 else { return try body() }
    let (isDone, ended) = (Flag(), DispatchSemaphore(value: 0))
    let thread = Thread {
      let progress = ProgressLine()
      // A daemon that does not answer is the request's to report.
      let client = try? ControlClient(path: control, timeout: 5)
      while !isDone.wait(seconds: interval), let busy = try? client?.status().busy {
        if let first = busy.first { progress.show(title + first.text) }
      }
      progress.clear()
      ended.signal()
    }
    thread.start()
    defer {
      isDone.raise()
      ended.wait()
    }
    return try body()
  }

  /// Raised by one thread, awaited by another.
  private final class Flag: @unchecked Sendable {
    // Unchecked: the state lies behind the condition's lock.
    private let condition = NSCondition()
    private var isRaised = false

    func raise() {
      condition.withLock {
        isRaised = true
        condition.signal()
      }
    }

    /// Whether it was raised within some seconds.
    func wait(seconds: Double) -> Bool {
      condition.withLock {
        let end = Date().addingTimeInterval(seconds)
        while !isRaised, condition.wait(until: end) {}
        return isRaised
      }
    }
  }
}
