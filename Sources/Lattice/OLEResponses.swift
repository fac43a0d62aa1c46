internal import CKernels
internal import Randomness
public import Rings

extension Responder {
  /// Answers one ciphertext of slots c: alpha is a fresh uniform polynomial, so uniform in every slot; u + v = alpha c.
  ///
  /// - Parameters:
  ///   - ciphertext: from ``CiphertextReader``.
  ///   - alpha, u: receive N words, in slots.
  /// - Returns: the response.
  public func respondOLE(
    ciphertext: SecretWords, slots: FieldNTT, flood: Flood, format: ResponseFormat,
    alpha: UnsafeMutablePointer<UInt64>, u: UnsafeMutablePointer<UInt64>
  ) -> [UInt8] {
    uniformFactor(alpha, count: context.degree)
    let bytes = respondProduct(
      ciphertext: ciphertext, factor: alpha, slots: slots, flood: flood, format: format, u: u)
    slots.slots(alpha)
    return bytes
  }

  /// A fresh uniform polynomial, which is uniform in every slot too.
  public func uniformFactor(_ coefficients: UnsafeMutablePointer<UInt64>, count: Int) {
    randomness.fillField(coefficients, count: count)
  }

  /// Answers one ciphertext of slots c with the product by a polynomial alpha: u + v = alpha c in every slot, exactly.
  ///
  /// - Parameters:
  ///   - ciphertext: from ``CiphertextReader``.
  ///   - factor: alpha, N coefficients in F_p.
  ///   - u: receives N words, in slots.
  /// - Returns: the response.
  public func respondProduct(
    ciphertext: SecretWords, factor: UnsafePointer<UInt64>, slots: FieldNTT, flood: Flood, format: ResponseFormat,
    u: UnsafeMutablePointer<UInt64>
  ) -> [UInt8] {
    let degree = context.degree
    let transform = SecretWords(uninitialized: context.words)
    for (index, q) in context.primes.enumerated() {
      ck_field_residues(q, factor, degree, transform.pointer + index * degree)
    }
    context.forward(transform.pointer)
    let sum = ProductSum(context: context)
    for prime in context.primes.indices {
      sum.add(prime: prime, [ciphertext.pointer], [transform.pointer + prime * degree])
    }
    withExtendedLifetime((ciphertext, transform)) {}
    let (bytes, shares) = respond(
      sum, modulus: .field, format: format, flood: flood, ranges: CoefficientRanges([0..<degree]))
    u.update(from: shares.pointer, count: degree)
    withExtendedLifetime(shares) {}
    slots.slots(u)
    return bytes
  }
}

extension Encryptor {
  /// Encrypts N words of F_p in slots; consumes `words` as scratch.
  public func encryptSlots(_ words: UnsafeMutablePointer<UInt64>, slots: FieldNTT) -> [UInt8] {
    slots.coefficients(words)
    return encrypt(.field, words)
  }
}

extension Decryptor {
  /// Reads v of N slots.
  /// - Throws: ``LatticeError/malformed(what:)``
  public func readOLE(
    _ bytes: [UInt8], slots: FieldNTT, format: ResponseFormat, v: UnsafeMutablePointer<UInt64>
  ) throws(LatticeError) {
    let result = try read(
      bytes, modulus: .field, format: format, ranges: CoefficientRanges([0..<slots.degree]))
    v.update(from: result.pointer, count: slots.degree)
    withExtendedLifetime(result) {}
    slots.slots(v)
  }
}
