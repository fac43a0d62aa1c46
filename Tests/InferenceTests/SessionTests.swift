import Correlations
import Lattice
import Programs
import Rings
import Testing
import Transport

@testable import Inference

@Suite("Sessions of two parties and a dealer")
struct SessionTests {
  /// Every result within `units` of the twin's, or within 1/64 of the largest where later layers enlarge a unit.
  private func expectClose(_ example: Example, _ outcome: Trio.Outcome, _ inputs: [[Int64]], units: Int64? = nil) {
    #expect(outcome.results.count == inputs.count)
    for (input, result) in zip(inputs, outcome.results) {
      let expected = example.twin.run(input)
      let largest = expected.map(abs).max()!
      #expect(largest >= 512, "the example says nothing if its results are small")
      #expect(result.count == expected.count)
      let worst = zip(result, expected).map { abs($0 - $1) }.max()!
      #expect(worst <= units ?? (largest / 64), "off by \(worst), largest result \(largest)")
    }
  }

  @Test("A polynomial on the input gives the integers of the twin, up to two units", arguments: [1, 7, 8, 8193, 20000])
  func squares(count: Int) throws {
    let example = Example(Examples.square(count), seed: 3)
    let inputs = example.inputs(2, seed: 4)
    let outcome = try Trio(model: example.model()).run(batches: [inputs], prepared: 2)
    expectClose(example, outcome, inputs, units: 2)
  }

  @Test("Convolutions, depthwise, pooling, fully connected", arguments: [TruncationVariant.exact, .local])
  func plain(truncation: TruncationVariant) throws {
    let example = Example(Examples.plain(truncation), seed: 5)
    let inputs = example.inputs(5, seed: 6)
    let outcome = try Trio(model: example.model()).run(batches: [[inputs[0]], Array(inputs[1...])], prepared: 3)
    expectClose(example, outcome, inputs)
  }

  @Test("Residual blocks with both kinds of shortcut")
  func residual() throws {
    let example = Example(Examples.residual(), seed: 7)
    let inputs = example.inputs(3, seed: 8)
    let outcome = try Trio(model: example.model()).run(batches: [inputs], prepared: 0)
    expectClose(example, outcome, inputs)
  }
}

/// The same without a dealer. A linear step may be off by some units, which the later layers enlarge.
@Suite("Sessions of two parties alone")
struct LatticeSessionTests {
  private func expectClose(_ example: Example, _ outcome: Trio.Outcome, _ inputs: [[Int64]], units: Int64? = nil) {
    #expect(outcome.results.count == inputs.count)
    for (input, result) in zip(inputs, outcome.results) {
      let expected = example.twin.run(input)
      let largest = expected.map(abs).max()!
      #expect(largest >= 512, "the example says nothing if its results are small")
      #expect(result.count == expected.count)
      let worst = zip(result, expected).map { abs($0 - $1) }.max()!
      #expect(worst <= units ?? (largest / 64), "off by \(worst), largest result \(largest)")
    }
  }

  @Test("A polynomial on the input gives the integers of the twin, up to two units", arguments: [1, 8, 8193, 20000])
  func squares(count: Int) throws {
    let example = Example(Examples.square(count), seed: 3)
    let inputs = example.inputs(2, seed: 4)
    let outcome = try Duo(model: example.model()).run(batches: [inputs], prepared: 2)
    expectClose(example, outcome, inputs, units: 2)
  }

  @Test("Convolutions, depthwise, pooling, fully connected", arguments: [TruncationVariant.exact, .local], [1, 2])
  func plain(truncation: TruncationVariant, threads: Int) throws {
    let example = Example(Examples.plain(truncation), seed: 5)
    let inputs = example.inputs(5, seed: 6)
    let duo = Duo(model: try example.model(), threads: threads)
    expectClose(example, try duo.run(batches: [[inputs[0]], Array(inputs[1...])], prepared: 3), inputs)
  }

  @Test("Residual blocks with both kinds of shortcut")
  func residual() throws {
    let example = Example(Examples.residual(), seed: 7)
    let inputs = example.inputs(3, seed: 8)
    expectClose(example, try Duo(model: example.model()).run(batches: [inputs], prepared: 0), inputs)
  }

  @Test("Concatenations of masked and unmasked tensors, without a dealer and with one")
  func joined() throws {
    let example = Example(Examples.joined(), seed: 11)
    let inputs = example.inputs(2, seed: 12)
    expectClose(example, try Duo(model: example.model()).run(batches: [inputs], prepared: 2), inputs)
    expectClose(example, try Trio(model: example.model()).run(batches: [inputs], prepared: 2), inputs)
  }

  @Test("Local steps before the linear steps that would choose masks")
  func early() throws {
    let example = Example(Examples.early(), seed: 9)
    let inputs = example.inputs(2, seed: 10)
    expectClose(example, try Duo(model: example.model()).run(batches: [inputs], prepared: 2), inputs)
  }

  @Test("A model's second session uses the first one's transforms of weights and gives the same")
  func cachedWeights() throws {
    let example = Example(Examples.plain(), seed: 5)
    let inputs = example.inputs(1, seed: 6)
    let duo = Duo(model: try example.model())
    let first = try duo.run(batches: [inputs], prepared: 1)
    #expect(duo.cache.bytes > 0)
    #expect(try duo.run(batches: [inputs], prepared: 1).transcript == first.transcript)
    let without = Duo(model: try example.model(), cache: WeightTransformCache(limitBytes: 0))
    #expect(try without.run(batches: [inputs], prepared: 1).transcript == first.transcript)
    #expect(without.cache.bytes == 0)
  }

  @Test("Material in memory stays within its bytes, whatever is asked for")
  func memory() throws {
    let example = Example(Examples.plain(), seed: 5)
    let inputs = example.inputs(4, seed: 6)
    var duo = Duo(model: try example.model())
    let bytes = SessionLimits.materialBytes(example.program)
    duo.limits.preparedBytes = 3 * bytes + 1
    #expect(throws: InferenceError.storeFull(asked: 4, held: 0, limit: 3)) {
      try duo.run(batches: [], prepared: 4)
    }
    expectClose(example, try duo.run(batches: [Array(inputs[..<3])], prepared: 3), Array(inputs[..<3]))
    // A batch beyond that is asked in parts.
    expectClose(example, try duo.run(batches: [inputs], prepared: 0), inputs)
    // A model owner does not hold whatever a data owner asks for.
    duo.modelLimits = duo.limits
    duo.modelLimits?.preparedBytes = 2 * bytes
    expectClose(example, try duo.run(batches: [Array(inputs[..<2])], prepared: 2), Array(inputs[..<2]))
    #expect(throws: TransportError.self) { try duo.run(batches: [], prepared: 3) }
    // One inference is always allowed.
    duo.limits.preparedBytes = 0
    duo.modelLimits?.preparedBytes = 0
    expectClose(example, try duo.run(batches: [[inputs[0]]], prepared: 1), [inputs[0]])
  }

  @Test("Bulks are as large as their bytes of material allow")
  func bulks() throws {
    let example = Example(Examples.plain(), seed: 5)
    var duo = Duo(model: try example.model())
    duo.limits.bulk = 4
    duo.limits.materialBytes = 2 * SessionLimits.materialBytes(example.program) + 1
    let small = try duo.run(batches: [], prepared: 4).preparation
    duo.limits.materialBytes = 1 << 30
    let large = try duo.run(batches: [], prepared: 4).preparation
    #expect(small.messagesSent > large.messagesSent && small.payloadSent > large.payloadSent)
  }
}
