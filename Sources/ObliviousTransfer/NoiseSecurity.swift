import Glibc

/// What the published attacks on learning parity with regular noise over F_2 cost: binary logarithms of elementary steps.
///
/// n samples of a secret of k bits; one noisy position in each of t intervals of n / t. Formulas are those of the papers named at
/// each, in the form of the estimators that their authors published; a test compares values.
public struct NoiseSecurity: Sendable {
  /// Samples.
  public let samples: Int
  /// Bits of the secret.
  public let secret: Int
  /// Noisy positions.
  public let noise: Int

  /// Parameters, of which the noise divides the samples up to a rest that the attacks leave out.
  public init(samples: Int, secret: Int, noise: Int) {
    precondition(noise > 1 && secret > noise && samples > secret + noise, "no such noise")
    // Samples beyond whole intervals are dropped: they only help the attacker by a shorter code.
    let whole = samples / noise * noise
    (self.samples, self.secret, self.noise) = (whole, secret - (samples - whole), noise)
  }

  /// Those of the silent extension.
  public static let silent = NoiseSecurity(
    samples: SilentParameters.outputs, secret: SilentParameters.secret, noise: SilentParameters.trees)

  private var n: Double { Double(samples) }
  private var k: Double { Double(secret) }
  private var t: Double { Double(noise) }
  /// Positions of an interval.
  private var width: Double { n / t }

  /// The least of all.
  public var bits: Double {
    [gauss, statisticalDecoding, permutation, enumeration, algebraic, hybrid].min() ?? 0
  }

  /// Pooled Gauss (Esser, Kübler, May, CRYPTO 2017) with Strassen's exponent, as in Liu, Wang, Yang and Yu (EUROCRYPT 2024,
  /// ePrint 2022/712), whose reduction of regular noise takes t off samples and secret.
  public var gauss: Double {
    2.8 * log2(k - t) - (Self.choose(n - k, t) - Self.choose(n - t, t))
  }

  /// Statistical decoding, its second version included: Liu, Wang, Yang and Yu.
  public var statisticalDecoding: Double {
    let guessed = gauss.rounded(.down)
    func cost(_ k: Double) -> Double { log2(k + 1) + 2 * t * log2((n - 2 * t + 1) / (n - k - 2 * t)) }
    return min(cost(k - t), cost(k - t - guessed))
  }

  /// Information set decoding that takes as many positions of each interval: Esser and Santini (CRYPTO 2024), permutation.
  public var permutation: Double {
    let k = k - t
    return 2 * log2(n - k) + log2(n) - t * log2(1 - k / n)
  }

  /// The same with a few errors in the set, matched by birthday: Esser and Santini, enumeration.
  public var enumeration: Double {
    let k = k - t
    var best = Double.infinity
    for errors in stride(from: 0.0, to: 30, by: 2) {
      let pairs = Self.choose((t / 2).rounded(.toNearestOrEven), errors / 2)
      let size = max(0, pairs + errors / 2 * log2(k / t))
      for matched in stride(from: (size / 2).rounded(.up), to: (1.5 * size).rounded(.toNearestOrEven), by: 1) {
        let share = (k + matched) / n
        guard share < 1 else { continue }
        let success =
          Self.choose((t / 2).rounded(.down), errors / 2) + Self.choose((t / 2).rounded(.up), errors / 2)
          + log2(share) * errors + log2(1 - share) * (t - errors)
        let list = pairs + log2((k + matched) / t) * errors / 2
        best = min(best, log2(n) + max(2 * log2(n - k), 1 + list, 2 * list - matched) - success)
      }
    }
    return best
  }

  /// Gröbner bases of the regular structure, after positions were guessed: Briaud and Øygarden (EUROCRYPT 2023).
  public var algebraic: Double {
    var best = Double.infinity
    for intervals in 0..<noise {
      for guessed in 0..<Int(width) where intervals * guessed < secret + 1 {
        guard let monomials = monomials(Double(intervals), Double(guessed)) else { continue }
        let free = 3 * (k + 1 - Double(intervals * guessed))
        best = min(
          best, 2 * log2(monomials) + log2(free) - Double(intervals) * log2(1 - Double(guessed) / width))
      }
    }
    return best
  }

  /// Monomials up to the degree at which the system is expected to be solved, nil beyond four.
  private func monomials(_ intervals: Double, _ guessed: Double) -> Double? {
    let counts = Series.binomial(intervals, width - guessed - 1) * Series.binomial(t - intervals, width - 1)
    let series = counts * Series.inverse(n - k)
    // The published estimator asks for the coefficients of degree two (with those below), three and four in turn.
    if series.d2 + series.d1 < 1 { return counts.d1 + counts.d2 }
    if series.d3 < 1 { return counts.d1 + counts.d2 + counts.d3 }
    if series.d4 < 1 { return counts.d1 + counts.d2 + counts.d3 + counts.d4 }
    return nil
  }

  /// Guesses, then linearized quadratic equations of what is left: the hybrid of ePrint 2025/1284.
  public var hybrid: Double {
    var best = Double.infinity
    // Intervals guessed outright cost log2(width) bits each, so that few can pay.
    for outright in 0..<8 {
      for guessed in 0..<Int(width) - 2 {
        for more in 0..<noise - outright {
          best = min(best, hybrid(Double(outright), Double(guessed), Double(more)))
        }
      }
    }
    return best
  }

  private func hybrid(_ outright: Double, _ guessed: Double, _ more: Double) -> Double {
    let others = t - more - outright
    guard n - t - more - (t - outright) * guessed > 0 else { return .infinity }
    let luck = -log2(1 - (guessed + 1) / width) * more - log2(1 - guessed / width) * others
    let left = k - t - (guessed + 1) * more - others * guessed
    let rest = n - k - ((n - k) / (width - 1)).rounded(.down) * (width - guessed - 2)
    let elimination = max(1, rest * (n - k) * (rest + left))
    guard left > 0 else { return luck + log2(elimination) }
    let equations =
      others * (width - guessed - 2) * (width - guessed - 1) / 2
      + more * (width - guessed - 2) * (width - guessed - 3) / 2
    let fixed = (width - 1) * outright
    let variables = left - fixed
    guard variables > 0, variables <= (2 * equations).squareRoot() - 2 else { return .infinity }
    let setUp = max(1, pow(variables, 4) * left * left / 8 / log2(max(variables * variables / 2, 2)))
    let trial = max(
      1,
      1.25 * (2 * variables * variables * fixed + variables * fixed * fixed) + pow(2.5 * variables, 3)
        / log2(max(2.5 * variables, 2)))
    return luck + log2(elimination + setUp + trial * exp2(log2(width) * outright))
  }

  /// log2 of n choose k.
  private static func choose(_ n: Double, _ k: Double) -> Double {
    (lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)) / log(2)
  }

  /// A power series up to degree four, with constant term one.
  private struct Series {
    var d1, d2, d3, d4: Double

    /// (1 + x z)^f.
    static func binomial(_ f: Double, _ x: Double) -> Series {
      let (d1, d2) = (x * f, x * x * f * (f - 1) / 2)
      let d3 = d2 * x * (f - 2) / 3
      return Series(d1: d1, d2: d2, d3: d3, d4: d3 * x * (f - 3) / 4)
    }

    /// (1 + z)^-(r - 1): what r - 1 equations take away.
    static func inverse(_ r: Double) -> Series {
      let (d1, d2) = (-(r - 1), r * (r - 1) / 2)
      let d3 = -d2 * (r + 1) / 3
      return Series(d1: d1, d2: d2, d3: d3, d4: -d3 * (r + 2) / 4)
    }

    static func * (a: Series, b: Series) -> Series {
      Series(
        d1: a.d1 + b.d1, d2: a.d2 + a.d1 * b.d1 + b.d2, d3: a.d3 + a.d2 * b.d1 + a.d1 * b.d2 + b.d3,
        d4: a.d4 + a.d3 * b.d1 + a.d2 * b.d2 + a.d1 * b.d3 + b.d4)
    }
  }
}
