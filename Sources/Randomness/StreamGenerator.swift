import COpenSSL
public import Rings

/// AES-128 in counter mode: a key gives one byte stream, the same however it is cut into requests.
///
/// Security: AES-128 as a pseudorandom function, at most 2^60 bytes a key. The counter is 128 bits big-endian and
/// starts at zero (NIST SP 800-38A, 6.5), so a key must serve one generator only: two generators on one key repeat each
/// other. Derive keys with ``KeyDerivation``. Not thread-safe.
public final class StreamGenerator: RandomByteSource {
  private let cipher: OpaquePointer
  private let buffer: UnsafeMutableRawBufferPointer
  private var position: Int

  /// Requests below this come out of a buffer, for each call into OpenSSL has a fixed price.
  private static let bufferSize = 4096
  /// Bulk requests are encrypted in pieces that stay in the first-level cache.
  private static let blockSize = 1 << 15

  /// - Parameters:
  ///   - key: 16 bytes.
  ///   - firstBlock: where in the stream to begin, in blocks of 16 bytes: several threads can fill one stream.
  public init(key: SecretKey, firstBlock: UInt128 = 0) {
    precondition(key.count == 16, "AES-128 takes a key of 16 bytes, not \(key.count)")
    guard let cipher = EVP_CIPHER_CTX_new() else { fatalError("OpenSSL could not allocate a cipher context") }
    self.cipher = cipher
    buffer = .allocate(byteCount: Self.bufferSize, alignment: 64)
    position = Self.bufferSize
    let result = key.withUnsafeBytes { bytes in
      withUnsafeBytes(of: firstBlock.bigEndian) { counter in
        EVP_EncryptInit_ex(
          cipher, EVP_aes_128_ctr(), nil, bytes.bindMemory(to: UInt8.self).baseAddress,
          counter.bindMemory(to: UInt8.self).baseAddress)
      }
    }
    precondition(result == 1, "OpenSSL refused AES-128-CTR")
  }

  deinit {
    EVP_CIPHER_CTX_free(cipher)
    OPENSSL_cleanse(buffer.baseAddress, buffer.count)
    buffer.deallocate()
  }

  /// See ``RandomByteSource/fill(_:)``.
  public func fill(_ out: UnsafeMutableRawBufferPointer) {
    guard var destination = out.baseAddress else { return }
    var remaining = out.count
    let left = min(remaining, Self.bufferSize - position)
    if left > 0 {
      destination.copyMemory(from: buffer.baseAddress! + position, byteCount: left)
      position += left
      destination += left
      remaining -= left
    }
    // What is asked for beyond the buffer is made in place; the rest of a block waits in the buffer.
    while remaining >= Self.bufferSize {
      let size = min(remaining & ~(Self.bufferSize - 1), Self.blockSize)
      generate(destination, size)
      destination += size
      remaining -= size
    }
    if remaining > 0 {
      generate(buffer.baseAddress!, Self.bufferSize)
      destination.copyMemory(from: buffer.baseAddress!, byteCount: remaining)
      position = remaining
    }
  }

  private func generate(_ out: UnsafeMutableRawPointer, _ count: Int) {
    out.initializeMemory(as: UInt8.self, repeating: 0, count: count)
    let bytes = out.assumingMemoryBound(to: UInt8.self)
    var written: Int32 = 0
    let result = EVP_EncryptUpdate(cipher, bytes, &written, bytes, Int32(count))
    precondition(result == 1 && Int(written) == count, "OpenSSL stopped in AES-128-CTR")
  }
}

extension StreamGenerator {
  /// A generator for reproducible test data and public draws: the key is the seed, little-endian, then zeros.
  public convenience init(publicSeed seed: UInt64) {
    let bytes = (0..<16).map { $0 < 8 ? UInt8(truncatingIfNeeded: seed >> (8 * UInt64($0))) : 0 }
    self.init(key: SecretKey(bytes: bytes))
  }

  /// `count` uniform words of Z_2^64: 8 bytes of the stream each, little-endian.
  public func fillWords(_ out: UnsafeMutablePointer<UInt64>, count: Int) {
    fill(UnsafeMutableRawBufferPointer(start: out, count: 8 * count))
    #if _endian(big)
      for index in 0..<count { out[index] = out[index].byteSwapped }
    #endif
  }

  /// `count` elements of F_p, p = 2^64 - 2^32 + 1, each in `0 ..< p`.
  ///
  /// An element is a 128-bit word of the stream (low, high, little-endian) reduced mod p, without rejection, so that two
  /// ends of one key stay in step. Statistical distance from uniform is below 2^-63 an element.
  public func fillField(_ out: UnsafeMutablePointer<UInt64>, count: Int) {
    let chunk = 1024
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * min(chunk, max(count, 1))) { words in
      var done = 0
      while done < count {
        let size = min(chunk, count - done)
        fillWords(words.baseAddress!, count: 2 * size)
        for index in 0..<size {
          out[done + index] = PrimeField.reduce(low: words[2 * index], high: words[2 * index + 1])
        }
        done += size
      }
      OPENSSL_cleanse(words.baseAddress, 8 * words.count)
    }
  }

  /// `count` uniform elements of a modulus: ``fillField(_:count:)`` or ``fillWords(_:count:)``.
  public func fill(_ kind: ModulusKind, _ out: UnsafeMutablePointer<UInt64>, count: Int) {
    switch kind {
    case .field: fillField(out, count: count)
    case .word: fillWords(out, count: count)
    }
  }

  /// Fresh secret words of a modulus.
  public func secretWords(_ kind: ModulusKind, count: Int) -> SecretWords {
    let words = SecretWords(uninitialized: count)
    fill(kind, words.pointer, count: count)
    return words
  }
}
