import Glibc
public import Randomness
import Rings

/// Noise that hides other noise: 2^h (x1 + x2 + x3 - 3 2^(b-1)) + y with x1, x2, x3 uniform of b bits, y uniform of h bits.
///
/// Integers only, so its distribution is exact, where rounding of floating-point normal deviates alone would exceed 2^-40.
/// No branch and no address depends on what is drawn. It is bounded by 3 of its standard deviations, where a normal
/// distribution reaches 9 in a large inference.
///
/// Security: let the hidden noise be d, n coefficients, E |d|^2 <= n sigma^2. Given y, the flood with and without d are
/// shifts of each other by integers a in units of 2^h, E |a|^2 <= n (sigma^2 / 4^h + 1/4). For a density f the Hellinger
/// distance of a shift is at most |a| sqrt(I / 8), I = Fisher information of location, and adds up in squares over
/// coefficients; statistical distance is at most sqrt(2) times it: sqrt(I) / 2 * sqrt(E |a|^2). For the sum of three
/// uniform variables on an interval of length 2^b, I = 4.5621 / 4^b (integrate f'^2 / f over its three parabolas).
public struct Flood: Hashable, Sendable {
  /// b: bits of the three coarse terms, at most 61.
  public let coarseBits: Int
  /// h: bits of the fine term, at most 120.
  public let fineBits: Int

  /// Square root of the Fisher information of the sum of three uniform variables on the unit interval, rounded up.
  static let fisherRoot = 2.136

  /// The narrowest flood whose statistical distance is at most 2^-40 over all coefficients.
  ///
  /// - Parameters:
  ///   - noiseDeviation: root mean square of the noise to hide, at least 1.
  ///   - outputs: number n of coefficients.
  init(noiseDeviation: Double, outputs: Int) throws(NoiseBudgetError) {
    let n = Double(outputs)
    let fine = max(0, Int(log2(noiseDeviation).rounded(.down)) - 3)
    let cells = noiseDeviation * exp2(Double(-fine))
    let shift = (n * (cells * cells + 0.25)).squareRoot()
    let coarse = Int(log2(Self.fisherRoot / 2 * shift * exp2(Double(NoiseBudget.statisticalBits))).rounded(.up))
    // Below 2^126 in magnitude, so that it is a number of 127 bits once 2^126 is added: 1.5 2^(b + h) + 2^h.
    guard coarse <= 61, coarse + fine <= 125 else {
      throw .doesNotFit(required: Double(coarse + fine) + 66, available: 191)
    }
    coarseBits = coarse
    fineBits = fine
  }

  /// Statistical distance of a flooded inference from one without the noise: at most 2^-40.
  public func distance(noiseDeviation: Double, outputs: Int) -> Double {
    let cells = noiseDeviation * exp2(Double(-fineBits))
    let shift = (Double(outputs) * (cells * cells + 0.25)).squareRoot()
    return Self.fisherRoot / 2 * shift * exp2(Double(-coarseBits))
  }

  /// Standard deviation: half of 2^(b + h).
  public var deviation: Double { exp2(Double(coarseBits + fineBits - 1)) }

  /// Largest absolute value.
  public var bound: Double { 1.5 * exp2(Double(coarseBits + fineBits)) }

  /// Words of stream a number takes. Floods of words times small weights stay far below the bound, those of words times words
  /// far above, so that what a step draws depends on the mode alone, not on the sizes of its layers.
  var streamWords: Int { fineBits > 48 ? 5 : 4 }

  /// Draws `count` numbers.
  ///
  /// - Parameters:
  ///   - out: receives the numbers, secret like their generator: to be overwritten by the caller.
  ///   - generator: a secret stream; an element takes 32 bytes of it, 40 where h exceeds 48.
  public func fill(_ out: UnsafeMutablePointer<Int128>, count: Int, from generator: StreamGenerator) {
    let words = streamWords
    let chunk = 256
    let scratch = SecretWords(uninitialized: words * chunk)
    let coarseMask = (1 as UInt64) << UInt64(coarseBits) - 1
    let fineMask = (1 as UInt128) << UInt128(fineBits) - 1
    let center = 3 * (1 as Int128) << Int128(coarseBits - 1)
    var done = 0
    while done < count {
      let size = min(chunk, count - done)
      generator.fillWords(scratch.pointer, count: words * size)
      for index in 0..<size {
        let draw = scratch.pointer + words * index
        // Sums stay below 2^63 and 2^126; a check that they do would be a branch on what is drawn.
        let coarse = (draw[0] & coarseMask) &+ (draw[1] & coarseMask) &+ (draw[2] & coarseMask)
        let high: UInt128 = words == 5 ? UInt128(draw[4]) << 64 : 0
        let fine = Int128(truncatingIfNeeded: (high | UInt128(draw[3])) & fineMask)
        out[done + index] = (Int128(truncatingIfNeeded: coarse) &- center) << Int128(fineBits) &+ fine
      }
      done += size
    }
  }
}
