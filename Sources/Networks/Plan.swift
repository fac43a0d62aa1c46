public import Programs
import Rings

/// How activations are to drop their low bits.
public enum TruncationPolicy: String, Codable, Hashable, Sendable, CaseIterable {
  /// Always exactly.
  case exact
  /// Always locally: fewer bytes, and a chance of a wrong result that the plan states.
  case local
  /// Locally in the layers whose expected failures lie within an equal share of the budget, exactly elsewhere.
  case automatic
}

/// How tensors of Z_2^64 lose low bits, in front of comparisons and of the output.
public enum RingTruncation: String, Codable, Hashable, Sendable, CaseIterable {
  /// Locally, where the failure budget leaves operands all the bits that are asked for; else tracked, but for the comparisons
  /// that turn rarely enough.
  case automatic
  /// Each party drops its own: a unit off, and by a whole turn with probability |x|/2^64, which bounds the bits of operands.
  case local
  /// Each party drops its own, and a comparison tells both in shares where that turns: a unit off, never more.
  case tracked
  /// Both together, by further comparisons: exactly the floor, always.
  case faithful
}

/// What a result tells the data owner. Part of the public plan.
public enum Revelation: String, Codable, Hashable, Sendable, CaseIterable {
  /// The scores of all classes.
  case scores
  /// The index of the greatest score, of equal ones the first, and nothing else.
  case label
}

/// The choices of a plan. The defaults suit trained networks with values of magnitude 1 to 100.
public struct PlannerOptions: Codable, Hashable, Sendable {
  /// Fraction bits of the input, 4...20.
  public var inputBits: Int
  /// Fraction bits of activations' results, 4...20.
  public var activationBits: Int
  /// Fraction bits of weights, before gains, 4...15; the sum with the operand's fraction bits is at most 28.
  /// Those before comparisons get two more where nothing limits them.
  public var weightBits: Int
  /// Fraction bits of the output, 0...24.
  public var outputBits: Int
  /// How activations truncate.
  public var truncation: TruncationPolicy
  /// Expected wrong results per inference that are acceptable.
  public var failureBudget: Double
  /// Whether a plan above the budget is accepted.
  public var allowExceeding: Bool
  /// What the digits of comparisons are chosen for.
  public var comparisons: ComparisonPreference
  /// Fewest bits of a comparison, 4...64, beside what calibrated ranges ask for; nil asks for none. With 64 no value that a
  /// word holds is out of range.
  public var comparisonBits: Int?
  /// How tensors of Z_2^64 lose low bits.
  public var ringTruncation: RingTruncation
  /// What a result tells.
  public var reveals: Revelation

  /// Makes options.
  public init(
    inputBits: Int = 12, activationBits: Int = 12, weightBits: Int = 12, outputBits: Int = 12,
    truncation: TruncationPolicy = .exact, failureBudget: Double = 0x1p-20, allowExceeding: Bool = false,
    comparisons: ComparisonPreference = .messages, comparisonBits: Int? = nil,
    ringTruncation: RingTruncation = .automatic,
    reveals: Revelation = .scores
  ) {
    self.inputBits = inputBits
    self.activationBits = activationBits
    self.weightBits = weightBits
    self.outputBits = outputBits
    self.truncation = truncation
    self.failureBudget = failureBudget
    self.allowExceeding = allowExceeding
    self.comparisons = comparisons
    self.comparisonBits = comparisonBits
    self.ringTruncation = ringTruncation
    self.reveals = reveals
  }

  /// Reads options; files of earlier versions say nothing of comparisons and labels.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    inputBits = try values.decode(Int.self, forKey: .inputBits)
    activationBits = try values.decode(Int.self, forKey: .activationBits)
    weightBits = try values.decode(Int.self, forKey: .weightBits)
    outputBits = try values.decode(Int.self, forKey: .outputBits)
    truncation = try values.decode(TruncationPolicy.self, forKey: .truncation)
    failureBudget = try values.decode(Double.self, forKey: .failureBudget)
    allowExceeding = try values.decode(Bool.self, forKey: .allowExceeding)
    comparisons = try values.decodeIfPresent(ComparisonPreference.self, forKey: .comparisons) ?? .messages
    comparisonBits = try values.decodeIfPresent(Int.self, forKey: .comparisonBits)
    ringTruncation = try values.decodeIfPresent(RingTruncation.self, forKey: .ringTruncation) ?? .local
    reveals = try values.decodeIfPresent(Revelation.self, forKey: .reveals) ?? .scores
  }

  func validate() throws {
    let limits: [(String, Int, ClosedRange<Int>)] = [
      ("input", inputBits, 4...20), ("activation", activationBits, 4...20), ("weight", weightBits, 4...15),
      ("output", outputBits, 0...24), ("input and weight", inputBits + weightBits, 8...28),
      ("activation and weight", activationBits + weightBits, 8...28),
    ]
    for (what, bits, range) in limits where !range.contains(bits) {
      throw NetworksError.invalidGraph(
        reason: "\(bits) fraction bits of \(what) are outside \(range.lowerBound)...\(range.upperBound)")
    }
    guard comparisonBits.map({ (4...64).contains($0) }) ?? true else {
      throw NetworksError.invalidGraph(reason: "comparisons have 4 to 64 bits, not \(comparisonBits ?? 0)")
    }
    guard failureBudget.isFinite, failureBudget >= 0 else {
      throw NetworksError.invalidGraph(reason: "the failure budget must be a number of at least 0")
    }
  }
}

/// The public part of a plan: what both parties and the dealer may know.
///
/// It holds shapes, scales, truncation and expected failures, and no weight, coefficient, gain or range.
public struct Plan: Codable, Hashable, Sendable {
  /// Version of the format that this build writes and reads.
  public static let currentVersion = 1
  /// Version of the format of this value.
  public var version = Self.currentVersion
  /// The steps of an inference.
  public var program: Program
  /// What the data owner hands in and gets back.
  public var input: InputSpec
  /// Expected elements per inference whose truncation or change of ring goes wrong by a whole turn, for each step that can
  /// (`Program.turningSteps`).
  public var expectedFailures: [Double]

  /// Sum of ``expectedFailures``: an upper bound of the chance that an inference is wrong.
  public var expectedFailuresPerInference: Double { expectedFailures.reduce(0, +) }

  /// What a result tells the data owner.
  public var reveals: Revelation { program.labels == nil ? .scores : .label }
  /// Classes that results are about.
  public var classCount: Int { program.labels ?? program.output.shape.count }

  /// The label and the scores that an output's integers stand for; no scores where the plan reveals labels only. Of equal
  /// scores the first one wins.
  public func result(of output: [Int64]) -> (label: Int, scores: [Double]) {
    if reveals == .label { return (Int(output[0]), []) }
    let scores = input.dequantize(output: output)
    return (scores.indices.reduce(0) { scores[$1] > scores[$0] ? $1 : $0 }, scores)
  }

  /// Scores after the softmax with which the network ends, if it does. An index of the greatest is the label already.
  public func finished(_ scores: [Double]) -> [Double] {
    guard let finish = input.finish, finish != .argMax, !scores.isEmpty else { return scores }
    return finish.apply(scores)
  }

  /// The bytes over which the plan's digest is taken: JSON with sorted keys.
  public func canonicalBytes() throws -> [UInt8] { try CanonicalJSON.encode(self) }

  /// Reads and validates a plan, as it may come from a file or a peer.
  ///
  /// - Throws: ``NetworksError``, or `ProgramError`.
  public static func decode(json: [UInt8]) throws -> Plan {
    guard json.count <= Program.maximumEncodedBytes else {
      throw NetworksError.malformed(what: "plan", reason: "it has \(json.count) bytes")
    }
    let plan = try CanonicalJSON.decode(Plan.self, from: json, what: "plan")
    try plan.validate()
    return plan
  }

  /// Checks everything on which an allocation or an index may rest.
  ///
  /// - Throws: ``NetworksError``, or `ProgramError`.
  public func validate() throws {
    guard version == Self.currentVersion else {
      throw NetworksError.malformed(
        what: "plan", reason: "its version is \(version), and this build reads \(Self.currentVersion)")
    }
    try program.validate()
    try input.validate()
    guard input.shape == program.input.shape, input.fractionBits == program.input.fractionBits else {
      throw NetworksError.malformed(what: "plan", reason: "its input does not fit its program")
    }
    guard input.classes.isEmpty || input.classes.count == program.labels ?? program.output.shape.count else {
      throw NetworksError.malformed(what: "plan", reason: "it names \(input.classes.count) classes for another output")
    }
    guard expectedFailures.count == program.turningSteps.count, expectedFailures.allSatisfy({ $0 >= 0 }) else {
      throw NetworksError.malformed(what: "plan", reason: "its expected failures do not fit its program")
    }
  }
}

/// The integers of a linear step. Secret of the model owner.
public struct QuantizedLinear: Hashable, Sendable {
  /// Weights, OIHW, of magnitude below 2^16.
  public var weights: [Int32]
  /// One value per output channel, at the scale of the step's tensor, to be embedded into its ring.
  public var bias: [Int64]
}

/// The integers of an activation step, which keeps `floor((z^2 + k z + constant) / 2^T)`. Secret of the model owner.
public struct QuantizedActivation: Hashable, Sendable {
  /// The offset O = 2^61 that keeps the square nonnegative inside the truncation.
  public static let offset: Int64 = 1 << 61
  /// `k` per channel.
  public var linear: [Int64]
  /// `a0` per channel, without the offset.
  public var constant: [Int64]
  /// `a0 + O` per channel.
  public var constantWithOffset: [Int64] { constant.map { $0 + Self.offset } }
}

/// The integers with which a comparison takes up a normalisation, per channel: it keeps `z + threshold` where that is not
/// negative, or where it is negative if `flips`, drops its bits before, and adds `offset` behind. Secret of the model owner.
public struct QuantizedComparison: Hashable, Sendable {
  /// Added to the operand, at its scale.
  public var threshold: [Int64]
  /// Whether the comparison's bit is turned.
  public var flips: [Bool]
  /// Added to the result, at its scale.
  public var offset: [Int64]
}

/// Everything secret that an inference needs of the model, by step index of the program. It stays with the model owner.
public struct QuantizedModel: Hashable, Sendable {
  /// Of each linear step.
  public var linear: [Int: QuantizedLinear] = [:]
  /// Of each activation step.
  public var activation: [Int: QuantizedActivation] = [:]
  /// Of the ReLUs that take up a normalisation, or read scales of both signs.
  public var comparison: [Int: QuantizedComparison] = [:]
  /// Of each step that adds constants: one integer an element, at the scale of the step's tensor.
  public var offset: [Int: [Int64]] = [:]
}

/// What a plan made of one step, for the model owner's eyes: gains and ranges are statistics of the weights.
public struct StepDetail: Codable, Hashable, Sendable {
  /// Smallest and largest magnitude of the tensor's gains.
  public var gains: [Double]
  /// Bits of the largest weight's magnitude, for a linear step.
  public var weightBits: Double?
  /// Bits of the largest planned magnitude: |Y| before truncation for an activation, the tensor's values otherwise.
  public var rangeBits: Double
  /// Largest distance from the float network's tensor, in its units, on any input within the planned ranges.
  public var errorBound: Double
  /// Root mean square of that distance, as rounding makes it expect.
  public var errorEstimate: Double
  /// Channels whose square coefficient was raised to the smallest one that fits.
  public var clampedChannels: Int?
}

/// A plan together with its secret part.
public struct PlannedModel: Sendable {
  /// The public part.
  public var plan: Plan
  /// The secret integers.
  public var quantized: QuantizedModel
  /// The model owner's view of each step.
  public var details: [StepDetail]
}
