public import Programs
public import Rings

/// What a party holds of the secret integers with which a ReLU takes up a normalisation g x + h, per channel: all of them the
/// model owner, shares of them the servers of an outsourced run.
public struct NormalizationShare: Sendable {
  /// What is added to the operand before bits are dropped: a word of Z_2^64 a channel.
  public let threshold: SecretWords
  /// Whether the comparison's bit is turned: a bit a channel, 64 a word. Bits beyond the last channel mean nothing.
  public let flips: SecretWords
  /// What is added to the result: a reduced word of its ring a channel.
  public let offset: SecretWords

  /// Collects words of as many channels.
  public init(threshold: SecretWords, flips: SecretWords, offset: SecretWords) {
    precondition(threshold.count == offset.count && flips.count == Self.flipWords(channels: threshold.count))
    (self.threshold, self.flips, self.offset) = (threshold, flips, offset)
  }

  /// All of it.
  ///
  /// - Parameters:
  ///   - threshold: an integer a channel at the operand's scale, before bits are dropped.
  ///   - flips: whether g is negative, a channel.
  ///   - offset: an integer a channel at the result's scale.
  ///   - modulus: the result's ring.
  public init(threshold: [Int64], flips: [Bool], offset: [Int64], modulus: ModulusKind) {
    precondition(flips.count == threshold.count)
    let bits = SecretWords(zeros: Self.flipWords(channels: flips.count))
    for (channel, flip) in flips.enumerated() { bits.pointer[channel / 64] |= (flip ? 1 : 0) << UInt64(channel % 64) }
    self.init(
      threshold: SecretWords(signed: threshold, .word), flips: bits, offset: SecretWords(signed: offset, modulus))
  }

  /// Words that hold a bit a channel.
  public static func flipWords(channels: Int) -> Int { (channels + 63) / 64 }
}

/// A party's part of a normalisation that a ReLU takes up: it compares `z + threshold`, keeps it where that times g is not
/// negative, and adds a constant.
///
/// All of it is done on the model owner's share and on its half of the comparison's bit (Protocols/comparison/spec.md,
/// "Normalisation"), or by each of two servers on its own (Protocols/outsourced/spec.md): nothing that is sent changes its
/// distribution.
public struct ComparisonNormalization: Sendable {
  private let share: NormalizationShare
  private let area: Int
  private let modulus: ModulusKind
  /// Where this party turns its half of the bit: a bit an element of one sample, packed.
  public let flips: SecretBytes

  /// - Parameters:
  ///   - tensor: the step's.
  ///   - share: words of its channels.
  public init(tensor: TensorInfo, share: NormalizationShare) {
    precondition(share.threshold.count == tensor.shape.channels)
    self.share = share
    modulus = tensor.modulus
    let area = tensor.shape.height * tensor.shape.width
    self.area = area
    flips = SecretBytes(zeros: (tensor.shape.count + 7) / 8)
    let (bits, packed) = (share.flips.pointer, flips.pointer)
    for index in 0..<tensor.shape.count {
      let channel = index / area
      let bit = UInt8(truncatingIfNeeded: bits[channel / 64] >> UInt64(channel % 64)) & 1
      packed[index / 8] |= bit << UInt8(index % 8)
    }
  }

  /// The model owner's: all of it. Parameters as ``NormalizationShare/init(threshold:flips:offset:modulus:)``.
  public init(tensor: TensorInfo, threshold: [Int64], flips: [Bool], offset: [Int64]) {
    self.init(
      tensor: tensor,
      share: NormalizationShare(threshold: threshold, flips: flips, offset: offset, modulus: tensor.modulus))
  }

  /// Shares of `x + threshold` in Z_2^64.
  public func shifted(_ operands: [SecretWords]) -> [SecretWords] {
    operands.map { operand in
      let out = SecretWords(uninitialized: operand.count)
      let (from, to, threshold) = (operand.pointer, out.pointer, share.threshold.pointer)
      for channel in 0..<share.threshold.count {
        let value = threshold[channel]
        for index in channel * area..<(channel + 1) * area { to[index] = from[index] &+ value }
      }
      return out
    }
  }

  /// Adds the constant, in the result's ring.
  public func addOffset(to results: [SecretWords]) {
    for result in results {
      switch modulus {
      case .field: add(PrimeField.self, to: result)
      case .word: add(Word64.self, to: result)
      }
    }
  }

  private func add<M: Modulus>(_ modulus: M.Type, to result: SecretWords) {
    let (words, offset) = (result.pointer, share.offset.pointer)
    for channel in 0..<share.offset.count {
      let value = offset[channel]
      for index in channel * area..<(channel + 1) * area { words[index] = M.add(words[index], value) }
    }
  }
}

extension SecretWords {
  /// Signed integers as reduced words of a ring.
  public convenience init(signed values: [Int64], _ modulus: ModulusKind) {
    self.init(uninitialized: values.count)
    let words = pointer
    switch modulus {
    case .field: for (index, value) in values.enumerated() { words[index] = PrimeField.reduce(signed: value) }
    case .word: for (index, value) in values.enumerated() { words[index] = Word64.reduce(signed: value) }
    }
  }
}
