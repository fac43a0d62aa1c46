public import Networks
import Rings

/// How a file is to be read.
public struct ImportOptions: Sendable {
  /// Whether the first axis of the network's input counts samples.
  public enum BatchAxis: Sendable {
    /// It does where the input has two axes or more.
    case automatic
    /// All axes belong to one sample.
    case absent
  }

  /// Whether the input's first axis counts samples.
  public var batchAxis = BatchAxis.automatic
  /// Shape of one sample, without the batch axis, for models that leave it open.
  public var sampleShape: [Int]?
  /// Inputs of the graph that are the model owner's constants, by name.
  public var constants: [String: DenseTensor] = [:]
  /// The output that is wanted; nil where there is one.
  public var output: String?
  /// How raw values become the network's input; nil where raw values are the input.
  public var normalization: InputNormalization?
  /// Names of the output's elements.
  public var classes: [String] = []

  /// The defaults.
  public init() {}
}

/// A network read from an ONNX file.
public struct ImportedModel: Sendable {
  /// The network; batch normalisation is still there, for `Folding`, and what the data owner does to the output.
  public var graph: Graph
  /// Its parameters.
  public var parameters: Parameters
  /// Shape of one sample's output as the file has it, without the batch axis.
  public var outputShape: [Int]
  /// The input's name in the file.
  public var inputName: String
  /// Shape of one sample's input as the file has it, without the batch axis.
  public var inputShape: [Int]
  /// Whether the input's first axis counts samples.
  public var hasBatchAxis: Bool
  /// Samples for which the file was written; nil where it leaves that open.
  public var batch: Int?
  /// The operator set of the file.
  public var opset: Int
  /// What wrote the file.
  public var producer: String
}

extension ImportedModel {
  /// The samples of a tensor that has the shape of the network's input, with or without the batch axis.
  ///
  /// - Returns: samples as the graph reads them, CHW.
  /// - Throws: ``ONNXError/invalidTensor(name:reason:)`` where the shape is another one.
  public func samples(of tensor: DenseTensor) throws -> [[Float]] {
    let values = tensor.floats
    let count = graph.input.count
    guard tensor.dims == inputShape || (hasBatchAxis && Array(tensor.dims.dropFirst()) == inputShape), count > 0,
      values.count % count == 0
    else {
      throw ONNXError.invalidTensor(
        name: inputName, reason: "it has the shape \(tensor.dims), and the network reads \(inputShape) a sample")
    }
    return stride(from: 0, to: values.count, by: count).map { Array(values[$0..<$0 + count]) }
  }
}
