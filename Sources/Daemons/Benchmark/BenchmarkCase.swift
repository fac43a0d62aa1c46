public import Lattice
internal import Networks
public import ObliviousTransfer
public import Rings

/// A case of `polympc bench`, by name: `lenet:poly:1`, `conv:64:64:56`, `ole:1048576`, `ntt:8192`.
public struct BenchmarkCase: Equatable, Sendable {
  /// What is measured.
  public enum Kind: Equatable, Sendable {
    /// Queries of a network that `Benchmarks.model` knows by this name, so many samples each.
    case network(String, batch: Int)
    /// One linear layer in Z_2^64.
    case linear(LinearGeometry)
    /// The model owner's computation for such a layer, in one process.
    case responses(LinearGeometry)
    /// Oblivious linear evaluations over F_p.
    case evaluations(Int)
    /// Correlated oblivious transfers.
    case transfers(Int, TransferMethod)
    /// Number-theoretic transforms of one prime, on one thread of one process.
    case transform(degree: Int, variant: TransformVariant)
  }

  /// The case as it was written.
  public let name: String
  /// What it asks for.
  public let kind: Kind

  /// The cases there are, for messages and help.
  public static let forms = [
    "NETWORK:poly:BATCH or NETWORK:relu:BATCH (lenet, resnet20, resnet50-imagenet, squeezenet-w0.5, ...)", "square:N",
    "relu:N[:BITS[:bytes]]", "maxpool:N[:BITS[:bytes]]",
    "conv:IN:OUT:SIZE[:KERNEL[:STRIDE]]",
    "respond:IN:OUT:SIZE[:KERNEL[:STRIDE]]", "ole:N", "cot:N[:silent|softspoken[:K]]",
    "ntt:DEGREE[:scalar|avx2|avx512]",
  ]

  /// Reads one of ``forms``.
  /// - Throws: ``DaemonsError/input(source:reason:)`` saying which cases there are.
  public init(_ name: String) throws {
    self.name = name
    var parts = CaseParts(name)
    switch parts.first {
    case "square":
      kind = .network("square:\(try parts.number("elements", 1...1 << 22))", batch: 1)
    case let compared where ["relu", "maxpool"].contains(compared):
      let count = try parts.number("results", 1...1 << 22)
      let bits = parts.isEmpty ? 20 : try parts.number("bits", 8...64)
      let preference = parts.word()
      guard preference == nil || preference == "bytes" else {
        throw parts.refused("comparisons save messages, or bytes")
      }
      kind = .network("\(compared):\(count):\(bits)" + (preference.map { ":\($0)" } ?? ""), batch: 1)
    case "conv":
      kind = .linear(try Self.geometry(&parts))
    case "respond":
      kind = .responses(try Self.geometry(&parts))
    case "ole":
      kind = .evaluations(try parts.number("elements", 1...1 << 24))
    case "cot":
      let count = try parts.number("transfers", 1...1 << 32)
      kind = .transfers(count, try Self.method(&parts))
    case "ntt":
      kind = try Self.transform(&parts)
    case let network where NetworkName(network) != nil:
      let activation = parts.word()
      guard activation == "poly" || activation == "relu" else {
        throw parts.refused(
          "networks are measured with the polynomial activation or ReLU, \(network):poly:BATCH or \(network):relu:BATCH"
        )
      }
      kind = .network(
        activation == "relu" ? network + ":relu" : network, batch: try parts.number("batch", 1...256))
    default:
      throw parts.refused("this case is not known")
    }
    try parts.finish()
  }

  /// Samples of a query.
  public var batch: Int {
    if case .network(_, let batch) = kind { batch } else { 1 }
  }

  /// What is measured unless the caller says otherwise.
  public var defaultPhase: BenchmarkPhase {
    switch kind {
    case .network: .online
    case .linear, .evaluations, .transfers: .preprocessing
    case .transform, .responses: .kernel
    }
  }

  /// Whether it is about a whole network, or elements that a planner makes one of.
  public var isNetwork: Bool { if case .network = kind { true } else { false } }

  /// Whether two parties run it.
  public var hasParties: Bool {
    defaultPhase != .kernel
  }

  private static func geometry(_ parts: inout CaseParts) throws -> LinearGeometry {
    let channels = (try parts.number("input channels", 1...4096), try parts.number("output channels", 1...4096))
    let size = try parts.number("size", 1...1024)
    let kernel = parts.isEmpty ? min(3, size) : try parts.number("kernel", 1...15)
    let stride = parts.isEmpty ? 1 : try parts.number("stride", 1...8)
    let geometry = LinearGeometry(
      inChannels: channels.0, outChannels: channels.1, inHeight: size, inWidth: size, kernel: kernel, stride: stride,
      padding: kernel / 2)
    do { try geometry.validate() } catch { throw parts.refused("\(error)") }
    guard geometry.weightCount <= 1 << 26, max(geometry.inputShape.count, geometry.outputShape.count) <= 1 << 26 else {
      throw parts.refused("the layer is too large: 2^26 weights and words at most")
    }
    return geometry
  }

  private static func method(_ parts: inout CaseParts) throws -> TransferMethod {
    guard !parts.isEmpty else { return .silent }
    switch parts.word() {
    case "silent": return .silent
    case "softspoken":
      let k = parts.isEmpty ? 4 : try parts.number("K", 1...8)
      guard k & (k - 1) == 0 else { throw parts.refused("K is 1, 2, 4 or 8") }
      return .softSpoken(k: k)
    default: throw parts.refused("transfers are silent or softspoken")
    }
  }

  private static func transform(_ parts: inout CaseParts) throws -> Kind {
    let degree = try parts.number("degree", 16...16384)
    guard degree & (degree - 1) == 0 else { throw parts.refused("the degree is no power of two") }
    guard !parts.isEmpty else { return .transform(degree: degree, variant: .best) }
    let word = parts.word()
    guard let variant = TransformVariant.allCases.first(where: { "\($0)" == word }) else {
      throw parts.refused("the variant is scalar, avx2 or avx512")
    }
    guard variant.isAvailable else { throw parts.refused("this processor lacks \(variant)") }
    return .transform(degree: degree, variant: variant)
  }
}

/// The parts of a case's name, taken one after the other.
private struct CaseParts {
  private let name: String
  private var rest: ArraySlice<Substring>
  let first: String

  init(_ name: String) {
    self.name = name
    let parts = name.split(separator: ":", omittingEmptySubsequences: false)
    first = String(parts[0])
    rest = parts.dropFirst()
  }

  var isEmpty: Bool { rest.isEmpty }

  mutating func word() -> String? { rest.popFirst().map(String.init) }

  mutating func number(_ what: String, _ range: ClosedRange<Int>) throws -> Int {
    guard let value = word().flatMap({ Int($0) }), range.contains(value) else {
      throw refused("the \(what) must be \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func finish() throws {
    guard isEmpty else { throw refused("there is something after its end") }
  }

  func refused(_ reason: String) -> DaemonsError {
    .input(
      source: "case \"\(name.prefix(80))\"",
      reason: "\(reason); the cases are \(BenchmarkCase.forms.joined(separator: ", "))")
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
  /// A computation without a peer.
  case kernel
}

/// One line of results.
public struct BenchmarkResult: Codable, Equatable, Sendable {
  /// Peak resident memory, mebibytes, above nothing: the whole process.
  public struct Memory: Codable, Equatable, Sendable {
    /// The model owner's; nil where it ran elsewhere, or there is none.
    public var modelOwner: Double?
    /// The data owner's, or that of the only process.
    public var dataOwner: Double
    /// The dealer's, where one dealt.
    public var dealer: Double?

    /// Collects them.
    public init(modelOwner: Double?, dataOwner: Double, dealer: Double? = nil) {
      (self.modelOwner, self.dataOwner, self.dealer) = (modelOwner, dataOwner, dealer)
    }
  }

  /// What was measured; peers' lines name themselves here.
  public var system = "polympc"
  /// The case, as it was written.
  public var `case`: String
  /// A ``BenchmarkPhase``.
  public var phase: String
  /// Where correlated randomness came from: lattice, dealer, or none.
  public var source: String
  /// The link, as the caller named it.
  public var net: String
  /// Median, a query of the case's batch; of a transform, forward.
  public var seconds: Double
  /// Every repetition.
  public var allS: [Double]
  /// Both directions, frame headers included, a query.
  public var bytesTotal: Int
  /// Between a dealer and both parties, both directions, a query, the session's set-up shared out.
  public var dealerBytes: Int?
  /// Round trips a query.
  public var rounds: Double
  /// Peak resident memory of each party.
  public var peakRssMb: Memory
  /// Largest difference to the same network in floats; of a single layer, in units of the last place.
  public var maxAbsErr: Double
  /// Threads a party.
  public var threads: Int
  /// Queries prepared together.
  public var inferences: Int
  /// Elements that are prepared or computed together, where the case is about elements.
  public var elements: Int?
  /// Median of the way back, of transforms.
  public var inverseSeconds: Double?
  /// Instruction set, of transforms and transfers.
  public var variant: String?
  /// Median of what a new pair takes before the first transfer.
  public var setupSeconds: Double?
  /// Bytes of that, both directions, frame headers included.
  public var setupBytes: Int?
  /// The parts of a phase that has both.
  public var parts: Parts?

  /// Preparation and query apart, each for one query of the case's batch.
  public struct Parts: Codable, Equatable, Sendable {
    /// Medians.
    public var preparationSeconds, querySeconds: Double
    /// Both directions, frame headers included.
    public var preparationBytes, queryBytes: Int
    /// Seconds that the data owner's process took to plan, before anything was measured.
    public var planningSeconds: Double
    /// Greatest less least value of the float network's outputs, to which the error may be compared.
    public var outputRange: Double
  }
}
