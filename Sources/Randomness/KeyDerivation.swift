import COpenSSL

/// HKDF-SHA256 (RFC 5869): many independent keys from one secret.
public enum KeyDerivation {
  /// A key bound to its session, purpose, layer and serial number.
  ///
  /// The `info` of HKDF is `"polympc key v1"`, then each of context and label with its length before it (u32), layer
  /// (u32), serial (u64) and the output length (u32), all little-endian, so different inputs never encode alike; the salt
  /// is empty. Security: HMAC-SHA256 as a pseudorandom function.
  /// - Parameters:
  ///   - secret: at least 16 bytes of entropy.
  ///   - context: public; the session id, where there is one.
  ///   - length: bytes, 1 to 8160.
  public static func derive(
    secret: SecretKey, context: [UInt8], purpose: Purpose, layer: UInt32, serial: UInt64, length: Int = 16
  ) -> SecretKey {
    var info = Array("polympc key v1".utf8)
    let label = Array(purpose.label.utf8)
    info.appendLittleEndian(UInt32(context.count))
    info += context
    info.appendLittleEndian(UInt32(label.count))
    info += label
    info.appendLittleEndian(layer)
    info.appendLittleEndian(serial)
    info.appendLittleEndian(UInt32(length))
    return hkdf(secret: secret, salt: [], info: info, length: length)
  }

  /// HKDF-SHA256 as in RFC 5869, extract then expand.
  public static func hkdf(secret: SecretKey, salt: [UInt8], info: [UInt8], length: Int) -> SecretKey {
    precondition((1...255 * 32).contains(length), "HKDF-SHA256 gives 1 to 8160 bytes, not \(length)")
    return SecretKey(count: length) { out in
      let result = secret.withUnsafeBytes { key in
        copenssl_hkdf_sha256(
          key.bindMemory(to: UInt8.self).baseAddress, key.count, salt, salt.count, info, info.count,
          out.bindMemory(to: UInt8.self).baseAddress, out.count)
      }
      precondition(result == 1, "OpenSSL refused HKDF-SHA256")
    }
  }
}

extension [UInt8] {
  /// Appends the bytes of an integer, least significant first.
  mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
}
