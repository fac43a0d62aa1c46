internal import Synchronization

/// Kinds of local work, as the descriptors name them (Protocols/README.md).
enum LatticeOperation: String {
  /// A coefficient of a product in the transform domain, added to an accumulator.
  case multiplyAccumulate = "ntt.mac"
  /// A word of a short transform of weights.
  case short = "ntt.short"
  /// A coefficient of an accumulator reduced.
  case fold = "ntt.fold"
  /// A residue of a uniform polynomial, by rejection from a public stream.
  case uniform = "sample.uniform"
  /// A coefficient of an error.
  case binomial = "sample.binomial"
  /// A ternary coefficient.
  case ternary = "sample.ternary"
  /// A coefficient of a flood.
  case flood = "sample.flood"
  /// A residue of a sum or a difference.
  case residueAdd = "rns.add"
  /// A residue of an integer.
  case reduce = "rns.reduce"
  /// A residue of round(Q m / t).
  case embed = "rns.embed"
  /// A coefficient taken from residues to a fraction or an integer.
  case lift = "rns.lift"
  /// A coefficient, or a residue of one, written to or read from packed bits.
  case pack = "rns.pack"
  /// A sum or a difference of words.
  case add = "ring.add"
  /// A product of words.
  case multiply = "ring.mul"
  /// A block of AES-128, drawn at a fixed number; what rejection draws is counted in ``uniform``.
  case block = "aes.block"
}

/// Counts what is really computed, so that tests can compare descriptors with it. Products count nothing.
public final class OperationCounter: Sendable {
  private let counts = Mutex<[String: Int]>([:])

  /// Nothing counted.
  public init() {}

  /// How often each operation was done, by the descriptors' names.
  public var operations: [String: Int] { counts.withLock { $0 } }

  /// Forgets what was counted.
  public func reset() { counts.withLock { $0 = [:] } }

  /// Adds to an operation.
  public func add(_ operation: String, _ count: Int) {
    if count > 0 { counts.withLock { $0[operation, default: 0] += count } }
  }
}
