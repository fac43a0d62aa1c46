import CKernels
import Rings
import Testing

@testable import Training

@Suite struct DepthwiseConvolutionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var channels, multiplier, height, width, samples, kernel, stride, padding: Int
    var testDescription: String {
      "\(channels) by \(multiplier), \(height)x\(width), \(samples) samples, kernel \(kernel), stride \(stride), "
        + "padding \(padding)"
    }
  }

  static let cases = [
    Case(channels: 5, multiplier: 1, height: 32, width: 32, samples: 5, kernel: 3, stride: 1, padding: 1),
    Case(channels: 6, multiplier: 1, height: 9, width: 12, samples: 7, kernel: 3, stride: 2, padding: 1),
    Case(channels: 2, multiplier: 3, height: 4, width: 4, samples: 9, kernel: 3, stride: 1, padding: 1),
    Case(channels: 3, multiplier: 1, height: 7, width: 5, samples: 2, kernel: 5, stride: 2, padding: 2),
    Case(channels: 3, multiplier: 2, height: 8, width: 6, samples: 3, kernel: 2, stride: 2, padding: 0),
    Case(channels: 2, multiplier: 1, height: 10, width: 11, samples: 4, kernel: 2, stride: 3, padding: 0),
    Case(channels: 4, multiplier: 1, height: 3, width: 1, samples: 3, kernel: 3, stride: 2, padding: 2),
    Case(channels: 2, multiplier: 1, height: 20, width: 9, samples: 1, kernel: 7, stride: 1, padding: 3),
  ]

  /// Small integers: every sum is exact in float32 whatever its order, so all variants must agree to the bit with sums
  /// over pixels and taps as they are defined.
  @Test(arguments: cases, [CK_SCALAR, CK_AVX2, CK_AVX512].map(\.rawValue))
  func agreesWithItsDefinition(test: Case, isa: UInt32) {
    let variant = ck_isa(rawValue: isa)
    guard ck_float_isa_available(variant) else { return }
    let geometry = LinearGeometry(
      inChannels: test.channels, outChannels: test.channels * test.multiplier, inHeight: test.height,
      inWidth: test.width, kernel: test.kernel, stride: test.stride, padding: test.padding, groups: test.channels)
    #expect(DepthwiseConvolution.applies(to: geometry))
    var generator = SplitMix(state: 78)
    func tensor(_ shape: BatchShape) -> FloatTensor {
      FloatTensor(shape: shape, values: (0..<shape.count).map { _ in Float(Int(generator.next() >> 61) - 4) })
    }
    let x = tensor(
      BatchShape(channels: test.channels, samples: test.samples, height: test.height, width: test.width))
    let weights = tensor(BatchShape(channels: geometry.weightCount, samples: 1))
    let bias = tensor(BatchShape(channels: geometry.outChannels, samples: 1))
    let upstream = tensor(
      BatchShape(
        channels: geometry.outChannels, samples: test.samples, height: geometry.outHeight, width: geometry.outWidth))

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
    let taps = test.kernel * test.kernel
    for place in 0..<upstream.count {
      let (column, row) = (place % geometry.outWidth, place / geometry.outWidth % geometry.outHeight)
      let sample = place / (geometry.outWidth * geometry.outHeight) % test.samples
      let output = place / (geometry.outWidth * geometry.outHeight * test.samples)
      let g = upstream.pointer[place]
      var sum = bias.pointer[output]
      db[output] += g
      for tap in 0..<taps {
        let (y, x0) = (
          row * test.stride + tap / test.kernel - test.padding,
          column * test.stride + tap % test.kernel - test.padding
        )
        guard (0..<test.height).contains(y), (0..<test.width).contains(x0) else { continue }
        let from = ((output / test.multiplier * test.samples + sample) * test.height + y) * test.width + x0
        sum += weights.pointer[output * taps + tap] * x.pointer[from]
        dx[from] += g * weights.pointer[output * taps + tap]
        dw[output * taps + tap] += g * x.pointer[from]
      }
      expected[place] = sum
    }
    let areEqual = [
      found == expected, gradients[0].values == dx, gradients[1].values == dw, gradients[2].values == db,
    ]
    #expect(areEqual == [true, true, true, true])
  }
}
