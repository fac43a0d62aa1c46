/// How a number lies in a tensor's bytes.
enum ElementEncoding {
  /// Two's complement, or without a sign.
  case integer(bits: Int, isSigned: Bool)
  /// IEEE 754, and bfloat16.
  case real(Real)
  /// A float of 8 bits or fewer.
  case small(SmallFloat)

  enum Real { case single, double, half, brain }

  /// Nil for strings, complex numbers and types that are unknown here.
  init?(_ type: Onnx_TensorProto.DataType) {
    switch type {
    case .uint2: self = .integer(bits: 2, isSigned: false)
    case .int2: self = .integer(bits: 2, isSigned: true)
    case .uint4: self = .integer(bits: 4, isSigned: false)
    case .int4: self = .integer(bits: 4, isSigned: true)
    case .uint8, .bool: self = .integer(bits: 8, isSigned: false)
    case .int8: self = .integer(bits: 8, isSigned: true)
    case .uint16: self = .integer(bits: 16, isSigned: false)
    case .int16: self = .integer(bits: 16, isSigned: true)
    case .uint32: self = .integer(bits: 32, isSigned: false)
    case .int32: self = .integer(bits: 32, isSigned: true)
    case .uint64: self = .integer(bits: 64, isSigned: false)
    case .int64: self = .integer(bits: 64, isSigned: true)
    case .float: self = .real(.single)
    case .double: self = .real(.double)
    case .float16: self = .real(.half)
    case .bfloat16: self = .real(.brain)
    case .float4E2M1: self = .small(SmallFloat(exponentBits: 2, mantissaBits: 1, bias: 1, special: .none))
    case .float6E2M3: self = .small(SmallFloat(exponentBits: 2, mantissaBits: 3, bias: 1, special: .none))
    case .float6E3M2: self = .small(SmallFloat(exponentBits: 3, mantissaBits: 2, bias: 3, special: .none))
    case .float8E4M3Fn: self = .small(SmallFloat(exponentBits: 4, mantissaBits: 3, bias: 7, special: .lastIsNaN))
    case .float8E4M3Fnuz: self = .small(SmallFloat(exponentBits: 4, mantissaBits: 3, bias: 8, special: .minusZeroIsNaN))
    case .float8E5M2: self = .small(SmallFloat(exponentBits: 5, mantissaBits: 2, bias: 15, special: .ieee))
    case .float8E5M2Fnuz:
      self = .small(SmallFloat(exponentBits: 5, mantissaBits: 2, bias: 16, special: .minusZeroIsNaN))
    case .float8E8M0: self = .small(.powerOfTwo)
    default: return nil
    }
  }

  /// Bits of an element in raw data, where elements of less than a byte follow each other without gaps, the first in the
  /// lowest bits.
  var bits: Int {
    switch self {
    case .integer(let bits, _): bits
    case .real(.single): 32
    case .real(.double): 64
    case .real(.half), .real(.brain): 16
    case .small(let float): float.bits
    }
  }

  /// Bytes of raw data for so many elements.
  func bytes(_ count: Int) -> Int { (count * bits + 7) / 8 }
}

/// Floats of 4 to 8 bits: those of the OCP's formats (8-bit floating point 1.0, microscaling 1.0) and their variants
/// without a negative zero.
struct SmallFloat {
  /// What the codes at the end of the range stand for.
  enum Special {
    /// Numbers.
    case none
    /// All ones but for the sign is not a number, and there is no infinity.
    case lastIsNaN
    /// The code of a negative zero is not a number, and there is neither infinity nor negative zero.
    case minusZeroIsNaN
    /// As in IEEE 754.
    case ieee
    /// E8M0: an exponent alone, no sign, all ones is not a number.
    case exponentOnly
  }

  var exponentBits: Int
  var mantissaBits: Int
  var bias: Int
  var special: Special

  static let powerOfTwo = SmallFloat(exponentBits: 8, mantissaBits: 0, bias: 127, special: .exponentOnly)

  var bits: Int { special == .exponentOnly ? 8 : 1 + exponentBits + mantissaBits }

  /// The number of a code; bits above ``bits`` are ignored.
  func value(_ code: UInt8) -> Float {
    if special == .exponentOnly {
      return code == 0xFF ? .nan : Float(sign: .plus, exponent: Int(code) - bias, significand: 1)
    }
    let code = Int(code) & (1 << bits - 1)
    let isNegative = code >> (bits - 1) == 1
    let exponent = code >> mantissaBits & (1 << exponentBits - 1)
    let mantissa = code & (1 << mantissaBits - 1)
    let magnitude = code & (1 << (bits - 1) - 1)
    switch special {
    case .lastIsNaN where magnitude == 1 << (bits - 1) - 1: return .nan
    case .minusZeroIsNaN where isNegative && magnitude == 0: return .nan
    case .ieee where exponent == 1 << exponentBits - 1:
      return mantissa > 0 ? .nan : isNegative ? -.infinity : .infinity
    default: break
    }
    let significand = exponent == 0 ? mantissa : mantissa + 1 << mantissaBits
    let result = Float(sign: .plus, exponent: max(exponent, 1) - bias - mantissaBits, significand: Float(significand))
    return isNegative ? -result : result
  }
}
