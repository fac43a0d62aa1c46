import Networks
import Programs
import Testing

@Suite struct TwinTests {
  private func digits() throws -> PlannedModel {
    let graph = Builders.digits()
    return try Samples.plan(graph, try Parameters.benchmarkPolynomial(graph, seed: 1)).planned
  }

  @Test func inputsAreChecked() throws {
    let input = try digits().plan.input
    let good = [Float](repeating: 8, count: 64)
    #expect(try input.quantize(raw: good)[0] == Int64(((8.0 / 16 - 0.305) / 0.376 * 4096).rounded()))
    for (place, value, word) in [
      (3, Float.nan, "finite"), (5, .infinity, "finite"), (9, -1, "outside"), (63, 16.5, "outside"),
    ] {
      var bad = good
      bad[place] = value
      do {
        _ = try input.quantize(raw: bad)
        Issue.record("\(value) was accepted")
      } catch { #expect("\(error)".contains("\(place)") && "\(error)".contains(word)) }
    }
    #expect(throws: NetworksError.self) { try input.quantize(raw: Array(good.dropLast())) }
    #expect(throws: NetworksError.self) { try input.quantize(normalized: [Float](repeating: 5, count: 64)) }
    #expect(throws: NetworksError.self) { try input.quantize(normalized: [Float](repeating: .nan, count: 64)) }
  }

  @Test func valuesOutOfRangeAreCounted() throws {
    let planned = try digits()
    let twin = try Twin(planned.plan, planned.quantized)
    let huge = try twin.run([Int64](repeating: 1 << 24, count: 64))
    #expect(huge.outOfRange > 0)
    #expect(try twin.run([Int64](repeating: 0, count: 64)).outOfRange == 0)
    #expect(throws: NetworksError.self) { try twin.run([0]) }
  }

  @Test func negativeNumbersAreRoundedToTheNearest() throws {
    let graph = Builders.square(elements: 1)
    var parameters = try Parameters.initialize(graph, seed: 1)
    try parameters.setActivation(of: graph, node: 1, square: 1, linear: 1, constant: 0)
    let planned = try Samples.plan(graph, parameters).planned
    let step = try #require(planned.plan.program.activationSteps.first)
    guard case .activation(let spec) = planned.plan.program.steps[step].operation else { return }
    let twin = try Twin(planned.plan, planned.quantized)
    let result = try twin.run([-1], keepingAll: true)
    let z = result.tensors[planned.plan.program.steps[step].inputs[0]][0]
    let y = z * z + planned.quantized.activation[step]!.linear[0] * z
    let unit = Int64(1) << Int64(spec.droppedBits)
    #expect(y < 0 && result.tensors[step][0] == (y + unit / 2) >> Int64(spec.droppedBits))
    #expect(spec.truncation == .exact && planned.quantized.activation[step]!.constant[0] == spec.roundingOffset)
    #expect(1...unit ~= spec.roundingOffset)
    let even = try twin.run([-2048], keepingAll: true).tensors[step][0]
    let square = try twin.run([-2048], keepingAll: true).tensors[planned.plan.program.steps[step].inputs[0]][0]
    let whole = square * square + planned.quantized.activation[step]!.linear[0] * square
    #expect(abs(whole - even * unit) <= unit / 2)
  }

  @Test func foreignIntegersAreRefused() throws {
    let planned = try digits()
    var model = planned.quantized
    let step = try #require(model.linear.keys.min())
    model.linear[step]!.weights.removeLast()
    #expect(throws: NetworksError.self) { try Twin(planned.plan, model) }
    model = planned.quantized
    model.linear[step]!.weights[0] = 1 << 16
    #expect(throws: NetworksError.self) { try Twin(planned.plan, model) }
    model = planned.quantized
    model.activation = [:]
    #expect(throws: NetworksError.self) { try Twin(planned.plan, model) }
  }
}
