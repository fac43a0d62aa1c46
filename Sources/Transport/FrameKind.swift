/// What a frame carries. Modules declare their own kinds; the numbers are agreement between the parties.
///
/// Transport itself uses 1 to 15. Others take 16 and above, each module its own block of 256 or less.
public struct FrameKind: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  /// The number on the wire.
  public let rawValue: UInt16

  /// Any number; see the type for who may use which.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The hello of a session, 160 bytes.
  public static let hello = FrameKind(rawValue: 1)
  /// The answer to a hello, 40 bytes: the session number (u64) and the session id.
  public static let helloAccepted = FrameKind(rawValue: 2)

  /// The number.
  public var description: String { "\(rawValue)" }
}

/// The 16 bytes before each payload, little-endian: kind u16, flags u16 (zero), sequence u32, payload length u64.
struct FrameHeader {
  static let byteCount = 16

  var kind: FrameKind
  var flags: UInt16 = 0
  var sequence: UInt32
  var length: UInt64

  func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    let low = UInt64(kind.rawValue) | UInt64(flags) << 16 | UInt64(sequence) << 32
    return try withUnsafeBytes(of: (low.littleEndian, length.littleEndian)) { try body($0) }
  }

  init(kind: FrameKind, sequence: UInt32, length: UInt64) {
    (self.kind, self.sequence, self.length) = (kind, sequence, length)
  }

  /// From 16 bytes.
  init(_ bytes: UnsafeRawBufferPointer) {
    let low = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    kind = FrameKind(rawValue: UInt16(truncatingIfNeeded: low))
    flags = UInt16(truncatingIfNeeded: low >> 16)
    sequence = UInt32(truncatingIfNeeded: low >> 32)
    length = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
  }
}
