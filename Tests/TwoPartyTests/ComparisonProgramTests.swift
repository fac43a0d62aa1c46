import Programs
import Rings
import TestSupport
import Testing

@Suite("Programs with comparisons")
struct ComparisonProgramTests {
  private func program(_ change: (inout [Step]) -> Void) -> Program {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 6, width: 6), .word)
    p.linear(3, kernel: 3, padding: 1)
    let digits = ComparisonDigits(bits: 20)
    p.add(
      .maxPool(
        MaxPoolSpec(window: WindowGeometry(kernel: 2, stride: 2, padding: 0), droppedBits: 4, digits: digits)),
      shape: TensorShape(channels: 3, height: 3, width: 3))
    p.add(.comparison(ComparisonSpec(droppedBits: 0, digits: digits)), shape: p.shape, modulus: .field)
    p.add(.changeRing, shape: p.shape, modulus: .word)
    p.add(.reshape, shape: TensorShape(vector: 27))
    p.linear(5)
    p.add(
      .argMax(ArgMaxSpec(droppedBits: 2, indexBits: 8, digits: ComparisonDigits(bits: 40))),
      shape: TensorShape(vector: 1))
    var steps = p.finish(dropping: 56).steps
    change(&steps)
    return Program(name: "comparisons", steps: steps)
  }

  @Test("Turns are tracked where two parties can, and programs say so only there")
  func tracked() throws {
    func program(_ spec: ComparisonSpec, _ modulus: ModulusKind = .word) -> Program {
      var p = ProgramAssembler(TensorShape(vector: 50), .word)
      p.add(.comparison(spec), shape: p.shape, modulus: modulus)
      if modulus == .field { p.add(.changeRing, shape: p.shape, modulus: .word) }
      return p.finish(dropping: 0)
    }
    let valid = ComparisonSpec(droppedBits: 9, digits: ComparisonDigits(bits: 20), tracksTurns: true)
    try program(valid).validate()
    #expect(try Program(decoding: program(valid).canonicalBytes()) == program(valid))
    let stage = try #require(program(valid).comparisonStages(1)?.first)
    #expect(stage.turnBits == 9 && stage.comparedPlanes == 21 && stage.choicePlanes == 30 && stage.answerPlanes == 9)
    // An earlier version's digest stays what it was.
    var plain = valid
    plain.tracksTurns = false
    #expect(!String(decoding: try program(plain).canonicalBytes(), as: UTF8.self).contains("tracksTurns"))
    try program(plain, .field).validate()
    let changes: [(inout ComparisonSpec) -> Void] = [
      { $0.droppedBits = 0 }, { $0.digits = ComparisonDigits(widths: [5]) },
      { ($0.droppedBits, $0.digits) = (40, ComparisonDigits(bits: 23)) }, { $0.function = .sign },
      { ($0.droppedBits, $0.function) = (19, .floor) },
    ]
    for change in changes {
      var spec = valid
      change(&spec)
      #expect(throws: ProgramError.self) { try program(spec).validate() }
      spec.tracksTurns = false
      try program(spec).validate()
    }
    #expect(throws: ProgramError.self) { try program(valid, .field).validate() }
  }

  @Test("A valid one is accepted, and survives its encoding")
  func valid() throws {
    let valid = program { _ in }
    try valid.validate()
    #expect(try Program(decoding: valid.canonicalBytes()) == valid)
    for step in valid.steps.indices { #expect(valid.comparisonStages(step) == valid.comparisonSchedule(step)?.stages) }
    #expect(valid.comparisonSteps == [2, 3, 7] && valid.maskedSteps == [0, 2, 3, 7])
  }

  static let comparison = ComparisonSpec(droppedBits: 0, digits: ComparisonDigits(bits: 20))

  static let mistakes: [@Sendable (inout [Step]) -> Void] = [
    { $0[3].operation = .comparison(ComparisonSpec(droppedBits: 0, digits: ComparisonDigits(widths: []))) },
    { $0[3].operation = .comparison(ComparisonSpec(droppedBits: 0, digits: ComparisonDigits(widths: [0, 4]))) },
    { $0[3].operation = .comparison(ComparisonSpec(droppedBits: 0, digits: ComparisonDigits(widths: [7]))) },
    {
      $0[3].operation = .comparison(
        ComparisonSpec(droppedBits: 0, digits: ComparisonDigits(widths: [Int](repeating: 1, count: 33))))
    },
    {
      $0[3].operation = .comparison(
        ComparisonSpec(droppedBits: 0, digits: ComparisonDigits(widths: [Int](repeating: 4, count: 16))))
    },
    { $0[3].operation = .comparison(ComparisonSpec(droppedBits: -1, digits: comparison.digits)) },
    { $0[3].operation = .comparison(ComparisonSpec(droppedBits: 41, digits: comparison.digits)) },
    { $0[3].operation = .comparison(ComparisonSpec(droppedBits: 40, digits: ComparisonDigits(bits: 25))) },
    {
      $0[3].operation = .comparison(
        ComparisonSpec(droppedBits: 0, digits: comparison.digits, function: .leakyReLU(shift: 0)))
    },
    {
      $0[3].operation = .comparison(
        ComparisonSpec(droppedBits: 0, digits: comparison.digits, function: .leakyReLU(shift: 21)))
    },
    {
      $0[3].operation = .comparison(
        ComparisonSpec(droppedBits: 0, digits: comparison.digits, function: .slopedReLU(numerator: 2, denominator: 2)))
    },
    {
      $0[3].operation = .comparison(
        ComparisonSpec(
          droppedBits: 0, digits: comparison.digits, function: .slopedReLU(numerator: 1, denominator: 4097)))
    },
    {
      $0[3].operation = .comparison(
        ComparisonSpec(droppedBits: 0, digits: comparison.digits, function: .clip(lower: 0, upper: 0)))
    },
    {
      $0[3].operation = .comparison(
        ComparisonSpec(droppedBits: 0, digits: comparison.digits, function: .clip(lower: 0, upper: 1 << 19)))
    },
    {
      $0[3].operation = .comparison(
        ComparisonSpec(droppedBits: 0, digits: comparison.digits, function: .clip(lower: 7, upper: 7)))
    },
    {
      $0[3].operation = .comparison(
        ComparisonSpec(droppedBits: 0, digits: comparison.digits, function: .clip(lower: -1 << 20, upper: 7)))
    },
    { $0[3].operation = .comparison(ComparisonSpec(droppedBits: 18, digits: comparison.digits, function: .floor)) },
    // Into F_p.
    { $0[3].operation = .comparison(ComparisonSpec(droppedBits: 19, digits: comparison.digits, function: .floor)) },
    {
      $0[3].operation = .comparison(
        ComparisonSpec(droppedBits: 41, digits: ComparisonDigits(bits: 42), function: .floor))
    },
    {
      $0[3].operation = .comparison(
        ComparisonSpec(droppedBits: 1, digits: ComparisonDigits(widths: [0, 1]), function: .floor))
    },
    { $0[3].inputs = [0, 1] },
    { $0[3].tensor.shape = TensorShape(vector: 4) },
    { $0[0].tensor.modulus = .field },
    { $0[1].tensor.modulus = .field },
    { $0[4].tensor.modulus = .field },
    { $0[4].tensor.shape = TensorShape(vector: 27) },
    { $0[2].tensor.shape = TensorShape(channels: 3, height: 3, width: 4) },
    {
      $0[2].operation = .maxPool(
        MaxPoolSpec(window: WindowGeometry(kernel: 1, stride: 2, padding: 0), droppedBits: 4, digits: comparison.digits)
      )
    },
    {
      $0[2].operation = .maxPool(
        MaxPoolSpec(window: WindowGeometry(kernel: 9, stride: 2, padding: 0), droppedBits: 4, digits: comparison.digits)
      )
    },
    {
      $0[2].operation = .maxPool(
        MaxPoolSpec(window: WindowGeometry(kernel: 2, stride: 0, padding: 0), droppedBits: 4, digits: comparison.digits)
      )
    },
    { $0[2].operation = maximum(PoolingAxis(kernel: 2, stride: 2, overhang: 2)) },
    { $0[2].operation = maximum(PoolingAxis(kernel: 2, stride: 2, dilation: 0)) },
    { $0[2].operation = maximum(PoolingAxis(kernel: 2, stride: 2, dilation: 1 << 61)) },
    { $0[2].operation = maximum(PoolingAxis(kernel: 2, stride: 2, before: -1)) },
    // Fits, but not the shape of the result.
    { $0[2].operation = maximum(PoolingAxis(kernel: 2, stride: 2, dilation: 2, before: 2, behind: 2)) },
    // Three windows, the last of which lies behind the picture.
    { $0[2].operation = maximum(PoolingAxis(kernel: 1, stride: 3, behind: 0, overhang: 2)) },
    { $0[7].operation = .argMax(ArgMaxSpec(droppedBits: 0, indexBits: 7, digits: ComparisonDigits(bits: 40))) },
    { $0[7].operation = .argMax(ArgMaxSpec(droppedBits: 0, indexBits: 17, digits: ComparisonDigits(bits: 40))) },
    { $0[7].operation = .argMax(ArgMaxSpec(droppedBits: 0, indexBits: 8, digits: ComparisonDigits(bits: 8))) },
    { $0[7].tensor.modulus = .field },
    { $0[7].tensor.shape = TensorShape(vector: 2) },
  ]

  private static func maximum(_ axis: PoolingAxis) -> StepOperation {
    let window = WindowGeometry(PoolingWindow(rows: axis, columns: axis))
    return .maxPool(MaxPoolSpec(window: window, droppedBits: 4, digits: comparison.digits))
  }

  @Test("Square windows are written as they were before there were others")
  func encoding() throws {
    let text = String(decoding: try program { _ in }.canonicalBytes(), as: UTF8.self)
    #expect(text.contains(#""window":{"kernel":2,"padding":0,"stride":2}"#))
    let axis = PoolingAxis(kernel: 2, stride: 2)
    let wide = program {
      $0[2].operation = .maxPool(
        MaxPoolSpec(
          window: WindowGeometry(PoolingWindow(rows: axis, columns: PoolingAxis(kernel: 2, stride: 2, behind: 1))),
          droppedBits: 4, digits: Self.comparison.digits))
    }
    try wide.validate()
    #expect(try Program(decoding: wide.canonicalBytes()) == wide)
    // The short form that stands beside a rectangle must be its own.
    var bytes = String(decoding: try wide.canonicalBytes(), as: UTF8.self)
    bytes.replace(#""kernel":2,"padding":0,"rectangle""#, with: #""kernel":3,"padding":0,"rectangle""#)
    #expect(throws: ProgramError.self) { try Program(decoding: [UInt8](bytes.utf8)) }
  }

  @Test("Whatever would decide an allocation, an index or a loop is checked", arguments: 0..<mistakes.count)
  func refused(index: Int) {
    #expect(throws: ProgramError.self) { try program(Self.mistakes[index]).validate() }
  }

  @Test("A window over a huge picture is refused, not unrolled")
  func bounded() {
    var p = ProgramAssembler(TensorShape(channels: 1, height: 1, width: 1 << 24), .word)
    p.add(
      .maxPool(
        MaxPoolSpec(
          window: WindowGeometry(kernel: 4095, stride: 1, padding: 4094), droppedBits: 0,
          digits: ComparisonDigits(bits: 20))),
      shape: TensorShape(channels: 1, height: 4095, width: (1 << 24) + 4094))
    #expect(throws: ProgramError.self) { try p.finish(dropping: 0).validate() }
  }

  /// Windows by their definition.
  private func maxima(_ x: [Int], _ shape: TensorShape, _ window: PoolingWindow) -> [Int] {
    func places(_ axis: PoolingAxis, _ index: Int, _ side: Int) -> [Int] {
      (0..<axis.kernel).map { index * axis.stride + $0 * axis.dilation - axis.before }.filter((0..<side).contains)
    }
    let pooled = window.pooled(shape)
    var out: [Int] = []
    for channel in 0..<shape.channels {
      for y in 0..<pooled.height {
        for column in 0..<pooled.width {
          var largest = Int.min
          for row in places(window.rows, y, shape.height) {
            for place in places(window.columns, column, shape.width) {
              largest = max(largest, x[(channel * shape.height + row) * shape.width + place])
            }
          }
          out.append(largest)
        }
      }
    }
    return out
  }

  private func play(_ x: [Int], _ tournament: Tournament) -> [Int] {
    var values = x
    for stage in tournament.stages {
      precondition(values.count == stage.values)
      values =
        zip(stage.left, stage.right).map { max(values[Int($0)], values[Int($1)]) } + stage.rest.map { values[Int($0)] }
    }
    return values
  }

  @Test("Tournaments give every window's maximum, in order, in few rounds", arguments: 0..<200)
  func tournaments(seed: UInt64) {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func next(_ range: ClosedRange<Int>) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return range.lowerBound + Int((state >> 33) % UInt64(range.count))
    }
    let shape = TensorShape(channels: next(1...3), height: next(1...11), width: next(1...11))
    let kernel = next(2...5)
    let window = WindowGeometry(kernel: kernel, stride: next(1...4), padding: next(0...kernel - 1))
    guard kernel <= min(shape.height, shape.width) + 2 * window.padding else { return }
    let tournament = Tournament(window: window, shape: shape)
    let values = (0..<shape.count).map { _ in next(0...1000) - 500 }
    #expect(play(values, tournament) == maxima(values, shape, window.window))
    let rounds = (0..<4).first { 1 << $0 >= kernel }!
    #expect(!tournament.stages.isEmpty && tournament.stages.count <= 2 * rounds)
    #expect(tournament.stages.last!.rest.isEmpty)
    #expect(Tournament.pairs(window: window, shape: shape) == tournament.stages.map(\.left.count))
  }

  @Test("So do tournaments over windows of any form", arguments: 0..<300)
  func rectangles(seed: UInt64) {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func next(_ range: ClosedRange<Int>) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return range.lowerBound + Int((state >> 33) % UInt64(range.count))
    }
    func axis() -> PoolingAxis {
      var axis = PoolingAxis(kernel: next(1...5), stride: next(1...4), dilation: next(1...3))
      (axis.before, axis.behind) = (next(0...axis.reach - 1), next(0...axis.reach - 1))
      axis.overhang = next(0...axis.stride - 1)
      return axis
    }
    let shape = TensorShape(channels: next(1...3), height: next(1...11), width: next(1...11))
    let window = PoolingWindow(rows: axis(), columns: axis())
    guard window.fits(shape), window.meetsPicture(shape) else { return }
    let geometry = WindowGeometry(window)
    #expect(geometry.window == window)
    let tournament = Tournament(window: geometry, shape: shape)
    let values = (0..<shape.count).map { _ in next(0...1000) - 500 }
    #expect(play(values, tournament) == maxima(values, shape, window))
    #expect(tournament.stages.last!.rest.isEmpty)
    #expect(Tournament.pairs(window: geometry, shape: shape) == tournament.stages.map(\.left.count))
  }

  @Test("The maximum of a list", arguments: 1...40)
  func lists(count: Int) {
    let values = (0..<count).map { ($0 * 37) % 101 }
    let tournament = Tournament(count: count)
    #expect(play(values, tournament) == [values.max()!])
    #expect(tournament.stages.reduce(0) { $0 + $1.left.count } == max(count - 1, 1))
    #expect(Tournament.pairs(count: count) == tournament.stages.map(\.left.count))
  }
}
