import Rings
import Testing

@Suite struct LocalOperationsTests {
  private func sample(_ shape: TensorShape, _ kind: ModulusKind, seed: UInt64) -> [UInt64] {
    var generator = SeededGenerator(seed: seed)
    return (0..<shape.count).map { _ in word(kind, &generator) }
  }

  private func checkPool<M: Modulus>(_ m: M.Type, _ shape: TensorShape, kernel: Int, stride: Int, padding: Int) {
    let input = sample(shape, M.kind, seed: UInt64(kernel * 100 + stride * 10 + padding))
    let window = PoolingWindow(kernel: kernel, stride: stride, padding: padding)
    let pooled = window.pooled(shape)
    let output = SecretWords(zeros: pooled.count)
    LocalOperations.sumPool(m, input: input, shape: shape, window: window, output: output.pointer)
    // A sum over windows is a depthwise convolution with ones.
    let geometry = LinearGeometry(
      inChannels: shape.channels, outChannels: shape.channels, inHeight: shape.height, inWidth: shape.width,
      kernel: kernel, stride: stride, padding: padding, groups: shape.channels)
    #expect(geometry.outputShape == pooled)
    let ones = [UInt64](repeating: 1, count: geometry.weightCount)
    #expect(output.array() == slowConvolution(M.kind, geometry, weights: ones, input: input))
  }

  @Test(arguments: [(2, 2, 0), (3, 2, 1), (3, 1, 1), (1, 1, 0), (5, 3, 2), (2, 3, 0)])
  func sumPoolMatchesADepthwiseConvolution(kernel: Int, stride: Int, padding: Int) {
    let shape = TensorShape(channels: 3, height: 9, width: 6)
    checkPool(PrimeField.self, shape, kernel: kernel, stride: stride, padding: padding)
    checkPool(Word64.self, shape, kernel: kernel, stride: stride, padding: padding)
  }

  @Test func globalSumPoolAddsEachChannel() {
    let shape = TensorShape(channels: 4, height: 3, width: 5)
    let input = sample(shape, .field, seed: 3)
    let output = SecretWords(zeros: 4)
    LocalOperations.globalSumPool(PrimeField.self, input: input, shape: shape, output: output.pointer)
    for channel in 0..<4 {
      let expected = input[channel * 15..<(channel + 1) * 15].reduce(0) { slowAdd(.field, $0, $1) }
      #expect(output.pointer[channel] == expected)
    }
  }

  @Test func addAlignsByExactShifts() {
    let shape = TensorShape(vector: 300)
    for (shiftA, shiftB) in [(0, 0), (5, 0), (0, 13), (63, 1)] {
      let (a, b) = (sample(shape, .field, seed: 1), sample(shape, .field, seed: 2))
      let field = SecretWords(a)
      LocalOperations.add(
        PrimeField.self, a: field.pointer, shiftA: shiftA, b: b, shiftB: shiftB, count: 300, output: field.pointer)
      let words = SecretWords(zeros: 300)
      LocalOperations.add(
        Word64.self, a: a, shiftA: shiftA, b: b, shiftB: shiftB, count: 300, output: words.pointer)
      for i in 0..<300 {
        let (x, y) = (UInt64(1) << UInt64(shiftA), UInt64(1) << UInt64(shiftB))
        let expected = slowAdd(.field, slowMultiply(.field, a[i], x), slowMultiply(.field, b[i], y))
        #expect(field.pointer[i] == expected)
        #expect(words.pointer[i] == a[i] &* x &+ b[i] &* y)
      }
    }
  }

  @Test(arguments: [0, 1, 13, 63]) func shiftMovesAndMultiplies(shift: Int) {
    let shape = TensorShape(vector: 70)
    let a = sample(shape, .field, seed: 6)
    let (field, words) = (SecretWords(zeros: 70), SecretWords(zeros: 70))
    LocalOperations.shift(PrimeField.self, input: a, by: shift, count: 70, output: field.pointer)
    LocalOperations.shift(Word64.self, input: a, by: shift, count: 70, output: words.pointer)
    for i in 0..<70 {
      #expect(field.pointer[i] == slowMultiply(.field, a[i], 1 << UInt64(shift)))
      #expect(words.pointer[i] == a[i] << UInt64(shift))
    }
  }

  @Test(arguments: [(1, 0, 0), (2, 1, 2), (2, 0, 3), (3, 2, 0)])
  func subsamplePadKeepsEveryNthPixel(stride: Int, before: Int, after: Int) {
    let shape = TensorShape(channels: 2, height: 5, width: 4)
    let input = sample(shape, .word, seed: 4)
    let result = LocalOperations.subsampledShape(shape, stride: stride, before: before, after: after)
    let output = SecretWords([UInt64](repeating: 9, count: result.count))
    LocalOperations.subsamplePad(
      input: input, shape: shape, stride: stride, before: before, after: after, output: output.pointer)
    var expected: [UInt64] = []
    for channel in -before..<2 + after {
      for y in 0..<result.height {
        for x in 0..<result.width {
          let inside = channel >= 0 && channel < 2
          expected.append(inside ? input[(channel * 5 + y * stride) * 4 + x * stride] : 0)
        }
      }
    }
    #expect(output.array() == expected)
  }
}
