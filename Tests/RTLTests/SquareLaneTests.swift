import Randomness
import Rings
import Testing

@Suite(.enabled(if: Simulators.areBuilt, Simulators.advice)) struct SquareLaneTests {
  /// One party's lane: z + 2 e a, and e^2 at the party that adds it.
  private func play(_ lanes: Int, addsSquare: Bool, e: [UInt32], a: [UInt32], z: [UInt32]) throws -> [UInt32] {
    let shape = Beats(lanes: lanes, count: e.count)
    var stimulus = Stimulus()
    stimulus.configure([addsSquare ? 1 : 0])
    for beat in 0..<shape.beats { stimulus.beat([e, a, z].flatMap { shape.slice($0, beat) }) }
    let (words, report) = try Simulators.run("square-32-\(lanes)", stimulus)
    #expect(try report.cycles == KernelTable.row("square-32-\(lanes)").cycles(e.count))
    return [UInt32](words.prefix(e.count))
  }

  /// Shares of A and A o A, x opened against A: the two results add up to x^2 mod 2^32.
  @Test(arguments: [1, 8], [1, 7, 8, 9, 400]) func sharesAddUpToTheSquare(lanes: Int, count: Int) throws {
    let generator = StreamGenerator(publicSeed: UInt64(count))
    let draw = { generator.words(.word, count).map { UInt32(truncatingIfNeeded: $0) } }
    let (x0, x1, a0, a1, z0) = (draw(), draw(), draw(), draw(), draw())
    let x = (0..<count).map { x0[$0] &+ x1[$0] }
    let a = (0..<count).map { a0[$0] &+ a1[$0] }
    let z1 = (0..<count).map { a[$0] &* a[$0] &- z0[$0] }
    let e = (0..<count).map { (x0[$0] &- a0[$0]) &+ (x1[$0] &- a1[$0]) }
    let r0 = try play(lanes, addsSquare: false, e: e, a: a0, z: z0)
    let r1 = try play(lanes, addsSquare: true, e: e, a: a1, z: z1)
    #expect(r0 == (0..<count).map { z0[$0] &+ 2 &* e[$0] &* a0[$0] })
    #expect((0..<count).map { r0[$0] &+ r1[$0] } == x.map { $0 &* $0 })
  }
}
