public import Programs
public import Rings

/// The weights as a source needs them: quantized, by linear step.
public protocol WeightProvider: AnyObject {
  /// Quantized weights of a linear step, OIHW, |w| < 2^17.
  func withWeights<R>(ofStep step: Int, _ body: (UnsafeBufferPointer<Int32>) throws -> R) rethrows -> R
  /// 32 bytes that name exactly these quantized weights and reveal nothing of them (salted).
  var weightsDigest: [UInt8] { get }
}

/// The model owner's side of a correlation source: lifecycle begin, then any number of bulks, then end.
///
/// In a bulk the steps are visited in program order, all inferences of the bulk at once.
public protocol ModelOwnerSource: AnyObject {
  /// Session set-up. `weights` outlives the source.
  func begin(program: Program, weights: any WeightProvider) throws
  /// Starts the preparation of some inferences.
  func beginBulk(serials: Range<UInt64>) throws
  /// s of every inference of the bulk for a linear step.
  func linear(step: Int) throws -> [SecretWords]
  /// OLE and transfers of one activation step for the whole bulk; `receive` is called once an inference, in order.
  func activation(step: Int, receive: (Int, consuming ModelOwnerActivationMaterial) -> Void) throws
  /// Ends the bulk.
  func endBulk() throws
  /// Ends the use of this source.
  func end()
}

/// The data owner's side of a correlation source.
public protocol DataOwnerSource: AnyObject {
  /// Session set-up.
  func begin(program: Program) throws
  /// Starts the preparation of some inferences.
  func beginBulk(serials: Range<UInt64>) throws
  /// Draws a fresh mask for each inference: of the input, or of an activation's output (in that tensor's ring).
  func masks(step: Int) throws -> [SecretWords]
  /// c = W r - s of every inference, from the masks r of the step's operand.
  func linear(step: Int, masks: [SecretWords]) throws -> [SecretWords]
  /// OLE on the known shares c, and transfers, for the whole bulk; `receive` is called once an inference, in order.
  func activation(
    step: Int, shares: [SecretWords], masks: [SecretWords],
    receive: (Int, consuming DataOwnerActivationMaterial) -> Void) throws
  /// Ends the bulk.
  func endBulk() throws
  /// Ends the use of this source.
  func end()
}

/// Bounds on bulks.
public enum BulkLimits {
  /// Inferences that may be prepared in one bulk.
  public static let maximumInferences = 1024

  /// Checks the size of a bulk announced by a peer.
  /// - Throws: ``CorrelationError/invalidBulk(count:limit:)``
  public static func check(_ count: Int) throws {
    guard (1...maximumInferences).contains(count) else {
      throw CorrelationError.invalidBulk(count: count, limit: maximumInferences)
    }
  }
}
