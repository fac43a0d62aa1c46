import Networks

extension Graph {
  /// Whether a quadratic's operand is normalised by its batch.
  var normalizesQuadratics: Bool {
    nodes.contains { node in
      if case .x2act(let spec) = node.operation { return spec.normalizationEpsilon != nil }
      return false
    }
  }
}
