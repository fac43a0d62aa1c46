import Glibc
import Randomness
import Synchronization
import Transport

/// The processor time of one thread, readable from others while it lives.
struct ThreadClock: Sendable {
  private let clock: clockid_t

  /// The calling thread's.
  init() {
    var clock = clockid_t()
    precondition(pthread_getcpuclockid(pthread_self(), &clock) == 0, "the system tells no thread's processor time")
    self.clock = clock
  }

  var nanoseconds: Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  var seconds: Double { Double(nanoseconds) * 1e-9 }
}

/// A stream that adds up the processor time which its thread spends in it: copies, going to sleep, waking the peer up. A probe's
/// parties take that off their time, since a link between threads is no part of a host's routines.
final class MeteredStream: ByteStream {
  private let stream: any ByteStream
  private let clock: ThreadClock
  private let inside = Atomic<Int64>(0)

  /// Of the calling thread, which must be the one that uses the stream.
  init(_ stream: any ByteStream) {
    self.stream = stream
    clock = ThreadClock()
  }

  /// Seconds spent inside, of calls that have returned; readable from any thread.
  var seconds: Double { Double(inside.load(ordering: .relaxed)) * 1e-9 }

  private func metered<R>(_ body: () throws -> R) rethrows -> R {
    let start = clock.nanoseconds
    defer { inside.wrappingAdd(clock.nanoseconds - start, ordering: .relaxed) }
    return try body()
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws { try metered { try stream.write(bytes) } }
  func flush() throws { try metered { try stream.flush() } }
  func read(into buffer: UnsafeMutableRawBufferPointer) throws { try metered { try stream.read(into: buffer) } }
  func waitReadable(timeout: Duration) throws -> Bool { try metered { try stream.waitReadable(timeout: timeout) } }
  func close() { stream.close() }
  func interrupt() { stream.interrupt() }
  var exporter: [UInt8] { get throws { try stream.exporter } }
  var peerFingerprint: Digest32 { stream.peerFingerprint }
  var localFingerprint: Digest32 { stream.localFingerprint }
  var isInitiator: Bool { stream.isInitiator }
}
