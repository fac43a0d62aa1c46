import COpenSSL
public import Randomness

/// A daemon's X.509 certificate, signed by itself, with its private key (EC P-256).
///
/// Nobody else vouches for it: a peer pins ``fingerprint``, which the operators exchange over a path that they trust. Names
/// and dates in a pinned certificate are not checked, for the pin says it all.
public struct Identity: Sendable {
  /// SHA-256 of the certificate in DER form.
  public let fingerprint: Digest32
  /// The common name in the certificate; for people, not for decisions.
  public let name: String

  let material: IdentityMaterial

  init(material: IdentityMaterial) {
    self.material = material
    fingerprint = certificateFingerprint(material.certificate)
    var text = [CChar](repeating: 0, count: 65)
    let length = X509_NAME_get_text_by_NID(
      X509_get_subject_name(material.certificate), NID_commonName, &text, Int32(text.count))
    name = String(decoding: text.prefix(max(0, Int(length))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// A new key and a certificate for it, valid for ten years.
  /// - Parameter name: common name, 1 to 64 bytes.
  public static func generate(name: String) -> Identity {
    precondition((1...64).contains(name.utf8.count), "a common name has 1 to 64 bytes")
    guard let key = copenssl_generate_p256(), let certificate = X509_new() else {
      fatalError("OpenSSL could not make a P-256 key")
    }
    let serial = SystemRandom().word() >> 1 | 1
    let lifetime = 10 * 365 * 24 * 3600
    let subject = X509_get_subject_name(certificate)
    let isComplete =
      X509_set_version(certificate, 2) == 1
      && ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial) == 1
      // A day back, so that a peer's slow clock does not trouble tools that do look at dates.
      && X509_gmtime_adj(X509_getm_notBefore(certificate), -24 * 3600) != nil
      && X509_gmtime_adj(X509_getm_notAfter(certificate), lifetime) != nil
      && X509_set_pubkey(certificate, key) == 1
      && X509_NAME_add_entry_by_NID(
        subject, NID_commonName, MBSTRING_UTF8, Array(name.utf8), Int32(name.utf8.count), -1, 0)
        == 1
      && X509_set_issuer_name(certificate, subject) == 1
      && X509_sign(certificate, key, EVP_sha256()) > 0
    precondition(isComplete, "OpenSSL could not make a certificate")
    return Identity(material: IdentityMaterial(certificate: certificate, key: key))
  }
}

/// OpenSSL's objects behind an identity; read only after init, which OpenSSL allows from any thread.
final class IdentityMaterial: @unchecked Sendable {
  let certificate: OpaquePointer
  let key: OpaquePointer

  /// Takes both references over.
  init(certificate: OpaquePointer, key: OpaquePointer) {
    self.certificate = certificate
    self.key = key
  }

  deinit {
    X509_free(certificate)
    EVP_PKEY_free(key)
  }
}

/// SHA-256 of a certificate's DER form.
func certificateFingerprint(_ certificate: OpaquePointer) -> Digest32 {
  var bytes = [UInt8](repeating: 0, count: 32)
  var length: UInt32 = 0
  let result = X509_digest(certificate, EVP_sha256(), &bytes, &length)
  precondition(result == 1 && length == 32, "OpenSSL could not hash a certificate")
  return Digest32(bytes: bytes)!
}
