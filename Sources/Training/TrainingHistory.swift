/// What one epoch came to.
public struct EpochRecord: Codable, Hashable, Sendable {
  /// Epoch, from 1.
  public var epoch: Int
  /// Learning rate of its last step.
  public var rate: Float
  /// Mean training loss, without range penalty.
  public var trainingLoss: Double
  /// Mean range penalty.
  public var penalty: Double
  /// Share of training samples classified correctly while training.
  public var trainingAccuracy: Double
  /// Mean cross-entropy on the held-out samples; the largest number there is where one of them is too far off for a float.
  public var testLoss: Double
  /// Share of held-out samples classified correctly.
  public var testAccuracy: Double
  /// Seconds of training, evaluation apart.
  public var seconds: Double
  /// Training pictures a second.
  public var imagesPerSecond: Double
}

/// The course of a training run.
public struct TrainingHistory: Codable, Hashable, Sendable {
  /// One record an epoch, in order.
  public var epochs: [EpochRecord] = []

  /// An empty history.
  public init() {}

  /// Seconds of training altogether.
  public var seconds: Double { epochs.reduce(0) { $0 + $1.seconds } }
}
