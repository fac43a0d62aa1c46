import Randomness
import Rings
import Testing

@Suite(.enabled(if: Simulators.areBuilt, Simulators.advice)) struct ArithmeticTests {
  /// Plays pairs of words; the result of each.
  private func play(_ name: String, configuration: UInt32, _ a: [UInt64], _ b: [UInt64]) throws -> [UInt64] {
    var stimulus = Stimulus()
    stimulus.configure([configuration])
    for (a, b) in zip(a, b) {
      var data: [UInt32] = []
      data.append(words: [a, b])
      stimulus.beat(data)
    }
    let (words, report) = try Simulators.run(name, stimulus)
    #expect(try report.cycles == KernelTable.row(name).cycles(a.count))
    return stride(from: 0, to: words.count, by: 2).map { words.word(at: $0) }
  }

  /// Every pair of edges, and as many random ones.
  private func pairs(_ kind: ModulusKind) -> (a: [UInt64], b: [UInt64]) {
    let generator = StreamGenerator(publicSeed: 5)
    let edges = edgeWords.map { kind == .field ? $0 % p : $0 }
    let (first, second) = (edges.flatMap { a in edges.map { _ in a } }, edges.flatMap { _ in edges })
    return (first + generator.words(kind, first.count), second + generator.words(kind, first.count))
  }

  @Test func productsInTheField() throws {
    let (a, b) = pairs(.field)
    let expected = zip(a, b).map { PrimeField.multiply($0, $1) }
    #expect(try play("field-multiply", configuration: 0, a, b) == expected)
  }

  /// Any word is reduced, as `PrimeField.reduce(low:high:)` takes any two.
  @Test func productsOfAnyWords() throws {
    let (a, b) = pairs(.word)
    let expected = zip(a, b).map { PrimeField.multiply($0, $1) }
    #expect(try play("field-multiply", configuration: 0, a, b) == expected)
  }

  @Test(arguments: [ModulusKind.field, .word]) func sumsAndDifferences(kind: ModulusKind) throws {
    let (a, b) = pairs(kind)
    let field: UInt32 = kind == .field ? 1 : 0
    var (sums, differences) = (a, a)
    Elementwise.add(kind, a, b, count: a.count, output: &sums)
    Elementwise.subtract(kind, a, b, count: a.count, output: &differences)
    #expect(try play("modular-add", configuration: field, a, b) == sums)
    #expect(try play("modular-subtract", configuration: field, a, b) == differences)
  }

  @Test(arguments: [0, 1, 7, 8, 31, 56, 62, 63]) func shifts(amount: Int) throws {
    let (a, b) = pairs(.word)
    #expect(try play("shift-right", configuration: UInt32(amount) << 8, a, b) == a.map { $0 >> UInt64(amount) })
  }
}
