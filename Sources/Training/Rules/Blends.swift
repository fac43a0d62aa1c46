import Networks

/// ReLU (or its clipped kin) and the quadratic side by side, weighed by `p`: one pass over the operand. A sixth input is
/// what the quadratic reads in its place.
enum BlendedActivationRule {
  static func rule(squareFactor: Float, upper: Float) -> Rule {
    Rule(
      shape: { shapes in
        for coefficient in shapes[1...3] {
          precondition(coefficient.count == 1 || coefficient.count == shapes[0].channels)
        }
        precondition(shapes[4].count == 2, "two forms, two weights")
        precondition(shapes.count == 5 || shapes[5] == shapes[0])
        return shapes[0]
      },
      forward: { forward($0, squareFactor, upper) }, backward: { backward($0, squareFactor, upper) })
  }

  /// What a channel multiplies: the comparison's weight, and `p[1]` times square, slope and constant.
  private static func terms(_ context: RuleContext, _ squareFactor: Float, _ channel: Int) -> SIMD4<Float> {
    func coefficient(_ index: Int) -> Float {
      context.inputs[index].pointer[context.inputs[index].count == 1 ? 0 : channel]
    }
    let shares = context.inputs[4].pointer
    return SIMD4(
      shares[0], shares[1] * squareFactor * coefficient(1), shares[1] * coefficient(2), shares[1] * coefficient(3))
  }

  private static func forward(_ context: RuleContext, _ squareFactor: Float, _ upper: Float) {
    let (input, output) = (context.inputs[0], context.output)
    let other = context.inputs.count > 5 ? context.inputs[5] : input
    let count = input.shape.channelStride
    context.workers.eachChannel(input.shape.channels) { channel in
      let x = input.pointer + channel * count
      let z = other.pointer + channel * count
      let y = output.pointer + channel * count
      let terms = terms(context, squareFactor, channel)
      for index in 0..<count {
        y[index] =
          terms[0] * min(max(x[index], 0), upper) + (terms[1] * z[index] + terms[2]) * z[index] + terms[3]
      }
    }
  }

  /// Gradients of both operands where the quadratic has one of its own.
  private static func propagate(_ context: RuleContext, _ squareFactor: Float, _ upper: Float) {
    let gradient = context.outputGradient!
    let count = gradient.shape.channelStride
    for (place, tensor) in [(0, context.inputs[0]), (5, context.inputs[5])] {
      guard let target = context.targets[place] else { continue }
      context.workers.eachChannel(gradient.shape.channels) { channel in
        let x = tensor.pointer + channel * count
        let g = gradient.pointer + channel * count
        let out = target.pointer + channel * count
        let terms = terms(context, squareFactor, channel)
        for index in 0..<count {
          let value = x[index]
          let slope =
            place == 0 ? (value > 0 && value < upper ? terms[0] : 0) : 2 * terms[1] * value + terms[2]
          out[index] = target.accumulate ? out[index] + slope * g[index] : slope * g[index]
        }
      }
    }
  }

  private static func backward(_ context: RuleContext, _ squareFactor: Float, _ upper: Float) {
    let (input, gradient) = (context.inputs[0], context.outputGradient!)
    let count = input.shape.channelStride
    let channels = input.shape.channels
    let sums = context.pool.take(BatchShape(channels: channels, samples: 4))
    let other = context.inputs.count > 5 ? context.inputs[5] : input
    let target = context.inputs.count > 5 ? nil : context.targets[0]
    if context.inputs.count > 5 { propagate(context, squareFactor, upper) }
    context.workers.eachChannel(channels) { channel in
      let x = input.pointer + channel * count
      let z = other.pointer + channel * count
      let g = gradient.pointer + channel * count
      sums.pointer[4 * channel] = squareFactor * Float(VectorSums.squareDot(z, g, count))
      sums.pointer[4 * channel + 1] = Float(VectorSums.dot(z, center: 0, g, count))
      sums.pointer[4 * channel + 2] = Float(VectorSums.sum(g, count))
      sums.pointer[4 * channel + 3] = Float(VectorSums.clippedDot(x, upper: upper, g, count))
      guard let target else { return }
      let out = target.pointer + channel * count
      let terms = terms(context, squareFactor, channel)
      for index in 0..<count {
        let value = x[index]
        let slope = (value > 0 && value < upper ? terms[0] : 0) + 2 * terms[1] * value + terms[2]
        out[index] = target.accumulate ? out[index] + slope * g[index] : slope * g[index]
      }
    }
    let share = context.inputs[4].pointer[1]
    for which in 0..<3 {
      guard let coefficient = context.addingTarget(which + 1) else { continue }
      for channel in 0..<channels {
        coefficient.pointer[coefficient.count == 1 ? 0 : channel] += share * sums.pointer[4 * channel + which]
      }
    }
    if let shares = context.addingTarget(4) {
      for channel in 0..<channels {
        shares.pointer[0] += sums.pointer[4 * channel + 3]
        for which in 0..<3 {
          let coefficient = context.inputs[which + 1]
          shares.pointer[1] +=
            coefficient.pointer[coefficient.count == 1 ? 0 : channel] * sums.pointer[4 * channel + which]
        }
      }
    }
    context.pool.give(sums)
  }
}

/// Maximum and mean over the same windows, weighed by `p`. Saves both.
enum BlendedPoolRule {
  static func rule(_ windows: AveragingWindow) -> Rule {
    let maximum = MaxPoolRule.rule(windows.window)
    let mean = AveragePoolRule.rule(windows)
    return Rule(
      shape: { shapes in
        precondition(shapes[1].count == 2, "two forms, two weights")
        return maximum.shape(shapes)
      },
      forward: { context in
        for rule in [maximum, mean] {
          let part = RuleContext(
            workers: context.workers, pool: context.pool, inputs: [context.inputs[0]],
            output: context.pool.take(context.output.shape))
          rule.forward(part)
          context.saved.append(part.output)
        }
        let shares = context.inputs[1].pointer
        let (a, b, y) = (context.saved[0].pointer, context.saved[1].pointer, context.output.pointer)
        for index in 0..<context.output.count { y[index] = shares[0] * a[index] + shares[1] * b[index] }
      },
      backward: { context in
        let gradient = context.outputGradient!
        let shares = context.inputs[1].pointer
        if let target = context.addingTarget(0) {
          let part = RuleContext(
            workers: context.workers, pool: context.pool, inputs: [context.inputs[0]], output: context.output)
          let weighed = context.pool.take(gradient.shape)
          for (which, rule) in [maximum, mean].enumerated() {
            for index in 0..<gradient.count { weighed.pointer[index] = shares[which] * gradient.pointer[index] }
            part.outputGradient = weighed
            part.targets = [RuleContext.Target(tensor: target, accumulate: true)]
            rule.backward(part)
          }
          context.pool.give(weighed)
        }
        if let target = context.addingTarget(1) {
          for which in 0..<2 {
            target.pointer[which] += Float(
              VectorSums.dot(context.saved[which].pointer, center: 0, gradient.pointer, gradient.count))
          }
        }
      })
  }
}
