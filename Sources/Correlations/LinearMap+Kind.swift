import Rings

extension LinearMap {
  /// D x with full-word D in the ring that `kind` names; see `applyFull(_:geometry:weights:inputs:outputs:workspace:)`.
  static func applyFull(
    _ kind: ModulusKind, geometry: LinearGeometry, weights: SecretWords, inputs: [SecretWords], outputs: [SecretWords],
    workspace: LinearWorkspace
  ) {
    switch kind {
    case .field:
      applyFull(
        PrimeField.self, geometry: geometry, weights: weights, inputs: inputs, outputs: outputs, workspace: workspace)
    case .word:
      applyFull(
        Word64.self, geometry: geometry, weights: weights, inputs: inputs, outputs: outputs, workspace: workspace)
    }
  }
}
