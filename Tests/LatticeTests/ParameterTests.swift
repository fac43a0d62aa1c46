import Testing

@testable import Lattice

@Suite struct ParameterTests {
  @Test(arguments: [LatticeParameters.linear, .ole]) func productParametersAreSecure(parameters: LatticeParameters) {
    #expect(parameters.degree == 8192)
    // HomomorphicEncryption.org standard, table 1: ternary secret, 128 bits, N = 8192.
    let product = parameters.primes.reduce(Big(1)) { $0 * Big($1) }
    #expect(product < Big(1) << 218)
    #expect(parameters.primes.allSatisfy { isPrime($0) && $0 % 16384 == 1 && $0 < 1 << 50 })
    #expect(Set(parameters.primes).count == parameters.primes.count)
  }

  @Test func moduliAboveTheStandardAreRefused() throws {
    let five = LatticePrimes.largest(bits: 50, count: 4)
    #expect(throws: LatticeError.insecure(degree: 4096, bits: 150, limit: 109)) {
      try LatticeParameters(degree: 4096, primes: Array(five[..<3]))
    }
    #expect(throws: LatticeError.insecure(degree: 2048, bits: 100, limit: 54)) {
      try LatticeParameters(degree: 2048, primes: Array(five[..<2]))
    }
    #expect(throws: LatticeError.insecure(degree: 1024, bits: 50, limit: 27)) {
      try LatticeParameters(degree: 1024, primes: [five[0]])
    }
    // The same primes are within the table at 8192, and two of them at 4096.
    _ = try LatticeParameters(degree: 8192, primes: five)
    _ = try LatticeParameters(degree: 4096, primes: Array(five[..<2]))
  }

  @Test func wrongPrimesAndDegreesAreRefused() {
    let good = LatticePrimes.largest(bits: 40, count: 2)
    for degree in [-1, 0, 1, 512, 8191, 32768, .max] {
      #expect(throws: LatticeError.self) { try LatticeParameters(degree: degree, primes: good) }
    }
    let composite = good[0] * 1 + 32768 * 2
    for primes in [[], [good[0], good[0]], [good[0] + 2], [UInt64(1)], [0], [(1 << 50) + 32768 + 1], [.max]] {
      #expect(throws: LatticeError.self) { try LatticeParameters(degree: 8192, primes: primes) }
    }
    if !isPrime(composite) {
      #expect(throws: LatticeError.self) { try LatticeParameters(degree: 8192, primes: [composite]) }
    }
  }

  /// Known primes, and composites that fool single bases or are products of two large primes.
  @Test func primalityIsDecided() {
    for prime: UInt64 in [2, 3, 37, 41, 65537, 0xFFFF_FFFF_0000_0001, 18_446_744_073_709_551_557, 562_949_953_216_513] {
      #expect(LatticePrimes.isPrime(prime) == isPrime(prime))
    }
    #expect(LatticePrimes.isPrime(0xFFFF_FFFF_0000_0001) && LatticePrimes.isPrime(18_446_744_073_709_551_557))
    let composites: [UInt64] = [
      0, 1, 4, 561, 2047, 3_215_031_751, 3_474_749_660_383, 341_550_071_728_321, 3_825_123_056_546_413_051,
      4_294_967_291 * 4_294_967_279, .max,
    ]
    for composite in composites { #expect(!LatticePrimes.isPrime(composite), "\(composite)") }
    for number in UInt64(0)..<2000 {
      let isPrime = number > 1 && !(2..<number).contains { $0 * $0 <= number && number % $0 == 0 }
      #expect(LatticePrimes.isPrime(number) == isPrime)
    }
  }

  /// The product's tables against tables made by definition.
  @Test func tablesTransformLikeTheirDefinition() {
    for degree in [16, 1024, 8192] {
      let q = LatticePrimes.largest(bits: 46, count: 1)[0]
      let slow = SlowTables(q: q, degree: degree)
      var draws = Draws(state: 40)
      let x = (0..<degree).map { _ in draws.word() % q }
      for variant in TransformVariant.allCases where variant.isAvailable {
        let tables = NTTTables(degree: degree, prime: q, variant: variant)
        var transformed = x
        tables.forward(&transformed)
        #expect(same(transformed, slow.forward(0, x)))
        tables.inverse(&transformed)
        #expect(same(transformed, x))
      }
    }
  }
}
