internal import CKernels
internal import Randomness
internal import Rings

/// Breaks the correlation: pads H_i(x), tweaked by the transfer's number.
///
/// H_i(x) = E_(salt ^ i)(s(x)) ^ s(x), each number a key of AES: multi-instance tweakable circular correlation robust in the ideal
/// cipher model (Guo, Katz, Wang, Weng and Yu, "Better Concrete Security for Half-Gates Garbling", CRYPTO 2020, hash MiTCCR). With a permutation
/// under one fixed key, as in TMMO (Guo, Katz, Wang and Yu, S&P 2020), a guess of D could be tried on all transfers at once.
struct TransferHash {
  /// Transfers whose pads are made at once.
  static let chunk = 64
  private let salt: NumberedKey
  private let variant: CipherVariant

  init(session: TransferSession, variant: CipherVariant) {
    salt = NumberedKey(session.publicBlock(.transferHash))
    self.variant = variant
  }

  /// Pads of `count` blocks under the numbers from `first` on, for each of `variants` offsets that are added before.
  ///
  /// - Parameter body: given the place of the first transfer, how many there are, and pads: that of transfer i and
  ///   offset v at block v chunk + i.
  func pads(
    first: UInt64, _ blocks: UnsafePointer<UInt64>, count: Int, offsets: SecretWords,
    body: (_ start: Int, _ count: Int, _ pads: UnsafeMutablePointer<UInt64>) -> Void
  ) {
    let variants = offsets.count / 2
    let pads = SecretWords(uninitialized: 2 * variants * Self.chunk)
    salt.withWords { salt in
      for start in stride(from: 0, to: count, by: Self.chunk) {
        let size = min(Self.chunk, count - start)
        ck_transfer_hash(
          variant.kernel, salt, first + UInt64(start), size, blocks + 2 * start, offsets.pointer, variants,
          pads.pointer,
          Self.chunk)
        body(start, size, pads.pointer)
      }
    }
  }

  /// phi(j) D for j < 2^m, phi(j) the polynomial with the bits of j, in GF(2^128).
  static func multiples(of offset: SecretWords, m: Int) -> SecretWords {
    let powers = SecretWords(zeros: 2 * m)
    let shifted = SecretWords(zeros: 16)
    for power in 0..<m {
      for word in 0..<16 { shifted.pointer[word] = 0 }
      shifted.pointer[2 * power] = offset.pointer[0]
      shifted.pointer[2 * power + 1] = offset.pointer[1]
      ck_transfer_combine(shifted.pointer, 1, UInt32(power + 1), powers.pointer + 2 * power)
    }
    let out = SecretWords(zeros: 2 << m)
    for entry in 0..<1 << m {
      for power in 0..<m where entry >> power & 1 == 1 {
        out.pointer[2 * entry] ^= powers.pointer[2 * power]
        out.pointer[2 * entry + 1] ^= powers.pointer[2 * power + 1]
      }
    }
    return out
  }
}
