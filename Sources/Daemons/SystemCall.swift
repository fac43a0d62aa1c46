import Foundation

/// Small helpers around system calls.
enum SystemCall {
  /// The system's text of an error number.
  static func describe(_ code: Int32) -> String { String(cString: strerror(code)) }

  /// Repeats a call that a signal interrupted.
  static func retrying(_ call: () -> Int) -> Int {
    while true {
      let result = call()
      if result >= 0 || errno != EINTR { return result }
    }
  }

  /// Monotonic seconds, for durations only.
  static func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
