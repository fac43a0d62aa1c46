/// Latencies of the layers that a search chooses between, on one device under one protocol: what the hardware model writes and
/// the trainer's latency loss reads.
public struct LatencyTable: Codable, Hashable, Sendable {
  /// One choice of a layer.
  public enum Choice: String, Codable, Hashable, Sendable, CaseIterable, CodingKeyRepresentable {
    /// `max(x, 0)`.
    case relu
    /// The trainable quadratic.
    case x2act
    /// The maximum over windows.
    case maxPool = "maxpool"
    /// The mean over windows.
    case averagePool = "avgpool"
  }

  /// One layer that may be chosen.
  public struct Row: Codable, Hashable, Sendable {
    /// Name of the layer: the node's name in the graph.
    public var layer: String
    /// Shape of the layer's input, of one sample: channels, height, width.
    public var shape: [Int]
    /// Milliseconds of each choice, for the whole batch.
    public var milliseconds: [Choice: Double]

    /// Makes a row.
    public init(layer: String, shape: [Int], milliseconds: [Choice: Double]) {
      self.layer = layer
      self.shape = shape
      self.milliseconds = milliseconds
    }
  }

  /// The format's version, `1`.
  public var format: Int
  /// Name of the network whose layers these are.
  public var network: String
  /// Name of the device or host.
  public var device: String
  /// Name of the link.
  public var link: String
  /// Name of the protocol and its mode.
  public var protocolName: String
  /// Samples of a query.
  public var batch: Int
  /// Milliseconds of all layers without a choice.
  public var fixedMilliseconds: Double
  /// The layers with a choice, in the graph's order.
  public var rows: [Row]

  /// Makes a table.
  public init(
    network: String, device: String, link: String, protocolName: String, batch: Int, fixedMilliseconds: Double,
    rows: [Row]
  ) {
    self.format = 1
    self.network = network
    self.device = device
    self.link = link
    self.protocolName = protocolName
    self.batch = batch
    self.fixedMilliseconds = fixedMilliseconds
    self.rows = rows
  }

  /// Reads a table from JSON and checks it.
  ///
  /// - Throws: ``NetworksError`` where a row has no choice, a latency is negative or not finite, or two rows have one name.
  public static func decode(json: [UInt8]) throws -> LatencyTable {
    let table = try CanonicalJSON.decode(LatencyTable.self, from: json, what: "latency table")
    try table.validate()
    return table
  }

  /// Checks the table.
  ///
  /// - Throws: ``NetworksError``
  public func validate() throws {
    func refuse(_ reason: String) -> NetworksError { .malformed(what: "latency table", reason: reason) }
    guard format == 1 else { throw refuse("its format is \(format); this program reads format 1") }
    guard batch >= 1 else { throw refuse("its batch is \(batch), not positive") }
    guard fixedMilliseconds.isFinite, fixedMilliseconds >= 0 else {
      throw refuse("fixedMilliseconds is \(fixedMilliseconds)")
    }
    var names: Set<String> = []
    for row in rows {
      guard names.insert(row.layer).inserted else { throw refuse("the layer \(row.layer) has two rows") }
      guard !row.milliseconds.isEmpty else { throw refuse("the layer \(row.layer) has no latency") }
      guard row.milliseconds.values.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
        throw refuse("the layer \(row.layer) has a latency that is negative or not finite")
      }
    }
  }
}
