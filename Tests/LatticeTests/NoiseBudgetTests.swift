import Glibc
import Randomness
import Testing

@testable import Lattice

private let linearPrimes: [UInt64] = .init(repeating: (1 << 46) - 1, count: 3)
private let olePrimes: [UInt64] = .init(repeating: (1 << 47) - 1, count: 4)

/// Products modulo X^N + 1 of polynomials that are sparse on the left.
private func multiply(_ sparse: [(index: Int, value: Double)], _ dense: [Double], into sum: inout [Double]) {
  let degree = dense.count
  for (index, value) in sparse {
    for position in 0..<degree - index { sum[index + position] += value * dense[position] }
    for position in degree - index..<degree { sum[index + position - degree] -= value * dense[position] }
  }
}

/// Errors of the definitions: sums of 42 signed bits, ternary words, uniform embedding errors.
private struct NoiseDraws {
  let stream: StreamGenerator
  func error() -> Double {
    let bits = stream.word()
    return Double((bits & (1 << 21 - 1)).nonzeroBitCount - (bits >> 21 & (1 << 21 - 1)).nonzeroBitCount)
  }
  func ternary() -> Double { Double(stream.uniform(in: -1...1)) }
  func polynomial(_ degree: Int, _ draw: () -> Double) -> [Double] { (0..<degree).map { _ in draw() } }
}

@Suite struct NoiseBudgetTests {
  @Test func largestLinearLayerFitsThreePrimesOf46Bits() throws {
    let use = try NoiseUse.linear(terms: 4608, weightBound: (1 << 15) - 1)
    let budget = try NoiseBudget(use: use, degree: 8192, primes: linearPrimes, outputs: 1 << 17)
    #expect(budget.errorUnits < NoiseBudget.linearLimit)
    #expect(budget.requiredModulusBits < 138)
    // 2^15 sqrt(4608 * 10.58) = 2^22.79 under a flood that is at least 2^39 sqrt(2^17) times as wide.
    #expect(abs(log2(budget.noiseDeviation) - 22.79) < 0.02)
    #expect(log2(budget.flood.deviation) > 22.79 + 39 + 8.5)
  }

  /// VGG-16 at 224x224: words that meet in an output of the first fully connected layer, and what leaves the responder.
  @Test func sharesOfTheLargestLayersFitTheProductsRing() throws {
    let use = try NoiseUse.linearShares(terms: 25088)
    let budget = try NoiseBudget(use: use, degree: 8192, primes: LatticeParameters.ole.primes, outputs: 27_200_000)
    #expect(budget.errorUnits < NoiseBudget.linearLimit && budget.requiredModulusBits < 190)
    // A number of 127 bits once 2^126 is added.
    #expect(budget.flood.coarseBits + budget.flood.fineBits == 125)
    #expect(budget.flood.bound + exp2(Double(budget.flood.fineBits)) < 0x1p126)
    #expect(throws: NoiseBudgetError.self) {
      try NoiseBudget(
        use: try NoiseUse.linearShares(terms: 1 << 20), degree: 8192, primes: LatticeParameters.ole.primes,
        outputs: 27_200_000)
    }
  }

  @Test func obliviousEvaluationFitsFourPrimesOf47Bits() throws {
    let budget = try NoiseBudget(use: .ole, degree: 8192, primes: olePrimes, outputs: 1 << 17)
    #expect(budget.errorUnits < 0.5)
    // 2^64 sqrt(8192 / 12 * 10.58).
    #expect(abs(log2(budget.noiseDeviation) - 70.41) < 0.01)
  }

  @Test func moreNoiseNeedsMoreModulus() throws {
    var last = 0.0
    for (terms, bound, outputs) in [
      (9, 10, 100), (576, 1 << 10, 1000), (4608, 1 << 14, 1 << 14), (4608, 1 << 15, 1 << 18),
    ] {
      let use = try NoiseUse.linear(terms: terms, weightBound: bound)
      let budget = try NoiseBudget(use: use, degree: 8192, primes: linearPrimes + [1 << 30], outputs: outputs)
      #expect(budget.requiredModulusBits > last)
      last = budget.requiredModulusBits
    }
  }

  /// The smallest modulus that is accepted brings the error to its limit, and is the one that is said to be required.
  @Test(arguments: [false, true]) func requiredModulusIsTheThreshold(isExact: Bool) throws {
    let use = try isExact ? NoiseUse.ole : .linear(terms: 1000, weightBound: 5000)
    let fixed = [UInt64](repeating: isExact ? 1 << 46 : 1 << 44, count: isExact ? 3 : 2)
    func budget(_ last: UInt64) throws -> NoiseBudget {
      try NoiseBudget(use: use, degree: 8192, primes: fixed + [last], outputs: 5000)
    }
    var refused: UInt64 = 1 << 20
    var accepted: UInt64 = 1 << 49
    #expect(throws: NoiseBudgetError.self) { try budget(refused) }
    while accepted - refused > accepted >> 12 {
      let middle = refused + (accepted - refused) / 2
      if (try? budget(middle)) == nil { refused = middle } else { accepted = middle }
    }
    let smallest = try budget(accepted)
    let limit = isExact ? 0.5 : NoiseBudget.linearLimit
    #expect(smallest.errorUnits < limit && smallest.errorUnits > 0.998 * limit)
    #expect(abs(smallest.requiredModulusBits - smallest.modulusBits) < 0.001)
  }

  @Test func wrongArgumentsAreRefused() throws {
    #expect(throws: NoiseBudgetError.weights) { try NoiseUse.linear(terms: 0, weightBound: 1) }
    #expect(throws: NoiseBudgetError.weights) { try NoiseUse.linear(terms: 1, weightBound: 0) }
    #expect(throws: NoiseBudgetError.weights) { try NoiseUse.linear(weightNorm: .nan) }
    #expect(throws: NoiseBudgetError.weights) { try NoiseUse.linear(weightNorm: .infinity) }
    let use = try NoiseUse.linear(terms: 9, weightBound: 9)
    #expect(throws: NoiseBudgetError.degree(8191)) {
      try NoiseBudget(use: use, degree: 8191, primes: linearPrimes, outputs: 1)
    }
    #expect(throws: NoiseBudgetError.primes) { try NoiseBudget(use: use, degree: 8192, primes: [], outputs: 1) }
    #expect(throws: NoiseBudgetError.primes) { try NoiseBudget(use: use, degree: 8192, primes: [1 << 50], outputs: 1) }
    #expect(throws: NoiseBudgetError.outputs(0)) {
      try NoiseBudget(use: use, degree: 8192, primes: linearPrimes, outputs: 0)
    }
    #expect(throws: NoiseBudgetError.outputs(.max)) {
      try NoiseBudget(use: use, degree: 8192, primes: linearPrimes, outputs: .max)
    }
    let error = #expect(throws: NoiseBudgetError.self) {
      try NoiseBudget(use: .ole, degree: 8192, primes: linearPrimes, outputs: 1)
    }
    #expect(error?.description.contains("there are 1") == true)
  }

  /// The noise of re-randomised responses, made from its definition, has the deviation that is computed, and none of its
  /// coefficients exceeds what the sub-Gaussian bound allows a sample of this size.
  @Test(arguments: [1, 40, 2000]) func sampledNoiseHasTheComputedDeviation(weightBound: Int) throws {
    let degree = 1024
    let draws = NoiseDraws(stream: StreamGenerator(publicSeed: UInt64(weightBound)))
    let weights = (0..<100).map { _ in
      (draws.stream.uniform(in: 0...degree - 1), Double(draws.stream.uniform(in: -weightBound...weightBound)))
    }
    let norm = weights.reduce(0) { $0 + $1.1 * $1.1 }.squareRoot()
    let budget = try NoiseBudget(use: .linear(weightNorm: norm), degree: degree, primes: linearPrimes, outputs: degree)
    let secret = draws.polynomial(degree, draws.ternary)
    let publicError = draws.polynomial(degree, draws.error)
    var sum2 = 0.0
    var largest = 0.0
    let runs = 20
    for _ in 0..<runs {
      var noise = [Double](repeating: 0, count: degree)
      let fresh = draws.polynomial(degree) { draws.error() + draws.stream.uniformUnit() - 0.5 }
      multiply(weights.map { (index: $0.0, value: $0.1) }, fresh, into: &noise)
      let blind = draws.polynomial(degree, draws.ternary).enumerated().map { (index: $0.offset, value: $0.element) }
      multiply(blind.filter { $0.value != 0 }, publicError, into: &noise)
      let ternary = secret.enumerated().filter { $0.element != 0 }.map { (index: $0.offset, value: $0.element) }
      multiply(ternary, draws.polynomial(degree, draws.error), into: &noise)
      sum2 += noise.reduce(0) { $0 + $1 * $1 }
      largest = max(largest, noise.lazy.map(abs).max()!)
    }
    let measured = (sum2 / Double(runs * degree)).squareRoot()
    #expect(abs(measured / budget.noiseDeviation - 1) < 0.04)
    #expect(largest < 6 * budget.noiseDeviation)
    #expect(largest > 3 * budget.noiseDeviation)
  }

  @Test func uniformFactorsHaveTheComputedNorm() {
    let degree = 8192
    let stream = StreamGenerator(publicSeed: 5)
    let norm = (0..<degree).reduce(0.0) { sum, _ in
      let value = Double(Int64(bitPattern: stream.word()))
      return sum + value * value
    }.squareRoot()
    #expect(abs(norm / NoiseUse.ole.meanNorm(degree: degree) - 1) < 0.03)
    let bound = NoiseUse.ole.normBound(degree: degree, bounds: TailBounds(degree: degree, outputs: 1 << 20))
    #expect(norm < bound && bound < 1.15 * norm)
  }
}

@Suite struct FloodTests {
  @Test(arguments: [1.0, 7.9, 8, 1e7, 0x1p70], [1, 1000, 1 << 26]) func distanceIsAtMost40Bits(
    deviation: Double, outputs: Int
  ) throws {
    let flood = try Flood(noiseDeviation: deviation, outputs: outputs)
    let distance = log2(flood.distance(noiseDeviation: deviation, outputs: outputs))
    #expect(distance <= -40 && distance > -41)
    // The rule of thumb: 39 bits and the square root of the count above the noise.
    #expect(flood.deviation >= deviation * 0x1p39 * Double(outputs).squareRoot())
    #expect(flood.bound == 3 * flood.deviation)
  }

  /// The constant of the security argument, by Simpson's rule over the densities of three uniform variables.
  @Test func fisherInformationOfThreeUniforms() {
    let steps = 20_000
    var information = 4.0
    for index in 0...steps {
      let u = -0.5 + Double(index) / Double(steps)
      let weight = index == 0 || index == steps ? 1.0 : index % 2 == 1 ? 4.0 : 2.0
      information += weight * 4 * u * u / (0.75 - u * u) / Double(3 * steps)
    }
    #expect(information.squareRoot() < Flood.fisherRoot)
    #expect(information.squareRoot() > Flood.fisherRoot - 0.001)
  }

  @Test(arguments: [1.0, 100, 0x1p22, 0x1p70]) func samplesHaveTheDeclaredMoments(noise: Double) throws {
    let flood = try Flood(noiseDeviation: noise, outputs: 1 << 16)
    let count = 1 << 16
    var values = [Int128](repeating: 0, count: count)
    flood.fill(&values, count: count, from: StreamGenerator(publicSeed: 77))
    let scaled = values.map { Double($0) / flood.deviation }
    let mean = scaled.reduce(0, +) / Double(count)
    let variance = scaled.reduce(0) { $0 + $1 * $1 } / Double(count)
    let fourth = scaled.reduce(0) { $0 + $1 * $1 * $1 * $1 } / Double(count)
    #expect(abs(mean) < 0.02)
    #expect(abs(variance - 1) < 0.02)
    // Kurtosis of a sum of three uniform variables: 3 - 6 / 5 / 3.
    #expect(abs(fourth - 2.6) < 0.08)
    #expect(scaled.allSatisfy { abs($0) <= 3 })
    #expect(scaled.contains { $0 > 2.8 } && scaled.contains { $0 < -2.8 })
    let fine = values.map { Double($0 & ((1 << Int128(flood.fineBits)) - 1)) * exp2(Double(-flood.fineBits)) }
    if flood.fineBits > 0 { #expect(abs(fine.reduce(0, +) / Double(count) - 0.5) < (flood.fineBits > 4 ? 0.01 : 0.5)) }
  }

  @Test func fillsAreTheSameHoweverLong() throws {
    let flood = try Flood(noiseDeviation: 0x1p66, outputs: 10)
    var long = [Int128](repeating: 0, count: 700)
    var short = [Int128](repeating: 0, count: 256)
    flood.fill(&long, count: 700, from: StreamGenerator(publicSeed: 3))
    flood.fill(&short, count: 256, from: StreamGenerator(publicSeed: 3))
    #expect(Array(long[..<256]) == short)
    #expect(Set(long).count == 700)
  }
}
