import Foundation

/// Threads that report their first error when joined. For tests of several parties in one process.
public final class Threads: @unchecked Sendable {
  // Unchecked: the errors lie behind the lock.
  private let group = DispatchGroup()
  private let lock = NSLock()
  private var errors: [any Error] = []

  /// A thread did not end in time: what a test of faults must never see.
  public struct Hung: Error {}

  /// No threads yet.
  public init() {}

  /// Runs `body` on a thread of its own.
  public func start(_ body: @escaping @Sendable () throws -> Void) {
    group.enter()
    let thread = Thread { [self] in
      do { try body() } catch { lock.withLock { errors.append(error) } }
      group.leave()
    }
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// Waits for all threads.
  /// - Throws: the first error of a thread; ``Hung`` if one still runs after `seconds`.
  public func join(seconds: Int = 300) throws {
    guard group.wait(timeout: .now() + .seconds(seconds)) == .success else { throw Hung() }
    if let error = lock.withLock({ errors.first }) { throw error }
  }
}

/// Runs two parties, the first on a thread of its own, and gives both results.
/// - Throws: the second party's error, else the first one's.
public func together<First: Sendable, Second>(
  _ first: @escaping @Sendable () throws -> First, _ second: () throws -> Second
) throws -> (First, Second) {
  let box = Box<First>()
  let threads = Threads()
  threads.start { box.value = try first() }
  let result = Result { try second() }
  let value = try result.get()
  try threads.join()
  return (box.value!, value)
}

// Unchecked: written by one thread, read after it was joined.
private final class Box<Value>: @unchecked Sendable {
  var value: Value?
}
