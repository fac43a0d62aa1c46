import COpenSSL
import Glibc

extension Identity {
  /// The certificate's file in a directory: public.
  public static let certificateFile = "certificate.pem"
  /// The private key's file in a directory: mode 0600.
  public static let keyFile = "key.pem"

  /// Writes both files, each whole or not at all, making the directory (mode 0700) if it is missing.
  /// - Parameter overwrite: replace an identity that is there; peers must then pin the new fingerprint.
  /// - Throws: ``TransportError/identityExists(path:)``, `identityNotWritten`.
  public func save(directory: String, overwrite: Bool = false) throws {
    if mkdir(directory, 0o700) != 0, errno != EEXIST {
      throw TransportError.identityNotWritten(path: directory, reason: systemMessage(errno))
    }
    let files = [(Self.keyFile, mode_t(0o600), keyPEM), (Self.certificateFile, mode_t(0o644), certificatePEM)]
    if !overwrite {
      for (file, _, _) in files where access("\(directory)/\(file)", F_OK) == 0 {
        throw TransportError.identityExists(path: "\(directory)/\(file)")
      }
    }
    for (file, mode, encode) in files {
      try encode { try Self.replace("\(directory)/\(file)", with: $0, mode: mode, overwrite: overwrite) }
    }
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY)
    if descriptor >= 0 {
      fsync(descriptor)
      Glibc.close(descriptor)
    }
  }

  /// Reads both files and checks that they belong together.
  /// - Throws: ``TransportError/identityUnreadable(path:reason:)``; `keyReadableByOthers` if the key's mode gives anyone
  ///   but the owner access.
  public static func load(directory: String) throws -> Identity {
    let (keyPath, certificatePath) = ("\(directory)/\(keyFile)", "\(directory)/\(certificateFile)")
    let key = try parse(keyPath, isSecret: true) { PEM_read_bio_PrivateKey($0, nil, nil, nil) }
    guard let key else {
      throw TransportError.identityUnreadable(path: keyPath, reason: "it holds no unencrypted private key in PEM form")
    }
    let certificate: OpaquePointer?
    do {
      certificate = try parse(certificatePath, isSecret: false) { PEM_read_bio_X509($0, nil, nil, nil) }
    } catch {
      EVP_PKEY_free(key)
      throw error
    }
    guard let certificate else {
      EVP_PKEY_free(key)
      throw TransportError.identityUnreadable(path: certificatePath, reason: "it holds no certificate in PEM form")
    }
    let material = IdentityMaterial(certificate: certificate, key: key)
    guard X509_check_private_key(certificate, key) == 1 else {
      throw TransportError.identityUnreadable(path: keyPath, reason: "the key does not belong to \(certificatePath)")
    }
    return Identity(material: material)
  }

  private func keyPEM(_ use: (UnsafeRawBufferPointer) throws -> Void) throws {
    try Self.withMemory(use) { PEM_write_bio_PKCS8PrivateKey($0, material.key, nil, nil, 0, nil, nil) }
  }

  private func certificatePEM(_ use: (UnsafeRawBufferPointer) throws -> Void) throws {
    try Self.withMemory(use) { PEM_write_bio_X509($0, material.certificate) }
  }

  /// Lends what `write` puts out, then overwrites it.
  private static func withMemory(
    _ use: (UnsafeRawBufferPointer) throws -> Void, write: (OpaquePointer) -> Int32
  ) throws {
    guard let bio = BIO_new(BIO_s_mem()) else { fatalError("OpenSSL could not allocate") }
    defer { BIO_free(bio) }
    precondition(write(bio) == 1, "OpenSSL could not encode an identity")
    var start: UnsafeMutablePointer<CChar>?
    let count = copenssl_bio_get_mem_data(bio, &start)
    defer { OPENSSL_cleanse(start, count) }
    try use(UnsafeRawBufferPointer(start: start, count: count))
  }

  private static func replace(
    _ path: String, with bytes: UnsafeRawBufferPointer, mode: mode_t, overwrite: Bool
  ) throws {
    let draft = "\(path).\(getpid()).new"
    func failure() -> TransportError { .identityNotWritten(path: path, reason: systemMessage(errno)) }
    unlink(draft)
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw failure() }
    defer { unlink(draft) }
    var isWritten = fchmod(descriptor, mode) == 0
    var rest = bytes
    while isWritten, rest.count > 0 {
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0, errno == EINTR { continue }
      isWritten = count > 0
      if isWritten { rest = UnsafeRawBufferPointer(rebasing: rest[count...]) }
    }
    isWritten = isWritten && fsync(descriptor) == 0
    let error = failure()
    Glibc.close(descriptor)
    guard isWritten else { throw error }
    if overwrite {
      guard rename(draft, path) == 0 else { throw failure() }
    } else if link(draft, path) != 0 {
      // Unlike rename, link refuses a file that appeared since the check.
      throw errno == EEXIST ? TransportError.identityExists(path: path) : failure()
    }
  }

  private static func parse(
    _ path: String, isSecret: Bool, _ read: (OpaquePointer) -> OpaquePointer?
  ) throws -> OpaquePointer? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw TransportError.identityUnreadable(
        path: path, reason: "\(systemMessage(errno)); polympc keygen makes an identity")
    }
    defer { Glibc.close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= 1 << 16 else {
      throw TransportError.identityUnreadable(path: path, reason: "it is not a file of at most 65536 bytes")
    }
    if isSecret, status.st_mode & 0o077 != 0 {
      throw TransportError.keyReadableByOthers(path: path, mode: UInt32(status.st_mode & 0o777))
    }
    return try withUnsafeTemporaryAllocation(byteCount: max(1, Int(status.st_size)), alignment: 16) { buffer in
      defer { OPENSSL_cleanse(buffer.baseAddress, buffer.count) }
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      guard count > 0, let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(count)) else {
        throw TransportError.identityUnreadable(path: path, reason: count < 0 ? systemMessage(errno) : "it is empty")
      }
      defer {
        BIO_free(bio)
        ERR_clear_error()
      }
      return read(bio)
    }
  }
}
