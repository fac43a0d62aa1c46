import Rings

/// The same elements under another shape: `[C, N, H W]` becomes `[C', N, H' W']` with `C' H' W' = C H W`.
enum ReshapeRule {
  static func rule(_ shape: TensorShape) -> Rule {
    Rule(
      shape: {
        precondition($0[0].featureCount == shape.count, "a reshape keeps the number of elements")
        return BatchShape(
          channels: shape.channels, samples: $0[0].samples, height: shape.height, width: shape.width)
      },
      forward: { context in
        let (x, y) = (context.inputs[0].pointer, context.output.pointer)
        visit(context.inputs[0].shape, context.output.shape) { from, into in y[into] = x[from] }
      },
      backward: { context in
        guard let target = context.addingTarget(0), let gradient = context.outputGradient else { return }
        let (x, y) = (target.pointer, gradient.pointer)
        visit(target.shape, gradient.shape) { from, into in x[from] += y[into] }
      })
  }

  /// Calls `body(input index, output index)` for every element.
  @inline(__always)
  private static func visit(_ input: BatchShape, _ output: BatchShape, _ body: (Int, Int) -> Void) {
    for feature in 0..<input.featureCount {
      let (channel, pixel) = feature.quotientAndRemainder(dividingBy: input.pixels)
      let (toChannel, toPixel) = feature.quotientAndRemainder(dividingBy: output.pixels)
      let from = channel * input.channelStride + pixel
      let into = toChannel * output.channelStride + toPixel
      for sample in 0..<input.samples { body(from + sample * input.pixels, into + sample * output.pixels) }
    }
  }
}

/// One constant an element of a sample, in the order of CHW.
enum OffsetRule {
  static var rule: Rule {
    Rule(
      shape: { shapes in
        precondition(shapes[1].count == shapes[0].featureCount, "an offset has one constant an element")
        return shapes[0]
      },
      forward: { context in
        let (x, b, y) = (context.inputs[0].pointer, context.inputs[1].pointer, context.output.pointer)
        visit(context.output.shape) { y[$0] = x[$0] + b[$1] }
      },
      backward: { context in
        let gradient = context.outputGradient!
        let g = gradient.pointer
        if let target = context.addingTarget(0) {
          for index in 0..<gradient.count { target.pointer[index] += g[index] }
        }
        if let target = context.addingTarget(1) {
          let b = target.pointer
          visit(gradient.shape) { b[$1] += g[$0] }
        }
      })
  }

  /// Calls `body(index, index of the constant)` for every element.
  @inline(__always)
  private static func visit(_ shape: BatchShape, _ body: (Int, Int) -> Void) {
    for channel in 0..<shape.channels {
      for sample in 0..<shape.samples {
        let start = channel * shape.channelStride + sample * shape.pixels
        for pixel in 0..<shape.pixels { body(start + pixel, channel * shape.pixels + pixel) }
      }
    }
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
