import Glibc

/// Softmax over the channels of each sample; small tensors only.
enum SoftmaxRule {
  static var rule: Rule {
    Rule(
      shape: { shapes in
        precondition(shapes[0].pixels == 1)
        return shapes[0]
      },
      forward: { softmax($0.inputs[0], temperature: 1, into: $0.output) },
      backward: { context in
        guard let target = context.addingTarget(0) else { return }
        let (classes, samples) = (target.shape.channels, target.shape.samples)
        let (y, g) = (context.output.pointer, context.outputGradient.pointer)
        for sample in 0..<samples {
          var dot: Float = 0
          for index in 0..<classes { dot += y[index * samples + sample] * g[index * samples + sample] }
          for index in 0..<classes {
            let place = index * samples + sample
            target.pointer[place] += y[place] * (g[place] - dot)
          }
        }
      })
  }

  /// Writes the softmax of `logits / temperature` of every sample.
  static func softmax(_ logits: FloatTensor, temperature: Float, into output: FloatTensor) {
    let (classes, samples) = (logits.shape.channels, logits.shape.samples)
    for sample in 0..<samples {
      var maximum = -Float.infinity
      for index in 0..<classes { maximum = max(maximum, logits.pointer[index * samples + sample]) }
      var sum: Float = 0
      for index in 0..<classes {
        let value = expf((logits.pointer[index * samples + sample] - maximum) / temperature)
        output.pointer[index * samples + sample] = value
        sum += value
      }
      for index in 0..<classes { output.pointer[index * samples + sample] /= sum }
    }
  }
}

/// A linear function of a small tensor.
enum DotRule {
  static func rule(coefficients: [Float]) -> Rule {
    Rule(
      shape: { shapes in
        precondition(shapes[0].count == coefficients.count, "one coefficient an element is needed")
        return .scalar
      },
      forward: { context in
        var sum = 0.0
        for (index, coefficient) in coefficients.enumerated() {
          sum += Double(coefficient) * Double(context.inputs[0].pointer[index])
        }
        context.output.pointer[0] = Float(sum)
      },
      backward: { context in
        guard let target = context.addingTarget(0) else { return }
        let factor = context.outputGradient.pointer[0]
        for (index, coefficient) in coefficients.enumerated() { target.pointer[index] += factor * coefficient }
      })
  }
}

/// A tensor times a number.
enum ScaledRule {
  static func rule(factor: Float) -> Rule {
    Rule(
      shape: { $0[0] },
      forward: { context in
        for index in 0..<context.output.count {
          context.output.pointer[index] = factor * context.inputs[0].pointer[index]
        }
      },
      backward: { context in
        guard let target = context.addingTarget(0) else { return }
        for index in 0..<target.count { target.pointer[index] += factor * context.outputGradient.pointer[index] }
      })
  }
}

/// Divergence from a teacher's softened answers.
enum DistillationRule {
  static func rule(teacher: FloatTensor, temperature: Float) -> Rule {
    Rule(
      shape: { shapes in
        precondition(shapes[0] == teacher.shape, "teacher and pupil name the same classes of the same samples")
        return .scalar
      },
      forward: { context in
        let logits = context.inputs[0]
        let (pupil, wanted) = (context.pool.take(logits.shape), context.pool.take(logits.shape))
        context.saved = [pupil, wanted]
        SoftmaxRule.softmax(logits, temperature: temperature, into: pupil)
        SoftmaxRule.softmax(teacher, temperature: temperature, into: wanted)
        var sum = 0.0
        for index in 0..<logits.count where wanted.pointer[index] > 0 {
          let (p, q) = (Double(wanted.pointer[index]), Double(max(pupil.pointer[index], .leastNormalMagnitude)))
          sum += p * (log(p) - log(q))
        }
        context.output.pointer[0] = temperature * temperature * Float(sum / Double(logits.shape.samples))
      },
      backward: { context in
        guard let target = context.addingTarget(0) else { return }
        let factor = temperature * context.outputGradient.pointer[0] / Float(target.shape.samples)
        let (pupil, wanted) = (context.saved[0].pointer, context.saved[1].pointer)
        for index in 0..<target.count { target.pointer[index] += factor * (pupil[index] - wanted[index]) }
      })
  }
}
