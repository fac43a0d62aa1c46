/// Bounds of one session.
public struct SessionLimits: Sendable {
  /// Samples that one query may carry.
  public var maximumBatch = 256
  /// Inferences that may lie prepared in memory.
  public var maximumPrepared = 1024
  /// Inferences prepared together, layer by layer: more cost memory, fewer repeat the work that a bulk shares.
  public var bulk = 8
  /// Inferences taken out of a store at once, ahead of queries; what is not used by the end of a session is lost.
  public var lease = 8

  /// The defaults.
  public init() {}
}

/// What a session has done.
public struct SessionStatistics: Sendable {
  /// Queries answered.
  public var queries = 0
  /// Samples answered.
  public var samples = 0
  /// Inferences prepared.
  public var prepared = 0
  /// Inferences that had to be prepared while a query waited.
  public var preparedOnDemand = 0
}
