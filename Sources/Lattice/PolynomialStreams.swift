public import Randomness

/// Streams under one key, one a polynomial, so that polynomials can be made in any order and by any thread.
///
/// Polynomial i reads the counter-mode stream of its key from block i 2^40 on; none draws as much as that.
public struct PolynomialStreams: Sendable {
  private let key: SecretKey

  /// - Parameter key: 16 bytes that serve these streams only.
  public init(key: SecretKey) { self.key = key }

  /// The stream of a polynomial.
  public func stream(_ polynomial: Int) -> StreamGenerator {
    precondition(0..<1 << 32 ~= polynomial, "polynomial \(polynomial)")
    return StreamGenerator(key: key, firstBlock: UInt128(polynomial) << 40)
  }
}
