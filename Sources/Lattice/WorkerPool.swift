internal import Glibc

/// A fixed number of operating-system threads that compute for one thread at a time, which takes part itself.
///
/// What is computed does not depend on the number of threads: results come back in the order of their numbers.
public final class WorkerPool: Sendable {
  /// Threads, the caller's included.
  public let threads: Int
  private let work = Work()

  /// Starts `threads` - 1 threads.
  /// - Parameter threads: 1...256.
  public init(threads: Int = 1) {
    precondition(1...256 ~= threads, "\(threads) threads")
    self.threads = threads
    for _ in 1..<threads {
      var thread = pthread_t()
      let context = Unmanaged.passRetained(work).toOpaque()
      let result = pthread_create(&thread, nil, Self.main, context)
      precondition(result == 0, "the system started no thread: error \(result)")
      pthread_detach(thread)
    }
  }

  deinit { work.stop() }

  private static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
    Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().serve()
    return nil
  }

  /// `body(0)`, ..., `body(count - 1)`, several at a time: every call must write memory of its own only.
  ///
  /// - Returns: the results by number.
  /// - Throws: the error of the lowest number that threw; all calls have ended by then.
  public func map<Value>(_ count: Int, _ body: (Int) throws -> Value) throws -> [Value] {
    if threads == 1 || count <= 1 { return try (0..<count).map(body) }
    var results = [Result<Value, any Error>?](repeating: nil, count: count)
    results.withUnsafeMutableBufferPointer { slots in
      withoutActuallyEscaping(body) { escapable in
        // Safe by the contract above: each call has its own slot, and all have returned when this returns.
        nonisolated(unsafe) let (shared, slots) = (escapable, slots)
        work.perform(count) { index in slots[index] = Result { try shared(index) } }
      }
    }
    return try results.map { try $0!.get() }
  }

  /// The same by windows of as many calls as there are threads; `receive` gets the results in order, on this thread.
  public func forEach<Value>(
    _ count: Int, _ body: (Int) throws -> Value, receive: (Int, Value) throws -> Void
  ) throws {
    for first in stride(from: 0, to: count, by: threads) {
      let values = try map(min(threads, count - first)) { try body(first + $0) }
      for (index, value) in values.enumerated() { try receive(first + index, value) }
    }
  }
}

/// The calls that are under way. Everything lies behind the lock.
private final class Work: @unchecked Sendable {
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var body: ((Int) -> Void)?
  private var (next, count, running) = (0, 0, 0)
  private var isStopped = false

  init() {
    precondition(pthread_mutex_init(lock, nil) == 0 && pthread_cond_init(changed, nil) == 0)
  }

  deinit {
    pthread_mutex_destroy(lock)
    pthread_cond_destroy(changed)
    lock.deallocate()
    changed.deallocate()
  }

  /// Runs all calls; returns when the last has ended.
  func perform(_ count: Int, _ body: @escaping (Int) -> Void) {
    pthread_mutex_lock(lock)
    precondition(self.body == nil, "a pool works for one thread at a time")
    (self.body, next, self.count) = (body, 0, count)
    pthread_cond_broadcast(changed)
    while runNext() {}
    while running > 0 { pthread_cond_wait(changed, lock) }
    self.body = nil
    pthread_mutex_unlock(lock)
  }

  /// A worker's life.
  func serve() {
    pthread_mutex_lock(lock)
    while !isStopped {
      if !runNext() { pthread_cond_wait(changed, lock) }
    }
    pthread_mutex_unlock(lock)
  }

  func stop() {
    pthread_mutex_lock(lock)
    isStopped = true
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(lock)
  }

  /// Runs one call if there is one left, without the lock meanwhile.
  private func runNext() -> Bool {
    guard let body, next < count else { return false }
    let index = next
    next += 1
    running += 1
    pthread_mutex_unlock(lock)
    body(index)
    pthread_mutex_lock(lock)
    running -= 1
    if running == 0 && next == count { pthread_cond_broadcast(changed) }
    return true
  }
}
