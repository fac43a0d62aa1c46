public import Networks

/// Which of the known formats a data set has.
public enum DataSource: String, Codable, Hashable, Sendable, CaseIterable {
  /// Handwritten digits, 8x8; the copy that ships with the module, or any CSV of that form.
  case digits
  /// MNIST, a folder with the four IDX files, gzip or plain.
  case mnist
  /// CIFAR-10, the folder `cifar-10-batches-bin`.
  case cifar10
}

/// What the coefficients of quadratic activations start from.
public enum ActivationInitialization: String, Codable, Hashable, Sendable, CaseIterable {
  /// The parameters that training starts from; fresh ones are those of `stpai`.
  case given
  /// Near the identity: `w1 = initialSquare`, `w2 = 1`, `b = 0` (PolyMPCNet, straight-through polynomial activation
  /// initialisation), so that pretrained weights carry over.
  case stpai
  /// Nearest to ReLU under the moments of the operands on the first training samples (``GaussianQuadratic``).
  case moments
}

/// How a pupil follows a teacher: `(1 - weight) cross-entropy + weight * divergence` at a temperature (G. Hinton et al.,
/// "Distilling the Knowledge in a Neural Network", 2015).
public struct Distillation: Codable, Hashable, Sendable {
  /// Weight of the divergence, 0...1.
  public var weight: Float
  /// Temperature of both softmaxes.
  public var temperature: Float
  /// Digest of the teacher's model file, so that a resumed run has the same one.
  public var teacher: String

  /// Describes how to follow a teacher.
  public init(weight: Float = 0.5, temperature: Float = 4, teacher: String) {
    self.weight = weight
    self.temperature = temperature
    self.teacher = teacher
  }
}

/// Everything that decides the outcome of a training run, and the number of threads, which does not.
public struct TrainingConfiguration: Codable, Hashable, Sendable {
  /// The network, as `NetworkName` reads it.
  public var network: String
  /// The data set's format.
  public var data: DataSource
  /// File (digits) or folder (MNIST, CIFAR-10); nil is the digits that the module ships.
  public var dataPath: String?
  /// Whether layers are followed by batch normalisation (folded into them before private inference).
  public var batchNorm = true
  /// The constant and the granularity of every quadratic activation.
  public var activation = X2actSpec()
  /// ReLU instead of the quadratic, for a teacher or where exactness is worth its comparisons.
  public var usesRelu = false
  /// Whether quadratics behind residual sums normalise their operand; nil is no.
  public var normalizesSums: Bool?
  /// The pooling between layers.
  public var pooling = PoolingChoice.average
  /// First value of every `w1`.
  public var initialSquare: Float = 0.005
  /// What the quadratics start from.
  public var initialization = ActivationInitialization.given
  /// Epochs over which ReLU is replaced gradually: activations start as ReLU, and the quadratic's share rises linearly
  /// to one. 0 starts with the quadratic.
  public var gradualEpochs: Float = 0
  /// What a teacher adds to the loss.
  public var distillation: Distillation?
  /// Passes over the training samples.
  public var epochs = 10
  /// Samples a step; the remainder of an epoch is left out.
  public var batch = 64
  /// Greatest learning rate.
  public var learningRate: Float = 0.05
  /// Learning rate at the end of the cosine.
  public var finalLearningRate: Float = 0.0005
  /// Epochs over which the rate rises linearly.
  public var warmUpEpochs: Float = 1
  /// Momentum, 0 ..< 1.
  public var momentum: Float = 0.9
  /// Weight decay of weights.
  public var weightDecay: Float = 5e-4
  /// Factor of the learning rate for the coefficients of activations.
  public var activationRate: Float = 1
  /// Whether weight decay acts on activation coefficients too.
  public var decaysActivations = false
  /// Largest norm of the gradient of all parameters; 0 does not clip.
  public var clipNorm: Float = 5
  /// Label smoothing and range penalty.
  public var loss = GraphExecutor.LossOptions()
  /// Random shift of training pictures, in pixels either way, with zeros (raw value) moved in.
  public var shift = 0
  /// Whether training pictures are mirrored at random.
  public var flip = false
  /// Factor of the normalised inputs, which becomes part of the network's own normalisation; nil is 1.
  public var inputGain: Float?
  /// Seed of initial weights, orders and augmentation.
  public var seed: UInt64 = 1
  /// Uses only the first so many training samples; nil uses all.
  public var trainingLimit: Int?
  /// Threads; changes no bit of the outcome.
  public var threads = 1

  /// A configuration with the defaults of its fields.
  public init(network: String, data: DataSource, dataPath: String? = nil) {
    self.network = network
    self.data = data
    self.dataPath = dataPath
  }

  /// Checks every field.
  ///
  /// - Throws: ``TrainingError/badConfiguration(field:reason:)``
  public func validate() throws {
    func require(_ condition: Bool, _ field: String, _ reason: String) throws {
      if !condition { throw TrainingError.badConfiguration(field: field, reason: reason) }
    }
    try require(
      NetworkName(network) != nil, "network",
      "\"\(network.prefix(64))\" is unknown; known are \(Builders.names.joined(separator: ", "))")
    try require((1...100_000).contains(epochs), "epochs", "\(epochs) is not in 1...100000")
    try require((1...65_536).contains(batch), "batch", "\(batch) is not in 1...65536")
    try require(threads >= 1 && threads <= 256, "threads", "\(threads) is not in 1...256")
    try require((0...64).contains(shift), "shift", "\(shift) is not in 0...64 pixels")
    try require(inputGain.map { $0.isFinite && $0 > 0 } ?? true, "inputGain", "it must be positive")
    try require(trainingLimit.map { $0 >= 1 } ?? true, "trainingLimit", "it must be positive")
    let positive: [(String, Float)] = [
      ("learningRate", learningRate), ("activation.scale", activation.scale),
    ]
    for (field, value) in positive { try require(value.isFinite && value > 0, field, "\(value) is not positive") }
    let nonNegative: [(String, Float)] = [
      ("finalLearningRate", finalLearningRate), ("warmUpEpochs", warmUpEpochs), ("weightDecay", weightDecay),
      ("activationRate", activationRate), ("clipNorm", clipNorm), ("loss.rangeBound", loss.rangeBound),
      ("loss.rangeWeight", loss.rangeWeight), ("gradualEpochs", gradualEpochs),
    ]
    for (field, value) in nonNegative { try require(value.isFinite && value >= 0, field, "\(value) is negative") }
    try require((0..<1).contains(momentum), "momentum", "\(momentum) is not in 0..<1")
    try require((0..<1).contains(loss.labelSmoothing), "loss.labelSmoothing", "it is not in 0..<1")
    try require(initialSquare.isFinite, "initialSquare", "it is not finite")
    if let distillation {
      let temperature = distillation.temperature
      try require((0...1).contains(distillation.weight), "distillation.weight", "it is not in 0...1")
      try require(temperature.isFinite && temperature > 0, "distillation.temperature", "it is not positive")
    }
  }

  /// The network that the configuration describes.
  ///
  /// - Throws: ``TrainingError/badConfiguration(field:reason:)``
  public func makeGraph() throws -> Graph {
    try validate()
    let choice: ActivationChoice = usesRelu ? .relu : .x2act(activation)
    let options = BuilderOptions(
      activation: choice, pooling: pooling, batchNorm: batchNorm, normalizesSums: normalizesSums ?? false)
    guard var graph = Builders.named(network, options: options) else {
      throw TrainingError.badConfiguration(field: "network", reason: "\"\(network)\" is unknown")
    }
    if let inputGain {
      let deviations = graph.inputNormalization.deviation.map { $0 / inputGain }
      graph.inputNormalization.deviation = deviations
      try graph.validate()
    }
    return graph
  }

  /// Whether a checkpoint of `other` may be resumed: all but the threads and the place of the data agree.
  func isSameRun(as other: TrainingConfiguration) -> Bool {
    var (a, b) = (self, other)
    (a.threads, b.threads) = (1, 1)
    (a.dataPath, b.dataPath) = (nil, nil)
    return a == b
  }
}
