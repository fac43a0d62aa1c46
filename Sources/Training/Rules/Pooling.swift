import Networks
import Rings

/// Windows of a batch of pictures.
private enum PooledWindows {
  static func shape(_ window: PoolingWindow, _ input: BatchShape) -> BatchShape {
    BatchShape(
      channels: input.channels, samples: input.samples, height: window.rows.windows(on: input.height),
      width: window.columns.windows(on: input.width))
  }

  /// Calls `body` for every window of a channel with the result's index, the window's row and column, the index of its first
  /// pixel, and its pixels.
  @inline(__always)
  static func visit(
    _ input: BatchShape, _ rows: [PoolingAxis.Span], _ columns: [PoolingAxis.Span],
    _ body: (Int, Int, Int, Int, PoolingAxis.Span, PoolingAxis.Span) -> Void
  ) {
    var index = 0
    for sample in 0..<input.samples {
      for y in rows.indices {
        for x in columns.indices {
          let start = (sample * input.height + rows[y].first) * input.width + columns[x].first
          body(index, y, x, start, rows[y], columns[x])
          index += 1
        }
      }
    }
  }

  static func spans(
    _ window: PoolingWindow, _ input: BatchShape
  ) -> (rows: [PoolingAxis.Span], columns: [PoolingAxis.Span]) {
    (window.rows.spans(on: input.height), window.columns.spans(on: input.width))
  }
}

/// Mean over windows.
enum AveragePoolRule {
  static func rule(_ windows: AveragingWindow) -> Rule {
    Rule(
      shape: { PooledWindows.shape(windows.window, $0[0]) },
      forward: { context in
        let (input, output) = (context.inputs[0], context.output)
        let (rows, columns) = PooledWindows.spans(windows.window, input.shape)
        let factors = factors(windows, input.shape)
        context.workers.eachChannel(output.shape.channels) { channel in
          let y = output.pointer + channel * output.shape.channelStride
          let x = input.pointer + channel * input.shape.channelStride
          PooledWindows.visit(input.shape, rows, columns) { out, row, column, start, down, right in
            var sum: Float = 0
            for tap in 0..<down.count {
              let line = x + start + tap * down.step * input.shape.width
              for place in 0..<right.count { sum += line[place * right.step] }
            }
            y[out] = sum * factors[row * columns.count + column]
          }
        }
      },
      backward: { context in
        guard let target = context.addingTarget(0), let gradient = context.outputGradient else { return }
        let (rows, columns) = PooledWindows.spans(windows.window, target.shape)
        let factors = factors(windows, target.shape)
        context.workers.eachChannel(gradient.shape.channels) { channel in
          let g = gradient.pointer + channel * gradient.shape.channelStride
          let x = target.pointer + channel * target.shape.channelStride
          PooledWindows.visit(target.shape, rows, columns) { out, row, column, start, down, right in
            let share = g[out] * factors[row * columns.count + column]
            for tap in 0..<down.count {
              let line = x + start + tap * down.step * target.shape.width
              for place in 0..<right.count { line[place * right.step] += share }
            }
          }
        }
      })
  }

  /// One over the elements of each window.
  private static func factors(_ windows: AveragingWindow, _ shape: BatchShape) -> [Float] {
    let (rows, columns) = windows.counts(on: TensorShape(channels: 1, height: shape.height, width: shape.width))
    return rows.flatMap { row in columns.map { 1 / Float(row * $0) } }
  }
}

/// Maximum over windows; pixels outside the picture take no part. The gradient goes to the first largest pixel.
enum MaxPoolRule {
  static func rule(_ window: PoolingWindow) -> Rule {
    Rule(
      shape: { PooledWindows.shape(window, $0[0]) },
      forward: { context in
        let (input, output) = (context.inputs[0], context.output)
        let (rows, columns) = PooledWindows.spans(window, input.shape)
        context.workers.eachChannel(output.shape.channels) { channel in
          let y = output.pointer + channel * output.shape.channelStride
          let x = input.pointer + channel * input.shape.channelStride
          PooledWindows.visit(input.shape, rows, columns) { out, _, _, start, down, right in
            y[out] = x[largest(x, input.shape.width, start, down, right)]
          }
        }
      },
      backward: { context in
        guard let target = context.addingTarget(0), let gradient = context.outputGradient else { return }
        let input = context.inputs[0]
        let (rows, columns) = PooledWindows.spans(window, input.shape)
        context.workers.eachChannel(gradient.shape.channels) { channel in
          let g = gradient.pointer + channel * gradient.shape.channelStride
          let x = input.pointer + channel * input.shape.channelStride
          let out = target.pointer + channel * target.shape.channelStride
          PooledWindows.visit(input.shape, rows, columns) { index, _, _, start, down, right in
            out[largest(x, input.shape.width, start, down, right)] += g[index]
          }
        }
      })
  }

  /// Place of the first largest pixel of a window.
  @inline(__always)
  private static func largest(
    _ x: UnsafeMutablePointer<Float>, _ width: Int, _ start: Int, _ rows: PoolingAxis.Span, _ columns: PoolingAxis.Span
  ) -> Int {
    var best = start
    for row in 0..<rows.count {
      let line = start + row * rows.step * width
      for column in 0..<columns.count where x[line + column * columns.step] > x[best] {
        best = line + column * columns.step
      }
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
