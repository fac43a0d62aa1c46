/// CHW to a vector in that order: `[C, N, H W]` becomes `[C H W, N]`.
enum FlattenRule {
  static var rule: Rule {
    Rule(
      shape: { BatchShape(channels: $0[0].featureCount, samples: $0[0].samples) },
      forward: { context in
        let shape = context.inputs[0].shape
        let (x, y) = (context.inputs[0].pointer, context.output.pointer)
        for channel in 0..<shape.channels {
          for pixel in 0..<shape.pixels {
            let out = y + (channel * shape.pixels + pixel) * shape.samples
            let source = x + channel * shape.channelStride + pixel
            for sample in 0..<shape.samples { out[sample] = source[sample * shape.pixels] }
          }
        }
      },
      backward: { context in
        guard let target = context.addingTarget(0), let gradient = context.outputGradient else { return }
        let shape = context.inputs[0].shape
        for channel in 0..<shape.channels {
          for pixel in 0..<shape.pixels {
            let source = gradient.pointer + (channel * shape.pixels + pixel) * shape.samples
            let out = target.pointer + channel * shape.channelStride + pixel
            for sample in 0..<shape.samples { out[sample * shape.pixels] += source[sample] }
          }
        }
      })
  }
}

/// Sum of two tensors.
enum AddRule {
  static var rule: Rule {
    Rule(
      shape: { shapes in
        precondition(shapes[0] == shapes[1], "add needs two tensors of one shape")
        return shapes[0]
      },
      forward: { context in
        let (a, b, y) = (context.inputs[0], context.inputs[1], context.output)
        let count = y.shape.channelStride
        context.workers.eachChannel(y.shape.channels) { channel in
          let (a, b, y) = (a.pointer + channel * count, b.pointer + channel * count, y.pointer + channel * count)
          for index in 0..<count { y[index] = a[index] + b[index] }
        }
      },
      backward: { context in
        guard let gradient = context.outputGradient else { return }
        let count = gradient.shape.channelStride
        for target in context.targets {
          guard let target else { continue }
          context.workers.eachChannel(gradient.shape.channels) { channel in
            let out = target.pointer + channel * count
            let g = gradient.pointer + channel * count
            if target.accumulate {
              for index in 0..<count { out[index] += g[index] }
            } else {
              out.update(from: g, count: count)
            }
          }
        }
      })
  }
}

/// Channels one after the other. A channel's samples lie together, so each operand is one run of the result.
enum ConcatenateRule {
  static var rule: Rule {
    Rule(
      shape: { shapes in
        precondition(
          shapes.allSatisfy { $0.channelStride == shapes[0].channelStride && $0.width == shapes[0].width },
          "tensors joined along channels need pictures of one size")
        return BatchShape(
          channels: shapes.reduce(0) { $0 + $1.channels }, samples: shapes[0].samples, height: shapes[0].height,
          width: shapes[0].width)
      },
      forward: { context in
        var out = context.output.pointer
        for input in context.inputs {
          let count = input.shape.channels * input.shape.channelStride
          out.update(from: input.pointer, count: count)
          out += count
        }
      },
      backward: { context in
        guard let gradient = context.outputGradient else { return }
        var from = gradient.pointer
        for (input, target) in zip(context.inputs, context.targets) {
          let count = input.shape.channels * input.shape.channelStride
          if let target, target.accumulate {
            for index in 0..<count { target.pointer[index] += from[index] }
          } else if let target {
            target.pointer.update(from: from, count: count)
          }
          from += count
        }
      })
  }
}

/// Every `stride`-th pixel, with zero channels before and after (He et al., 2015, shortcut A).
enum SubsamplePadRule {
  static func rule(stride: Int, before: Int, after: Int) -> Rule {
    Rule(
      shape: { shapes in
        BatchShape(
          channels: shapes[0].channels + before + after, samples: shapes[0].samples,
          height: (shapes[0].height + stride - 1) / stride, width: (shapes[0].width + stride - 1) / stride)
      },
      forward: { context in
        context.output.fill(0)
        let (x, y) = (context.inputs[0].pointer, context.output.pointer)
        visit(context.inputs[0].shape, context.output.shape, stride, before) { y[$1] = x[$0] }
      },
      backward: { context in
        guard let target = context.addingTarget(0), let gradient = context.outputGradient else { return }
        let (x, y) = (target.pointer, gradient.pointer)
        visit(context.inputs[0].shape, gradient.shape, stride, before) { x[$0] += y[$1] }
      })
  }

  /// Calls `body(input index, output index)` for every pixel that is kept.
  @inline(__always)
  private static func visit(
    _ input: BatchShape, _ output: BatchShape, _ stride: Int, _ before: Int, _ body: (Int, Int) -> Void
  ) {
    for channel in 0..<input.channels {
      for sample in 0..<input.samples {
        for row in 0..<output.height {
          let from = channel * input.channelStride + (sample * input.height + row * stride) * input.width
          let into = (channel + before) * output.channelStride + (sample * output.height + row) * output.width
          for column in 0..<output.width { body(from + column * stride, into + column) }
        }
      }
    }
  }
}
