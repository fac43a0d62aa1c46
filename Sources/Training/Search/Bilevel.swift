/// A loss of weights and architecture on two batches, for the outer step of a bilevel search.
protocol BilevelProblem {
  /// The weights, changed in place.
  var weights: [FloatTensor] { get }
  /// Gradients of the training loss: sets ``weightGradients`` and returns that of the architecture.
  func differentiateTraining() -> [Double]
  /// The same of the validation loss, with the cost of the architecture.
  func differentiateValidation() -> [Double]
  /// Gradients that the last call left, in the order of ``weights``.
  var weightGradients: [FloatTensor] { get }
}

/// The gradient of the architecture (PolyMPCNet's search; H. Liu et al., "DARTS", 2019, section 2.3).
enum Bilevel {
  /// First order: the weights are taken as they are.
  static func firstOrder(_ problem: some BilevelProblem) -> [Double] { problem.differentiateValidation() }

  /// Second order: the weights are taken after one step of the training loss, and the product with its mixed second
  /// derivative comes from finite differences:
  /// 1. `w' = w - rate grad_w L_train(w)`,
  /// 2. `A = grad_alpha L_val(w')`, `v = grad_w L_val(w')`,
  /// 3. `w± = w ± epsilon v` with `epsilon = 0.01 / |v|`,
  /// 4. `A - rate (grad_alpha L_train(w+) - grad_alpha L_train(w-)) / (2 epsilon)`.
  ///
  /// The weights end as they began, bit for bit.
  static func secondOrder(_ problem: some BilevelProblem, rate: Float) -> [Double] {
    let weights = problem.weights
    let kept = weights.map { FloatTensor(shape: $0.shape, values: $0.values) }
    func restore() {
      for (weight, kept) in zip(weights, kept) { weight.pointer.update(from: kept.pointer, count: kept.count) }
    }
    func add(_ factor: Float, _ directions: [FloatTensor]) {
      for (weight, direction) in zip(weights, directions) {
        for index in 0..<weight.count { weight.pointer[index] += factor * direction.pointer[index] }
      }
    }
    _ = problem.differentiateTraining()
    add(-rate, problem.weightGradients)
    let outer = problem.differentiateValidation()
    let direction = problem.weightGradients.map { FloatTensor(shape: $0.shape, values: $0.values) }
    restore()
    let squares = direction.reduce(0.0) { $0 + VectorSums.squares($1.pointer, center: 0, $1.count) }
    guard squares > 0, squares.isFinite else { return outer }
    let epsilon = 0.01 / squares.squareRoot()
    add(Float(epsilon), direction)
    let above = problem.differentiateTraining()
    restore()
    add(Float(-epsilon), direction)
    let below = problem.differentiateTraining()
    restore()
    return outer.indices.map { outer[$0] - Double(rate) * (above[$0] - below[$0]) / (2 * epsilon) }
  }
}

/// Adam (D. Kingma and J. Ba, 2015) with weight decay added to the gradient.
struct Adam {
  var rate: Double
  var decay: Double
  var betas = (0.5, 0.999)
  private(set) var step = 0
  private(set) var first: [Double]
  private(set) var second: [Double]

  init(rate: Double, decay: Double, count: Int) {
    (self.rate, self.decay) = (rate, decay)
    first = [Double](repeating: 0, count: count)
    second = first
  }

  /// Goes on from a state.
  mutating func restore(step: Int, first: [Double], second: [Double]) {
    (self.step, self.first, self.second) = (step, first, second)
  }

  /// Moves `values` against `gradient`.
  mutating func update(_ values: inout [Double], gradient: [Double]) {
    step += 1
    let (slow, fast) = (1 - Self.power(betas.0, step), 1 - Self.power(betas.1, step))
    for index in values.indices {
      let g = gradient[index] + decay * values[index]
      first[index] += (1 - betas.0) * (g - first[index])
      second[index] += (1 - betas.1) * (g * g - second[index])
      values[index] -= rate * (first[index] / slow) / ((second[index] / fast).squareRoot() + 1e-8)
    }
  }

  private static func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, factor, left) = (1.0, base, exponent)
    while left > 0 {
      if left & 1 == 1 { result *= factor }
      factor *= factor
      left >>= 1
    }
    return result
  }
}
