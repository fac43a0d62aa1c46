import Hardware
import Testing

@Suite struct ExpressionTests {
  @Test(arguments: [
    ("1 + 2*3", 7), ("(1+2)*3", 9), ("2-3-4", -5), ("24/4/3", 2), ("7%4*2", 6), ("--3", 3), ("-2*3", -6),
    ("ceil(9/8)", 2), ("ceil(9, 8)", 2), ("floor(9/8)", 1), ("floor(-9, 8)", -2), ("ceil(-9, 8)", -1),
    ("ceil(8*n*B/16)", 8), ("max(1, n, 3)", 8), ("min(n, B)", 2), ("log2(1)", 0), ("log2(8)", 3), ("log2(9)", 4),
    ("8*n*B + ceil(n*B/8)", 130),
  ])
  func value(text: String, expected: Int) throws {
    #expect(try Expression(text).value(["n": 8, "B": 2]) == expected)
  }

  @Test(arguments: [
    "", "1 +", "(1", "1)", "2 3", "n $ 2", "sqrt(4)", "max(1)", "log2(1, 2)", "ceil(1, 2, 3)", "99999999999999999999",
    "1,2",
  ])
  func malformed(text: String) {
    #expect {
      try Expression(text)
    } throws: {
      guard case .malformedExpression? = $0 as? HardwareError else { return false }
      return true
    }
  }

  @Test(arguments: ["n/3", "1/0", "1%0", "9223372036854775807 + 1", "4611686018427387904 * 2", "log2(0)"])
  func arithmetic(text: String) throws {
    let expression = try Expression(text)
    #expect {
      try expression.value(["n": 8])
    } throws: {
      guard case .arithmetic? = $0 as? HardwareError else { return false }
      return true
    }
  }

  @Test func nestingIsBounded() {
    let text = String(repeating: "(", count: 100) + "1" + String(repeating: ")", count: 100)
    #expect(throws: HardwareError.self) { try Expression(text) }
  }

  @Test func unknownSymbol() throws {
    let expression = try Expression("n*B")
    #expect(expression.symbols == ["n", "B"])
    #expect(throws: HardwareError.unknownSymbol(name: "B", text: "n*B")) { try expression.value(["n": 1]) }
  }
}
