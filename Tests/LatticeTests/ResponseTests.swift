import CKernels
import Glibc
import Randomness
import Rings
import Testing

@testable import Lattice

@Suite struct OLEResponseTests {
  private func run(variant: TransformVariant = .best, words: [UInt64]) throws -> (
    alpha: [UInt64], u: [UInt64], v: [UInt64]
  ) {
    let parties = try LatticeParties(.ole, seed: 500, variant: variant)
    let budget = try NoiseBudget(use: .ole, degree: 8192, primes: parties.context.primes, outputs: 1 << 20)
    let slots = FieldNTT(degree: 8192)
    let scratch = SecretWords(words)
    let ciphertext = try parties.reader().read(
      parties.encryptor().encryptSlots(scratch.pointer, slots: slots, polynomial: 0), polynomial: 0)
    let (alpha, u, v) = (SecretWords(zeros: 8192), SecretWords(zeros: 8192), SecretWords(zeros: 8192))
    let format = ResponseFormat(.ole)
    StreamGenerator(publicSeed: 501).fillField(alpha.pointer, count: 8192)
    let bytes = parties.responder().respondProduct(
      ciphertext: ciphertext, number: 0, factor: alpha.pointer, slots: slots, flood: budget.flood, format: format,
      u: u.pointer)
    slots.slots(alpha.pointer)
    #expect(bytes.count == format.byteCount(degree: 8192, count: 8192))
    try parties.decryptor().readOLE(bytes, number: 0, slots: slots, format: format, v: v.pointer)
    return (alpha.array(), u.array(), v.array())
  }

  @Test func sharesAddUpExactly() throws {
    var draws = Draws(state: 3)
    let p = PrimeField.modulus
    let words = [0, 1, p - 1, p / 2, p / 2 + 1] + (0..<8187).map { _ in draws.word() % p }
    for variant in TransformVariant.allCases where variant.isAvailable {
      let (alpha, u, v) = try run(variant: variant, words: words)
      #expect(same(zip(u, v).map(PrimeField.add), zip(alpha, words).map(PrimeField.multiply)))
      // Factors and shares are uniform: chi-squared over the top four bits, 15 degrees of freedom.
      for values in [alpha, u, v] {
        var counts = [Double](repeating: 0, count: 16)
        for value in values { counts[Int(value >> 60)] += 1 }
        #expect(counts.reduce(0) { $0 + ($1 - 512) * ($1 - 512) / 512 } < 50)
        #expect(values.allSatisfy { $0 < p })
      }
    }
  }

  /// The noise that decides exactness is the flood's, its cut to `lowBits`, and the rounding of C1: half a unit would make
  /// an error, and what is measured stays below what the budget says.
  @Test func fractionsStayBelowTheBudget() throws {
    let parties = try LatticeParties(.ole, seed: 600)
    let budget = try NoiseBudget(use: .ole, degree: 8192, primes: parties.context.primes, outputs: 1 << 20)
    // More low bits, so that what is left of the fraction can be seen: zero encrypted, shares known.
    let use = NoiseUse(factors: .uniform, switchedBits: 74, lowBits: 20, isExact: true)
    let format = ResponseFormat(use)
    let ciphertext = try parties.reader().read(
      parties.encryptor().encrypt(.word, [UInt64](repeating: 0, count: 8192), polynomial: 0), polynomial: 0)
    let weight = SecretWords(zeros: parties.context.words)
    let sum = ProductSum(context: parties.context)
    for prime in parties.context.primes.indices {
      sum.add(prime: prime, [ciphertext.pointer], [weight.pointer + prime * 8192])
    }
    let ranges = CoefficientRanges([0..<8192])
    let (bytes, shares) = parties.responder().respond(
      sum, number: 0, modulus: .word, format: format, flood: budget.flood, ranges: ranges)
    // Read with the unit moved up by 2^20: the results' low 20 bits are the fraction.
    let fractions = try fractions(parties, bytes, format)
    let read = try parties.decryptor().read(bytes, number: 0, modulus: .word, format: format, ranges: ranges)
    for index in 0..<8192 {
      #expect(shares.pointer[index] &+ read.pointer[index] == 0)
      #expect(abs(fractions[index]) < budget.errorUnits)
    }
    let measured = (fractions.reduce(0) { $0 + $1 * $1 } / 8192).squareRoot()
    let flood = budget.flood.deviation * exp2(64 - budget.modulusBits)
    let switching = (8192 * 2 / 3.0 / 12).squareRoot() * 0x1p-10
    #expect(abs(measured / (flood * flood + switching * switching).squareRoot() - 1) < 0.1)
  }

  /// C0 + C1' s in units, less its nearest integer.
  private func fractions(_ parties: LatticeParties, _ bytes: [UInt8], _ format: ResponseFormat) throws -> [Double] {
    let ring = Decryptor.makeContext(degree: 8192)
    var wide = [UInt64](repeating: 0, count: 2 * 8192)
    ck_unpack_wide(bytes, 8192, UInt32(format.switchedBits), &wide)
    let residues = SecretWords(zeros: ring.words)
    for (index, q) in ring.primes.enumerated() { ck_wide_residues(q, wide, 8192, residues.pointer + index * 8192) }
    ring.forward(residues.pointer)
    let key = parties.key.transformed(in: ring)
    ring.multiply(residues.pointer, key.pointer, residues.pointer)
    ring.inverse(residues.pointer)
    var lows = [UInt64](repeating: 0, count: 8192)
    let low = Array(bytes[((8192 * format.switchedBits + 7) / 8)...])
    ck_unpack_words(low, 8192, UInt32(format.lowBits), &lows)
    return (0..<8192).map { index in
      // One residue suffices mod 2^k1, as the product is lifted by both primes.
      let field = SlowField(q: ring.primes[1])
      let difference = field.add(
        residues.pointer[8192 + index], field.negate(residues.pointer[index] % ring.primes[1]))
      let digit = field.multiply(difference, field.inverse(ring.primes[0] % ring.primes[1]))
      let product = UInt128(ring.primes[0]) * UInt128(ring.primes[1])
      var lifted = Int128(UInt128(ring.primes[0]) * UInt128(digit) + UInt128(residues.pointer[index]))
      if lifted > Int128(product / 2) { lifted -= Int128(product) }
      // Units are 2^(k1 - 64).
      let unit = Int128(1) << Int128(format.switchedBits - 64)
      let rest = Double(lifted & (unit - 1)) / Double(unit)
      let fraction = rest + (Double(lows[index]) + 0.5) * exp2(Double(-format.lowBits))
      return fraction - fraction.rounded()
    }
  }
}

/// Responses to encryptions of zero, whose errors are all that is left.
@Suite struct ResponseNoiseTests {
  private func zeroSum(_ parties: LatticeParties) throws -> ProductSum {
    let degree = parties.context.degree
    let ciphertext = try parties.reader().read(
      parties.encryptor().encrypt(.word, [UInt64](repeating: 0, count: degree), polynomial: 0), polynomial: 0)
    let sum = ProductSum(context: parties.context)
    for prime in parties.context.primes.indices {
      let weight = SecretWords(zeros: degree)
      sum.add(prime: prime, [ciphertext.pointer], [weight.pointer])
      withExtendedLifetime((ciphertext, weight)) {}
    }
    return sum
  }

  /// A flood of some hundred units shows in the results, at its width; of the coefficients that are read, each has its own.
  @Test(arguments: [ModulusKind.word, .field]) func floodIsAdded(kind: ModulusKind) throws {
    let parties = try LatticeParties(.linear, seed: 900)
    let format = ResponseFormat(try .linear(terms: 1, weightBound: 1))
    let flood = try Flood(noiseDeviation: 0x1p36, outputs: 1 << 10)
    let ranges = CoefficientRanges([0..<4000, 4100..<8192])
    let (bytes, shares) = parties.responder().respond(
      try zeroSum(parties), number: 0, modulus: kind, format: format, flood: flood, ranges: ranges)
    let read = try parties.decryptor().read(bytes, number: 0, modulus: kind, format: format, ranges: ranges)
    let errors = zip(shares.array(), read.array()).map { Double(difference(kind, sum(kind, $0, $1), 0)) }
    let bits = parties.context.primes.reduce(0) { $0 + log2(Double($1)) }
    let units = flood.deviation * exp2(64 - bits)
    let measured = (errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count)).squareRoot()
    #expect(units > 50)
    #expect(abs(measured / units - 1) < 0.03)
    #expect(abs(errors.reduce(0, +) / Double(errors.count)) < 0.05 * units)
    #expect(Set(errors).count > 50)
  }

  /// One low bit suffices where noise is small, as what is cut off is made up for by half of it.
  @Test(arguments: [1, 3]) func cutFractionsAreCentered(lowBits: Int) throws {
    let parties = try LatticeParties(.ole, seed: 950)
    let format = ResponseFormat(NoiseUse(factors: .uniform, switchedBits: 74, lowBits: lowBits, isExact: true))
    let flood = try Flood(noiseDeviation: 1000, outputs: 1 << 13)
    let ranges = CoefficientRanges([0..<8192])
    let (bytes, shares) = parties.responder().respond(
      try zeroSum(parties), number: 0, modulus: .field, format: format, flood: flood, ranges: ranges)
    let read = try parties.decryptor().read(bytes, number: 0, modulus: .field, format: format, ranges: ranges)
    #expect(zip(shares.array(), read.array()).allSatisfy { PrimeField.add($0, $1) == 0 })
  }

  /// C1 of a response is a v + e1: without e1, a division by a would give v. In a ring so small that C1 travels whole.
  @Test func errorsAreAddedToTheSecondComponent() throws {
    let parameters = try LatticeParameters(insecureForTests: 1024, primes: LatticePrimes.largest(bits: 36, count: 2))
    let parties = try LatticeParties(parameters, seed: 970)
    let context = parties.context
    let format = ResponseFormat(NoiseUse(factors: .uniform, switchedBits: 100, lowBits: 1, isExact: true))
    let flood = try Flood(noiseDeviation: 1, outputs: 1)
    let (bytes, _) = parties.responder().respond(
      try zeroSum(parties), number: 0, modulus: .word, format: format, flood: flood, ranges: CoefficientRanges([0..<1]))
    var wide = [UInt64](repeating: 0, count: 2048)
    ck_unpack_wide(bytes, 1024, 100, &wide)
    let product = context.primes.reduce(Big(1)) { $0 * Big($1) }
    let q = context.primes[0]
    let field = SlowField(q: q)
    var second = (0..<1024).map { index in
      let value = Big(words: [wide[2 * index], wide[2 * index + 1]])
      return (Big.rounded(value * product, by: Big(1) << 100) % Big(q)).word
    }
    context.tables[0].forward(&second)
    let uniform = Array(parties.publicKey.second.array()[..<1024])
    var quotient = zip(second, uniform).map { field.multiply($0, field.inverse($1)) }
    context.tables[0].inverse(&quotient)
    #expect(quotient.count { $0 <= 1 || $0 == q - 1 } < 10)
    // The division is by the right number: a / a is one.
    #expect(zip(uniform, uniform).allSatisfy { field.multiply($0, field.inverse($1)) == 1 })
  }
}

@Suite struct RerandomisationTests {
  private let degree = 8192

  /// What the model owner would send without re-randomisation gives the weights away by one division, and what is sent
  /// instead does not.
  @Test func weightsAreHiddenByRerandomisationOnly() throws {
    let parties = try LatticeParties(.linear, seed: 700)
    let context = parties.context
    var draws = Draws(state: 1)
    let weights = (0..<degree).map { $0 % 7 == 0 ? Int32(draws.word() % 1000) - 500 : 0 }
    let ciphertext = try parties.reader().read(
      parties.encryptor().encrypt(.word, (0..<degree).map { UInt64($0) }, polynomial: 0), polynomial: 0)
    let sum = product(context, ciphertext, weights)
    let second = sum.component(1)
    #expect(same(divided(context, second, by: ciphertext), weights.map(Int.init)))

    let format = ResponseFormat(try .linear(terms: degree, weightBound: 500))
    let flood = try Flood(noiseDeviation: 1e6, outputs: 100)
    let (bytes, _) = parties.responder().respond(
      sum, number: 0, modulus: .word, format: format, flood: flood, ranges: CoefficientRanges([0..<100]))
    // The switched C1 is within one unit of the bare product's where nothing was added; here it is anywhere.
    let bare = switched(context, second, format)
    #expect(distances(bare, bare, format).allSatisfy { $0 == 0 })
    let apart = distances(bytes, bare, format)
    #expect(apart.count { $0 < 0x1p-8 } < 64 * 2)
    #expect(abs(apart.reduce(0, +) / Double(degree) - 0.25) < 0.02)
  }

  @Test func everyResponseIsDrawnAfresh() throws {
    let parties = try LatticeParties(.linear, seed: 800)
    let ciphertext = try parties.reader().read(
      parties.encryptor().encrypt(.word, (0..<degree).map { UInt64($0) }, polynomial: 0), polynomial: 0)
    let responder = parties.responder()
    let format = ResponseFormat(try .linear(terms: 1, weightBound: 1))
    let flood = try Flood(noiseDeviation: 1e6, outputs: 100)
    let responses = (0..<2).map { number in
      responder.respond(
        product(parties.context, ciphertext, [1] + [Int32](repeating: 0, count: degree - 1)), number: number,
        modulus: .word, format: format, flood: flood, ranges: CoefficientRanges([0..<100])
      ).bytes
    }
    #expect(abs(distances(responses[0], responses[1], format).reduce(0, +) / Double(degree) - 0.25) < 0.02)
  }

  private func product(_ context: RingContext, _ ciphertext: SecretWords, _ weights: [Int32]) -> ProductSum {
    let factor = SecretWords(zeros: context.words)
    context.residues(weights, factor.pointer)
    context.forward(factor.pointer)
    let sum = ProductSum(context: context)
    for prime in context.primes.indices {
      sum.add(prime: prime, [ciphertext.pointer], [factor.pointer + prime * degree])
    }
    withExtendedLifetime((ciphertext, factor)) {}
    return sum
  }

  /// C1 / a of the first prime in signed coefficients: the key holder knows a.
  private func divided(_ context: RingContext, _ second: SecretWords, by ciphertext: SecretWords) -> [Int] {
    let q = context.primes[0]
    let field = SlowField(q: q)
    var transformed = Array(second.array()[..<degree])
    context.tables[0].forward(&transformed)
    let uniform = ciphertext.array()[context.words..<context.words + degree]
    var quotient = zip(transformed, uniform).map { field.multiply($0, field.inverse($1)) }
    context.tables[0].inverse(&quotient)
    return quotient.map { $0 > q / 2 ? Int($0) - Int(q) : Int($0) }
  }

  private func switched(_ context: RingContext, _ second: SecretWords, _ format: ResponseFormat) -> [UInt8] {
    var fractions = [UInt64](repeating: 0, count: 2 * degree)
    context.fractions(second.pointer, stride: degree, count: degree, &fractions)
    var bytes = [UInt8](repeating: 0, count: (degree * format.switchedBits + 7) / 8)
    ck_pack_fractions(fractions, degree, UInt32(format.switchedBits), &bytes)
    return bytes
  }

  /// Distances of coefficients on the circle of length one: 1/4 on average where they have nothing to do with each other.
  private func distances(_ a: [UInt8], _ b: [UInt8], _ format: ResponseFormat) -> [Double] {
    let values = [a, b].map { bytes in
      var wide = [UInt64](repeating: 0, count: 2 * degree)
      ck_unpack_wide(bytes, degree, UInt32(format.switchedBits), &wide)
      return (0..<degree).map {
        (Double(wide[2 * $0 + 1]) * 0x1p64 + Double(wide[2 * $0])) * exp2(Double(-format.switchedBits))
      }
    }
    return zip(values[0], values[1]).map { min(abs($0 - $1), 1 - abs($0 - $1)) }
  }
}
