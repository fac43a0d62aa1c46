import Synchronization
import Transport

/// The streams of a daemon's sessions, so that a stopping daemon can wake threads that wait in one.
final class StreamRegistry: Sendable {
  private struct State {
    var next = 0
    var streams: [Int: any ByteStream] = [:]
    var isClosed = false
  }

  private let state = Mutex(State())

  /// Holds a stream until the result is given to ``remove(_:)``. A stream that comes after ``interruptAll()`` is
  /// interrupted at once.
  func add(_ stream: any ByteStream) -> Int {
    state.withLock { state in
      if state.isClosed { stream.interrupt() }
      state.next += 1
      state.streams[state.next] = stream
      return state.next
    }
  }

  func remove(_ number: Int) {
    _ = state.withLock { $0.streams.removeValue(forKey: number) }
  }

  /// Interrupts all streams, present and future.
  func interruptAll() {
    state.withLock { state in
      state.isClosed = true
      for stream in state.streams.values { stream.interrupt() }
    }
  }
}
