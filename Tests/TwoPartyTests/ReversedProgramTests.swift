import Foundation
import Programs
import Rings
import TestSupport
import Testing

@Suite("Programs of shared models")
struct ReversedProgramTests {
  /// A tensor that two linear steps read, one that is pooled between, and one that nobody multiplies.
  private func program() -> (Program, first: Int, second: Int) {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 4, width: 4))
    p.linear(4, kernel: 3, padding: 1)
    let first = p.activation(20)
    let main = p.linear(4, kernel: 3, padding: 1)
    let side = p.linear(4, from: first)
    p.add(.add(leftShift: 0, rightShift: 0), from: [main, side], shape: p.shape)
    p.activation(20, .exact, to: .word)
    let second = p.add(.globalSumPool, shape: TensorShape(channels: 4, height: 1, width: 1))
    p.linear(3)
    var program = p.finish(dropping: 8)
    program.deployment = .outsourced
    return (program, first, second)
  }

  @Test("Each operand of linear steps is opened once, by the first that reads it")
  func opened() throws {
    let (program, first, second) = program()
    try program.validate()
    #expect(program.openedTensors == [0, first, second])
    let steps = program.linearSteps
    #expect(program.openingSteps == [steps[0], steps[1], steps[3]])
    // Shares of weights are too wide for masks that encryption chooses.
    #expect(program.openedTensors.allSatisfy { program.maskChooser(ofTensor: $0) == nil })
  }

  @Test("What is prepared in reverse are the linear steps on drawn tensors, valid and nothing else")
  func reversed() throws {
    let (program, _, _) = program()
    let reversed = program.reversed
    try reversed.validate()
    #expect(reversed.linearSteps == program.linearSteps && reversed.openedTensors == program.openedTensors)
    #expect(reversed.activationSteps.isEmpty && PreparationOrder(reversed).waves[1].isEmpty)
    var wrong = reversed
    wrong.steps[program.linearSteps[1]].inputs = [program.linearSteps[0]]
    #expect(throws: ProgramError.self) { try wrong.validate() }
    wrong = program
    wrong.deployment = .reversed
    #expect(throws: ProgramError.self) { try wrong.validate() }
    wrong = reversed
    wrong.deployment = .outsourced
    #expect(throws: ProgramError.self) { try wrong.validate() }
    wrong = reversed
    wrong.steps[program.linearSteps[0]].inputs = []
    #expect(throws: ProgramError.self) { try wrong.validate() }
  }

  @Test("The mode is part of a program's bytes, and absent from those of owned ones")
  func bytes() throws {
    var (program, _, _) = program()
    let shared = try program.canonicalBytes()
    #expect(try Program(decoding: shared).deployment == .outsourced)
    program.deployment = .owned
    let owned = try program.canonicalBytes()
    #expect(owned != shared && !String(decoding: owned, as: UTF8.self).contains("mode"))
    #expect(try Program(decoding: owned).deployment == .owned)
    let unknown = String(decoding: shared, as: UTF8.self).replacingOccurrences(of: "outsourced", with: "elsewhere")
    #expect(throws: (any Error).self) { try Program(decoding: Array(unknown.utf8)) }
  }
}
