/// What a planner of packed layers minimises, in bits on the link; computation is expressed in bits as well.
///
/// The defaults weigh computation at 300 Mbit/s, the middle (geometrically) of the links of 100 Mbit/s to 1 Gbit/s that
/// the product is for: 1 us of one thread counts 300 bits. Bytes then come first, and computation decides between plans
/// of nearly equal bytes: a polynomial on the wire is worth about 600,000 bits, a product of two about 20,000.
/// Both parties must use the same costs, since each derives the plan by itself.
public struct PackingCosts: Hashable, Sendable {
  /// Bits of an input coefficient whose mask may be chosen freely.
  public var freeBits = 75
  /// Bits of an input coefficient that is a known zero or repeats a mask.
  public var fixedBits = 138
  /// Bits of each of the coefficients of an output polynomial.
  public var outputBits = 70
  /// Computation an input polynomial causes, beside its products: 200 us of sampling and transforms.
  public var inputWork = 60_000
  /// Computation an output polynomial causes, beside its products: 500 us of flooding, transforms and decryption.
  public var outputWork = 150_000
  /// Computation a product of an input and a weight polynomial causes: 66 us for three transforms of the weight
  /// polynomial, halved since they may be cached, and 30 us for multiplying.
  public var productWork = 20_000
  /// Largest number of weight coefficients that may meet in one output coefficient, for noise budgets that need a
  /// bound. A single output's taps are always admitted.
  public var maximumWeightTerms = Int.max

  /// The defaults.
  public init() {}
}

/// What keeps a layer from being packed.
public enum LinearPackingError: Error, Equatable, CustomStringConvertible {
  /// The number of inferences lies outside 1...4096.
  case inferences(Int)
  /// The ring degree is not a power of two from 2 to 65536.
  case degree(Int)
  /// Not even one output of the layer fits into a polynomial.
  case kernelTooLarge(words: Int, degree: Int)

  /// What was wrong, where, and what to do.
  public var description: String {
    switch self {
    case .inferences(let count):
      "Cannot pack \(count) inferences of a linear layer together; ask for 1 to 4096."
    case .degree(let degree):
      "The ring degree of a packed linear layer is \(degree); it must be a power of two from 2 to 65536."
    case .kernelTooLarge(let words, let degree):
      "The kernel of a linear layer needs \(words) coefficients and a polynomial has \(degree); use a smaller kernel."
    }
  }
}
