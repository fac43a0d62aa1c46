import CKernels
import Rings
import Testing

@testable import Training

@Suite struct DirectConvolutionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var input, output, height, width, samples: Int
    var testDescription: String { "\(input) to \(output), \(height)x\(width), \(samples) samples" }
  }

  static let cases = [
    Case(input: 3, output: 16, height: 32, width: 32, samples: 5),
    Case(input: 16, output: 16, height: 9, width: 6, samples: 7),
    Case(input: 5, output: 7, height: 8, width: 8, samples: 9),
    Case(input: 8, output: 3, height: 1, width: 7, samples: 4),
    Case(input: 1, output: 4, height: 16, width: 33, samples: 2),
  ]

  private func geometry(_ test: Case) -> LinearGeometry {
    LinearGeometry(
      inChannels: test.input, outChannels: test.output, inHeight: test.height, inWidth: test.width, kernel: 3,
      stride: 1, padding: 1)
  }

  /// Small integers: every sum is exact in float32 whatever its order, so all variants must agree to the bit with sums
  /// over pixels and taps as they are defined.
  @Test(arguments: cases, [CK_SCALAR, CK_AVX2, CK_AVX512].map(\.rawValue))
  func agreesWithItsDefinition(test: Case, isa: UInt32) {
    let variant = ck_isa(rawValue: isa)
    guard ck_float_isa_available(variant) else { return }
    let geometry = geometry(test)
    #expect(DirectConvolution.applies(to: geometry))
    var generator = SplitMix(state: 77)
    func tensor(_ shape: BatchShape) -> FloatTensor {
      FloatTensor(shape: shape, values: (0..<shape.count).map { _ in Float(Int(generator.next() >> 61) - 4) })
    }
    let x = tensor(
      BatchShape(channels: test.input, samples: test.samples, height: test.height, width: test.width))
    let weights = tensor(BatchShape(channels: geometry.weightCount, samples: 1))
    let bias = tensor(BatchShape(channels: test.output, samples: 1))
    let upstream = tensor(
      BatchShape(channels: test.output, samples: test.samples, height: test.height, width: test.width))

    let tape = Tape(workers: Workers(threads: 2, isa: variant))
    // What was in the gradients before stays: backward adds.
    let gradients = [x, weights, bias].map { operand -> FloatTensor in
      let gradient = FloatTensor(shape: operand.shape)
      gradient.fill(1)
      return gradient
    }
    let leaves = zip([x, weights, bias], gradients).map { tape.leaf($0, gradient: $1) }
    let result = tape.apply(.convolution(geometry), leaves)
    let found = tape.value(result).values
    tape.backward(from: result, seed: upstream)

    var expected = [Float](repeating: 0, count: upstream.count)
    var (dx, dw) = ([Float](repeating: 1, count: x.count), [Float](repeating: 1, count: weights.count))
    var db = [Float](repeating: 1, count: bias.count)
    let plane = test.height * test.width
    for o in 0..<test.output {
      for n in 0..<test.samples {
        for h in 0..<test.height {
          for w in 0..<test.width {
            let place = (o * test.samples + n) * plane + h * test.width + w
            var sum = bias.pointer[o]
            let g = upstream.pointer[place]
            db[o] += g
            for c in 0..<test.input {
              for tap in 0..<9 {
                let (row, column) = (h + tap / 3 - 1, w + tap % 3 - 1)
                guard (0..<test.height).contains(row), (0..<test.width).contains(column) else { continue }
                let from = (c * test.samples + n) * plane + row * test.width + column
                let weight = (o * test.input + c) * 9 + tap
                sum += weights.pointer[weight] * x.pointer[from]
                dx[from] += g * weights.pointer[weight]
                dw[weight] += g * x.pointer[from]
              }
            }
            expected[place] = sum
          }
        }
      }
    }
    let areEqual = [
      found == expected, gradients[0].values == dx, gradients[1].values == dw, gradients[2].values == db,
    ]
    #expect(areEqual == [true, true, true, true])
  }

  @Test func otherConvolutionsAreLeftToTheProduct() {
    func applies(_ kernel: Int, _ stride: Int, _ padding: Int, groups: Int = 1, side: Int = 8) -> Bool {
      DirectConvolution.applies(
        to: LinearGeometry(
          inChannels: 4, outChannels: 4, inHeight: side, inWidth: side, kernel: kernel, stride: stride,
          padding: padding, groups: groups))
    }
    #expect(applies(3, 1, 1))
    #expect(
      !applies(3, 2, 1) && !applies(3, 1, 0) && !applies(5, 1, 2) && !applies(1, 1, 0) && !applies(3, 1, 1, groups: 4)
        && !applies(3, 1, 1, side: 5))
  }
}
