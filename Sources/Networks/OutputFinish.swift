/// What the data owner does to the output once it has it: functions of the values that it learns anyway.
public enum OutputFinish: String, Codable, Hashable, Sendable {
  /// `exp(x_i) / sum exp(x_j)`.
  case softmax
  /// The logarithm of that.
  case logSoftmax
  /// `1 / (1 + exp(-x_i))`, each value by itself.
  case sigmoid
  /// The hyperbolic tangent of each value.
  case tanh
  /// The index of the largest value.
  case argMax

  /// Applies it to the output's values.
  public func apply(_ values: [Double]) -> [Double] {
    guard let largest = values.max() else { return values }
    switch self {
    case .argMax: return [Double(values.firstIndex(of: largest) ?? 0)]
    case .sigmoid: return values.map { 1 / (1 + Scalar.exp(-$0)) }
    case .tanh: return values.map { 1 - 2 / (Scalar.exp(2 * $0) + 1) }
    case .softmax, .logSoftmax: break
    }
    let powers = values.map { Scalar.exp($0 - largest) }
    let sum = powers.reduce(0, +)
    return self == .softmax ? powers.map { $0 / sum } : values.map { $0 - largest - Scalar.log(sum) }
  }
}
