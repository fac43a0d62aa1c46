/// Batch normalisation, parallel over channels (S. Ioffe and C. Szegedy, 2015).
enum BatchNormRule {
  static func rule(epsilon: Float, momentum: Float, training: Bool, statistics: BatchStatistics) -> Rule {
    Rule(
      shape: { shapes in
        precondition(shapes[1].count == shapes[0].channels && shapes[2].count == shapes[0].channels)
        return shapes[0]
      },
      forward: {
        forward($0, epsilon: epsilon, momentum: momentum, training: training, statistics: statistics)
      },
      backward: { backward($0, training: training) })
  }

  /// Saves the mean and the reciprocal deviation of every channel.
  private static func forward(
    _ context: RuleContext, epsilon: Float, momentum: Float, training: Bool, statistics: BatchStatistics
  ) {
    let input = context.inputs[0]
    let count = input.shape.channelStride
    let means = context.pool.take(BatchShape(channels: input.shape.channels, samples: 1))
    let scales = context.pool.take(BatchShape(channels: input.shape.channels, samples: 1))
    context.saved = [means, scales]
    let gamma = context.inputs[1].pointer
    let beta = context.inputs[2].pointer
    let output = context.output
    context.workers.eachChannel(input.shape.channels) { channel in
      let x = input.pointer + channel * count
      let y = output.pointer + channel * count
      var mean = statistics.mean.pointer[channel]
      var variance = statistics.variance.pointer[channel]
      if training {
        mean = Float(VectorSums.sum(x, count) / Double(count))
        let squares = VectorSums.squares(x, center: mean, count)
        variance = Float(squares / Double(count))
        let unbiased = Float(squares / Double(max(count - 1, 1)))
        statistics.take(channel, mean: mean, variance: unbiased, momentum: momentum)
      }
      let reciprocal = 1 / (variance + epsilon).squareRoot()
      means.pointer[channel] = mean
      scales.pointer[channel] = reciprocal
      let factor = reciprocal * gamma[channel]
      let shift = beta[channel]
      for index in 0..<count { y[index] = (x[index] - mean) * factor + shift }
    }
  }

  private static func backward(_ context: RuleContext, training: Bool) {
    let input = context.inputs[0]
    let count = input.shape.channelStride
    let gradient = context.outputGradient!
    let means = context.saved[0].pointer
    let scales = context.saved[1].pointer
    let gamma = context.inputs[1].pointer
    let target = context.targets[0]
    let gammaTarget = context.addingTarget(1)
    let betaTarget = context.addingTarget(2)
    context.workers.eachChannel(input.shape.channels) { channel in
      let x = input.pointer + channel * count
      let g = gradient.pointer + channel * count
      let mean = means[channel]
      let reciprocal = scales[channel]
      let sum = VectorSums.sum(g, count)
      let dot = VectorSums.dot(x, center: mean, g, count) * Double(reciprocal)
      betaTarget?.pointer[channel] += Float(sum)
      gammaTarget?.pointer[channel] += Float(dot)
      guard let target else { return }
      let out = target.pointer + channel * count
      let factor = gamma[channel] * reciprocal
      // With batch statistics: factor * (g - mean(g) - xhat * mean(g xhat)).
      let constant = training ? factor * Float(sum / Double(count)) : 0
      let slope = training ? factor * reciprocal * Float(dot / Double(count)) : 0
      if target.accumulate {
        for index in 0..<count { out[index] += factor * g[index] - constant - slope * (x[index] - mean) }
      } else {
        for index in 0..<count { out[index] = factor * g[index] - constant - slope * (x[index] - mean) }
      }
    }
  }
}
