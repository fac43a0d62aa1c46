import COpenSSL

/// Secret bytes (a key, a seed) on the heap, overwritten when the last reference goes.
///
/// Equality takes the same time whatever the bytes are; it does reveal whether the lengths agree. The bytes are never
/// part of a description.
public final class SecretKey: @unchecked Sendable, Equatable, CustomStringConvertible {
  // Unchecked because of the pointer: the memory is written in the initialisers only.
  private let storage: UnsafeMutableRawBufferPointer

  /// Number of secret bytes.
  public var count: Int { storage.count }

  /// A key whose bytes `fill` writes. The memory is zero before.
  public init(count: Int, filledBy fill: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows {
    precondition(count > 0, "a secret key has at least one byte")
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
    memory.initializeMemory(as: UInt8.self, repeating: 0)
    storage = memory
    try fill(memory)
  }

  /// A copy of `bytes`. The caller's array is not overwritten: for public seeds, tests and decoding.
  public convenience init(bytes: some Collection<UInt8>) {
    self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
  }

  /// `count` fresh bytes from a source.
  public convenience init(count: Int = 16, from source: any RandomByteSource) {
    self.init(count: count) { source.fill($0) }
  }

  /// A fresh key from the operating system.
  public static func random(count: Int = 16) -> SecretKey { SecretKey(count: count, from: SystemRandom()) }

  deinit {
    OPENSSL_cleanse(storage.baseAddress, storage.count)
    storage.deallocate()
  }

  /// Lends the bytes; the pointer must not outlive the call.
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(self) { try body(UnsafeRawBufferPointer(storage)) }
  }

  /// Whether lengths and bytes agree; constant time for equal lengths.
  public static func == (left: SecretKey, right: SecretKey) -> Bool {
    left.count == right.count && CRYPTO_memcmp(left.storage.baseAddress, right.storage.baseAddress, left.count) == 0
  }

  /// The length only.
  public var description: String { "SecretKey(\(count) bytes)" }
}
