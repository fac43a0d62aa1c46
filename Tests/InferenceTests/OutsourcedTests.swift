import Correlations
import Programs
import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import Inference

/// Two servers that hold shares only, against the twin in plain integers.
@Suite("Outsourced runs")
struct OutsourcedTests {
  static let programs: [(name: String, program: Program)] = [
    ("plain", Examples.plain()), ("local", Examples.plain(.local)), ("residual", Examples.residual()),
    ("early", Examples.early()), ("joined", Examples.joined()), ("square", Examples.square(8195)),
    ("relu", Examples.relu(2055)),
    ("leaky", Examples.function(.leakyReLU(shift: 2))),
    ("tracked", Examples.function(.clip(lower: -100, upper: 900), bits: 24, .bytes, tracks: true)),
    ("sloped", Examples.function(.slopedReLU(numerator: 1, denominator: 100))),
    ("clip", Examples.function(.clip(lower: 0, upper: 900), to: .field)),
    ("wide", Examples.function(.relu, bits: 58)), ("mixed", Examples.mixed()),
    ("max", Examples.pooled(WindowGeometry(kernel: 3, stride: 2, padding: 1))),
    ("label", Examples.pooled(WindowGeometry(kernel: 2, stride: 2, padding: 0), isLabel: true)),
    ("wide max", Examples.pooled(WindowGeometry(Examples.wide))), ("balanced", Examples.balanced()),
    ("offsets", Examples.offsets()), ("normalised", Examples.normalized()),
  ]

  static func example(_ index: Int, seed: UInt64) -> Example {
    Example(programs[index].program, seed: seed, normalizes: programs[index].name == "normalised")
  }

  @Test("refuse constants and normalisations that are missing, misplaced or of another size")
  func misfits() throws {
    let example = Example(Examples.normalized(), seed: 1, normalizes: true)
    let relu = example.program.reluSteps[0]
    func split(_ normalizations: [Int: NormalizationParameters], _ offsets: [Int: [Int64]]) throws {
      _ = try ServerShare.split(
        program: example.program, linear: example.linear, activations: example.coefficients,
        normalizations: normalizations, offsets: offsets)
    }
    try split([:], example.offsets)
    let three = NormalizationParameters(threshold: [1, 2, 3], flips: [true, false, true], offset: [0, 0, 1])
    for (normalizations, offsets) in [
      ([:], [:]), ([:], example.offsets.mapValues { Array($0.dropLast()) }), ([relu: three], example.offsets),
      ([relu - 1: three], example.offsets),
    ] as [([Int: NormalizationParameters], [Int: [Int64]])] {
      #expect(throws: InferenceError.self) { try split(normalizations, offsets) }
    }
  }

  private func expectClose(_ example: Example, _ results: [[Int64]], _ inputs: [[Int64]], _ isExact: Bool) {
    #expect(results.count == inputs.count)
    for (input, result) in zip(inputs, results) {
      let expected = example.twin.run(input)
      let largest = expected.map(abs).max()!
      #expect(result.count == expected.count)
      let worst = zip(result, expected).map { abs($0 - $1) }.max()!
      // As in runs of owned models: dropped bits before comparisons weigh more than those of activations.
      let part: Int64 = example.program.comparisonSteps.isEmpty ? 64 : 16
      #expect(isExact ? worst == 0 : worst <= max(2, largest / part), "off by \(worst), largest result \(largest)")
    }
  }

  @Test("give the client the twin's integers, with a dealer", arguments: 0..<programs.count)
  func dealer(index: Int) throws {
    let (name, example) = (Self.programs[index].name, Self.example(index, seed: 5))
    let inputs = example.inputs(4, seed: 6)
    let outcome = try Servers(example).run(batches: [[inputs[0]], Array(inputs[1...])], prepared: 2)
    expectClose(example, outcome.results, inputs, name == "label" || name == "relu")
  }

  @Test("give the client the twin's integers, prepared by the servers alone", arguments: 0..<programs.count)
  func lattice(index: Int) throws {
    let (name, example) = (Self.programs[index].name, Self.example(index, seed: 5))
    let inputs = example.inputs(3, seed: 6)
    var servers = try Servers(example)
    servers.source = .lattice
    let outcome = try servers.run(batches: [[inputs[0]], Array(inputs[1...])], prepared: 2)
    // Labels may differ where two scores are as near as lattices' error.
    expectClose(example, outcome.results, inputs, name == "relu")
  }

  @Test("differ from runs of owned models by rounding only, and give each server a fresh share")
  func shares() throws {
    let example = Example(Examples.residual(), seed: 7)
    let inputs = example.inputs(1, seed: 8)
    let servers = try Servers(example)
    let first = try servers.run(batches: [inputs, inputs], prepared: 2)
    #expect(first.results.count == 2)
    let other = try servers.run(batches: [inputs], prepared: 1, sessionName: "another")
    #expect(first.lastShares.0 != other.lastShares.0 && first.lastShares.1 != other.lastShares.1)
    let owned = try Trio(model: example.model()).run(batches: [inputs], prepared: 1)
    let expected = example.twin.run(inputs[0])
    let largest = expected.map(abs).max()!
    for result in first.results + other.results + owned.results {
      let worst = zip(result, expected).map { abs($0 - $1) }.max()!
      #expect(worst <= largest / 64, "off by \(worst): \(result), expected \(expected)")
    }
  }

  @Test("go on after a query whose share server 0 lacks; its material is spent")
  func missing() throws {
    let example = Example(Examples.plain(), seed: 5)
    let inputs = example.inputs(3, seed: 6)
    var servers = try Servers(example)
    servers.forgotten = [1]
    let outcome = try servers.run(batches: inputs.map { [$0] }, prepared: 3)
    #expect(outcome.refused == 1)
    expectClose(example, outcome.results, [inputs[0], inputs[2]], false)
  }

  @Test("end with an error wherever a server vanishes or stalls", arguments: [0, 40, 300, 3000, 7500], [0, 1])
  func damaged(count: Int, server: Int) throws {
    let example = Example(Examples.plain(), seed: 41)
    let servers = try Servers(example)
    let inputs = example.inputs(1, seed: 42)
    for fault in [Fault.cut(afterBytes: count), .stall(afterBytes: count)] {
      #expect(throws: (any Error).self) {
        try servers.run(batches: [inputs], prepared: 1, fault: fault, onServer: server)
      }
    }
  }
}

@Suite("Shares of a model")
struct ServerShareTests {
  @Test("add up to the model, and one of them is the same whatever the model is")
  func sums() throws {
    let example = Example(Examples.mixed(), seed: 5)
    let (first, second) = try ServerShare.split(
      program: example.program, linear: example.linear, activations: example.coefficients,
      randomness: StreamGenerator(publicSeed: 3))
    #expect(first.name == second.name && first.program == second.program && first.server == 0 && second.server == 1)
    #expect(first.weightsDigest != second.weightsDigest)
    for index in example.program.linearSteps {
      let isField = example.program.steps[index].tensor.modulus == .field
      func sum(_ a: SecretWords, _ b: SecretWords) -> [Int64] {
        zip(a.buffer, b.buffer).map {
          isField ? PrimeField.centered(PrimeField.add($0, $1)) : Word64.centered($0 &+ $1)
        }
      }
      #expect(sum(first.weights[index]!, second.weights[index]!) == example.linear[index]!.weights.map(Int64.init))
      #expect(sum(first.biases[index]!, second.biases[index]!) == example.linear[index]!.bias)
    }
    for index in example.program.activationSteps {
      let (a, b) = (first.activations[index]!, second.activations[index]!)
      for (channel, pair) in zip(a.kappa.buffer, b.kappa.buffer).enumerated() {
        let kappa = PrimeField.add(pair.0, pair.1)
        #expect(PrimeField.centered(PrimeField.add(kappa, kappa)) == example.coefficients[index]!.k[channel])
        let rest = PrimeField.add(a.constant.pointer[channel], b.constant.pointer[channel])
        let constant = PrimeField.add(rest, PrimeField.multiply(kappa, kappa))
        #expect(PrimeField.centered(constant) == example.coefficients[index]!.constant[channel])
      }
    }
    let other = Example(Examples.mixed(), seed: 99)
    let (_, same) = try ServerShare.split(
      program: other.program, linear: other.linear, activations: other.coefficients,
      randomness: StreamGenerator(publicSeed: 3))
    for index in example.program.linearSteps {
      #expect(same.weights[index]!.array() == second.weights[index]!.array())
    }
  }
}
