import Programs
public import Rings

/// A server's shares of one X2act: kappa = k / 2 and e = a0 - kappa^2 mod p, one word for all channels or one a channel.
public struct ActivationShare: Sendable {
  /// Share of kappa.
  public let kappa: SecretWords
  /// Share of e.
  public let constant: SecretWords

  /// Collects them.
  public init(kappa: SecretWords, constant: SecretWords) {
    precondition(kappa.count == constant.count && kappa.count > 0)
    (self.kappa, self.constant) = (kappa, constant)
  }
}

/// What server 1 brings to an outsourced preparation, beside its source of the forward run.
public struct ServerOnePreparation {
  /// Source of the reverse run, begun with `Program.reversed` and this server's weights.
  public let reverse: any ModelOwnerSource
  /// Its shares of activations' coefficients, by step.
  public let activations: [Int: ActivationShare]
  /// Its shares of what ReLUs take up, by step.
  public let normalizations: [Int: ComparisonNormalization]
  /// Its shares of constants per element, by offset step.
  public let offsets: [Int: SecretWords]

  /// Collects them.
  public init(
    reverse: any ModelOwnerSource, activations: [Int: ActivationShare],
    normalizations: [Int: ComparisonNormalization], offsets: [Int: SecretWords]
  ) {
    (self.reverse, self.activations) = (reverse, activations)
    (self.normalizations, self.offsets) = (normalizations, offsets)
  }

  /// This server's share of an offset step's tensor.
  func offset(_ share: SecretWords, step: Int, of program: Program) -> SecretWords {
    let (constants, sum) = (offsets[step]!, SecretWords(uninitialized: share.count))
    Elementwise.add(
      program.steps[step].tensor.modulus, share.pointer, constants.pointer, count: share.count, output: sum.pointer)
    return sum
  }

  /// c' = c + kappa1.
  func shift(_ share: SecretWords, step: Int, of program: Program) -> SecretWords {
    let out = SecretWords(uninitialized: share.count)
    Self.add(activations[step]!.kappa, to: share, plane: plane(step, program), out)
    return out
  }

  /// Adds e1, in place.
  func addConstant(to words: SecretWords, step: Int, of program: Program) {
    Self.add(activations[step]!.constant, to: words, plane: plane(step, program), words)
  }

  private func plane(_ step: Int, _ program: Program) -> Int {
    let shape = program.steps[step].tensor.shape
    return shape.height * shape.width
  }

  private static func add(_ constants: SecretWords, to words: SecretWords, plane: Int, _ out: SecretWords) {
    let plane = constants.count == 1 ? words.count : plane
    let (from, to) = (words.pointer, out.pointer)
    for channel in 0..<constants.count {
      let constant = constants.pointer[channel]
      for index in channel * plane..<(channel + 1) * plane { to[index] = PrimeField.add(from[index], constant) }
    }
    withExtendedLifetime((words, constants, out)) {}
  }
}
