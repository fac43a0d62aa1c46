/// Names the modulus of a tensor in programs, files and messages.
public enum ModulusKind: String, Codable, Sendable {
  /// The prime field F_p, p = 2^64 - 2^32 + 1.
  case field
  /// The ring of 64-bit words, Z_2^64.
  case word
}

/// Arithmetic on 64-bit words modulo a fixed number, as static functions of a marker type.
///
/// Every function is free of branches and table look-ups that depend on its operands, so words may be secret.
/// Operands must be reduced (less than the modulus) and results are; where a function takes any word, it says so.
public protocol Modulus: Sendable {
  /// The name of this modulus.
  static var kind: ModulusKind { get }
  /// a + b.
  static func add(_ a: UInt64, _ b: UInt64) -> UInt64
  /// a - b.
  static func subtract(_ a: UInt64, _ b: UInt64) -> UInt64
  /// -a.
  static func negate(_ a: UInt64) -> UInt64
  /// a b.
  static func multiply(_ a: UInt64, _ b: UInt64) -> UInt64
  /// Embeds any signed integer.
  static func reduce(signed value: Int64) -> UInt64
  /// The representative nearest zero: in (-p/2, p/2] for F_p, in [-2^63, 2^63) for words.
  static func centered(_ a: UInt64) -> Int64
  /// The 128-bit number low + 2^64 high, any value, reduced. A uniform 128-bit word gives a word whose distance from
  /// uniform is below 2^-63.
  static func reduce(low: UInt64, high: UInt64) -> UInt64
  /// Exact multiplication by 2^bits, for public `bits` in 0...63.
  static func shiftLeft(_ a: UInt64, by bits: Int) -> UInt64
}

/// The prime field with p = 2^64 - 2^32 + 1. Words are reduced: 0 ..< p.
public enum PrimeField: Modulus {
  /// p = 2^64 - 2^32 + 1. The multiplicative group has order 2^32 (2^32 - 1).
  public static let modulus: UInt64 = 0xFFFF_FFFF_0000_0001

  /// (p + 1) / 2: words from here on stand for negative numbers.
  public static let half: UInt64 = 0x7FFF_FFFF_8000_0001

  /// The name of this modulus.
  public static var kind: ModulusKind { .field }

  /// All ones where a + b = sum carried out of 64 bits, else zero. Bit operations instead of the overflow flag, because
  /// the compiler turns a mask made from a flag into a jump on a secret.
  @inlinable @inline(__always)
  static func carryMask(_ a: UInt64, _ b: UInt64, _ sum: UInt64) -> UInt64 {
    UInt64(bitPattern: Int64(bitPattern: (a & b) | ((a | b) & ~sum)) >> 63)
  }

  /// All ones where a - b = difference borrowed, else zero.
  @inlinable @inline(__always)
  static func borrowMask(_ a: UInt64, _ b: UInt64, _ difference: UInt64) -> UInt64 {
    UInt64(bitPattern: Int64(bitPattern: (~a & b) | ((~a | b) & difference)) >> 63)
  }

  /// `value - p` where value >= p, else `value`; any word.
  @inlinable @inline(__always)
  static func canonical(_ value: UInt64) -> UInt64 {
    let reduced = value &+ 0xFFFF_FFFF
    return value &+ (0xFFFF_FFFF & carryMask(value, 0xFFFF_FFFF, reduced))
  }

  /// a + b.
  @inlinable @inline(__always)
  public static func add(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let sum = a &+ b
    let above = carryMask(sum, 0xFFFF_FFFF, sum &+ 0xFFFF_FFFF)
    return sum &+ (0xFFFF_FFFF & (carryMask(a, b, sum) | above))
  }

  /// a - b.
  @inlinable @inline(__always)
  public static func subtract(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let difference = a &- b
    return difference &- (0xFFFF_FFFF & borrowMask(a, b, difference))
  }

  /// -a.
  @inlinable @inline(__always)
  public static func negate(_ a: UInt64) -> UInt64 { subtract(0, a) }

  /// a b.
  @inlinable @inline(__always)
  public static func multiply(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (high, low) = a.multipliedFullWidth(by: b)
    return reduce(low: low, high: high)
  }

  /// Embeds any signed integer.
  @inlinable @inline(__always)
  public static func reduce(signed value: Int64) -> UInt64 {
    let sign = UInt64(bitPattern: value >> 63)
    return UInt64(bitPattern: value) &- (0xFFFF_FFFF & sign)
  }

  /// The representative nearest zero.
  @inlinable @inline(__always)
  public static func centered(_ a: UInt64) -> Int64 {
    let isBelowHalf = borrowMask(a, 0x7FFF_FFFF_8000_0001, a &- 0x7FFF_FFFF_8000_0001)
    return Int64(bitPattern: a &+ (0xFFFF_FFFF & ~isBelowHalf))
  }

  /// low + 2^64 high reduced, for any words.
  @inlinable @inline(__always)
  public static func reduce(low: UInt64, high: UInt64) -> UInt64 {
    // 2^96 = -1 takes the top 32 bits, 2^64 = 2^32 - 1 the next 32.
    let middle = high & 0xFFFF_FFFF
    let difference = low &- (high >> 32)
    let lifted = difference &- (0xFFFF_FFFF & borrowMask(low, high >> 32, difference))
    let product = (middle << 32) &- middle
    let sum = lifted &+ product
    return canonical(sum &+ (0xFFFF_FFFF & carryMask(lifted, product, sum)))
  }

  /// a 2^bits, for `bits` in 0...63.
  @inlinable @inline(__always)
  public static func shiftLeft(_ a: UInt64, by bits: Int) -> UInt64 {
    reduce(low: a << UInt64(bits), high: a >> UInt64(64 &- bits))
  }

  /// 1 where a >= (p + 1) / 2, that is where a stands for a negative number; else 0.
  @inlinable @inline(__always)
  public static func topBit(_ a: UInt64) -> UInt64 {
    1 & ~borrowMask(a, 0x7FFF_FFFF_8000_0001, a &- 0x7FFF_FFFF_8000_0001)
  }
}

/// The ring Z_2^64: every word is reduced.
public enum Word64: Modulus {
  /// The name of this modulus.
  public static var kind: ModulusKind { .word }

  /// a + b.
  @inlinable @inline(__always)
  public static func add(_ a: UInt64, _ b: UInt64) -> UInt64 { a &+ b }

  /// a - b.
  @inlinable @inline(__always)
  public static func subtract(_ a: UInt64, _ b: UInt64) -> UInt64 { a &- b }

  /// -a.
  @inlinable @inline(__always)
  public static func negate(_ a: UInt64) -> UInt64 { 0 &- a }

  /// a b.
  @inlinable @inline(__always)
  public static func multiply(_ a: UInt64, _ b: UInt64) -> UInt64 { a &* b }

  /// Embeds any signed integer.
  @inlinable @inline(__always)
  public static func reduce(signed value: Int64) -> UInt64 { UInt64(bitPattern: value) }

  /// The representative nearest zero.
  @inlinable @inline(__always)
  public static func centered(_ a: UInt64) -> Int64 { Int64(bitPattern: a) }

  /// low + 2^64 high reduced, for any words.
  @inlinable @inline(__always)
  public static func reduce(low: UInt64, high: UInt64) -> UInt64 { low }

  /// a 2^bits, for `bits` in 0...63.
  @inlinable @inline(__always)
  public static func shiftLeft(_ a: UInt64, by bits: Int) -> UInt64 { a << UInt64(bits) }
}
