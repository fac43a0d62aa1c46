import COpenSSL

/// SHA-256 (FIPS 180-4) fed piece by piece.
public final class SHA256 {
  private let context: OpaquePointer

  /// The digest of nothing, so far.
  public init() {
    guard let context = EVP_MD_CTX_new() else { fatalError("OpenSSL could not allocate a digest context") }
    self.context = context
    precondition(EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1, "OpenSSL refused SHA-256")
  }

  private init(copying other: SHA256) {
    guard let context = EVP_MD_CTX_new() else { fatalError("OpenSSL could not allocate a digest context") }
    self.context = context
    precondition(EVP_MD_CTX_copy_ex(context, other.context) == 1, "OpenSSL could not copy a digest")
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Feeds raw memory.
  public func update(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0 else { return }
    precondition(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1, "OpenSSL stopped in SHA-256")
  }

  /// Feeds an array.
  public func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  /// The digest of everything fed so far; more may follow.
  public func digest() -> Digest32 {
    let copy = SHA256(copying: self)
    var bytes = [UInt8](repeating: 0, count: 32)
    precondition(EVP_DigestFinal_ex(copy.context, &bytes, nil) == 1, "OpenSSL stopped in SHA-256")
    return Digest32(bytes: bytes)!
  }
}
