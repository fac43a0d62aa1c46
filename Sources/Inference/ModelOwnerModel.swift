public import Correlations
public import Programs
import Randomness
import Rings
public import TwoParty

/// What went wrong in a session.
public enum InferenceError: Error, CustomStringConvertible, Equatable {
  /// A model that does not fit its program.
  case modelDoesNotFit(step: Int, reason: String)
  /// A batch of an unacceptable size.
  case invalidBatch(count: Int, limit: Int)
  /// An input of the wrong size.
  case wrongInputSize(sample: Int, found: Int, expected: Int)
  /// More material than this session may hold.
  case storeFull(asked: Int, held: Int, limit: Int)
  /// The session ended before.
  case sessionEnded
  /// Outsourced: server 0 has no share of the input under the query's name.
  case shareMissing

  /// A sentence for people.
  public var description: String {
    switch self {
    case .modelDoesNotFit(let step, let reason): "The model does not fit step \(step) of its program: \(reason)."
    case .invalidBatch(let count, let limit):
      "A batch of \(count) samples was asked for, and a query carries between 1 and \(limit)."
    case .wrongInputSize(let sample, let found, let expected):
      "Sample \(sample) of the batch has \(found) values, and the network takes \(expected)."
    case .storeFull(let asked, let held, let limit):
      "\(asked) more inferences were to be prepared while \(held) are held, and a session holds \(limit) at most."
    case .sessionEnded: "This session has ended; open a new one."
    case .shareMissing:
      "The other server holds no share of this query's input: the client gives it its share first, and asks again."
    }
  }
}

/// Weights and bias of one linear step, quantized.
public struct LinearParameters: Sendable {
  /// Weights, OIHW, |w| < 2^17.
  public var weights: [Int32]
  /// One integer an output channel, at the scale of the step's result.
  public var bias: [Int64]

  /// Collects them.
  public init(weights: [Int32], bias: [Int64]) {
    self.weights = weights
    self.bias = bias
  }
}

/// A model as the model owner computes with it: the public program, and its secret integers.
public final class ModelOwnerModel: WeightProvider, Sendable {
  /// The public program.
  public let program: Program
  /// Names these very quantized weights; salted, so that it tells nothing of them.
  public let weightsDigest: [UInt8]
  let linear: [Int: LinearOperator]
  let activations: [Int: ActivationCoefficients]
  /// What ReLUs take up of normalisations.
  let normalizations: [Int: ComparisonNormalization]
  /// Constants of each offset step, in its ring.
  let offsets: [Int: SecretWords]
  /// Runs of each step of comparisons.
  let comparisons: [Int: ComparisonSchedule]
  private let weights: Weights

  private enum Weights: Sendable {
    case quantized([Int: [Int32]])
    case share(ServerShare)
  }

  /// Packs the weights for the kernels.
  ///
  /// - Parameters:
  ///   - linear: by index of linear step.
  ///   - activations: by index of activation step.
  ///   - normalizations: by index of those steps of comparisons that take one up.
  ///   - offsets: by index of offset step, one integer an element.
  ///   - salt: 32 secret bytes that go with the model.
  /// - Throws: ``InferenceError/modelDoesNotFit(step:reason:)``, `ProgramError`
  public init(
    program: Program, linear: [Int: LinearParameters], activations: [Int: ActivationCoefficients],
    normalizations: [Int: ComparisonNormalization] = [:],
    offsets: [Int: [Int64]] = [:], salt: [UInt8]
  ) throws {
    try program.validate()
    guard program.deployment == .owned else {
      throw InferenceError.modelDoesNotFit(step: 0, reason: "it is a program for shares of a model")
    }
    self.program = program
    let hash = SHA256()
    hash.update(Array("polympc quantized weights v1".utf8))
    hash.update(salt)
    var operators: [Int: LinearOperator] = [:]
    var kept: [Int: [Int32]] = [:]
    for index in program.linearSteps {
      guard case .linear(let geometry) = program.steps[index].operation, let parameters = linear[index],
        parameters.weights.count == geometry.weightCount, parameters.bias.count == geometry.outChannels
      else {
        throw InferenceError.modelDoesNotFit(
          step: index, reason: "its weights or biases are missing or of another size")
      }
      operators[index] = LinearOperator(
        modulus: program.steps[index].tensor.modulus,
        weights: try PackedWeights(geometry: geometry, weights: parameters.weights), bias: parameters.bias)
      kept[index] = parameters.weights
      parameters.weights.withUnsafeBytes { hash.update($0) }
    }
    for index in program.activationSteps {
      let channels = program.steps[index].tensor.shape.channels
      guard let count = activations[index]?.k.count, count == 1 || count == channels else {
        throw InferenceError.modelDoesNotFit(step: index, reason: "its coefficients are missing or of another number")
      }
    }
    for index in normalizations.keys {
      guard program.steps.indices.contains(index), case .comparison(let spec) = program.steps[index].operation,
        spec.function == .relu
      else { throw InferenceError.modelDoesNotFit(step: index, reason: "only a ReLU takes up a normalisation") }
    }
    self.linear = operators
    self.activations = activations
    self.normalizations = normalizations
    self.offsets = try Dictionary(
      uniqueKeysWithValues: program.offsetSteps.map { index in
        let tensor = program.steps[index].tensor
        guard let values = offsets[index], values.count == tensor.shape.count else {
          throw InferenceError.modelDoesNotFit(step: index, reason: "its constants are missing or of another number")
        }
        return (index, SecretWords(signed: values, tensor.modulus))
      })
    comparisons = program.comparisonSchedules
    weights = .quantized(kept)
    weightsDigest = hash.digest().bytes
  }

  /// Takes a server's share of a model: server 0 computes with it as a model owner does with a model.
  public init(_ share: ServerShare) {
    program = share.program
    linear = share.linearOperators
    offsets = share.offsets
    activations = share.activations.mapValues { ActivationCoefficients(kappa: $0.kappa, constant: $0.constant) }
    normalizations = share.comparisonNormalizations
    comparisons = program.comparisonSchedules
    weights = .share(share)
    weightsDigest = share.weightsDigest
  }

  /// Lends the weights of a linear step.
  public func withWeights<R>(ofStep step: Int, _ body: (LayerWeights) throws -> R) rethrows -> R {
    switch weights {
    case .quantized(let weights): try weights[step]!.withUnsafeBufferPointer { try body(.quantized($0)) }
    case .share(let share): try share.withWeights(ofStep: step, body)
    }
  }
}
