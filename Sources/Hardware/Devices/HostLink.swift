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

  /// Who decides how fast the operating system sends, by its name; empty where nobody looked.
  public var control: String

  /// The one that paces a sender by what was delivered before, so that messages after short ones leave slowly.
  public static let delivering = "bbr"

  /// Collects them.
  public init(
    roundTrip: Quantity, wakeUp: Quantity, rate: Quantity, send: Quantity, receive: Quantity, spin: Quantity,
    control: String = ""
  ) {
    self.control = control
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
    control = reader.has("control") ? try reader.string("control") : ""
    try reader.finish()
  }
}
