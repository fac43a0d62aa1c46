/// What a geometry or a weight tensor from outside can have wrong.
public enum RingsError: Error, Equatable, CustomStringConvertible {
  /// A dimension of a layer lies outside its range.
  case dimensionOutOfRange(name: String, value: Int, minimum: Int, maximum: Int)
  /// A product of dimensions exceeds what the kernels accept.
  case tooLarge(name: String, limit: Int)
  /// `groups` does not divide a number of channels.
  case groupsDoNotDivide(groups: Int, channels: Int)
  /// The kernel does not fit into the padded input.
  case emptyOutput(name: String, paddedInput: Int, kernel: Int)
  /// The number of weights does not match the geometry.
  case weightCount(found: Int, expected: Int)
  /// A weight exceeds the bound of the kernels. The value itself is secret and is not reported.
  case weightTooLarge(limit: Int)

  /// What was wrong, where, and what to do.
  public var description: String {
    switch self {
    case .dimensionOutOfRange(let name, let value, let minimum, let maximum):
      "Layer dimension \(name) is \(value); it must be between \(minimum) and \(maximum)."
    case .tooLarge(let name, let limit):
      "The layer has too many \(name); the limit is \(limit). Split the layer or reduce its size."
    case .groupsDoNotDivide(let groups, let channels):
      "The layer has \(groups) groups, which do not divide its \(channels) channels; change one of them."
    case .emptyOutput(let name, let paddedInput, let kernel):
      "The kernel \(name) \(kernel) exceeds the padded input \(name) \(paddedInput), so the output would be empty."
    case .weightCount(let found, let expected):
      "The layer was given \(found) weights and needs \(expected); check that they belong to this layer."
    case .weightTooLarge(let limit):
      "A weight of the layer exceeds \(limit) in magnitude; use fewer fraction bits for its weights."
    }
  }
}
