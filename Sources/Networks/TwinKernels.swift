import Programs
import Rings

/// The plain integer loops behind ``Twin``. Sums wrap silently: whatever wraps has been counted as out of range, or
/// is caught by the planner's ranges.
enum TwinKernels {
  static func linear(_ input: [Int64], _ g: LinearGeometry, _ weights: [Int32], _ bias: [Int64]) -> [Int64] {
    let inPerGroup = g.inChannels / g.groups
    let outPerGroup = g.outChannels / g.groups
    let (height, width) = (g.outHeight, g.outWidth)
    var output = [Int64](repeating: 0, count: g.outputShape.count)
    input.withUnsafeBufferPointer { input in
      output.withUnsafeMutableBufferPointer { out in
        var index = 0
        for channel in 0..<g.outChannels {
          let plane = out.baseAddress! + channel * height * width
          for pixel in 0..<height * width { plane[pixel] = bias[channel] }
          let first = channel / outPerGroup * inPerGroup
          for source in first..<first + inPerGroup {
            let image = input.baseAddress! + source * g.inHeight * g.inWidth
            for ky in 0..<g.kernelHeight {
              for kx in 0..<g.kernelWidth {
                let weight = Int64(weights[index])
                index += 1
                accumulate(image, plane, g, weight, ky - g.padTop, kx - g.padLeft)
              }
            }
          }
        }
      }
    }
    return output
  }

  /// Adds one weight's contribution to one output plane, over the pixels whose tap lies in the picture.
  private static func accumulate(
    _ image: UnsafePointer<Int64>, _ plane: UnsafeMutablePointer<Int64>, _ g: LinearGeometry, _ weight: Int64,
    _ dy: Int,
    _ dx: Int
  ) {
    let first = dx < 0 ? (-dx + g.strideWidth - 1) / g.strideWidth : 0
    let last = dx < g.inWidth ? min((g.inWidth - 1 - dx) / g.strideWidth, g.outWidth - 1) : -1
    guard first <= last else { return }
    for y in 0..<g.outHeight {
      let row = y * g.strideHeight + dy
      guard row >= 0, row < g.inHeight else { continue }
      let source = image + row * g.inWidth + dx
      let target = plane + y * g.outWidth
      for x in first...last { target[x] &+= weight &* source[x * g.strideWidth] }
    }
  }

  static func activation(
    _ input: [Int64], _ shape: TensorShape, _ layer: QuantizedActivation, _ spec: ActivationSpec,
    _ outOfRange: inout Int
  ) -> [Int64] {
    let area = shape.height * shape.width
    let limit = Int128(1) << 61
    // To the nearest integer of what the model's constant was before it met rounding halfway.
    let half = Int128(1) << Int128(spec.droppedBits - 1) - Int128(spec.roundingOffset)
    var output = [Int64](repeating: 0, count: input.count)
    for channel in 0..<shape.channels {
      let (k, constant) = (Int128(layer.linear[channel]), Int128(layer.constant[channel]))
      for index in channel * area..<(channel + 1) * area {
        let z = Int128(input[index])
        let y = z * (z + k) + constant
        if y.magnitude >= limit.magnitude || z.magnitude >= limit.magnitude { outOfRange += 1 }
        output[index] = Int64(truncatingIfNeeded: (y + half) >> Int128(spec.droppedBits))
      }
    }
    return output
  }

  static func sumPool(
    _ input: [Int64], _ from: TensorShape, _ window: PoolingWindow, _ balance: PoolingBalance?
  ) -> [Int64] {
    let (rows, columns) = (window.rows.spans(on: from.height), window.columns.spans(on: from.width))
    let factors = balance?.factors(window, on: from)
    var output: [Int64] = []
    output.reserveCapacity(from.channels * rows.count * columns.count)
    for channel in 0..<from.channels {
      for y in rows.indices {
        for x in columns.indices {
          var sum: Int64 = 0
          for row in rows[y].places {
            for column in columns[x].places { sum &+= input[(channel * from.height + row) * from.width + column] }
          }
          if let factors { sum &*= Int64(factors.rows[y] * factors.columns[x]) }
          output.append(sum)
        }
      }
    }
    return output
  }

  static func subsamplePad(
    _ input: [Int64], _ from: TensorShape, _ to: TensorShape, stride: Int, before: Int
  ) -> [Int64] {
    var output = [Int64](repeating: 0, count: to.count)
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
