public import Correlations
public import Networks
public import Programs
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
      }, normalizations: planned.quantized.normalizations(for: planned.plan.program),
      offsets: planned.quantized.offset, salt: salt)
  }
}

extension QuantizedModel {
  /// What ReLUs take up, as the engine computes with it.
  ///
  /// - Parameter program: the plan's.
  public func normalizations(for program: Program) -> [Int: ComparisonNormalization] {
    var result: [Int: ComparisonNormalization] = [:]
    for (index, layer) in comparison {
      result[index] = ComparisonNormalization(
        tensor: program.steps[index].tensor, threshold: layer.threshold, flips: layer.flips, offset: layer.offset)
    }
    return result
  }
}
