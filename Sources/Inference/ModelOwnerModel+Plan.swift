public import Networks
import TwoParty

extension ModelOwnerModel {
  /// Takes what the planner made of a trained network.
  ///
  /// - Parameters:
  ///   - planned: plan and quantized integers.
  ///   - salt: 32 secret bytes that go with the model file.
  /// - Throws: ``InferenceError/modelDoesNotFit(step:reason:)``, `ProgramError`
  public convenience init(planned: PlannedModel, salt: [UInt8]) throws {
    try self.init(
      program: planned.plan.program,
      linear: planned.quantized.linear.mapValues { LinearParameters(weights: $0.weights, bias: $0.bias) },
      activations: planned.quantized.activation.mapValues {
        ActivationCoefficients(k: $0.linear, constant: $0.constant)
      }, offsets: planned.quantized.offset, salt: salt)
  }
}
