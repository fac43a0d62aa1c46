import Networks

/// What batches come to: losses and gradients, logits, magnitudes.
extension GraphExecutor {
  /// Loss and gradients of a batch in training mode; running statistics of batch normalisation move.
  ///
  /// - Parameters:
  ///   - batch: normalised inputs, `[channels, samples, height, width]`.
  ///   - labels: one class a sample, each below the number of logits.
  /// - Returns: the loss without range penalty, the penalty, and how many samples were classified correctly.
  public func differentiate(
    batch: FloatTensor, labels: [Int], options: LossOptions
  ) -> (loss: Float, penalty: Float, correct: Int) {
    let result = differentiate(batch: batch, labels: labels, options: options, terms: StepTerms())
    return (result.loss, result.penalty, result.correct)
  }

  /// The same with more terms.
  func differentiate(batch: FloatTensor, labels: [Int], options: LossOptions, terms: StepTerms) -> StepLoss {
    defer { tape.reset() }
    for slot in slots { slot.gradient.fill(0) }
    for gate in gates { gate.gradient.fill(0) }
    var shares: [Tape.Variable] = []
    let variables = record(batch, training: true, movesStatistics: terms.movesStatistics, shares: &shares)
    let logits = variables[variables.count - 1]
    var result = StepLoss()
    var loss = tape.apply(
      .softmaxCrossEntropy(labels: labels, smoothing: options.labelSmoothing), [logits])
    result.loss = tape.value(loss).pointer[0]
    if let teacher = terms.teacher {
      let term = tape.apply(.distillation(teacher: teacher.logits, temperature: teacher.temperature), [logits])
      result.distillation = tape.value(term).pointer[0]
      loss = tape.apply(
        .add, [tape.apply(.scaled(1 - teacher.weight), [loss]), tape.apply(.scaled(teacher.weight), [term])])
    }
    if options.rangeWeight > 0 {
      for node in graph.nodes {
        guard let operand = quadraticOperands[node.id] else { continue }
        let term = tape.apply(.rangePenalty(bound: options.rangeBound, weight: options.rangeWeight), [operand])
        result.penalty += tape.value(term).pointer[0]
        loss = tape.apply(.add, [loss, term])
      }
    }
    if let costs = terms.costs {
      for (share, cost) in zip(shares, costs) {
        loss = tape.apply(.add, [loss, tape.apply(.dot(coefficients: [cost.comparison, cost.polynomial]), [share])])
      }
    }
    result.correct = zip(GraphExecutor.predictions(tape.value(logits)), labels).count { $0 == $1 }
    tape.backward(from: loss)
    return result
  }

  /// Logits of a batch in inference mode, `[classes, samples]`, in memory of their own.
  func logitsTensor(batch: FloatTensor) -> FloatTensor {
    defer { tape.reset() }
    let output = tape.value(infer(batch))
    return FloatTensor(shape: output.shape, values: output.values)
  }

  /// Sets the statistics that inference normalises with to the medians of those of some batches, normalised in training
  /// mode: for the weights as they are now (Y. Wu and J. Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3.2,
  /// who take means).
  ///
  /// Quadratics have heavy tails: one odd picture can make a batch's variance a million times the usual. Training, which
  /// normalises with the batch's own, does not see that; a running average does for a hundred batches, and so would a mean.
  func settleStatistics(batches: Int, _ batch: (Int) -> FloatTensor) {
    for entry in statistics.values { entry.gather(batches: batches) }
    for index in 0..<batches {
      var shares: [Tape.Variable] = []
      _ = record(batch(index), training: true, movesStatistics: true, shares: &shares)
      tape.reset()
      for entry in statistics.values { entry.advance() }
    }
    for entry in statistics.values { entry.settle() }
  }

  /// Calls `body(node, tensor)` with the operand of every quadratic activation on a batch, normalised by the batch's
  /// own statistics, which running ones do not follow.
  func visitOperands(batch: FloatTensor, _ body: (Int, FloatTensor) -> Void) {
    defer { tape.reset() }
    var shares: [Tape.Variable] = []
    let variables = record(batch, training: true, movesStatistics: false, shares: &shares)
    for node in graph.nodes where node.operation.isActivation { body(node.id, tape.value(variables[node.inputs[0]])) }
  }

  /// Logits of a batch in inference mode, `logits[sample][class]`.
  public func logits(batch: FloatTensor) -> [[Float]] {
    defer { tape.reset() }
    let output = tape.value(infer(batch))
    let samples = output.shape.samples
    return (0..<samples).map { sample in
      (0..<output.shape.channels).map { output.pointer[$0 * samples + sample] }
    }
  }

  /// Mean loss times samples, and the class of every sample, of a batch in inference mode.
  public func evaluate(batch: FloatTensor, labels: [Int]) -> (loss: Double, predictions: [Int]) {
    defer { tape.reset() }
    let logits = infer(batch)
    let loss = tape.apply(.softmaxCrossEntropy(labels: labels, smoothing: 0), [logits])
    return (
      Double(tape.value(loss).pointer[0]) * Double(labels.count), GraphExecutor.predictions(tape.value(logits))
    )
  }

  /// Largest magnitude of every node's tensor on a batch in inference mode, by node.
  public func magnitudes(batch: FloatTensor) -> [Float] {
    defer { tape.reset() }
    var magnitudes: [Float] = []
    _ = infer(batch) { tensor in
      var largest: Float = 0
      for index in 0..<tensor.count { largest = max(largest, abs(tensor.pointer[index])) }
      magnitudes.append(largest)
    }
    return magnitudes
  }

  /// The class of the largest logit of every sample; the first one where several are equal.
  static func predictions(_ logits: FloatTensor) -> [Int] {
    let samples = logits.shape.samples
    return (0..<samples).map { sample in
      var best = 0
      for label in 1..<max(logits.shape.channels, 1)
      where logits.pointer[label * samples + sample] > logits.pointer[best * samples + sample] {
        best = label
      }
      return best
    }
  }
}
