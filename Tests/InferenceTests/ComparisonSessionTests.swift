import Correlations
import Programs
import Rings
import Testing

@testable import Inference

@Suite("Sessions with comparisons")
struct ComparisonSessionTests {
  /// Runs two queries, one of them of two samples, and gives the largest distance from the twin.
  private func distance(_ program: Program, seed: UInt64, limit: Int64 = 512) throws -> (worst: Int64, largest: Int64) {
    try program.validate()
    let example = Example(program, seed: seed)
    let inputs = example.inputs(3, seed: seed + 1)
    let outcome = try Trio(model: example.model()).run(batches: [[inputs[0]], Array(inputs[1...])], prepared: 2)
    #expect(outcome.results.count == 3)
    var (worst, largest) = (Int64(0), Int64(0))
    for (input, result) in zip(inputs, outcome.results) {
      let expected = example.twin.run(input)
      largest = max(largest, expected.map(abs).max()!)
      worst = max(worst, zip(result, expected).map { abs($0 - $1) }.max()!)
      #expect(result.count == expected.count)
    }
    #expect(largest >= limit, "the example says nothing if its results are small")
    return (worst, largest)
  }

  @Test("ReLU of the input is exact, whatever the number of elements", arguments: [1, 7, 8, 2047, 2048, 2049, 20001])
  func relu(count: Int) throws {
    #expect(try distance(Examples.relu(count), seed: UInt64(count), limit: 4).worst == 0)
  }

  static let functions: [ComparisonFunction] = [
    .relu, .leakyReLU(shift: 1), .leakyReLU(shift: 5), .slopedReLU(numerator: 3, denominator: 10), .absolute, .sign,
    .clip(lower: 0, upper: 300),
    .clip(lower: -250, upper: 120), .clip(lower: 40, upper: 200),
  ]

  @Test("Functions of the sign, both rings and preferences", arguments: functions, [ModulusKind.word, .field])
  func eachFunction(function: ComparisonFunction, modulus: ModulusKind) throws {
    for preference in ComparisonPreference.allCases {
      // Without dropped bits nothing is rounded before the next layer, and the result is exact up to the output's unit.
      let exact = try distance(
        Examples.function(function, bits: function.comparisons == 2 ? 26 : 24, dropped: 0, to: modulus, preference),
        seed: 3, limit: 2)
      #expect(exact.worst <= 1, "\(preference)")
      let rounded = try distance(Examples.function(function, to: modulus, preference), seed: 5, limit: 2)
      // A unit of each of 12 taps times a weight below 2^8, and of sign a whole turn at a value of zero.
      let units: Int64 =
        switch function {
        case .leakyReLU(let shift): 1 << Int64(shift)
        case .slopedReLU(_, let denominator): Int64(denominator)
        default: 2
        }
      #expect(rounded.worst <= 12 * 256 * units / 16 + 1, "\(preference)")
      guard modulus == .word, function != .sign else { continue }
      let tracked = try distance(Examples.function(function, preference, tracks: true), seed: 5, limit: 2)
      #expect(tracked.worst <= 12 * 256 * units / 16 + 1, "\(preference)")
    }
  }

  @Test("Bits dropped together, before the last as before the first: the twin's integers", arguments: [4, 5, 9, 13])
  func floors(dropped: Int) throws {
    for preference in ComparisonPreference.allCases {
      #expect(try distance(Examples.floored(dropped, preference), seed: 17, limit: 2).worst == 0)
    }
  }

  static let windows: [WindowGeometry] = [
    .init(kernel: 2, stride: 2, padding: 0), .init(kernel: 3, stride: 2, padding: 1),
    .init(kernel: 3, stride: 1, padding: 1), .init(kernel: 3, stride: 4, padding: 0),
    .init(kernel: 5, stride: 2, padding: 2), .init(kernel: 7, stride: 1, padding: 0),
    .init(kernel: 2, stride: 3, padding: 1), WindowGeometry(Examples.wide),
    .init(
      PoolingWindow(
        rows: PoolingAxis(kernel: 2, stride: 3, dilation: 2, before: 2), columns: PoolingAxis(kernel: 1, stride: 2))),
    .init(PoolingWindow(rows: PoolingAxis(kernel: 7), columns: PoolingAxis(kernel: 9))),
  ]

  @Test("Maxima over windows, then ReLU", arguments: windows, [ModulusKind.word, .field])
  func maxima(window: WindowGeometry, modulus: ModulusKind) throws {
    let found = try distance(Examples.pooled(window, to: modulus), seed: 11)
    #expect(found.worst * 16 <= found.largest, "off by \(found.worst) of \(found.largest)")
  }

  @Test("A label is the first largest value's, and nothing else leaves")
  func label() throws {
    let program = Examples.pooled(WindowGeometry(kernel: 2, stride: 2, padding: 0), isLabel: true)
    for seed in 0..<6 as Range<UInt64> {
      let example = Example(program, seed: seed)
      let inputs = example.inputs(4, seed: seed + 50)
      let outcome = try Trio(model: example.model()).run(batches: [inputs], prepared: 4)
      #expect(outcome.results == inputs.map { example.twin.run($0) })
      // One byte of label a sample is all that the last frame carries.
      #expect(program.outputBytesPerElement == 1 && outcome.results.allSatisfy { $0.count == 1 && $0[0] < 11 })
    }
    // Equal values: the first one wins.
    var steps = Examples.relu(37).steps
    steps[1].operation = .argMax(ArgMaxSpec(droppedBits: 0, indexBits: 8, digits: ComparisonDigits(bits: 30)))
    steps[1].tensor.shape = TensorShape(vector: 1)
    steps[2].operation = .output(droppedBits: 56)
    steps[2].tensor.shape = TensorShape(vector: 1)
    let example = Example(Program(name: "ties", steps: steps), seed: 1)
    var input = [Int64](repeating: -5, count: 37)
    for place in [36, 20, 9] {
      input[place] = 100
      let outcome = try Trio(model: example.model()).run(batches: [[input]], prepared: 0)
      #expect(outcome.results == [[Int64(place)]])
    }
  }

  @Test(
    "The two parties alone: ReLU, maxima and a label, X2act beside ReLU",
    arguments: [
      Examples.relu(3001), Examples.floored(11), Examples.function(.leakyReLU(shift: 2), tracks: true),
      Examples.function(.clip(lower: 0, upper: 300), bits: 24, .bytes),
      Examples.mixed(),
      Examples.pooled(WindowGeometry(kernel: 3, stride: 2, padding: 1), isLabel: true),
      Examples.pooled(WindowGeometry(kernel: 2, stride: 2, padding: 0), to: .field),
    ])
  func alone(program: Program) throws {
    let example = Example(program, seed: 13)
    let inputs = example.inputs(3, seed: 14)
    let outcome = try Duo(model: example.model()).run(batches: [[inputs[0]], Array(inputs[1...])], prepared: 2)
    #expect(outcome.results.count == 3)
    for (input, result) in zip(inputs, outcome.results) {
      let expected = example.twin.run(input)
      let largest = expected.map(abs).max()!
      let worst = zip(result, expected).map { abs($0 - $1) }.max()!
      // A label is right or wrong; a linear result of lattices may be off by 64 units, which later layers enlarge.
      #expect(program.output.shape.count == 1 ? worst == 0 : worst * 16 <= largest, "off by \(worst) of \(largest)")
    }
  }

  @Test("X2act and ReLU in one network, a tensor read in both rings")
  func mixed() throws {
    let found = try distance(Examples.mixed(), seed: 7)
    #expect(found.worst * 32 <= found.largest, "off by \(found.worst) of \(found.largest)")
  }
}
