/// 32 bytes of a SHA-256 digest. Public data; coded and printed as 64 lowercase hexadecimal digits.
public struct Digest32: Hashable, Sendable, Codable, CustomStringConvertible {
  private var first: UInt64
  private var second: UInt64
  private var third: UInt64
  private var fourth: UInt64

  /// 32 zero bytes: "none" where a digest is optional on the wire.
  public static let zero = Digest32(filledBy: { _ in })

  /// - Returns: nil unless there are exactly 32 bytes.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 32 else { return nil }
    self.init { $0.copyBytes(from: bytes) }
  }

  /// 64 hexadecimal digits of either case; nil otherwise.
  public init?(hex: some StringProtocol) {
    let digits = Array(hex.utf8)
    guard digits.count == 64 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: 64, by: 2) {
      guard let high = Self.value(digits[index]), let low = Self.value(digits[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    self.init(bytes: bytes)
  }

  private init(filledBy fill: (UnsafeMutableRawBufferPointer) -> Void) {
    (first, second, third, fourth) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &self) { fill($0) }
  }

  /// The 32 bytes in order.
  public var bytes: [UInt8] { Swift.withUnsafeBytes(of: self) { Array($0) } }

  /// 64 lowercase hexadecimal digits.
  public var description: String { hex }

  /// 64 lowercase hexadecimal digits.
  public var hex: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// Reads the 64 digits.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let value = Digest32(hex: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "a digest is 64 hexadecimal digits")
    }
    self = value
  }

  /// Writes the 64 digits.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(hex)
  }

  /// SHA-256 of the parts, one after the other and without separators: give lengths where the parts vary.
  public static func sha256(_ parts: [UInt8]...) -> Digest32 {
    let hash = SHA256()
    for part in parts { hash.update(part) }
    return hash.digest()
  }

  /// SHA-256 of raw memory.
  public static func sha256(_ bytes: UnsafeRawBufferPointer) -> Digest32 {
    let hash = SHA256()
    hash.update(bytes)
    return hash.digest()
  }

  private static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
