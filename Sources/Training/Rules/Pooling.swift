/// Mean over square windows; zeros of the padding count as elements.
enum AveragePoolRule {
  static func rule(kernel: Int, stride: Int, padding: Int) -> Rule {
    Rule(
      shape: { shapes in
        BatchShape(
          channels: shapes[0].channels, samples: shapes[0].samples,
          height: (shapes[0].height + 2 * padding - kernel) / stride + 1,
          width: (shapes[0].width + 2 * padding - kernel) / stride + 1)
      },
      forward: { context in
        let (input, output) = (context.inputs[0], context.output)
        context.workers.eachChannel(output.shape.channels) { channel in
          let y = output.pointer + channel * output.shape.channelStride
          let x = input.pointer + channel * input.shape.channelStride
          let factor = 1 / Float(kernel * kernel)
          visit(input.shape, output.shape, kernel, stride, padding) { out, rows, columns in
            var sum: Float = 0
            for row in rows { for column in columns { sum += x[row * input.shape.width + column] } }
            y[out] = sum * factor
          }
        }
      },
      backward: { context in
        guard let target = context.addingTarget(0), let gradient = context.outputGradient else { return }
        context.workers.eachChannel(gradient.shape.channels) { channel in
          let g = gradient.pointer + channel * gradient.shape.channelStride
          let x = target.pointer + channel * target.shape.channelStride
          let factor = 1 / Float(kernel * kernel)
          visit(target.shape, gradient.shape, kernel, stride, padding) { out, rows, columns in
            let share = g[out] * factor
            for row in rows { for column in columns { x[row * target.shape.width + column] += share } }
          }
        }
      })
  }

  /// Calls `body(output index, rows, columns)` for every window of a channel; rows count over all samples.
  @inline(__always)
  static func visit(
    _ input: BatchShape, _ output: BatchShape, _ kernel: Int, _ stride: Int, _ padding: Int,
    _ body: (Int, Range<Int>, Range<Int>) -> Void
  ) {
    var index = 0
    for sample in 0..<output.samples {
      for row in 0..<output.height {
        let top = max(row * stride - padding, 0)
        let bottom = max(top, min(row * stride - padding + kernel, input.height))
        for column in 0..<output.width {
          let left = max(column * stride - padding, 0)
          let right = max(left, min(column * stride - padding + kernel, input.width))
          body(index, (sample * input.height + top)..<(sample * input.height + bottom), left..<right)
          index += 1
        }
      }
    }
  }
}

/// Maximum over square windows; pixels outside the picture take no part. The gradient goes to the first largest pixel.
enum MaxPoolRule {
  static func rule(kernel: Int, stride: Int, padding: Int) -> Rule {
    Rule(
      shape: AveragePoolRule.rule(kernel: kernel, stride: stride, padding: padding).shape,
      forward: { context in
        let (input, output) = (context.inputs[0], context.output)
        context.workers.eachChannel(output.shape.channels) { channel in
          let y = output.pointer + channel * output.shape.channelStride
          let x = input.pointer + channel * input.shape.channelStride
          AveragePoolRule.visit(input.shape, output.shape, kernel, stride, padding) { out, rows, columns in
            y[out] = x[largest(x, input.shape.width, rows, columns)]
          }
        }
      },
      backward: { context in
        guard let target = context.addingTarget(0), let gradient = context.outputGradient else { return }
        let input = context.inputs[0]
        context.workers.eachChannel(gradient.shape.channels) { channel in
          let g = gradient.pointer + channel * gradient.shape.channelStride
          let x = input.pointer + channel * input.shape.channelStride
          let out = target.pointer + channel * target.shape.channelStride
          AveragePoolRule.visit(input.shape, gradient.shape, kernel, stride, padding) { index, rows, columns in
            out[largest(x, input.shape.width, rows, columns)] += g[index]
          }
        }
      })
  }

  /// Place of the first largest pixel of a window.
  @inline(__always)
  private static func largest(
    _ x: UnsafeMutablePointer<Float>, _ width: Int, _ rows: Range<Int>, _ columns: Range<Int>
  ) -> Int {
    var best = rows.lowerBound * width + columns.lowerBound
    for row in rows {
      for column in columns where x[row * width + column] > x[best] { best = row * width + column }
    }
    return best
  }
}

/// Mean over each picture of a channel.
enum GlobalAveragePoolRule {
  static var rule: Rule {
    Rule(
      shape: { BatchShape(channels: $0[0].channels, samples: $0[0].samples) },
      forward: { context in
        let (input, output) = (context.inputs[0], context.output)
        let pixels = input.shape.pixels
        context.workers.eachChannel(input.shape.channels) { channel in
          for sample in 0..<input.shape.samples {
            let picture = channel * input.shape.samples + sample
            output.pointer[picture] = Float(VectorSums.sum(input.pointer + picture * pixels, pixels) / Double(pixels))
          }
        }
      },
      backward: { context in
        guard let target = context.targets[0], let gradient = context.outputGradient else { return }
        let pixels = target.tensor.shape.pixels
        for picture in 0..<gradient.count {
          let share = gradient.pointer[picture] / Float(pixels)
          let out = target.pointer + picture * pixels
          for pixel in 0..<pixels { out[pixel] = target.accumulate ? out[pixel] + share : share }
        }
      })
  }
}
