import Correlations
public import Programs

/// Bounds of one session. Bytes of material are those of the party that has more of it, so that both bound alike.
public struct SessionLimits: Sendable {
  /// Samples that one query may carry.
  public var maximumBatch = 256
  /// Inferences that may lie prepared in memory.
  public var maximumPrepared = 1024
  /// Bytes of material that may lie prepared in memory, where no store takes it, or that one query may use at once; one
  /// inference is always allowed.
  public var preparedBytes = 512 << 20
  /// Inferences prepared together, layer by layer: more cost memory, fewer repeat the work that a bulk shares.
  public var bulk = 8
  /// Inferences taken out of a store at once, ahead of queries; what is not used by the end of a session is lost.
  public var lease = 8
  /// Inferences of a lease while queries come without a pause, as far as they stay within ``burstBytes``.
  public var maximumLease = 256
  /// Bytes of material of such a lease.
  public var burstBytes = 16 << 20
  /// Bytes of material that a bulk or a lease holds in memory; one inference is always allowed.
  public var materialBytes = 256 << 20

  /// The defaults.
  public init() {}

  /// Bytes of one inference's material at the party that has more of it.
  public static func materialBytes(_ program: Program) -> Int {
    max(ModelOwnerMaterial.byteCount(program), DataOwnerMaterial.byteCount(program))
  }

  /// Inferences that may lie prepared in memory, of so many bytes each.
  func capacity(of bytes: Int) -> Int { max(1, min(maximumPrepared, preparedBytes / max(1, bytes))) }

  /// Inferences that may be leased into memory, of so many bytes each.
  func leased(of bytes: Int) -> Int { max(capacity(of: bytes), count(maximumLease, of: bytes)) }

  /// How many of `count` inferences stay within ``materialBytes``; at least one.
  func count(_ count: Int, of bytes: Int) -> Int { max(1, min(count, materialBytes / max(1, bytes))) }
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
