public import Rings
public import Transport

/// A linear step between two servers that hold shares of weights and operand.
///
/// Protocols/outsourced/spec.md. Security: semi-honest; r~ masks what server 1 sees, gamma what server 0 sees.
public enum OutsourcedLinear {
  /// Server 0's side.
  ///
  /// - Parameters:
  ///   - operands: x0 of each sample.
  ///   - opening: r~ of each sample, where no linear step has opened this tensor before; else nil.
  ///   - masks: s + c~ of each sample.
  /// - Returns: z0 of each sample.
  /// - Throws: `TransportError`, ``TwoPartyError``
  public static func server0(
    _ step: LinearOperator, operands: [SecretWords], operandModulus: ModulusKind, opening: [SecretWords]?,
    masks: [SecretWords], workspace: LinearWorkspace, channel: FramedChannel
  ) throws -> [SecretWords] {
    if let opening {
      let opened = zip(operands, opening).map { operand, mask in
        let words = SecretWords(uninitialized: operand.count)
        Elementwise.subtract(operandModulus, operand.pointer, mask.pointer, count: words.count, output: words.pointer)
        return words
      }
      try channel.sendWords(.linearOpen, opened)
    }
    // Both servers multiply at once.
    let results = step.apply(operands, masks: masks, workspace: workspace)
    let answers = try channel.receiveWords(
      .linearAnswer, batch: results.count, count: step.outputCount, modulus: step.modulus, message: "linear answer")
    for (result, answer) in zip(results, answers) {
      Elementwise.add(step.modulus, result.pointer, answer.pointer, count: result.count, output: result.pointer)
    }
    return results
  }

  /// Takes what server 0 opens of a tensor.
  ///
  /// - Parameter shares: r of each sample, this server's share.
  /// - Returns: r + o of each sample.
  /// - Throws: `TransportError`, ``TwoPartyError``
  public static func receiveOpening(_ shares: [SecretWords], modulus: ModulusKind, channel: FramedChannel) throws
    -> [SecretWords]
  {
    let opened = try channel.receiveWords(
      .linearOpen, batch: shares.count, count: shares[0].count, modulus: modulus, message: "linear opening")
    for (words, share) in zip(opened, shares) {
      Elementwise.add(modulus, words.pointer, share.pointer, count: words.count, output: words.pointer)
    }
    return opened
  }

  /// Server 1's side. Its share of the result is gamma, which is in the masks.
  ///
  /// - Parameters:
  ///   - operands: r + o of each sample.
  ///   - masks: s~ + c - gamma of each sample.
  /// - Throws: `TransportError`
  public static func server1(
    _ step: LinearOperator, operands: [SecretWords], masks: [SecretWords], workspace: LinearWorkspace,
    channel: FramedChannel
  ) throws {
    try channel.sendWords(.linearAnswer, step.apply(operands, masks: masks, workspace: workspace))
  }
}
