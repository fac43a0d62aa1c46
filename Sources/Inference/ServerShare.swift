public import Correlations
public import Programs
public import Randomness
import Rings
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

  init(
    server: Int, program: Program, name: Digest32, weights: [Int: SecretWords], biases: [Int: SecretWords],
    activations: [Int: ActivationShare]
  ) {
    (self.server, self.program, self.name) = (server, program, name)
    (self.weights, self.biases, self.activations) = (weights, biases, activations)
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

  /// Shares a model between two servers.
  ///
  /// - Parameters:
  ///   - program: of either deployment.
  ///   - activations: k and a0 of each activation step, one for all channels or one a channel.
  ///   - randomness: the operating system's in products; injected in tests.
  /// - Throws: ``InferenceError/modelDoesNotFit(step:reason:)``, `ProgramError`
  public static func split(
    program: Program, linear: [Int: LinearParameters], activations: [Int: (k: [Int64], constant: [Int64])],
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
    let shares = (0..<2).map {
      ServerShare(
        server: $0, program: program, name: name, weights: sharing.weights[$0], biases: sharing.biases[$0],
        activations: sharing.activations[$0])
    }
    return (shares[0], shares[1])
  }
}

/// Both shares while they are made.
private struct Sharing {
  let stream: StreamGenerator
  var weights: [[Int: SecretWords]] = [[:], [:]]
  var biases: [[Int: SecretWords]] = [[:], [:]]
  var activations: [[Int: ActivationShare]] = [[:], [:]]

  init(stream: StreamGenerator) { self.stream = stream }

  mutating func add(_ step: Int, _ modulus: ModulusKind, _ parameters: LinearParameters) {
    func word(_ value: Int64) -> UInt64 {
      modulus == .field ? PrimeField.reduce(signed: value) : Word64.reduce(signed: value)
    }
    let (w, b) = (
      SecretWords(uninitialized: parameters.weights.count), SecretWords(uninitialized: parameters.bias.count)
    )
    for (index, value) in parameters.weights.enumerated() { w.pointer[index] = word(Int64(value)) }
    for (index, value) in parameters.bias.enumerated() { b.pointer[index] = word(value) }
    let (weights, biases) = (split(w, modulus), split(b, modulus))
    for server in 0..<2 {
      self.weights[server][step] = weights[server]
      self.biases[server][step] = biases[server]
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
    for server in 0..<2 { activations[server][step] = ActivationShare(kappa: kappa[server], constant: rest[server]) }
  }

  private func split(_ words: SecretWords, _ modulus: ModulusKind) -> [SecretWords] {
    let second = stream.secretWords(modulus, count: words.count)
    Elementwise.subtract(modulus, words.pointer, second.pointer, count: words.count, output: words.pointer)
    return [words, second]
  }
}
