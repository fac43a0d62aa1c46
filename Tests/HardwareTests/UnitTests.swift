import Hardware
import Testing

@Suite struct UnitTests {
  @Test(arguments: [
    ("MHz", 1e6, Dimension.frequency), ("GB/s", 8e9, .dataRate), ("KiB", 8192, .data),
    ("pJ/op", 1e-12, .energyOfOperation),
    ("1", 1, .none), ("ns/op", 1e-9, .timeOfOperation), ("W*s", 1, .energy), ("1/s", 1, .frequency), ("J/s", 1, .power),
    ("kbit*ms^-1", 1e6, .dataRate), ("cycle", 1, .none), ("s^2", 1, Dimension(second: 2)),
  ])
  func units(text: String, value: Double, dimension: Dimension) throws {
    let unit = try #require(UnitName(text))
    #expect(abs(unit.measure.value - value) <= 1e-12 * value && unit.measure.dimension == dimension)
  }

  @Test(arguments: ["", "m", "xHz", "Hz/", "/s", "s^", "s^0", "s^x", "kk", "k1", "MHz s", "s^99", "kcycle"])
  func malformedUnits(text: String) { #expect(UnitName(text) == nil) }

  private static let symbols: [String: Measure] = [
    "n": Measure(10), "rate": Measure(8e9, .dataRate), "bit": Measure(1, .data), "latency": Measure(1e-4, .time),
    "op": Measure(1, .operations),
  ]

  @Test(arguments: [
    ("latency + 32*bit*n/rate", 1e-4 + 4e-8, Dimension.time), ("ceil(n, 3)", 4, .none), ("floor(n/4)", 2, .none),
    ("max(latency, 2*latency)", 2e-4, .time), ("log2(n)", 4, .none), ("7*bit % (4*bit)", 3, .data),
    ("-n*op", -10, .operations),
    ("1/latency", 1e4, .frequency),
  ])
  func measures(text: String, value: Double, dimension: Dimension) throws {
    let found = try Expression(text).measure(Self.symbols, at: "here")
    #expect(abs(found.value - value) <= 1e-12 * abs(value) && found.dimension == dimension)
  }

  @Test(arguments: ["latency + n", "bit - op", "max(bit, n)", "ceil(bit)", "log2(latency)", "bit % n", "ceil(bit, op)"])
  func unitsThatDoNotFitAreNamedByPlace(text: String) throws {
    let expression = try Expression(text)
    #expect {
      try expression.measure(Self.symbols, at: "pasnet, relu")
    } throws: { error in
      guard case .units(let place, _, _)? = error as? HardwareError else { return false }
      return place.contains("pasnet, relu") && place.contains(text)
    }
  }

  @Test func divisionsByZeroAndUnknownSymbolsAreRefused() throws {
    for text in ["n/0", "n % 0", "ceil(n, 0)", "log2(0)", "n*speed"] {
      let expression = try Expression(text)
      #expect(throws: HardwareError.self) { try expression.measure(Self.symbols, at: "here") }
    }
  }
}
