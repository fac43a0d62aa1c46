internal import CKernels
internal import Randomness
public import Rings

extension Responder {
  /// Answers one ciphertext of slots c with the product by a polynomial alpha: u + v = alpha c in every slot, exactly.
  ///
  /// - Parameters:
  ///   - ciphertext: from ``CiphertextReader``.
  ///   - number: the response's number in the streams, used once.
  ///   - factor: alpha, N coefficients in F_p.
  ///   - u: receives N words, in slots.
  /// - Returns: the response.
  public func respondProduct(
    ciphertext: SecretWords, number: Int, factor: UnsafePointer<UInt64>, slots: FieldNTT, flood: Flood,
    format: ResponseFormat, u: UnsafeMutablePointer<UInt64>
  ) -> [UInt8] {
    let degree = context.degree
    let transform = SecretWords(uninitialized: context.words)
    context.note(.reduce, context.words)
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
      sum, number: number, modulus: .field, format: format, flood: flood, ranges: CoefficientRanges([0..<degree]))
    u.update(from: shares.pointer, count: degree)
    withExtendedLifetime(shares) {}
    slots.slots(u)
    return bytes
  }
}

extension Encryptor {
  /// Encrypts N words of F_p in slots; consumes `words` as scratch.
  public func encryptSlots(
    _ words: UnsafeMutablePointer<UInt64>, slots: FieldNTT, polynomial: Int
  ) -> [UInt8] {
    slots.coefficients(words)
    return encrypt(.field, words, polynomial: polynomial)
  }
}

extension Decryptor {
  /// Reads v of N slots.
  /// - Throws: ``LatticeError/malformed(what:)``
  public func readOLE(
    _ bytes: [UInt8], number: Int, slots: FieldNTT, format: ResponseFormat, v: UnsafeMutablePointer<UInt64>
  ) throws(LatticeError) {
    let result = try read(
      bytes, number: number, modulus: .field, format: format, ranges: CoefficientRanges([0..<slots.degree]))
    v.update(from: result.pointer, count: slots.degree)
    withExtendedLifetime(result) {}
    slots.slots(v)
  }
}
