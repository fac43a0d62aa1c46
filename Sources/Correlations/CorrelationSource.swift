public import Programs
public import Rings

/// The weights of a linear step, OIHW.
public enum LayerWeights {
  /// Quantized weights, |w| < 2^17.
  case quantized(UnsafeBufferPointer<Int32>)
  /// A server's share of them: reduced words of the step's ring.
  case share(UnsafeBufferPointer<UInt64>)
}

/// The weights as a source needs them, by linear step.
public protocol WeightProvider: AnyObject {
  /// Weights of a linear step: shares where the program says so (`Program.sharesWeights`), else quantized ones.
  func withWeights<R>(ofStep step: Int, _ body: (LayerWeights) throws -> R) rethrows -> R
  /// 32 bytes that name exactly these weights and reveal nothing of them (salted).
  var weightsDigest: [UInt8] { get }
}

/// The model owner's side of a correlation source: lifecycle begin, then any number of bulks, then end.
///
/// In a bulk the steps are visited in the waves of `PreparationOrder`, all inferences of the bulk at once.
public protocol ModelOwnerSource: AnyObject {
  /// Session set-up. `weights` outlives the source.
  func begin(program: Program, weights: any WeightProvider) throws
  /// Starts the preparation of some inferences.
  func beginBulk(serials: Range<UInt64>) throws
  /// s of every inference of the bulk for a linear step.
  func linear(step: Int) throws -> [SecretWords]
  /// OLE and transfers of one activation step for the whole bulk; `receive` is called once an inference, in order.
  func activation(step: Int, receive: (Int, consuming ModelOwnerActivationMaterial) -> Void) throws
  /// Material of one run of comparisons for the whole bulk; `receive` is called once an inference, in order.
  func comparison(
    step: Int, stage: Int, of shape: ComparisonStage, receive: (Int, consuming ModelOwnerComparisonMaterial) -> Void
  ) throws
  /// Ends the bulk.
  func endBulk() throws
  /// Ends the use of this source.
  func end()
}

/// The data owner's side of a correlation source. Every step is asked for by a request, whose answer is collected later, both
/// in the order of the wave.
public protocol DataOwnerSource: AnyObject {
  /// Session set-up.
  func begin(program: Program) throws
  /// Starts the preparation of some inferences.
  func beginBulk(serials: Range<UInt64>) throws
  /// Draws a fresh mask for each inference: of the input, or of an activation's output (in that tensor's ring).
  func masks(step: Int) throws -> [SecretWords]
  /// Bytes that the request of a step takes, in the bulk that was begun; nil where the step takes several turns.
  func requestBytes(step: Int) throws -> Int?
  /// Asks for a linear step. Words of `masks` that its encryption chooses are overwritten.
  func requestLinear(step: Int, masks: [SecretWords]) throws
  /// c = W r - s of every inference, from the masks r of the step's operand.
  func linear(step: Int, masks: [SecretWords]) throws -> [SecretWords]
  /// Asks for an activation step on the known shares c.
  func requestActivation(step: Int, shares: [SecretWords]) throws
  /// OLE on the known shares c, and transfers, for the whole bulk; `receive` is called once an inference, in order.
  func activation(
    step: Int, shares: [SecretWords], masks: [SecretWords],
    receive: (Int, consuming DataOwnerActivationMaterial) -> Void) throws
  /// Draws fresh masks of a run of comparisons before its step's last, one word a result.
  func masks(step: Int, stage: Int, count: Int, modulus: ModulusKind) throws -> [SecretWords]
  /// Material of one run of comparisons for the whole bulk, from its known shares of what is compared and of the multiplexer's
  /// operand, and from what is to be added to y1; `receive` is called once an inference, in order.
  func comparison(
    step: Int, stage: Int, of shape: ComparisonStage, compared: [SecretWords], operands: [SecretWords],
    offsets: [SecretWords], receive: (Int, consuming DataOwnerComparisonMaterial) -> Void) throws
  /// Ends the bulk.
  func endBulk() throws
  /// Ends the use of this source.
  func end()
}

/// Bounds on bulks.
public enum BulkLimits {
  /// Inferences that may be prepared in one bulk.
  public static let maximumInferences = 1024
  /// Words that one tensor of a bulk, all its inferences together, or the scratch of one linear step may take: 1 GiB.
  public static let maximumWords = 1 << 27

  /// Checks the size of a bulk announced by a peer.
  /// - Throws: ``CorrelationError/invalidBulk(count:limit:)``
  public static func check(_ count: Int) throws {
    guard (1...maximumInferences).contains(count) else {
      throw CorrelationError.invalidBulk(count: count, limit: maximumInferences)
    }
  }

  /// Checks the size of a bulk of one program, before anything is allocated for it.
  /// - Throws: ``CorrelationError/invalidBulk(count:limit:)``
  static func check(_ count: Int, of program: Program) throws {
    let limit = maximum(for: program)
    guard (1...limit).contains(count) else { throw CorrelationError.invalidBulk(count: count, limit: limit) }
  }

  /// Inferences of a program that fit into one bulk, by ``maximumInferences`` and ``maximumWords``; at least 1.
  ///
  /// - Parameter program: validated, so that no product overflows.
  public static func maximum(for program: Program) -> Int {
    let largest = program.steps.enumerated().reduce(1) { largest, place in
      let (index, step) = place
      if let stages = program.comparisonStages(index) {
        // Pads are the largest part of a comparison's material.
        return stages.reduce(largest) { max($0, $1.count * (1 + $1.padPlanes / 64)) }
      }
      guard case .linear(let geometry) = step.operation else { return max(largest, step.tensor.shape.count) }
      // A band of the unrolled input is at least one output row high, and is held for every inference of the bulk.
      let taps = geometry.inChannels / geometry.groups * geometry.kernelHeight * geometry.kernelWidth
      return max(largest, step.tensor.shape.count, taps * geometry.outWidth)
    }
    return max(1, min(maximumInferences, maximumWords / largest))
  }
}
