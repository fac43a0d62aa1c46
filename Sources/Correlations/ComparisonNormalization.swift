public import Programs
import Rings

/// The model owner's secret integers with which a ReLU takes up a normalisation g x + h: it keeps `z + threshold` where that
/// times g is not negative, and adds a constant.
///
/// All of it is done on the model owner's share and on its half of the comparison's bit (Protocols/comparison/spec.md,
/// "Normalisation"): nothing that is sent changes its distribution.
public struct ComparisonNormalization: Sendable {
  private let threshold, offset: [UInt64]
  private let area: Int
  private let modulus: ModulusKind
  /// Where g is negative: a bit an element of one sample, packed.
  let flips: SecretBytes

  /// - Parameters:
  ///   - tensor: the step's.
  ///   - threshold: an integer a channel at the operand's scale, before bits are dropped.
  ///   - flips: whether g is negative, a channel.
  ///   - offset: an integer a channel at the result's scale.
  public init(tensor: TensorInfo, threshold: [Int64], flips: [Bool], offset: [Int64]) {
    let channels = tensor.shape.channels
    precondition(threshold.count == channels && flips.count == channels && offset.count == channels)
    self.threshold = threshold.map { UInt64(bitPattern: $0) }
    modulus = tensor.modulus
    area = tensor.shape.height * tensor.shape.width
    self.offset =
      switch modulus {
      case .field: offset.map { PrimeField.reduce(signed: $0) }
      case .word: offset.map { UInt64(bitPattern: $0) }
      }
    self.flips = SecretBytes(zeros: (tensor.shape.count + 7) / 8)
    for index in 0..<tensor.shape.count {
      self.flips.pointer[index / 8] |= (flips[index / area] ? 1 : 0) << UInt8(index % 8)
    }
  }

  /// Shares of `x + threshold` in Z_2^64.
  func shifted(_ shares: [SecretWords]) -> [SecretWords] {
    shares.map { share in
      let out = SecretWords(uninitialized: share.count)
      let (from, to) = (share.pointer, out.pointer)
      for (channel, value) in threshold.enumerated() {
        for index in channel * area..<(channel + 1) * area { to[index] = from[index] &+ value }
      }
      return out
    }
  }

  /// Adds the constant, in the result's ring.
  func addOffset(to shares: [SecretWords]) {
    for share in shares {
      switch modulus {
      case .field: add(PrimeField.self, to: share)
      case .word: add(Word64.self, to: share)
      }
    }
  }

  private func add<M: Modulus>(_ modulus: M.Type, to share: SecretWords) {
    let words = share.pointer
    for (channel, value) in offset.enumerated() {
      for index in channel * area..<(channel + 1) * area { words[index] = M.add(words[index], value) }
    }
  }
}
