/// A function of one value that needs its sign.
public enum ComparisonFunction: Codable, Hashable, Sendable {
  /// max(x, 0).
  case relu
  /// x where x >= 0, x / 2^shift elsewhere; the result has `shift` fraction bits more than x.
  case leakyReLU(shift: Int)
  /// x where x >= 0, x numerator / denominator elsewhere, 1 <= numerator < denominator <= 4096; the result has `denominator` times
  /// the scale of x.
  case slopedReLU(numerator: Int, denominator: Int)
  /// |x|.
  case absolute
  /// 1 where x >= 0, -1 elsewhere, as an integer.
  case sign
  /// min(max(x, lower), upper), both bounds at the scale of x.
  case clip(lower: Int64, upper: Int64)
  /// floor(x / 2^droppedBits) of x in -2^62 ..< 2^62, exactly: the bits are dropped by both parties together, and none
  /// before. The digits have droppedBits + 1 bits, and the result is in Z_2^64. (Faithful truncation: Rathee et al., CCS 2020, section 4.)
  case floor
}

/// The public part of an exact comparison: what is dropped before it, in how many bits it runs, and what it selects.
///
/// An operand in Z_2^64 loses its low bits at each party alone (P0 floors; P1 negates, floors, negates): off by one unit
/// at most, and by a whole turn with probability |x|/2^64, or never where turns are tracked. The sign is then taken in k
/// bits. A value outside
/// -2^(k-1) ..< 2^(k-1) has the sign of its bit k - 1: its result is wrong, its secrecy is not.
public struct ComparisonSpec: Codable, Hashable, Sendable {
  /// Low bits dropped first, 0...40.
  public var droppedBits: Int
  /// The digits, and so the width k.
  public var digits: ComparisonDigits
  /// What is computed.
  public var function: ComparisonFunction
  /// Whether both parties find out together, in shares, where the operand's shares turn, so that dropping bits of
  /// x in -2^62 ..< 2^62 is off by less than a unit always. It takes two digits or more, a result in Z_2^64 that is made of x
  /// (ReLU and its kin, |x|, clip), 1 to 40 dropped bits, and at most 62 of them and the comparison's together.
  public var tracksTurns: Bool

  /// Describes a comparison.
  public init(
    droppedBits: Int, digits: ComparisonDigits, function: ComparisonFunction = .relu, tracksTurns: Bool = false
  ) {
    self.droppedBits = droppedBits
    self.digits = digits
    self.function = function
    self.tracksTurns = tracksTurns
  }

  private enum CodingKeys: String, CodingKey { case droppedBits, digits, function, tracksTurns }

  /// Reads a description; files of earlier versions say nothing of turns.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    droppedBits = try values.decode(Int.self, forKey: .droppedBits)
    digits = try values.decode(ComparisonDigits.self, forKey: .digits)
    function = try values.decode(ComparisonFunction.self, forKey: .function)
    tracksTurns = try values.decodeIfPresent(Bool.self, forKey: .tracksTurns) ?? false
  }

  /// Writes it; turns only where they are tracked, so that digests of other programs stay what they were.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(droppedBits, forKey: .droppedBits)
    try values.encode(digits, forKey: .digits)
    try values.encode(function, forKey: .function)
    if tracksTurns { try values.encode(tracksTurns, forKey: .tracksTurns) }
  }
}

/// Maxima over windows. Pixels outside the picture take no part.
public struct MaxPoolSpec: Codable, Hashable, Sendable {
  /// The windows.
  public var window: WindowGeometry
  /// Low bits dropped first, 0...40.
  public var droppedBits: Int
  /// Digits of the comparison of differences: one bit more than the values have.
  public var digits: ComparisonDigits

  /// Describes a pooling.
  public init(window: WindowGeometry, droppedBits: Int, digits: ComparisonDigits) {
    self.window = window
    self.droppedBits = droppedBits
    self.digits = digits
  }
}

/// The index of the largest element; of equal ones the first. Nothing else leaves.
///
/// Values are compared with their reversed indices in `indexBits` low bits, so that one tournament finds the index. The
/// result is the index in the top `indexBits` bits of a word, for an output that drops the others.
public struct ArgMaxSpec: Codable, Hashable, Sendable {
  /// Low bits dropped first, 0...40.
  public var droppedBits: Int
  /// j: bits of the index, 8...16, with at most 2^(j-1) elements.
  public var indexBits: Int
  /// Digits of the comparison of differences: 1 + j bits more than the values have.
  public var digits: ComparisonDigits

  /// Describes an argmax.
  public init(droppedBits: Int, indexBits: Int, digits: ComparisonDigits) {
    self.droppedBits = droppedBits
    self.indexBits = indexBits
    self.digits = digits
  }

  /// Bits of the index of one of `count` elements: whole bytes of output.
  public static func indexBits(for count: Int) -> Int { count <= 128 ? 8 : 16 }
}
