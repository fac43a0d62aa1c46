public import Rings

/// A linear step at one party, without any message: z0 = W (x - r) + s + b.
///
/// Protocols/linear/spec.md. The data owner's share c = W r - s is part of its material. Outsourced
/// (Protocols/outsourced/spec.md), each server applies its share of W and b to words of its own.
public struct LinearOperator: Sendable {
  private enum Weights: Sendable {
    case quantized(PackedWeights)
    case share(LinearGeometry, SecretWords)
  }

  /// The ring of weights, operand and result.
  public let modulus: ModulusKind
  private let weights: Weights
  private let bias: SecretWords

  /// - Parameters:
  ///   - weights: quantized weights, packed.
  ///   - bias: one signed integer an output channel, at the result's scale.
  public init(modulus: ModulusKind, weights: PackedWeights, bias: [Int64]) {
    precondition(bias.count == weights.geometry.outChannels)
    self.modulus = modulus
    self.weights = .quantized(weights)
    let words = SecretWords(uninitialized: bias.count)
    for (index, value) in bias.enumerated() {
      words.pointer[index] = modulus == .field ? PrimeField.reduce(signed: value) : Word64.reduce(signed: value)
    }
    self.bias = words
  }

  /// - Parameters:
  ///   - weights: a share of the weights, OIHW, reduced words.
  ///   - bias: a share of the biases, one reduced word an output channel.
  public init(modulus: ModulusKind, geometry: LinearGeometry, weights: SecretWords, bias: SecretWords) {
    precondition(weights.count == geometry.weightCount && bias.count == geometry.outChannels)
    self.modulus = modulus
    self.weights = .share(geometry, weights)
    self.bias = bias
  }

  private var geometry: LinearGeometry {
    switch weights {
    case .quantized(let packed): packed.geometry
    case .share(let geometry, _): geometry
    }
  }

  /// Elements of a result.
  public var outputCount: Int { geometry.outputShape.count }

  /// Applies the step to shares of a batch.
  ///
  /// - Parameters:
  ///   - inputs: x - r of each sample, CHW.
  ///   - masks: s of each sample, one word an output.
  /// - Returns: z0 of each sample.
  public func apply(_ inputs: [SecretWords], masks: [SecretWords], workspace: LinearWorkspace) -> [SecretWords] {
    switch modulus {
    case .field: apply(PrimeField.self, inputs, masks, workspace)
    case .word: apply(Word64.self, inputs, masks, workspace)
    }
  }

  private func apply<M: Modulus>(
    _ ring: M.Type, _ inputs: [SecretWords], _ masks: [SecretWords], _ workspace: LinearWorkspace
  ) -> [SecretWords] {
    precondition(inputs.count == masks.count)
    let results = inputs.map { input in
      precondition(input.count == geometry.inputShape.count)
      return SecretWords(uninitialized: outputCount)
    }
    switch weights {
    case .quantized(let packed):
      for (input, result) in zip(inputs, results) {
        LinearMap.apply(
          ring, weights: packed, input: UnsafePointer(input.pointer), output: result.pointer, workspace: workspace)
      }
    case .share(let geometry, let words):
      LinearMap.applyFull(
        ring, geometry: geometry, weights: words, inputs: inputs, outputs: results, workspace: workspace)
    }
    for (result, mask) in zip(results, masks) { add(ring, mask, to: result) }
    return results
  }

  /// result += mask + bias.
  private func add<M: Modulus>(_ ring: M.Type, _ mask: SecretWords, to result: SecretWords) {
    precondition(mask.count == outputCount)
    let plane = outputCount / bias.count
    let constants = bias.pointer
    for channel in 0..<bias.count {
      let constant = constants[channel]
      let words = result.pointer + channel * plane
      let masks = mask.pointer + channel * plane
      for index in 0..<plane { words[index] = M.add(words[index], M.add(masks[index], constant)) }
    }
  }
}
