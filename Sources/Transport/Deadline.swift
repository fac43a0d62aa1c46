import Glibc

/// A point of the monotonic clock.
struct Deadline {
  private let nanoseconds: Int64

  init(after duration: Duration) {
    let (seconds, attoseconds) = duration.components
    // Anything beyond a century is as good as never, and cannot overflow.
    let bounded = min(max(seconds, 0), 3_000_000_000)
    nanoseconds = Self.now() + bounded * 1_000_000_000 + attoseconds / 1_000_000_000
  }

  var hasPassed: Bool { Self.now() >= nanoseconds }

  /// Rounded up, and at most what poll(2) takes.
  var milliseconds: Int32 {
    Int32(clamping: max(0, (nanoseconds - Self.now() + 999_999) / 1_000_000))
  }

  var timespec: Glibc.timespec {
    Glibc.timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
  }

  static func now() -> Int64 {
    var time = Glibc.timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
