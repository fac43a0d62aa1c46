import Networks

/// A case of `polympc bench` that runs a network: `lenet:poly:1`, `square:65536`.
public struct BenchmarkCase: Equatable, Sendable {
  /// The case as it was written.
  public let name: String
  /// As `Benchmarks.model` names it.
  public let network: String
  /// Samples of a query.
  public let batch: Int

  /// Reads `NETWORK:poly:BATCH` (lenet, resnet20, resnet18) or `square:N`.
  /// - Throws: ``DaemonsError/input(source:reason:)`` saying which cases there are.
  public init(_ name: String) throws {
    func refused(_ reason: String) -> DaemonsError {
      .input(
        source: "case \"\(name)\"",
        reason: "\(reason); there are lenet:poly:B, resnet20:poly:B and resnet18:poly:B for batches of 1 to 256, and "
          + "square:N for 1 to 4194304 elements")
    }
    let parts = name.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    self.name = name
    if parts.first == "square" {
      guard parts.count == 2, let count = Int(parts[1]), 1...1 << 22 ~= count else {
        throw refused("the number of elements is missing or out of range")
      }
      (network, batch) = (name, 1)
      return
    }
    guard let first = parts.first, ["lenet", "resnet20", "resnet18"].contains(first) else {
      throw refused("this case is not known")
    }
    guard parts.count == 3, parts[1] == "poly" else {
      throw refused("networks are measured with the polynomial activation, \(first):poly:BATCH")
    }
    guard let batch = Int(parts[2]), 1...256 ~= batch else { throw refused("the batch is missing or out of range") }
    (network, self.batch) = (first, batch)
  }
}

/// What a benchmark measures.
public enum BenchmarkPhase: String, CaseIterable, Sendable {
  /// Queries, with everything prepared.
  case online
  /// The preparation of a query.
  case preprocessing
  /// Both.
  case total
}

/// One line of results.
public struct BenchmarkResult: Codable, Equatable, Sendable {
  /// Peak resident memory, mebibytes, above nothing: the whole process.
  public struct Memory: Codable, Equatable, Sendable {
    /// The model owner's; nil where it ran elsewhere.
    public var modelOwner: Double?
    /// The data owner's.
    public var dataOwner: Double
  }

  /// What was measured; peers' lines name themselves here.
  public var system = "polympc"
  /// The case, as it was written.
  public var `case`: String
  /// A ``BenchmarkPhase``.
  public var phase: String
  /// Where correlated randomness came from: lattice or dealer.
  public var source: String
  /// The link, as the caller named it.
  public var net: String
  /// Median, a query of the case's batch.
  public var seconds: Double
  /// Every repetition.
  public var allS: [Double]
  /// Both directions, frame headers included, a query.
  public var bytesTotal: Int
  /// Round trips a query.
  public var rounds: Double
  /// Peak resident memory of each party.
  public var peakRssMb: Memory
  /// Largest difference to the same network in floats.
  public var maxAbsErr: Double
  /// Threads a party.
  public var threads: Int
  /// Queries prepared together.
  public var inferences: Int
}
