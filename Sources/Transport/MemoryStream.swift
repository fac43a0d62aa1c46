import Glibc
public import Randomness

/// Two connected streams in one process, for tests: each end belongs to a thread of its own.
///
/// Like a socket it holds written bytes back until a flush or a read, so a forgotten flush shows.
public final class MemoryStream: ByteStream, @unchecked Sendable {
  // Unchecked: `pending` belongs to the thread that uses this end, everything else lies behind the pipe's lock.
  private let incoming: MemoryPipe
  private let outgoing: MemoryPipe
  private let options: StreamOptions
  private var pending = ByteQueue(capacity: 1 << 16)
  /// True at the first end of a pair.
  public let isInitiator: Bool

  private static let coalescing = 1 << 16

  private init(incoming: MemoryPipe, outgoing: MemoryPipe, options: StreamOptions, isInitiator: Bool) {
    self.incoming = incoming
    self.outgoing = outgoing
    self.options = options
    self.isInitiator = isInitiator
  }

  /// Both ends; the first counts as the initiator.
  public static func pair(options: StreamOptions = StreamOptions()) -> (MemoryStream, MemoryStream) {
    let (one, two) = (MemoryPipe(), MemoryPipe())
    return (
      MemoryStream(incoming: one, outgoing: two, options: options, isInitiator: true),
      MemoryStream(incoming: two, outgoing: one, options: options, isInitiator: false)
    )
  }

  deinit { close() }

  /// The fixed value of streams without cryptography.
  public var exporter: [UInt8] { PlainEnd.exporter }
  /// A fixed value for the other end.
  public var peerFingerprint: Digest32 { isInitiator ? PlainEnd.acceptor : PlainEnd.initiator }
  /// A fixed value for this end.
  public var localFingerprint: Digest32 { isInitiator ? PlainEnd.initiator : PlainEnd.acceptor }

  /// See ``ByteStream/write(_:)``.
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    if pending.count + bytes.count > Self.coalescing {
      try flush()
      try outgoing.push(bytes, limit: options.inboundLimit, timeout: options.idleTimeout)
    } else {
      pending.append(bytes)
    }
  }

  /// See ``ByteStream/flush()``.
  public func flush() throws {
    guard !pending.isEmpty else { return }
    try outgoing.push(pending.readable, limit: options.inboundLimit, timeout: options.idleTimeout)
    pending.drop(pending.count)
  }

  /// See ``ByteStream/read(into:)``.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws {
    try flush()
    try incoming.pull(buffer, timeout: options.idleTimeout)
  }

  /// See ``ByteStream/waitReadable(timeout:)``.
  public func waitReadable(timeout: Duration) throws -> Bool {
    try flush()
    return try incoming.waitReadable(timeout: timeout)
  }

  /// See ``ByteStream/close()``.
  public func close() {
    incoming.end(.closed)
    outgoing.end(.closed)
  }

  /// See ``ByteStream/interrupt()``.
  public func interrupt() {
    incoming.end(.readerInterrupted)
    outgoing.end(.writerInterrupted)
  }
}

/// One direction: bytes behind a lock, and a condition that tells of any change.
private final class MemoryPipe: @unchecked Sendable {
  enum State { case open, closed, readerInterrupted, writerInterrupted }

  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var queue = ByteQueue()
  private var state = State.open

  init() {
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func end(_ new: State) {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    if state == .open { state = new }
    pthread_cond_broadcast(condition)
  }

  func push(_ bytes: UnsafeRawBufferPointer, limit: Int, timeout: Duration) throws {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    var rest = bytes
    while rest.count > 0 {
      try check("sending", interrupted: .writerInterrupted)
      let room = limit - queue.count
      if room <= 0 {
        guard wait(until: Deadline(after: timeout)) else {
          throw TransportError.timedOut(activity: "sending", seconds: timeout.inSeconds)
        }
        continue
      }
      let size = min(room, rest.count)
      queue.append(UnsafeRawBufferPointer(rebasing: rest[..<size]))
      rest = UnsafeRawBufferPointer(rebasing: rest[size...])
      pthread_cond_broadcast(condition)
    }
  }

  func pull(_ buffer: UnsafeMutableRawBufferPointer, timeout: Duration) throws {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    var rest = buffer
    while rest.count > 0 {
      let size = queue.take(into: rest)
      if size == 0 {
        try check("receiving", interrupted: .readerInterrupted)
        guard wait(until: Deadline(after: timeout)) else {
          throw TransportError.timedOut(activity: "receiving", seconds: timeout.inSeconds)
        }
        continue
      }
      rest = UnsafeMutableRawBufferPointer(rebasing: rest[size...])
      pthread_cond_broadcast(condition)
    }
  }

  func waitReadable(timeout: Duration) throws -> Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    let deadline = Deadline(after: timeout)
    while queue.isEmpty {
      try check("waiting", interrupted: .readerInterrupted)
      if !wait(until: deadline) { return false }
    }
    return true
  }

  private func check(_ activity: String, interrupted: State) throws {
    if state == interrupted { throw TransportError.interrupted }
    if state != .open { throw TransportError.peerClosed(activity: activity) }
  }

  private func wait(until deadline: Deadline) -> Bool {
    var time = deadline.timespec
    return pthread_cond_timedwait(condition, mutex, &time) != ETIMEDOUT
  }
}
