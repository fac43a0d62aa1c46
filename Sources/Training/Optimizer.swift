import Glibc
import Networks

/// Cosine schedule with a linear warm-up (I. Loshchilov and F. Hutter, 2017).
struct CosineSchedule {
  var peak: Float
  var final: Float
  var warmUpSteps: Int
  var steps: Int

  /// The learning rate of step 0 ..< steps.
  func rate(step: Int) -> Float {
    if step < warmUpSteps { return peak * Float(step + 1) / Float(warmUpSteps) }
    let progress = Double(step - warmUpSteps) / Double(max(steps - warmUpSteps, 1))
    return final + (peak - final) * Float(0.5 * (1 + cos(Double.pi * min(progress, 1))))
  }
}

/// Stochastic gradient descent with momentum: `v = momentum v + g + decay w`, `w -= rate v`.
///
/// Weight decay acts on weights alone, not on biases, batch normalisation, or (unless asked) activation coefficients.
final class Optimizer {
  private let executor: GraphExecutor
  private let configuration: TrainingConfiguration
  /// One momentum tensor a slot of the executor.
  let momenta: [FloatTensor]

  init(executor: GraphExecutor, configuration: TrainingConfiguration) {
    self.executor = executor
    self.configuration = configuration
    momenta = executor.slots.map { FloatTensor(shape: $0.value.shape) }
  }

  /// A copy of the momenta, by the executor's keys.
  var state: Parameters {
    var result = Parameters()
    for (slot, momentum) in zip(executor.slots, momenta) { result[slot.key.node, slot.key.name] = momentum.values }
    return result
  }

  /// Takes a state up again.
  ///
  /// - Throws: ``TrainingError/badParameter(node:name:expected:found:)``
  func load(_ state: Parameters) throws {
    for (slot, momentum) in zip(executor.slots, momenta) {
      try momentum.load(state[slot.key.node, slot.key.name], for: slot.key)
    }
  }

  /// Applies the executor's gradients.
  ///
  /// - Returns: the norm of the gradient before it was clipped; nothing is changed where it is not finite.
  func step(rate: Float) -> Double {
    var squares = 0.0
    for slot in executor.slots { squares += VectorSums.squares(slot.gradient.pointer, center: 0, slot.gradient.count) }
    let norm = squares.squareRoot()
    guard norm.isFinite else { return norm }
    let limit = Double(configuration.clipNorm)
    let factor: Float = limit > 0 && norm > limit ? Float(limit / norm) : 1
    for (slot, momentum) in zip(executor.slots, momenta) {
      let isActivation = slot.key.name == .w1 || slot.key.name == .w2 || slot.key.name == .b
      let decays = slot.key.name == .weight || (isActivation && configuration.decaysActivations)
      let decay = decays ? configuration.weightDecay : 0
      let slotRate = isActivation ? rate * configuration.activationRate : rate
      let (w, g, v) = (slot.value.pointer, slot.gradient.pointer, momentum.pointer)
      let inertia = configuration.momentum
      for index in 0..<slot.value.count {
        let velocity = inertia * v[index] + factor * g[index] + decay * w[index]
        v[index] = velocity
        w[index] -= slotRate * velocity
      }
    }
    return norm
  }
}
