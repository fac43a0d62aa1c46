public import Rings

extension Program {
  /// Executes a step that each party does alone on its own shares: pooling sums, residual add, concatenation, reshape, subsample
  /// and pad. Of an offset it is the part of who holds no constants, which is nothing.
  ///
  /// The functions are linear, so the sum of the two parties' results is the function of the sum; the same code also
  /// carries the data owner's masks, and the dealer's copies of them, through the program.
  ///
  /// - Parameters:
  ///   - index: the step; neither input, linear, activation nor output.
  ///   - operands: one tensor an operand, CHW words of one sample, in the order of the step's `inputs`.
  /// - Returns: the step's tensor; for a reshape or an offset the operand itself, which nobody may write any more.
  public func applyLocalStep(_ index: Int, operands: [SecretWords]) -> SecretWords {
    switch steps[index].tensor.modulus {
    case .field: applyLocalStep(PrimeField.self, index, operands)
    case .word: applyLocalStep(Word64.self, index, operands)
    }
  }

  private func applyLocalStep<M: Modulus>(_ modulus: M.Type, _ index: Int, _ operands: [SecretWords]) -> SecretWords {
    let step = steps[index]
    let shape = steps[step.inputs[0]].tensor.shape
    precondition(operands.count == step.inputs.count && operands[0].count == shape.count)
    if step.operation == .reshape || step.operation == .offset { return operands[0] }
    let result = SecretWords(uninitialized: step.tensor.shape.count)
    switch step.operation {
    case .sumPool(let geometry, let balance):
      LocalOperations.sumPool(
        modulus, input: operands[0].pointer, shape: shape, window: geometry.window, balance: balance,
        output: result.pointer)
    case .globalSumPool:
      LocalOperations.globalSumPool(modulus, input: operands[0].pointer, shape: shape, output: result.pointer)
    case .add(let left, let right):
      LocalOperations.add(
        modulus, a: operands[0].pointer, shiftA: left, b: operands[1].pointer, shiftB: right, count: result.count,
        output: result.pointer)
    case .concatenate(let shifts):
      var place = result.pointer
      for (operand, shift) in zip(operands, shifts) {
        LocalOperations.shift(modulus, input: operand.pointer, by: shift, count: operand.count, output: place)
        place += operand.count
      }
    case .subsamplePad(let stride, let before, let after):
      LocalOperations.subsamplePad(
        input: operands[0].pointer, shape: shape, stride: stride, before: before, after: after, output: result.pointer)
    case .changeRing:
      LocalOperations.changeRing(
        from: steps[step.inputs[0]].tensor.modulus, operands[0].pointer, to: M.self, count: result.count,
        output: result.pointer)
    case .input, .linear, .activation, .comparison, .maxPool, .argMax, .reshape, .offset, .output:
      preconditionFailure("step \(index) is not local")
    }
    return result
  }

  /// Whether a step is done by each party alone.
  public func isLocal(_ index: Int) -> Bool {
    switch steps[index].operation {
    case .sumPool, .globalSumPool, .add, .concatenate, .offset, .reshape, .subsamplePad, .changeRing: true
    case .input, .linear, .activation, .comparison, .maxPool, .argMax, .output: false
    }
  }
}
