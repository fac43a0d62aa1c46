import Foundation
import Synchronization

/// Tells all threads of a daemon to end, once, and wakes those that wait in `poll`.
public final class StopSignal: Sendable {
  private let raised = Atomic<Bool>(false)
  private let readEnd: Int32
  private let writeEnd: Int32

  /// A signal that is not raised.
  public init() {
    var ends: [Int32] = [0, 0]
    precondition(pipe(&ends) == 0, "a daemon needs two file descriptors to start")
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    readEnd = ends[0]
    writeEnd = ends[1]
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  /// Whether it was raised.
  public var isRaised: Bool { raised.load(ordering: .acquiring) }

  /// Raises it; may be called from any thread, and again.
  public func raise() {
    guard !raised.exchange(true, ordering: .acquiringAndReleasing) else { return }
    // Never read: the pipe stays readable, so that every later poll returns too.
    var byte: UInt8 = 1
    _ = SystemCall.retrying { write(writeEnd, &byte, 1) }
  }

  /// Waits until `descriptor` is readable: true; or the signal is raised: false.
  func waitReadable(_ descriptor: Int32) -> Bool {
    var requests = [
      pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0), pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
    ]
    while !isRaised {
      let ready = poll(&requests, 2, -1)
      if ready < 0, errno != EINTR { return false }
      if requests[0].revents != 0 { return false }
      if ready > 0, requests[1].revents != 0 { return true }
    }
    return false
  }

  /// Sleeps, at most until the signal is raised.
  ///
  /// - Returns: whether the time passed in full.
  @discardableResult
  public func sleep(seconds: Double) -> Bool {
    let deadline = SystemCall.seconds() + seconds
    while !isRaised {
      let left = deadline - SystemCall.seconds()
      if left <= 0 { return true }
      var request = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
      _ = poll(&request, 1, Int32(min(left * 1000 + 1, 3_600_000)))
    }
    return false
  }
}

extension StopSignal {
  /// Sleeps without a signal to wait for.
  static func pause(seconds: Double) { usleep(UInt32(seconds * 1e6)) }
}

/// SIGTERM and SIGINT as a call on a thread of its own.
public enum TerminationSignals {
  // Handlers and a pipe, not a blocked mask: libraries start threads while they are loaded, before any mask could be
  // set, and a signal that reaches one of those would end the process.
  private static let ends: (read: Int32, write: Int32) = {
    var ends: [Int32] = [0, 0]
    precondition(pipe(&ends) == 0, "a daemon needs two file descriptors to start")
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }()

  /// Keeps both signals for ``handle(_:)`` from here on.
  public static func block() {
    _ = ends  // Made before a handler can need it.
    for number in [SIGTERM, SIGINT] {
      signal(number) { received in
        let code = errno
        var byte = UInt8(truncatingIfNeeded: received)
        _ = write(TerminationSignals.ends.write, &byte, 1)
        errno = code
      }
    }
    // A starting program may have left both blocked; the mask is inherited.
    var mask = sigset_t()
    sigemptyset(&mask)
    sigaddset(&mask, SIGTERM)
    sigaddset(&mask, SIGINT)
    pthread_sigmask(Int32(SIG_UNBLOCK), &mask, nil)
    // A peer that vanishes is an error of a write, not the end of the process.
    signal(SIGPIPE, SIG_IGN)
  }

  /// Calls `first` at the first signal; the second one ends the process at once, with exit code 130.
  public static func handle(_ first: @escaping @Sendable (Int32) -> Void) {
    let thread = Thread {
      first(next())
      _ = next()
      exit(130)
    }
    thread.name = "signals"
    thread.start()
  }

  private static func next() -> Int32 {
    var byte: UInt8 = 0
    _ = SystemCall.retrying { read(ends.read, &byte, 1) }
    return Int32(byte)
  }
}
