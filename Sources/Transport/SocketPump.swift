import Glibc
import Synchronization

/// One non-blocking socket, driven as a blocking one by poll(2), with buffers on both sides.
///
/// Belongs to the thread that uses the stream; ``interrupt()`` alone may come from another.
final class SocketPump: @unchecked Sendable {
  let options: StreamOptions
  /// Bytes that came and were not read yet.
  var inbound = ByteQueue()
  /// Bytes that wait to leave.
  var outbound = ByteQueue()
  /// Replaces the idle time-out while set: connecting and handshake have an end, however busy the peer looks.
  var deadline: Deadline?
  /// The peer will send no more.
  private(set) var reachedEnd = false

  private var descriptor: Int32
  private let shared: Mutex<Int32>
  private let interrupted = Atomic<Bool>(false)

  /// Bytes asked of the kernel at once.
  private static let receiveSize = 1 << 18
  /// From this many bytes on, a look at what came is worth a system call.
  private static let muchToSend = 1 << 14

  /// Takes the descriptor over and makes it non-blocking and free of Nagle's delay.
  init(descriptor: Int32, options: StreamOptions) {
    self.descriptor = descriptor
    self.options = options
    shared = Mutex(descriptor)
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    TCPSocket.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    TCPSocket.keepAlive(descriptor)
  }

  deinit { close() }

  func close() {
    shared.withLock { current in
      guard current >= 0 else { return }
      _ = Glibc.shutdown(current, Int32(SHUT_WR))
      _ = Glibc.close(current)
      current = -1
    }
    descriptor = -1
  }

  func interrupt() {
    interrupted.store(true, ordering: .releasing)
    // Shutting down wakes a thread in poll; the lock keeps the number from being closed and reused meanwhile.
    shared.withLock { if $0 >= 0 { _ = Glibc.shutdown($0, Int32(SHUT_RDWR)) } }
  }

  // MARK: Sending

  /// Sends what waits in `outbound`.
  func flush(_ activity: String = "sending") throws {
    guard !outbound.isEmpty else { return }
    try send(outbound.readable, activity)
    outbound.drop(outbound.count)
  }

  /// Sends all the bytes. While the socket takes none, incoming bytes move to `inbound`, so that two ends that both
  /// write cannot wait for each other; with much to send they move there anyway, so that the peer can go on writing
  /// while this end computes what it sends next.
  func send(_ bytes: UnsafeRawBufferPointer, _ activity: String = "sending") throws {
    if bytes.count >= Self.muchToSend, inbound.count < options.inboundLimit { _ = try receive(activity) }
    var rest = bytes
    while rest.count > 0 {
      let sent = Glibc.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
      if sent >= 0 {
        rest = UnsafeRawBufferPointer(rebasing: rest[sent...])
        continue
      }
      let code = errno
      if code == EINTR { continue }
      guard code == EAGAIN || code == EWOULDBLOCK else { throw failure(code, activity) }
      let hasRoom = inbound.count < options.inboundLimit && !reachedEnd
      if hasRoom, try receive(activity) { continue }
      let events = Int16(POLLOUT) | (hasRoom && !reachedEnd ? Int16(POLLIN) : 0)
      if try !wait(events, until: nextDeadline, activity) {
        if !hasRoom, !reachedEnd { throw TransportError.inboundLimitReached(bytes: inbound.count) }
        throw timeout(activity)
      }
    }
  }

  /// One attempt to send what waits, without waiting and without errors: alerts before a close.
  func sendWhatFits() {
    guard descriptor >= 0 else { return }
    if !outbound.isEmpty {
      _ = Glibc.send(descriptor, outbound.readable.baseAddress, outbound.count, Int32(MSG_NOSIGNAL))
      outbound.drop(outbound.count)
    }
    // Closing a socket with unread bytes resets the connection, which could overtake the alert.
    let space = inbound.reserve(Self.receiveSize)
    _ = recv(descriptor, space.baseAddress, space.count, 0)
  }

  // MARK: Receiving

  /// Waits until `inbound` has grown; throws at the end of the stream.
  func fill(_ activity: String = "receiving") throws {
    if try receive(activity) { return }
    if options.spin > .zero {
      let end = Deadline(after: options.spin)
      repeat {
        if try receive(activity) { return }
        if reachedEnd { break }
      } while !end.hasPassed
    }
    while true {
      if reachedEnd { throw closed(activity) }
      if try !wait(Int16(POLLIN), until: nextDeadline, activity) { throw timeout(activity) }
      if try receive(activity) { return }
    }
  }

  /// Moves bytes straight to where they are wanted, for large reads past an empty `inbound`. At least one, or throws.
  func receiveDirectly(_ buffer: UnsafeMutableRawBufferPointer, _ activity: String) throws -> Int {
    let received = recv(descriptor, buffer.baseAddress, buffer.count, 0)
    if received > 0 { return received }
    try fill(activity)
    return inbound.take(into: buffer)
  }

  /// Whether something arrived or was there before the deadline. The end of the stream throws.
  func waitForBytes(until limit: Deadline, _ activity: String) throws -> Bool {
    while true {
      if try receive(activity) { return true }
      if reachedEnd { throw closed(activity) }
      if try !wait(Int16(POLLIN), until: limit, activity) { return false }
    }
  }

  /// Takes what the kernel has, without waiting. False if nothing came.
  private func receive(_ activity: String) throws -> Bool {
    while !reachedEnd {
      let space = inbound.reserve(Self.receiveSize)
      let received = recv(descriptor, space.baseAddress, min(space.count, Self.receiveSize), 0)
      if received > 0 {
        inbound.commit(received)
        return true
      }
      if received == 0 {
        reachedEnd = true
        break
      }
      let code = errno
      if code == EAGAIN || code == EWOULDBLOCK { break }
      if code != EINTR { throw failure(code, activity) }
    }
    if interrupted.load(ordering: .acquiring) { throw TransportError.interrupted }
    return false
  }

  // MARK: Waiting and errors

  private var nextDeadline: Deadline { deadline ?? Deadline(after: options.idleTimeout) }

  /// Sleeps until one of the events, or an error that the next call will report. False when the time is over.
  private func wait(_ events: Int16, until limit: Deadline, _ activity: String) throws -> Bool {
    while true {
      if interrupted.load(ordering: .acquiring) { throw TransportError.interrupted }
      var entry = pollfd(fd: descriptor, events: events, revents: 0)
      let ready = poll(&entry, 1, limit.milliseconds)
      if ready > 0 { return true }
      if ready == 0 {
        if limit.hasPassed { return false }
      } else if errno != EINTR {
        throw failure(errno, activity)
      }
    }
  }

  func timeout(_ activity: String) -> TransportError {
    let limit = deadline == nil ? options.idleTimeout : options.handshakeTimeout
    return .timedOut(activity: activity, seconds: limit.inSeconds)
  }

  func closed(_ activity: String) -> TransportError {
    interrupted.load(ordering: .acquiring) ? .interrupted : .peerClosed(activity: activity)
  }

  private func failure(_ code: Int32, _ activity: String) -> TransportError {
    if interrupted.load(ordering: .acquiring) { return .interrupted }
    if code == ECONNRESET || code == EPIPE { return .peerClosed(activity: activity) }
    return .socketFailed(activity: activity, reason: systemMessage(code))
  }
}

/// The operating system's words for an error number.
func systemMessage(_ code: Int32) -> String { String(cString: strerror(code)) }
