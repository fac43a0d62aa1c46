public import Rings

/// Field arithmetic by long division, which shares no code with the kernels under test.
public enum Plain {
  private static let p = PrimeField.modulus

  /// a + b mod p.
  public static func add(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (sum, carry) = a.addingReportingOverflow(b)
    return p.dividingFullWidth((carry ? 1 : 0, sum)).remainder
  }

  /// -a mod p.
  public static func negate(_ a: UInt64) -> UInt64 { a == 0 ? 0 : p - a }

  /// a b mod p.
  public static func multiply(_ a: UInt64, _ b: UInt64) -> UInt64 {
    p.dividingFullWidth(a.multipliedFullWidth(by: b)).remainder
  }

  /// A signed integer mod p.
  public static func residue(_ value: Int64) -> UInt64 { value >= 0 ? UInt64(value) : p - value.magnitude }

  /// The representative nearest zero.
  public static func centered(_ a: UInt64) -> Int64 { a <= p / 2 ? Int64(a) : -Int64(p - a) }

  /// a + b.
  public static func add(_ kind: ModulusKind, _ a: UInt64, _ b: UInt64) -> UInt64 {
    kind == .field ? add(a, b) : a &+ b
  }
  /// -a.
  public static func negate(_ kind: ModulusKind, _ a: UInt64) -> UInt64 { kind == .field ? negate(a) : 0 &- a }
  /// a b.
  public static func multiply(_ kind: ModulusKind, _ a: UInt64, _ b: UInt64) -> UInt64 {
    kind == .field ? multiply(a, b) : a &* b
  }
  /// A signed integer in the ring; not -2^63 in F_p.
  public static func residue(_ kind: ModulusKind, _ value: Int64) -> UInt64 {
    kind == .field ? residue(value) : UInt64(bitPattern: value)
  }
  /// The representative nearest zero.
  public static func centered(_ kind: ModulusKind, _ a: UInt64) -> Int64 {
    kind == .field ? centered(a) : Int64(bitPattern: a)
  }

  /// Convolution by its definition.
  public static func convolve(_ kind: ModulusKind, _ g: LinearGeometry, _ weights: [Int32], _ x: [UInt64]) -> [UInt64] {
    var out: [UInt64] = []
    let (groupIn, groupOut) = (g.inChannels / g.groups, g.outChannels / g.groups)
    for o in 0..<g.outChannels {
      for row in 0..<g.outHeight {
        for column in 0..<g.outWidth {
          var sum: UInt64 = 0
          for tap in 0..<(groupIn * g.kernelHeight * g.kernelWidth) {
            let (i, ky, kx) = (
              tap / (g.kernelHeight * g.kernelWidth), tap / g.kernelWidth % g.kernelHeight, tap % g.kernelWidth
            )
            let (y, place) = (row * g.strideHeight + ky - g.padTop, column * g.strideWidth + kx - g.padLeft)
            guard (0..<g.inHeight).contains(y), (0..<g.inWidth).contains(place) else { continue }
            let weight = Plain.residue(kind, Int64(weights[o * groupIn * g.kernelHeight * g.kernelWidth + tap]))
            let value = x[(((o / groupOut) * groupIn + i) * g.inHeight + y) * g.inWidth + place]
            sum = Plain.add(kind, sum, Plain.multiply(kind, weight, value))
          }
          out.append(sum)
        }
      }
    }
    return out
  }
}
