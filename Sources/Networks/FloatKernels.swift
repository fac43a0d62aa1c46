import Rings

/// The plain loops behind ``FloatExecutor``.
enum FloatKernels {
  /// One group's columns at a time (`taps x pixels`), then rows of the output as sums of weighted rows of columns.
  static func convolution(_ input: [Float], _ geometry: LinearGeometry, _ weights: [Float], _ bias: [Float]) -> [Float]
  {
    let pixels = geometry.outHeight * geometry.outWidth
    let taps = geometry.tapsPerOutput
    let outPerGroup = geometry.outChannels / geometry.groups
    var output = [Float](repeating: 0, count: geometry.outputShape.count)
    var columns = [Float](repeating: 0, count: taps * pixels)
    for group in 0..<geometry.groups {
      gather(input, geometry, group, &columns)
      output.withUnsafeMutableBufferPointer { out in
        columns.withUnsafeBufferPointer { columns in
          for local in 0..<outPerGroup {
            let channel = group * outPerGroup + local
            let row = out.baseAddress! + channel * pixels
            if !bias.isEmpty { for pixel in 0..<pixels { row[pixel] = bias[channel] } }
            for tap in 0..<taps {
              let weight = weights[channel * taps + tap]
              let column = columns.baseAddress! + tap * pixels
              for pixel in 0..<pixels { row[pixel] += weight * column[pixel] }
            }
          }
        }
      }
    }
    return output
  }

  private static func gather(_ input: [Float], _ g: LinearGeometry, _ group: Int, _ columns: inout [Float]) {
    let inPerGroup = g.inChannels / g.groups
    input.withUnsafeBufferPointer { input in
      columns.withUnsafeMutableBufferPointer { columns in
        var target = columns.baseAddress!
        for channel in group * inPerGroup..<(group + 1) * inPerGroup {
          let image = input.baseAddress! + channel * g.inHeight * g.inWidth
          for ky in 0..<g.kernelHeight {
            for kx in 0..<g.kernelWidth {
              for y in 0..<g.outHeight {
                let row = y * g.strideHeight + ky - g.padTop
                for x in 0..<g.outWidth {
                  let column = x * g.strideWidth + kx - g.padLeft
                  let inside = row >= 0 && row < g.inHeight && column >= 0 && column < g.inWidth
                  target[x] = inside ? image[row * g.inWidth + column] : 0
                }
                target += g.outWidth
              }
            }
          }
        }
      }
    }
  }

  static func linear(_ input: [Float], _ weights: [Float], _ bias: [Float], _ outputs: Int) -> [Float] {
    let inputs = input.count
    return input.withUnsafeBufferPointer { x in
      weights.withUnsafeBufferPointer { w in
        (0..<outputs).map { output in
          let row = w.baseAddress! + output * inputs
          var lanes = SIMD8<Float>.zero
          var index = 0
          while index + 8 <= inputs {
            for lane in 0..<8 { lanes[lane] += row[index + lane] * x[index + lane] }
            index += 8
          }
          var sum = lanes.sum()
          while index < inputs {
            sum += row[index] * x[index]
            index += 1
          }
          return sum + (bias.isEmpty ? 0 : bias[output])
        }
      }
    }
  }

  static func perChannel(_ input: [Float], _ shape: TensorShape, _ function: (Int, Float) -> Float) -> [Float] {
    let area = shape.height * shape.width
    var output = input
    output.withUnsafeMutableBufferPointer { out in
      for channel in 0..<shape.channels {
        for index in channel * area..<(channel + 1) * area { out[index] = function(channel, out[index]) }
      }
    }
    return output
  }

  static func maxPool(
    _ input: [Float], _ from: TensorShape, _ to: TensorShape, kernel: Int, stride: Int, padding: Int
  ) -> [Float] {
    var output: [Float] = []
    output.reserveCapacity(to.count)
    for channel in 0..<to.channels {
      for y in 0..<to.height {
        for x in 0..<to.width {
          var largest = -Float.infinity
          for row in max(y * stride - padding, 0)..<min(y * stride - padding + kernel, from.height) {
            for column in max(x * stride - padding, 0)..<min(x * stride - padding + kernel, from.width) {
              largest = max(largest, input[(channel * from.height + row) * from.width + column])
            }
          }
          output.append(largest)
        }
      }
    }
    return output
  }

  static func averagePool(
    _ input: [Float], _ from: TensorShape, _ to: TensorShape, kernel: Int, stride: Int, padding: Int
  ) -> [Float] {
    var output: [Float] = []
    output.reserveCapacity(to.count)
    for channel in 0..<to.channels {
      for y in 0..<to.height {
        for x in 0..<to.width {
          var sum: Float = 0
          for row in max(y * stride - padding, 0)..<min(y * stride - padding + kernel, from.height) {
            for column in max(x * stride - padding, 0)..<min(x * stride - padding + kernel, from.width) {
              sum += input[(channel * from.height + row) * from.width + column]
            }
          }
          output.append(sum / Float(kernel * kernel))
        }
      }
    }
    return output
  }

  static func subsamplePad(
    _ input: [Float], _ from: TensorShape, _ to: TensorShape, stride: Int, before: Int
  ) -> [Float] {
    var output = [Float](repeating: 0, count: to.count)
    for channel in 0..<from.channels {
      for y in 0..<to.height {
        for x in 0..<to.width {
          output[((channel + before) * to.height + y) * to.width + x] =
            input[(channel * from.height + y * stride) * from.width + x * stride]
        }
      }
    }
    return output
  }
}
