public import Correlations
public import Programs
public import Randomness
public import Rings
import TwoParty

/// A server's share of a model for the outsourced mode: uniform words, which alone tell nothing of the model.
///
/// Protocols/outsourced/spec.md. The other share belongs to the other server; whoever has both has the model.
public final class ServerShare: WeightProvider, Sendable {
  /// 0 or 1.
  public let server: Int
  /// The public program, `outsourced`.
  public let program: Program
  /// Names the sharing: drawn when the model was shared, the same in both shares.
  public let name: Digest32
  let weights: [Int: SecretWords]
  let biases: [Int: SecretWords]
  let activations: [Int: ActivationShare]
  /// Of every ReLU.
  let normalizations: [Int: NormalizationShare]
  /// Of constants per element, by offset step.
  public let offsets: [Int: SecretWords]

  init(server: Int, program: Program, name: Digest32, words: ServerShareWords) {
    (self.server, self.program, self.name) = (server, program, name)
    (weights, biases, activations) = (words.weights, words.biases, words.activations)
    (normalizations, offsets) = (words.normalizations, words.offsets)
  }

  /// Names this share's weights for a dealer. Of the words themselves nothing is in it.
  public var weightsDigest: [UInt8] {
    Digest32.sha256(Array("polympc weight share v1".utf8), name.bytes, [UInt8(server)]).bytes
  }

  /// Lends the share of a linear step's weights.
  public func withWeights<R>(ofStep step: Int, _ body: (LayerWeights) throws -> R) rethrows -> R {
    let words = weights[step]!
    return try withExtendedLifetime(words) { try body(.share(UnsafeBufferPointer(words.buffer))) }
  }

  /// What this server multiplies with, by linear step.
  var linearOperators: [Int: LinearOperator] {
    Dictionary(
      uniqueKeysWithValues: program.linearSteps.map { index in
        guard case .linear(let geometry) = program.steps[index].operation else { preconditionFailure("not linear") }
        return (
          index,
          LinearOperator(
            modulus: program.steps[index].tensor.modulus, geometry: geometry, weights: weights[index]!,
            bias: biases[index]!)
        )
      })
  }

  /// This server's part of what ReLUs take up.
  var comparisonNormalizations: [Int: ComparisonNormalization] {
    var result: [Int: ComparisonNormalization] = [:]
    for (index, share) in normalizations {
      result[index] = ComparisonNormalization(tensor: program.steps[index].tensor, share: share)
    }
    return result
  }

  /// Shares a model between two servers.
  ///
  /// - Parameters:
  ///   - program: of either deployment.
  ///   - activations: k and a0 of each activation step, one for all channels or one a channel.
  ///   - normalizations: what ReLUs take up, by step; those that are absent take up nothing, which the shares do not tell.
  ///   - offsets: by index of offset step, one integer an element.
  ///   - randomness: the operating system's in products; injected in tests.
  /// - Throws: ``InferenceError/modelDoesNotFit(step:reason:)``, `ProgramError`
  public static func split(
    program: Program, linear: [Int: LinearParameters], activations: [Int: (k: [Int64], constant: [Int64])],
    normalizations: [Int: NormalizationParameters] = [:], offsets: [Int: [Int64]] = [:],
    randomness: any RandomByteSource = SystemRandom()
  ) throws -> (ServerShare, ServerShare) {
    var program = program
    program.deployment = .outsourced
    try program.validate()
    let name = Digest32(bytes: randomness.bytes(32))!
    var sharing = Sharing(stream: StreamGenerator(key: SecretKey(count: 16, from: randomness)))
    for index in program.linearSteps {
      guard case .linear(let geometry) = program.steps[index].operation, let parameters = linear[index],
        parameters.weights.count == geometry.weightCount, parameters.bias.count == geometry.outChannels
      else {
        throw InferenceError.modelDoesNotFit(
          step: index, reason: "its weights or biases are missing or of another size")
      }
      sharing.add(index, program.steps[index].tensor.modulus, parameters)
    }
    for index in program.activationSteps {
      let channels = program.steps[index].tensor.shape.channels
      guard let own = activations[index], own.k.count == own.constant.count, own.k.count == 1 || own.k.count == channels
      else {
        throw InferenceError.modelDoesNotFit(step: index, reason: "its coefficients are missing or of another number")
      }
      sharing.add(index, own.k, own.constant)
    }
    let relus = program.reluSteps
    if let other = normalizations.keys.sorted().first(where: { !relus.contains($0) }) {
      throw InferenceError.modelDoesNotFit(step: other, reason: "only a ReLU takes up a normalisation")
    }
    for index in relus {
      let tensor = program.steps[index].tensor
      let own = normalizations[index] ?? NormalizationParameters(channels: tensor.shape.channels)
      guard own.channels == tensor.shape.channels else {
        throw InferenceError.modelDoesNotFit(step: index, reason: "its normalisation has another number of channels")
      }
      sharing.add(index, tensor.modulus, own)
    }
    for index in program.offsetSteps {
      let tensor = program.steps[index].tensor
      guard let own = offsets[index], own.count == tensor.shape.count else {
        throw InferenceError.modelDoesNotFit(step: index, reason: "its constants are missing or of another number")
      }
      sharing.add(index, tensor.modulus, constants: own)
    }
    let shares = (0..<2).map { ServerShare(server: $0, program: program, name: name, words: sharing.words[$0]) }
    return (shares[0], shares[1])
  }
}

/// What a ReLU takes up of a normalisation, a value a channel: the meaning is that of `NormalizationShare`.
public struct NormalizationParameters: Sendable {
  let threshold: [Int64]
  let flips: [Bool]
  let offset: [Int64]

  /// Collects as many values each.
  public init(threshold: [Int64], flips: [Bool], offset: [Int64]) {
    precondition(threshold.count == flips.count && flips.count == offset.count)
    (self.threshold, self.flips, self.offset) = (threshold, flips, offset)
  }

  /// None.
  init(channels: Int) {
    let zeros = [Int64](repeating: 0, count: channels)
    self.init(threshold: zeros, flips: zeros.map { _ in false }, offset: zeros)
  }

  var channels: Int { threshold.count }
}

/// The words of a share, by step.
struct ServerShareWords {
  var weights: [Int: SecretWords] = [:]
  var biases: [Int: SecretWords] = [:]
  var activations: [Int: ActivationShare] = [:]
  var normalizations: [Int: NormalizationShare] = [:]
  var offsets: [Int: SecretWords] = [:]
}

/// Both shares while they are made.
private struct Sharing {
  let stream: StreamGenerator
  var words = [ServerShareWords(), ServerShareWords()]

  init(stream: StreamGenerator) { self.stream = stream }

  mutating func add(_ step: Int, _ modulus: ModulusKind, _ parameters: LinearParameters) {
    let w = SecretWords(uninitialized: parameters.weights.count)
    let isField = modulus == .field
    for (index, value) in parameters.weights.enumerated() {
      w.pointer[index] = isField ? PrimeField.reduce(signed: Int64(value)) : Word64.reduce(signed: Int64(value))
    }
    let (weights, biases) = (split(w, modulus), split(SecretWords(signed: parameters.bias, modulus), modulus))
    for server in 0..<2 {
      (words[server].weights[step], words[server].biases[step]) = (weights[server], biases[server])
    }
  }

  mutating func add(_ step: Int, _ modulus: ModulusKind, constants: [Int64]) {
    let shares = split(SecretWords(signed: constants, modulus), modulus)
    for server in 0..<2 { words[server].offsets[step] = shares[server] }
  }

  mutating func add(_ step: Int, _ modulus: ModulusKind, _ own: NormalizationParameters) {
    let whole = NormalizationShare(
      threshold: own.threshold, flips: own.flips, offset: own.offset, modulus: modulus)
    let (threshold, offset) = (split(whole.threshold, .word), split(whole.offset, modulus))
    let second = stream.secretWords(.word, count: whole.flips.count)
    for index in 0..<second.count { whole.flips.pointer[index] ^= second.pointer[index] }
    for (server, flips) in [whole.flips, second].enumerated() {
      words[server].normalizations[step] = NormalizationShare(
        threshold: threshold[server], flips: flips, offset: offset[server])
    }
  }

  /// kappa = k / 2 and e = a0 - kappa^2 mod p.
  mutating func add(_ step: Int, _ k: [Int64], _ constant: [Int64]) {
    let (kappas, rests) = (SecretWords(uninitialized: k.count), SecretWords(uninitialized: k.count))
    for index in k.indices {
      // (p + 1) / 2 is the inverse of 2.
      let kappa = PrimeField.multiply(PrimeField.reduce(signed: k[index]), PrimeField.half)
      kappas.pointer[index] = kappa
      rests.pointer[index] = PrimeField.subtract(
        PrimeField.reduce(signed: constant[index]), PrimeField.multiply(kappa, kappa))
    }
    let (kappa, rest) = (split(kappas, .field), split(rests, .field))
    for server in 0..<2 {
      words[server].activations[step] = ActivationShare(kappa: kappa[server], constant: rest[server])
    }
  }

  private func split(_ words: SecretWords, _ modulus: ModulusKind) -> [SecretWords] {
    let second = stream.secretWords(modulus, count: words.count)
    Elementwise.subtract(modulus, words.pointer, second.pointer, count: words.count, output: words.pointer)
    return [words, second]
  }
}
