import Glibc

/// Mean cross-entropy of the softmax of `[classes, samples]`, with label smoothing.
enum CrossEntropyRule {
  static func rule(labels: [Int], smoothing: Float) -> Rule {
    Rule(
      shape: { shapes in
        precondition(shapes[0].pixels == 1 && shapes[0].samples == labels.count, "one label a sample is needed")
        return .scalar
      },
      forward: { forward($0, labels, smoothing) }, backward: { backward($0, labels, smoothing) })
  }

  /// Saves the softmax.
  private static func forward(_ context: RuleContext, _ labels: [Int], _ smoothing: Float) {
    let logits = context.inputs[0]
    let (classes, samples) = (logits.shape.channels, logits.shape.samples)
    let softmax = context.pool.take(logits.shape)
    context.saved = [softmax]
    var loss = 0.0
    for sample in 0..<samples {
      var maximum = -Float.infinity
      for label in 0..<classes { maximum = max(maximum, logits.pointer[label * samples + sample]) }
      var sum: Float = 0
      for label in 0..<classes {
        let value = expf(logits.pointer[label * samples + sample] - maximum)
        softmax.pointer[label * samples + sample] = value
        sum += value
      }
      let logSum = maximum + logf(sum)
      var mean: Float = 0
      for label in 0..<classes {
        softmax.pointer[label * samples + sample] /= sum
        mean += logits.pointer[label * samples + sample]
      }
      mean /= Float(classes)
      let target = (1 - smoothing) * logits.pointer[labels[sample] * samples + sample] + smoothing * mean
      loss += Double(logSum - target)
    }
    context.output.pointer[0] = Float(loss / Double(samples))
  }

  private static func backward(_ context: RuleContext, _ labels: [Int], _ smoothing: Float) {
    guard let target = context.addingTarget(0) else { return }
    let (classes, samples) = (target.shape.channels, target.shape.samples)
    let factor = context.outputGradient.pointer[0] / Float(samples)
    let softmax = context.saved[0].pointer
    for sample in 0..<samples {
      for label in 0..<classes {
        let wanted = smoothing / Float(classes) + (labels[sample] == label ? 1 - smoothing : 0)
        target.pointer[label * samples + sample] += factor * (softmax[label * samples + sample] - wanted)
      }
    }
  }
}

/// `weight` times the mean of `max(|x| - bound, 0)^2`: keeps what enters a polynomial in the range where it is tame.
enum RangePenaltyRule {
  static func rule(bound: Float, weight: Float) -> Rule {
    Rule(
      shape: { _ in .scalar },
      forward: { context in
        let input = context.inputs[0]
        let count = input.shape.channelStride
        let sums = context.pool.take(BatchShape(channels: input.shape.channels, samples: 1))
        context.workers.eachChannel(input.shape.channels) { channel in
          let x = input.pointer + channel * count
          sums.pointer[channel] = Float(VectorSums.excessSquares(x, bound: bound, count))
        }
        let total = VectorSums.sum(sums.pointer, sums.count)
        context.output.pointer[0] = weight * Float(total / Double(input.count))
        context.pool.give(sums)
      },
      backward: { context in
        guard let target = context.addingTarget(0) else { return }
        let input = context.inputs[0]
        let count = input.shape.channelStride
        let factor = 2 * weight * context.outputGradient.pointer[0] / Float(input.count)
        context.workers.eachChannel(input.shape.channels) { channel in
          let x = input.pointer + channel * count
          let out = target.pointer + channel * count
          for index in 0..<count {
            out[index] += factor * (max(x[index] - bound, 0) + min(x[index] + bound, 0))
          }
        }
      })
  }
}
