public import Randomness

/// A trained model with all that is needed to plan it: the model owner's secret file.
///
/// Layout, little-endian: 8 bytes of magic, `u32` version, `u32` number of sections, `u64` length of the whole file;
/// then each section as a 4-letter tag, 4 zero bytes, `u64` length and content; at the end the SHA-256 of everything
/// before it.
public struct ModelFile: Sendable {
  /// Version of the format.
  public static let currentVersion = 1
  /// Largest file that is read, bytes.
  public static let maximumBytes = 4 << 30

  /// The network as it was trained, BN included.
  public var graph: Graph
  /// Its parameters.
  public var parameters: Parameters
  /// Ranges of the folded network's tensors; nil before calibration.
  public var calibration: Calibration?
  /// How the network is to be planned.
  public var options: PlannerOptions
  /// 32 random bytes. They are part of the digest, which peers see: without them a peer could check a guess of the weights.
  public var salt: [UInt8]
  /// Where the model comes from, for people: data set, seed, accuracy. Empty where unknown.
  public var provenance: [String: String]

  /// Makes a model; the salt is drawn from the system's generator.
  public init(
    graph: Graph, parameters: Parameters, calibration: Calibration? = nil, options: PlannerOptions = PlannerOptions(),
    provenance: [String: String] = [:]
  ) {
    self.graph = graph
    self.parameters = parameters
    self.calibration = calibration
    self.options = options
    self.provenance = provenance
    var system = SystemRandomNumberGenerator()
    salt = (0..<32).map { _ in UInt8.random(in: 0...255, using: &system) }
  }

  /// The model's digest: the SHA-256 with which its file ends. Both parties exchange it to know that they mean one model.
  ///
  /// - Throws: ``NetworksError`` where the model is invalid.
  public func modelDigest() throws -> Digest32 {
    guard let digest = Digest32(bytes: try encoded().suffix(32)) else {
      preconditionFailure("the trailer has 32 bytes")
    }
    return digest
  }

  /// The network without BN, which is what plans and calibration are about.
  ///
  /// - Throws: ``NetworksError`` where the model is invalid.
  public func folded() throws -> (graph: Graph, parameters: Parameters) { try Folding.fold(graph, parameters) }

  /// Calibrates the model on normalised samples.
  ///
  /// - Throws: ``NetworksError`` where the model or a sample is invalid.
  public mutating func calibrate(
    samples: some Sequence<[Float]>, margin: Double = Calibration.defaultMargin
  ) throws {
    let folded = try folded()
    calibration = try Calibration.run(folded.graph, folded.parameters, samples: samples, margin: margin)
  }

  /// Plans the model.
  ///
  /// - Throws: ``NetworksError`` where it has no calibration or cannot be planned.
  public func planned() throws -> PlannedModel {
    guard let calibration else {
      throw NetworksError.invalidGraph(
        reason: "the model \(graph.name) has no calibration; run samples through it first")
    }
    let folded = try folded()
    return try Planner.plan(folded.graph, folded.parameters, calibration, options: options)
  }

  /// Checks that all parts belong together.
  ///
  /// - Throws: ``NetworksError``
  public func validate() throws {
    try graph.validate()
    try parameters.validate(for: graph)
    try options.validate()
    if let calibration { try calibration.validate(for: folded().graph) }
    guard salt.count == 32 else { throw NetworksError.invalidGraph(reason: "a model's salt has 32 bytes") }
  }
}
