public import Rings

/// A linear step at the model owner, without any message: z0 = W (x - r) + s + b.
///
/// Protocols/linear/spec.md. The data owner's share c = W r - s is part of its material.
public struct LinearOperator: Sendable {
  /// The ring of weights, operand and result.
  public let modulus: ModulusKind
  private let weights: PackedWeights
  private let bias: [UInt64]

  /// - Parameters:
  ///   - weights: quantized weights, packed.
  ///   - bias: one signed integer an output channel, at the result's scale.
  public init(modulus: ModulusKind, weights: PackedWeights, bias: [Int64]) {
    precondition(bias.count == weights.geometry.outChannels)
    self.modulus = modulus
    self.weights = weights
    self.bias = bias.map { modulus == .field ? PrimeField.reduce(signed: $0) : Word64.reduce(signed: $0) }
  }

  /// Elements of a result.
  public var outputCount: Int { weights.geometry.outputShape.count }

  /// Applies the step to one sample's share.
  ///
  /// - Parameters:
  ///   - input: x - r, CHW.
  ///   - mask: s, one word an output; spent here, its memory takes the result.
  /// - Returns: z0.
  public func apply(_ input: SecretWords, mask: SecretWords, workspace: LinearWorkspace) -> SecretWords {
    switch modulus {
    case .field: apply(PrimeField.self, input, mask, workspace)
    case .word: apply(Word64.self, input, mask, workspace)
    }
  }

  private func apply<M: Modulus>(
    _ ring: M.Type, _ input: SecretWords, _ mask: SecretWords, _ workspace: LinearWorkspace
  ) -> SecretWords {
    precondition(input.count == weights.geometry.inputShape.count && mask.count == outputCount)
    let result = SecretWords(uninitialized: outputCount)
    LinearMap.apply(
      ring, weights: weights, input: UnsafePointer(input.pointer), output: result.pointer, workspace: workspace)
    let plane = weights.geometry.outHeight * weights.geometry.outWidth
    for channel in 0..<bias.count {
      let constant = bias[channel]
      let words = result.pointer + channel * plane
      let masks = mask.pointer + channel * plane
      for index in 0..<plane { words[index] = M.add(words[index], M.add(masks[index], constant)) }
    }
    return result
  }
}
