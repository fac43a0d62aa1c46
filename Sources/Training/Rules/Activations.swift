/// The trainable quadratic activation, parallel over channels.
enum X2actRule {
  static func rule(squareFactor: Float) -> Rule {
    Rule(
      shape: { shapes in
        let channels = shapes[0].channels
        for coefficient in shapes[1...3] { precondition(coefficient.count == 1 || coefficient.count == channels) }
        return shapes[0]
      },
      forward: { forward($0, squareFactor) }, backward: { backward($0, squareFactor) })
  }

  private static func coefficient(_ tensor: FloatTensor, _ channel: Int) -> Float {
    tensor.pointer[tensor.count == 1 ? 0 : channel]
  }

  private static func forward(_ context: RuleContext, _ squareFactor: Float) {
    let input = context.inputs[0]
    let output = context.output
    let count = input.shape.channelStride
    context.workers.eachChannel(input.shape.channels) { channel in
      let x = input.pointer + channel * count
      let y = output.pointer + channel * count
      let square = squareFactor * coefficient(context.inputs[1], channel)
      let slope = coefficient(context.inputs[2], channel)
      let constant = coefficient(context.inputs[3], channel)
      for index in 0..<count { y[index] = (square * x[index] + slope) * x[index] + constant }
    }
  }

  private static func backward(_ context: RuleContext, _ squareFactor: Float) {
    let input = context.inputs[0]
    let gradient = context.outputGradient!
    let count = input.shape.channelStride
    let channels = input.shape.channels
    // Sums of one channel each; a layer-wide coefficient takes their sum, in the order of the channels.
    let sums = context.pool.take(BatchShape(channels: channels, samples: 3))
    let target = context.targets[0]
    context.workers.eachChannel(channels) { channel in
      let x = input.pointer + channel * count
      let g = gradient.pointer + channel * count
      sums.pointer[3 * channel] = squareFactor * Float(VectorSums.squareDot(x, g, count))
      sums.pointer[3 * channel + 1] = Float(VectorSums.dot(x, center: 0, g, count))
      sums.pointer[3 * channel + 2] = Float(VectorSums.sum(g, count))
      guard let target else { return }
      let out = target.pointer + channel * count
      let double = 2 * squareFactor * coefficient(context.inputs[1], channel)
      let slope = coefficient(context.inputs[2], channel)
      if target.accumulate {
        for index in 0..<count { out[index] += (double * x[index] + slope) * g[index] }
      } else {
        for index in 0..<count { out[index] = (double * x[index] + slope) * g[index] }
      }
    }
    for which in 0..<3 {
      guard let coefficient = context.addingTarget(which + 1) else { continue }
      for channel in 0..<channels {
        coefficient.pointer[coefficient.count == 1 ? 0 : channel] += sums.pointer[3 * channel + which]
      }
    }
    context.pool.give(sums)
  }
}

/// `min(x, upper)` where `x > 0`, `slope * x` elsewhere: ReLU, leaky and clipped ReLU, and with slope -1 the magnitude.
enum PiecewiseRule {
  static func rule(slope: Float, upper: Float) -> Rule {
    Rule(
      shape: { $0[0] },
      forward: { context in
        let count = context.output.shape.channelStride
        let (input, output) = (context.inputs[0], context.output)
        context.workers.eachChannel(output.shape.channels) { channel in
          let x = input.pointer + channel * count
          let y = output.pointer + channel * count
          for index in 0..<count { y[index] = x[index] > 0 ? min(x[index], upper) : slope * x[index] }
        }
      },
      backward: { context in
        guard let target = context.targets[0], let gradient = context.outputGradient else { return }
        let input = context.inputs[0]
        let count = gradient.shape.channelStride
        context.workers.eachChannel(gradient.shape.channels) { channel in
          let x = input.pointer + channel * count
          let g = gradient.pointer + channel * count
          let out = target.pointer + channel * count
          for index in 0..<count {
            let share = g[index] * (x[index] > 0 ? (x[index] < upper ? 1 : 0) : slope)
            out[index] = target.accumulate ? out[index] + share : share
          }
        }
      })
  }
}

/// A function of each element, with a slope for its gradient.
enum ElementRule {
  static func rule(value: @escaping @Sendable (Float) -> Float, slope: @escaping @Sendable (Float) -> Float) -> Rule {
    Rule(
      shape: { $0[0] },
      forward: { context in
        let count = context.output.shape.channelStride
        let (input, output) = (context.inputs[0], context.output)
        context.workers.eachChannel(output.shape.channels) { channel in
          let x = input.pointer + channel * count
          let y = output.pointer + channel * count
          for index in 0..<count { y[index] = value(x[index]) }
        }
      },
      backward: { context in
        guard let target = context.targets[0], let gradient = context.outputGradient else { return }
        let input = context.inputs[0]
        let count = gradient.shape.channelStride
        context.workers.eachChannel(gradient.shape.channels) { channel in
          let x = input.pointer + channel * count
          let g = gradient.pointer + channel * count
          let out = target.pointer + channel * count
          for index in 0..<count {
            let share = g[index] * slope(x[index])
            out[index] = target.accumulate ? out[index] + share : share
          }
        }
      })
  }
}
