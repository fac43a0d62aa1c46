public import Foundation

/// The wire between the parties, as `HardwareModels/links/<name>.json` describes it.
public struct LinkModel: Hashable, Sendable, Encodable {
  /// Version of the format.
  public var format = 1
  /// `link`.
  public var kind = "link"
  /// The file's name.
  public var name: String
  /// For people.
  public var title: String
  /// Bits of payload a second, in one direction.
  public var rate: Quantity
  /// From the first bit sent of a message to the first bit read of it: what the paper calls T_bc.
  public var latency: Quantity
  /// Bits a second on the wire, where the payload's rate is derived from it.
  public var lineRate: Quantity?

  /// Reads and checks a file.
  ///
  /// - Parameters:
  ///   - data: the file's content.
  ///   - file: its path or name, for errors.
  ///   - name: what it must call itself, or nil.
  /// - Throws: ``HardwareError/schema(file:key:reason:)``
  public init(_ data: Data, file: String, named name: String? = nil) throws {
    let reader = try ModelReader(file: file, data: data)
    (self.name, title) = try reader.header("link", named: name)
    rate = try reader.quantity("rate", .dataRate)
    latency = try reader.quantity("latency", .time, positive: false)
    lineRate = try reader.quantityIfPresent("lineRate", .dataRate)
    var formulas = ["rate": rate, "latency": latency]
    if let lineRate { formulas["lineRate"] = lineRate }
    try reader.checkFormulas(formulas)
    try reader.finish()
  }

  /// The link on which a host was calibrated; a message takes half a round trip.
  public init(loopbackOf host: HostModel) {
    name = "loopback"
    title = "The link on which \(host.name) was calibrated"
    rate = host.link.rate
    latency = host.link.roundTrip
    latency.value /= 2
    latency.formula = nil
    lineRate = nil
  }

  /// A link of a host that was measured, under its name there; a message takes half a round trip.
  /// - Throws: ``HardwareError/unknownName(what:name:known:)``
  public init(measured name: String, of host: HostModel) throws {
    let link = try host.link(name)
    self.name = name
    title = "Measured between \(host.name) and its peer"
    rate = link.rate
    latency = link.roundTrip
    latency.value /= 2
    latency.formula = nil
    lineRate = nil
  }

  /// Seconds until a message of so many bits has arrived.
  public func time(bits: Double) throws -> Double {
    try (try latency.measure + Measure(bits, .data) / rate.measure).number(as: .time, at: "link \(name)")
  }
}
