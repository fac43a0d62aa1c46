import Correlations
import Hardware
import Programs
import Randomness
import Rings
import TestSupport
import Testing
import Transport
import TwoParty

@testable import Inference

/// ReLUs that take up a normalisation: thresholds, turned bits and constants change what is computed, and nothing that is sent.
@Suite("Comparisons that take up a normalisation")
struct NormalizationTests {
  private static func program(_ digits: ComparisonDigits, to modulus: ModulusKind) -> Program {
    var p = ProgramAssembler(TensorShape(channels: 5, height: 7, width: 3), .word)
    p.add(.comparison(ComparisonSpec(droppedBits: 0, digits: digits)), shape: p.shape, modulus: modulus)
    if modulus == .field { p.add(.changeRing, shape: p.shape, modulus: .word) }
    return p.finish(dropping: 0)
  }

  @Test(
    "Results are exact, bytes those of the descriptor",
    arguments: [ComparisonPreference.messages, .bytes], [ModulusKind.word, .field])
  func exact(preference: ComparisonPreference, modulus: ModulusKind) throws {
    let program = Self.program(ComparisonDigits(bits: 20, preferring: preference), to: modulus)
    let thresholds: [Int64] = [0, -300, 77, 1000, -1]
    let flips = [false, true, true, false, true]
    let offsets: [Int64] = [0, 5, -9, 1 << 30, -(1 << 40)]
    let normalization = ComparisonNormalization(
      tensor: program.steps[1].tensor, threshold: thresholds, flips: flips, offset: offsets)
    let model = try ModelOwnerModel(
      program: program, linear: [:], activations: [:], normalizations: [1: normalization],
      salt: [UInt8](repeating: 1, count: 32))
    let plain = try ModelOwnerModel(
      program: program, linear: [:], activations: [:], salt: [UInt8](repeating: 1, count: 32))
    let random = StreamGenerator(publicSeed: 3)
    let inputs = (0..<3).map { _ in
      (0..<program.input.shape.count).map { _ in Int64(bitPattern: random.word()) >> 53 }
    }
    let outcome = try Duo(model: model).run(batches: [inputs], prepared: 3)
    for (input, result) in zip(inputs, outcome.results) {
      let expected = input.enumerated().map { index, x in
        let channel = index / 21
        let shifted = x + thresholds[channel]
        return ((shifted >= 0) != flips[channel] ? shifted : 0) + offsets[channel]
      }
      #expect(result == expected)
    }
    let without = try Duo(model: plain).run(batches: [inputs], prepared: 3)
    for (input, result) in zip(inputs, without.results) { #expect(result == input.map { max($0, 0) }) }
    let predicted = try CostModel().predict(program: program, phase: .online, batch: 3)
    let sent = predicted.total.traffic(from: .dataOwner, to: .modelOwner)
    let received = predicted.total.traffic(from: .modelOwner, to: .dataOwner)
    let measured = try Trio(model: model).run(batches: [inputs], prepared: 3).query
    #expect(measured.payloadSent == sent.payloadBytes && measured.messagesSent == sent.frames)
    #expect(measured.payloadReceived == received.payloadBytes && measured.messagesReceived == received.frames)
    #expect(measured.flights == predicted.flights(.modelOwner, .dataOwner))
  }

  @Test("Only a ReLU takes one up")
  func refusals() throws {
    let program = Examples.plain()
    let example = Example(program, seed: 1)
    let tensor = program.steps[2].tensor
    let nothing = [Int64](repeating: 0, count: tensor.shape.channels)
    let normalization = ComparisonNormalization(
      tensor: tensor, threshold: nothing, flips: nothing.map { _ in false }, offset: nothing)
    #expect(throws: InferenceError.self) {
      try ModelOwnerModel(
        program: program, linear: example.linear,
        activations: example.coefficients.mapValues { ActivationCoefficients(k: $0.k, constant: $0.constant) },
        normalizations: [2: normalization], salt: [UInt8](repeating: 1, count: 32))
    }
  }
}
