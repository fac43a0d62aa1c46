internal import CKernels
public import Randomness

/// How AES is computed in transfers. All variants give the same bytes.
public enum CipherVariant: UInt32, Sendable, CaseIterable {
  /// Bit slices in portable C, in constant time.
  case portable = 0
  /// AES-NI.
  case aesNI = 1
  /// VAES on 256-bit vectors.
  case vaes256 = 2
  /// VAES on 512-bit vectors.
  case vaes512 = 3

  /// True where this processor runs the variant.
  public var isAvailable: Bool { ck_aes_available(kernel) }

  /// The widest variant that this processor runs.
  public static var best: CipherVariant { allCases.last(where: \.isAvailable) ?? .portable }

  var kernel: ck_aes { ck_aes(rawValue: rawValue) }
}

/// What both ends of a direction of transfers agree on before they begin.
public struct TransferSession: Sendable {
  /// The session of the two parties; fresh by nonces of both.
  public let id: Digest32
  /// Tells apart the directions, and repeated use, within the session: never give one number twice.
  public let lane: UInt32

  /// Names one direction of transfers in a session.
  public init(id: Digest32, lane: UInt32) { (self.id, self.lane) = (id, lane) }

  /// 16 bytes that everyone can compute, unlike those of any other session, lane and purpose.
  func publicBlock(_ purpose: Purpose) -> SecretKey {
    KeyDerivation.derive(
      secret: SecretKey(bytes: id.bytes), context: id.bytes, purpose: purpose, layer: lane, serial: 0)
  }
}

/// An AES key with a number added to it, so that uses under different numbers are independent permutations.
struct NumberedKey {
  private let base: (UInt64, UInt64)

  init(_ key: SecretKey) {
    base = key.withUnsafeBytes {
      (
        UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)),
        UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      )
    }
  }

  /// Round keys of key xor number.
  func expand(_ number: UInt64, _ variant: CipherVariant, to roundKeys: UnsafeMutablePointer<UInt8>) {
    withUnsafeBytes(of: (base.0 ^ number, base.1)) {
      ck_aes_expand(variant.kernel, $0.bindMemory(to: UInt8.self).baseAddress, 1, roundKeys)
    }
  }

  /// The two words.
  func withWords<Result>(_ body: (UnsafePointer<UInt64>) throws -> Result) rethrows -> Result {
    try withUnsafeBytes(of: base) { try body($0.bindMemory(to: UInt64.self).baseAddress!) }
  }
}

/// All ones where the bit is one, zero where it is zero, for secret bits.
@inline(__always)
func secretMask(_ bit: some FixedWidthInteger) -> UInt64 { 0 &- ck_opaque(UInt64(truncatingIfNeeded: bit)) }

/// Bytes of the round keys of one AES key.
let roundKeyBytes = Int(CK_ROUND_KEY_BYTES)
