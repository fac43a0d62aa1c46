import Foundation
import Synchronization

/// Operating-system threads that are started together with, and waited for at the end of, a daemon.
final class ThreadGroup: Sendable {
  private let state = Mutex<Int>(0)
  private let condition = NSCondition()

  /// Starts a thread. Protocol work needs no deep recursion; 1 MiB of stack is ample.
  func start(name: String, _ body: @escaping @Sendable () -> Void) {
    state.withLock { $0 += 1 }
    let thread = Thread { [self] in
      body()
      condition.lock()
      state.withLock { $0 -= 1 }
      condition.broadcast()
      condition.unlock()
    }
    thread.name = name
    thread.stackSize = 1 << 20
    thread.start()
  }

  /// Threads that run.
  var count: Int { state.withLock { $0 } }

  /// Waits for all of them.
  ///
  /// - Returns: whether they ended within the time.
  @discardableResult
  func join(seconds: Double = .infinity) -> Bool {
    // A day stands for ever: Date.distantFuture traps in Foundation's conversion to a timespec.
    let deadline = Date(timeIntervalSinceNow: min(seconds, 86_400))
    condition.lock()
    defer { condition.unlock() }
    while state.withLock({ $0 }) > 0 {
      if !condition.wait(until: deadline) { return state.withLock { $0 } == 0 }
    }
    return true
  }
}
