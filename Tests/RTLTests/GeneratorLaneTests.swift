import Randomness
import Rings
import Testing

@Suite(.enabled(if: Simulators.areBuilt, Simulators.advice)) struct GeneratorLaneTests {
  struct Request {
    var first: UInt128
    var beats: Int
  }

  /// What `StreamGenerator` gives for one request, in the lanes' words of 128 bits.
  private func expected(_ row: KernelTable.Row, _ key: [UInt8], _ request: Request) -> [UInt64] {
    let generator = StreamGenerator(key: SecretKey(bytes: key), firstBlock: request.first)
    let count = request.beats * row.operations
    var words = [UInt64](repeating: 0, count: 2 * count)
    if row.parameters["FIELD"] == 1 {
      var elements = [UInt64](repeating: 0, count: count)
      generator.fillField(&elements, count: count)
      for index in 0..<count { words[2 * index] = elements[index] }
    } else {
      generator.fillWords(&words, count: 2 * count)
    }
    return words
  }

  private func configuration(_ key: [UInt8]) -> [UInt32] {
    stride(from: 12, through: 0, by: -4).map { place in
      (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(key[place + $1]) }
    }
  }

  private func add(_ request: Request, to stimulus: inout Stimulus, after cycles: Int = 0) {
    var data: [UInt32] = []
    data.append(words: [UInt64(truncatingIfNeeded: request.first), UInt64(request.first >> 64)])
    stimulus.beat(after: cycles, data + [UInt32(request.beats)])
  }

  static let sets = ["prg-pipelined-1", "prg-pipelined-field-2", "prg-iterated-1", "prg-iterated-field-3"]

  /// Requests that wait follow without a gap, so that the cycles are those of one long request.
  @Test(arguments: sets, [[1], [2], [3, 1, 1, 2], [200], [17, 64, 1]]) func blocksAreThoseOfTheGenerator(
    name: String, beats: [Int]
  ) throws {
    let row = try KernelTable.row(name)
    let generator = StreamGenerator(publicSeed: UInt64(beats.count))
    let key = (0..<16).map { _ in UInt8(truncatingIfNeeded: generator.word(.word) >> 9) }
    let places: [UInt128] = [0, UInt128(UInt64.max) - 3, UInt128.max - 5, 0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10]
    let requests = beats.enumerated().map { Request(first: places[($0 + beats[0]) % places.count], beats: $1) }
    var stimulus = Stimulus()
    stimulus.configure(configuration(key))
    for request in requests { add(request, to: &stimulus) }
    let (words, report) = try Simulators.run(name, stimulus)
    #expect(report.accepted == beats.count)
    #expect(try report.cycles == row.cycles(beats.reduce(0, +) * row.operations))
    #expect(report.setup == (row.module == "prg_pipelined" ? 11 : 1))
    let found = stride(from: 0, to: words.count, by: 2).map { words.word(at: $0) }
    #expect(found == requests.flatMap { expected(row, key, $0) })
  }

  /// A second key serves all that is asked for after it, and requests with pauses give the same words.
  @Test(arguments: sets) func keysAreReplaced(name: String) throws {
    let row = try KernelTable.row(name)
    let keys: [[UInt8]] = [[UInt8](0..<16), [UInt8](repeating: 0xFF, count: 16)]
    var stimulus = Stimulus()
    var all: [UInt64] = []
    for key in keys {
      stimulus.configure(after: 100, configuration(key))
      for beats in 1...4 {
        let request = Request(first: UInt128(beats), beats: beats)
        add(request, to: &stimulus, after: 7 * beats)
        all += expected(row, key, request)
      }
    }
    let (words, _) = try Simulators.run(name, stimulus)
    #expect(stride(from: 0, to: words.count, by: 2).map { words.word(at: $0) } == all)
  }
}
