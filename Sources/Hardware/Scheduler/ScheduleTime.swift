/// Time of schedules: whole picoseconds, so that sums are exact and do not depend on their order.
public enum ScheduleTime {
  /// Ticks of a second.
  public static let ticksPerSecond = 1_000_000_000_000
  /// The longest schedule that is accepted, about 53 days: sums of all tasks of a graph stay within 64 bits.
  public static let maximum = Int.max >> 1

  /// The nearest tick; half a tick is the whole error.
  /// - Throws: ``HardwareError/invalidSchedule(reason:)`` where the time is negative, not finite or beyond ``maximum``.
  public static func ticks(seconds: Double) throws -> Int {
    let ticks = (seconds * Double(ticksPerSecond)).rounded()
    guard ticks >= 0, ticks < Double(maximum) else {
      throw HardwareError.invalidSchedule(reason: "a duration of \(seconds) s cannot be scheduled")
    }
    return Int(ticks)
  }

  /// Seconds of so many ticks.
  public static func seconds(_ ticks: Int) -> Double { Double(ticks) / Double(ticksPerSecond) }

  /// Cuts a duration in parts in proportion to whole weights; the parts add up to it exactly.
  ///
  /// - Parameter weights: not negative, and not all zero.
  public static func split(_ ticks: Int, weights: [Int]) -> [Int] {
    let total = weights.reduce(0, +)
    precondition(ticks >= 0 && total > 0 && weights.allSatisfy { $0 >= 0 }, "nothing to cut in proportion to")
    var (done, before) = (0, 0)
    return weights.map { weight in
      done += weight
      // The product has 128 bits, the quotient is at most `ticks`.
      let product = ticks.multipliedFullWidth(by: done)
      let until = total.dividingFullWidth((high: product.high, low: product.low)).quotient
      defer { before = until }
      return until - before
    }
  }
}
