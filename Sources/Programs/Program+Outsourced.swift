/// Who holds what while a program runs.
public enum Deployment: String, Codable, Hashable, Sendable {
  /// One party owns the weights, the other one the input and the result.
  case owned
  /// Two servers hold shares of both (Protocols/outsourced/spec.md).
  case outsourced
  /// The part of `outsourced` that is prepared with the servers' places exchanged: see ``Program/reversed``.
  case reversed
}

extension Program {
  /// Whether weights are shared: full words of each layer's ring, not small integers.
  public var sharesWeights: Bool { deployment != .owned }

  /// The steps that are a ReLU: servers hold shares of what each takes up, be it nothing.
  public var reluSteps: [Int] {
    comparisonSteps.filter {
      guard case .comparison(let spec) = steps[$0].operation else { return false }
      return spec.function == .relu
    }
  }

  /// Tensors that linear steps read, each once, in order of first use: an outsourced run opens each of them once.
  public var openedTensors: [Int] {
    var seen: Set<Int> = []
    return linearSteps.map { steps[$0].inputs[0] }.filter { seen.insert($0).inserted }
  }

  /// The first linear step that reads each opened tensor.
  public var openingSteps: Set<Int> {
    var seen: Set<Int> = []
    return Set(linearSteps.filter { seen.insert(steps[$0].inputs[0]).inserted })
  }

  /// The linear steps of an outsourced program alone, at the same places, each opened tensor drawn as an input is: what is
  /// prepared with the servers' places exchanged. Valid where the program is, but not made to run.
  public var reversed: Program {
    var reversed = self
    reversed.deployment = .reversed
    for index in steps.indices {
      if case .linear = steps[index].operation { continue }
      (reversed.steps[index].operation, reversed.steps[index].inputs) = (.input, [])
    }
    return reversed
  }
}
