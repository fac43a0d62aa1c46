/// How far the clock of one trace is ahead of another's, from the frames that both have seen.
///
/// A frame that the first end sends at s (its clock) and the second has in full at r (its own) took r - s = offset + delay, with a
/// delay of at least 0; a frame the other way gives offset <= nothing more than the mirror of it. A round trip, there and back,
/// holds the offset within half of the time that was spent under way; the least one holds it best (Cristian, "Probabilistic clock
/// synchronization", Distributed Computing 3, 1989).
public struct ClockAlignment: Hashable, Sendable {
  /// One frame as its two ends saw it: when its sender began to send it, and when its receiver had all of it, each by its own
  /// clock, in picoseconds.
  public struct Sighting: Hashable, Sendable {
    /// Whether the first end sent it.
    public var isForward: Bool
    /// At the sender.
    public var sent: Int
    /// At the receiver.
    public var received: Int

    /// Describes a frame.
    public init(isForward: Bool, sent: Int, received: Int) {
      (self.isForward, self.sent, self.received) = (isForward, sent, received)
    }
  }

  /// Add this to a time of the first clock to get one of the second, in picoseconds.
  public let offset: Int
  /// The true offset differs by no more, if both clocks run equally fast meanwhile: half of the least round trip.
  public let uncertainty: Int
  /// Round trips that were looked at.
  public let roundTrips: Int

  /// The midpoint of the least round trip.
  ///
  /// - Parameter sightings: in the order in which the first end sent or received them.
  /// - Throws: ``TraceError/notAligned(reason:)`` where there is no round trip.
  public init(_ sightings: [Sighting]) throws {
    var best: (offset: Int, uncertainty: Int)?
    var trips = 0
    var last: Sighting?
    for sighting in sightings {
      defer { last = sighting }
      // Neighbours the two ways are a round trip, whoever began it.
      guard let before = last, before.isForward != sighting.isForward else { continue }
      let (there, back) = sighting.isForward ? (sighting, before) : (before, sighting)
      let (most, least) = (there.received - there.sent, back.sent - back.received)
      guard most >= least else { continue }
      trips += 1
      let uncertainty = (most - least + 1) / 2
      if best.map({ uncertainty < $0.uncertainty }) ?? true { best = (least + (most - least) / 2, uncertainty) }
    }
    guard let best else {
      throw TraceError.notAligned(reason: "they share no frames that travel both ways within one session")
    }
    (offset, uncertainty, roundTrips) = (best.offset, best.uncertainty, trips)
  }
}
