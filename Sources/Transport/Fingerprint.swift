public import Randomness

extension Digest32 {
  /// Reads a certificate's fingerprint: 64 hexadecimal digits, with or without the prefix `sha256:`, with or without
  /// colons between the bytes.
  /// - Throws: ``TransportError/malformedFingerprint(text:)``.
  public init(fingerprint text: String) throws {
    var digits = text.filter { !$0.isWhitespace }.lowercased()
    if digits.hasPrefix("sha256:") { digits.removeFirst("sha256:".count) }
    guard let digest = Digest32(hex: digits.filter { $0 != ":" }) else {
      throw TransportError.malformedFingerprint(text: text)
    }
    self = digest
  }

  /// `sha256:` and 64 lowercase hexadecimal digits: how fingerprints are printed.
  public var fingerprintText: String { "sha256:\(hex)" }
}
