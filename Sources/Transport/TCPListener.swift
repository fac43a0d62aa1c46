import Glibc
import Synchronization

/// A listening TCP socket. ``accept(timeout:)`` belongs to one thread; ``stop()`` may come from any.
public final class TCPListener: @unchecked Sendable {
  // Unchecked: the descriptors live from init to deinit and are used by calls that the kernel makes safe.
  /// The port in use: the one asked for, or the one the system chose for 0.
  public let port: UInt16
  /// The host or address asked for.
  public let host: String

  private let descriptor: Int32
  /// A pipe; closing one end would race with its use, so stopping writes a byte that nobody reads.
  private let wakeup: Int32
  private let wakeupSource: Int32
  private let stopped = Atomic<Bool>(false)

  /// Binds and listens.
  /// - Parameter port: 0 lets the system choose.
  /// - Throws: ``TransportError/addressInUse(host:port:)``, `cannotListen`, `cannotResolve`.
  public init(host: String, port: UInt16) throws {
    descriptor = try TCPSocket.listen(host: host, port: port)
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else {
      let reason = systemMessage(errno)
      _ = Glibc.close(descriptor)
      throw TransportError.cannotListen(host: host, port: port, reason: reason)
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (wakeup, wakeupSource) = (ends[0], ends[1])
    self.host = host
    self.port = TCPSocket.port(of: descriptor)
  }

  deinit {
    _ = Glibc.close(descriptor)
    _ = Glibc.close(wakeup)
    _ = Glibc.close(wakeupSource)
  }

  /// Whether ``stop()`` was called.
  public var isStopped: Bool { stopped.load(ordering: .acquiring) }

  /// Makes the current and every later ``accept(timeout:)`` return nil at once.
  public func stop() {
    guard !stopped.exchange(true, ordering: .acquiringAndReleasing) else { return }
    _ = Glibc.write(wakeupSource, [1], 1)
  }

  /// The next connection; nil once stopped, or when none came in time. No byte has been exchanged on it: hand it to the
  /// session's thread and do the handshake there, so that a slow peer keeps nobody waiting.
  public func accept(timeout: Duration? = nil) throws -> AcceptedConnection? {
    let deadline = Deadline(after: timeout ?? .seconds(1_000_000_000))
    while !isStopped {
      let accepted = Glibc.accept(descriptor, nil, nil)
      if accepted >= 0 {
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        return AcceptedConnection(descriptor: accepted)
      }
      switch errno {
      case EAGAIN, EWOULDBLOCK:
        break
      case EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH, ENONET, EOPNOTSUPP, ENOPROTOOPT:
        continue  // A connection that died in the queue is no failure of the listener, see accept(2).
      default:
        throw TransportError.cannotListen(host: host, port: port, reason: systemMessage(errno))
      }
      var entries = [
        pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: wakeup, events: Int16(POLLIN), revents: 0),
      ]
      if poll(&entries, 2, deadline.milliseconds) == 0, deadline.hasPassed { return nil }
    }
    return nil
  }
}

/// A connection that was accepted and has no protocol on it yet. Closed if nobody takes it.
public final class AcceptedConnection: Sendable {
  /// The peer's address, for logs.
  public let peerAddress: String

  private let descriptor: Mutex<Int32>

  init(descriptor: Int32) {
    peerAddress = TCPSocket.peerAddress(of: descriptor)
    self.descriptor = Mutex(descriptor)
  }

  deinit {
    descriptor.withLock { if $0 >= 0 { _ = Glibc.close($0) } }
  }

  /// Hands the descriptor over, once.
  func take() -> Int32 {
    descriptor.withLock { current in
      precondition(current >= 0, "this connection was used before")
      defer { current = -1 }
      return current
    }
  }
}
