/// A link in seconds and bytes.
struct LinkTimes {
  let (roundTrip, wakeUp, spin): (Double, Double, Double)
  /// Seconds a byte: on the way, at the sender, at the receiver.
  let (passing, sending, receiving): (Double, Double, Double)
  /// How much faster than the best delivery so far a connection's sender may be; nil where nothing holds it back.
  let gain: Double?

  init(_ link: HostLink) {
    (roundTrip, wakeUp, spin) = (link.roundTrip.measure.value, link.wakeUp.measure.value, link.spin.measure.value)
    passing = 8 / link.rate.measure.value
    (sending, receiving) = (8 * link.send.measure.value, 8 * link.receive.measure.value)
    gain = link.control == HostLink.delivering ? Self.startupGain : nil
  }

  /// 2 / ln 2, the pace at which BBR looks for a link's rate (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue
  /// 14(5), 2016). A session's messages are mostly shorter than what a link holds: its connections stay in that state.
  private static let startupGain = 2.885
  /// Ten segments of Ethernet, with which a connection begins (RFC 6928).
  private static let firstBytes = 14_480.0

  /// Bytes a second before anything was delivered.
  var firstPace: Double { gain.map { $0 * Self.firstBytes / roundTrip } ?? .infinity }
}

/// One direction of one connection: what its sender has seen delivered sets its pace.
struct SimulatedWay {
  /// Bytes a second at which parts may leave.
  private(set) var pace: Double
  /// When the last part has left, by that pace.
  private var left = 0.0
  /// Bytes sent, and when all of them are known to have arrived.
  private var (sent, known) = (0.0, 0.0)
  /// Bytes that the sender knows to have arrived, and when it came to know that; or when it began to send again after that.
  private var delivered = (time: 0.0, bytes: 0.0)
  /// Deliveries that the sender does not know yet: when it will, all bytes up to there, and the rate since their own departure.
  private var news: ArraySlice<(time: Double, bytes: Double, rate: Double)> = []

  init(pace: Double) { self.pace = pace }

  /// Lets a part go.
  ///
  /// - Parameters:
  ///   - now: when it is there to be sent.
  ///   - passed: when the link, which others may share, has passed it.
  /// - Returns: when it arrives.
  mutating func pass(_ part: Double, now: Double, passed: Double, _ link: LinkTimes) -> Double {
    guard let gain = link.gain else { return passed + link.roundTrip / 2 }
    let start = max(now, left)
    while let first = news.first, first.time <= start {
      pace = max(pace, gain * first.rate)
      delivered = (first.time, first.bytes)
      news.removeFirst()
    }
    if start >= known { delivered.time = start }
    left = start + part / pace
    let arrival = max(passed, left) + link.roundTrip / 2
    sent += part
    known = arrival + link.roundTrip / 2
    news.append((known, sent, (sent - delivered.bytes) / (known - delivered.time)))
    return arrival
  }

  /// The state at the beginning of the next phase.
  var settled: SimulatedWay { SimulatedWay(pace: pace) }

  /// Takes in all that was delivered.
  mutating func settle(_ gain: Double?) {
    guard let gain else { return }
    for entry in news { pace = max(pace, gain * entry.rate) }
    news = []
  }
}
