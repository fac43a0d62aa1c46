internal import CKernels
internal import Randomness
internal import Rings

/// Arithmetic on rows of residues, a row a prime, and on words of plaintexts; all of it is counted.
extension RingContext {
  /// out = a + b, all primes; rows of `count` residues (N unless told) one after the other.
  func add(
    _ a: UnsafePointer<UInt64>, _ b: UnsafePointer<UInt64>, _ out: UnsafeMutablePointer<UInt64>, count: Int? = nil
  ) {
    let count = count ?? degree
    note(.residueAdd, primes.count * count)
    for (index, q) in primes.enumerated() {
      ck_residue_add(q, count, a + index * count, b + index * count, out + index * count)
    }
  }

  /// out = a - b, likewise.
  func subtract(
    _ a: UnsafePointer<UInt64>, _ b: UnsafePointer<UInt64>, _ out: UnsafeMutablePointer<UInt64>, count: Int? = nil
  ) {
    let count = count ?? degree
    note(.residueAdd, primes.count * count)
    for (index, q) in primes.enumerated() {
      ck_residue_subtract(q, count, a + index * count, b + index * count, out + index * count)
    }
  }

  /// row += values - offset, all primes, for 128-bit integers.
  func add(_ values: UnsafePointer<UInt64>, less offset: UInt128, to rows: UnsafeMutablePointer<UInt64>, count: Int) {
    note(.reduce, primes.count * count)
    note(.residueAdd, 2 * primes.count * count)
    let residues = SecretWords(uninitialized: count)
    for (index, q) in primes.enumerated() {
      let row = rows + index * count
      ck_wide_residues(q, values, count, residues.pointer)
      ck_residue_add(q, count, row, residues.pointer, row)
      residues.pointer.update(repeating: UInt64(offset % UInt128(q)), count: count)
      ck_residue_subtract(q, count, row, residues.pointer, row)
    }
  }

  /// Words of a plaintext modulus from a stream.
  func words(_ kind: ModulusKind, count: Int, from stream: StreamGenerator) -> SecretWords {
    note(.block, (count * (kind == .field ? 16 : 8) + 15) / 16)
    return stream.secretWords(kind, count: count)
  }

  /// out = a + b of words.
  func addWords(
    _ kind: ModulusKind, _ a: UnsafePointer<UInt64>, _ b: UnsafePointer<UInt64>, count: Int,
    _ out: UnsafeMutablePointer<UInt64>
  ) {
    note(.add, count)
    Elementwise.add(kind, a, b, count: count, output: out)
  }

  /// out = a - b of words.
  func subtractWords(
    _ kind: ModulusKind, _ a: UnsafePointer<UInt64>, _ b: UnsafePointer<UInt64>, count: Int,
    _ out: UnsafeMutablePointer<UInt64>
  ) {
    note(.add, count)
    Elementwise.subtract(kind, a, b, count: count, output: out)
  }
}
