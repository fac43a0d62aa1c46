import Rings

/// SplitMix64 (Steele, Lea and Flood 2014): a seeded generator for tests.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

let p = PrimeField.modulus

/// Words at which carries, borrows and signs change.
let edgeWords: [UInt64] = [
  0, 1, 2, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF, 1 << 32, (1 << 32) + 1, 1 << 63, (1 << 63) - 1,
  (1 << 63) + 1, p / 2 - 1, p / 2, p / 2 + 1, p / 2 + 2, p - 2, p - 1, p - (1 << 32), p - (1 << 32) + 1,
  0x8000_0000_8000_0000, 0x7FFF_FFFF_7FFF_FFFF, 0xFFFF_FFFF_0000_0000,
]

/// A word reduced for `kind`, an edge one time in four.
func word(_ kind: ModulusKind, _ generator: inout SeededGenerator) -> UInt64 {
  let value = generator.next() & 3 == 0 ? edgeWords[Int(generator.next() % UInt64(edgeWords.count))] : generator.next()
  return kind == .field ? value % p : value
}

/// 128-bit remainder by long division of the standard library, which shares no code with the module under test.
func slowMultiply(_ kind: ModulusKind, _ a: UInt64, _ b: UInt64) -> UInt64 {
  guard kind == .field else { return a &* b }
  return p.dividingFullWidth((a % p).multipliedFullWidth(by: b % p)).remainder
}

func slowAdd(_ kind: ModulusKind, _ a: UInt64, _ b: UInt64) -> UInt64 {
  guard kind == .field else { return a &+ b }
  let (sum, carry) = (a % p).addingReportingOverflow(b % p)
  return p.dividingFullWidth((carry ? 1 : 0, sum)).remainder
}

func slowNegate(_ kind: ModulusKind, _ a: UInt64) -> UInt64 {
  guard kind == .field else { return 0 &- a }
  return (p - a % p) % p
}

/// A signed integer as a residue.
func residue(_ kind: ModulusKind, _ value: Int) -> UInt64 {
  value >= 0 ? UInt64(value) : slowNegate(kind, UInt64(-value))
}

/// Convolution by its definition, with full-word weights in OIHW order.
func slowConvolution(_ kind: ModulusKind, _ g: LinearGeometry, weights: [UInt64], input: [UInt64]) -> [UInt64] {
  var output: [UInt64] = []
  let channelsIn = g.inChannels / g.groups
  for o in 0..<g.outChannels {
    let group = o / (g.outChannels / g.groups)
    for y in 0..<g.outHeight {
      for x in 0..<g.outWidth {
        var sum: UInt64 = 0
        for c in 0..<channelsIn {
          for i in 0..<g.kernelHeight {
            for j in 0..<g.kernelWidth {
              let row = y * g.strideHeight + i - g.padTop
              let column = x * g.strideWidth + j - g.padLeft
              if row < 0 || column < 0 || row >= g.inHeight || column >= g.inWidth { continue }
              let weight = weights[((o * channelsIn + c) * g.kernelHeight + i) * g.kernelWidth + j]
              let value = input[((group * channelsIn + c) * g.inHeight + row) * g.inWidth + column]
              sum = slowAdd(kind, sum, slowMultiply(kind, weight, value))
            }
          }
        }
        output.append(sum)
      }
    }
  }
  return output
}

let availableVariants = KernelVariant.allCases.filter(\.isAvailable)
