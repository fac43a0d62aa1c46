public import Networks

/// Everything that decides the outcome of a search, and the number of threads, which does not.
public struct SearchConfiguration: Codable, Hashable, Sendable {
  /// What the architecture pays for.
  public enum Objective: Codable, Hashable, Sendable {
    /// Loss a millisecond of expected latency: PolyMPCNet's lambda.
    case penalty(perMillisecond: Double)
    /// Milliseconds that the found network may take, layers without a choice included.
    case latencyBudget(milliseconds: Double)
    /// Comparisons that the found network may take in one sample.
    case comparisonBudget(count: Int)
  }

  /// How the gradient of the architecture is taken.
  public enum Order: Int, Codable, Hashable, Sendable {
    /// The weights as they are.
    case first = 1
    /// The weights after a step, by finite differences.
    case second = 2
  }

  /// The network, its data, and how its weights learn: `epochs`, rates, clipping, seed and so on.
  public var training: TrainingConfiguration
  /// What the architecture pays for.
  public var objective: Objective
  /// First or second order.
  public var order = Order.second
  /// Learning rate of the architecture (Adam, betas 0.5 and 0.999).
  public var alphaRate: Float = 3e-4
  /// Weight decay of the architecture.
  public var alphaDecay: Float = 1e-3
  /// Epochs in which the weights learn alone.
  public var warmUpEpochs = 0
  /// Share of the training samples that the architecture learns from; the weights learn from the rest.
  public var validationShare: Float = 0.5
  /// How fast the multiplier of a budget rises: by this times the relative excess, at every step.
  public var dualRate: Float = 0.02
  /// Whether mean poolings have a choice too.
  public var pools = true

  /// PolyMPCNet's defaults (its published code): 50 epochs, batch 64, rate .025 to .001, decay 3e-4, clip 5.
  public init(network: String, data: DataSource, dataPath: String? = nil, objective: Objective) {
    training = TrainingConfiguration(network: network, data: data, dataPath: dataPath)
    self.objective = objective
    training.epochs = 50
    training.batch = 64
    training.learningRate = 0.025
    training.finalLearningRate = 0.001
    training.warmUpEpochs = 0
    training.weightDecay = 3e-4
    training.clipNorm = 5
  }

  /// Checks every field.
  ///
  /// - Throws: ``TrainingError/badConfiguration(field:reason:)``
  public func validate() throws {
    try training.validate()
    func require(_ condition: Bool, _ field: String, _ reason: String) throws {
      if !condition { throw TrainingError.badConfiguration(field: field, reason: reason) }
    }
    switch objective {
    case .penalty(let value): try require(value.isFinite && value >= 0, "lambda", "\(value) is negative")
    case .latencyBudget(let value): try require(value.isFinite && value > 0, "latencyBudget", "it is not positive")
    case .comparisonBudget(let count): try require(count > 0, "comparisonBudget", "it is not positive")
    }
    for (field, value) in [("alphaRate", alphaRate), ("alphaDecay", alphaDecay), ("dualRate", dualRate)] {
      try require(value.isFinite && value >= 0, field, "\(value) is negative")
    }
    try require(warmUpEpochs >= 0 && warmUpEpochs <= training.epochs, "warmUpEpochs", "it is not in 0...epochs")
    try require(
      validationShare > 0 && validationShare < 1, "validationShare", "\(validationShare) is not between 0 and 1")
    try require(!training.usesRelu, "usesRelu", "a search starts from the polynomial network")
    try require(training.distillation == nil, "distillation", "a search has no teacher")
    try require(training.gradualEpochs == 0, "gradualEpochs", "a search replaces by its gates")
  }

  /// The choices of the network.
  ///
  /// - Throws: ``TrainingError`` where the configuration is invalid.
  public func makeSpace() throws -> SearchSpace {
    try validate()
    return try SearchSpace(
      training.makeGraph(), clip: SearchSpace.clip(network: training.network), pools: pools)
  }

  func isSameRun(as other: SearchConfiguration) -> Bool {
    var (a, b) = (self, other)
    guard a.training.isSameRun(as: b.training) else { return false }
    a.training = b.training
    b.training = a.training
    return a == b
  }
}

/// What one epoch of a search came to.
public struct SearchEpoch: Codable, Hashable, Sendable {
  /// Epoch, from 1.
  public var epoch: Int
  /// Learning rate of the weights in its last step.
  public var rate: Float
  /// Mean loss of the weights' batches.
  public var trainingLoss: Double
  /// Share of their samples classified correctly.
  public var trainingAccuracy: Double
  /// Mean cross-entropy of the architecture's batches.
  public var validationLoss: Double
  /// Share of their samples classified correctly.
  public var validationAccuracy: Double
  /// Expected cost of the architecture: milliseconds, or comparisons under a budget of these.
  public var expectedCost: Double
  /// Lambda, or the multiplier of the budget.
  public var multiplier: Double
  /// Weight of the comparison in every layer with a choice.
  public var comparisonShares: [Double]
  /// Seconds.
  public var seconds: Double
  /// Training pictures a second, architecture steps included.
  public var imagesPerSecond: Double
}

/// What the search decided about one layer.
public struct LayerDecision: Codable, Hashable, Sendable {
  /// Why a layer took its form.
  public enum Reason: String, Codable, Hashable, Sendable {
    /// The greater alpha.
    case argmax
    /// The greater alpha was the comparison's, and the budget did not allow it.
    case budget
  }

  /// The layer's name.
  public var layer: String
  /// The form that it keeps.
  public var kept: LatencyTable.Choice
  /// Why.
  public var reason: Reason
  /// Weight of the comparison at the end of the search.
  public var comparisonShare: Double
  /// Cost of the comparison.
  public var comparisonCost: Double
  /// Cost of the polynomial.
  public var polynomialCost: Double
  /// Its share of the found network's cost, 0...1.
  public var costShare: Double
}

/// The state of a search beyond its weights.
struct SearchState: Codable, Sendable {
  var configuration: SearchConfiguration
  var space: SearchSpace
  var costs: [Double]
  var history: [SearchEpoch]
  var alphas: [Double]
  var adamStep: Int
  var adamFirst: [Double]
  var adamSecond: [Double]
  var multiplier: Double
}
