internal import CKernels

/// Parameters of the silent extension: regular noise, one position in each of `trees` intervals of 2^depth.
///
/// SECURITY: t = 1170 noisy positions among n = 2,396,160 samples of a secret of k = 2^17 bits, a local code of ten entries a row; the
/// set that emp-ot has used since 2026. ``NoiseSecurity`` computes what the published attacks cost, and a test holds it above 128 bits.
/// AGREEMENT: `group`.
enum SilentParameters {
  static let trees = 1170
  static let depth = 11
  static let logSecret = 17
  /// Nonzero entries of a row of the code.
  static let weight = Int(CK_CODE_WEIGHT)
  /// Trees whose level sums travel in one frame.
  static let group = 10

  static let leaves = 1 << depth
  static let secret = 1 << logSecret
  /// Transfers that a round makes.
  static let outputs = trees * leaves
  /// Transfers that a round takes: the secret, and one a level of a tree.
  static let reserve = secret + trees * depth
  /// What a round leaves for use, having set aside the next one's.
  static let usable = outputs - reserve
  /// Bytes of a frame. Level one needs none: its nodes are K_1 and K_1 ^ D.
  static let frameBytes = group * (depth - 1) * 16
  /// Method of the transfers of the first round.
  static let bootstrap = 8
}
