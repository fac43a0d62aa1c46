/// A link between two processes as the product's own transport sees it from a calibrated host.
public struct HostLink: Hashable, Sendable, Encodable {
  /// A short frame there and back, both ends waiting in a spin.
  public var roundTrip: Quantity
  /// What comes on top where an end has waited long enough to sleep.
  public var wakeUp: Quantity
  /// Payload that passes one way, once a stream is under way.
  public var rate: Quantity
  /// Processor time of the sending end, s/byte.
  public var send: Quantity
  /// Processor time of the receiving end, s/byte.
  public var receive: Quantity
  /// How long an end spins before it sleeps.
  public var spin: Quantity

  /// Collects them.
  public init(
    roundTrip: Quantity, wakeUp: Quantity, rate: Quantity, send: Quantity, receive: Quantity, spin: Quantity
  ) {
    (self.roundTrip, self.wakeUp, self.rate) = (roundTrip, wakeUp, rate)
    (self.send, self.receive, self.spin) = (send, receive, spin)
  }

  init(_ reader: ModelReader) throws {
    roundTrip = try reader.quantity("roundTrip", .time)
    wakeUp = try reader.quantity("wakeUp", .time, positive: false)
    rate = try reader.quantity("rate", .dataRate)
    send = try reader.quantity("send", .timeOfData, positive: false)
    receive = try reader.quantity("receive", .timeOfData, positive: false)
    spin = try reader.quantity("spin", .time, positive: false)
    try reader.finish()
  }
}
