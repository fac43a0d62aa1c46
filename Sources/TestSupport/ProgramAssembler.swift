public import Programs
public import Rings

/// Assembles programs step by step, for tests.
public struct ProgramAssembler {
  /// Steps so far.
  public private(set) var steps: [Step] = []
  private let bits = 12

  /// Begins with the input.
  public init(_ shape: TensorShape, _ modulus: ModulusKind = .field) {
    steps = [
      Step(
        name: "input", operation: .input, inputs: [],
        tensor: TensorInfo(shape: shape, modulus: modulus, fractionBits: bits))
    ]
  }

  /// Index of the last step.
  public var last: Int { steps.count - 1 }
  /// Shape of the last step.
  public var shape: TensorShape { steps[last].tensor.shape }

  /// Adds any step, on the last one unless told.
  @discardableResult
  public mutating func add(
    _ operation: StepOperation, from: [Int]? = nil, shape: TensorShape, modulus: ModulusKind? = nil
  ) -> Int {
    let inputs = from ?? [last]
    steps.append(
      Step(
        name: "step \(steps.count)", operation: operation, inputs: inputs,
        tensor: TensorInfo(shape: shape, modulus: modulus ?? steps[inputs[0]].tensor.modulus, fractionBits: bits)))
    return last
  }

  /// Adds a linear step with square kernel.
  @discardableResult
  public mutating func linear(
    _ outChannels: Int, kernel: Int = 1, stride: Int = 1, padding: Int = 0, groups: Int = 1, from: Int? = nil
  ) -> Int {
    let input = steps[from ?? last].tensor.shape
    let geometry = LinearGeometry(
      inChannels: input.channels, outChannels: outChannels, inHeight: input.height, inWidth: input.width,
      kernelHeight: kernel, kernelWidth: kernel, strideHeight: stride, strideWidth: stride, padTop: padding,
      padLeft: padding, padBottom: padding, padRight: padding, groups: groups)
    return add(.linear(geometry), from: [from ?? last], shape: geometry.outputShape)
  }

  /// Adds an activation.
  @discardableResult
  public mutating func activation(
    _ dropped: Int, _ truncation: TruncationVariant = .exact, to modulus: ModulusKind = .field
  )
    -> Int
  {
    add(.activation(ActivationSpec(droppedBits: dropped, truncation: truncation)), shape: shape, modulus: modulus)
  }

  /// Adds the output.
  public mutating func finish(dropping bits: Int) -> Program {
    add(.output(droppedBits: bits), shape: shape)
    return Program(name: "example", steps: steps)
  }
}
