/// What the data owner does to the output once it has it: functions of the values that it learns anyway.
public enum OutputFinish: String, Codable, Hashable, Sendable {
  /// `exp(x_i) / sum exp(x_j)`.
  case softmax
  /// The logarithm of that.
  case logSoftmax
  /// The index of the largest value.
  case argMax

  /// Applies it to the output's values.
  public func apply(_ values: [Double]) -> [Double] {
    guard let largest = values.max() else { return values }
    if self == .argMax { return [Double(values.firstIndex(of: largest) ?? 0)] }
    let powers = values.map { Scalar.exp($0 - largest) }
    let sum = powers.reduce(0, +)
    return self == .softmax ? powers.map { $0 / sum } : values.map { $0 - largest - Scalar.log(sum) }
  }
}
