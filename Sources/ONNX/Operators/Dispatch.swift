import Networks

extension Lowering {
  /// Lowers one node: folds it where all operands are constants, and otherwise makes layers of it.
  ///
  /// - Throws: ``Refusal``, or ``ONNXError`` for a tensor that cannot be decoded.
  mutating func lower(_ node: OperatorNode) throws {
    guard node.domain.isEmpty else {
      throw Refusal("operators of the domain \(ONNXError.shown(node.domain)) are unknown", "use ONNX's own operators")
    }
    if let folded = try fold(node) {
      guard folded.count == node.outputs.count else { throw Refusal("it has another number of outputs") }
      for (name, tensor) in zip(node.outputs, folded) where !name.isEmpty { values[name] = .constant(tensor) }
      return
    }
    for (index, name) in node.inputs.enumerated() where !name.isEmpty {
      if case .finished(let finish, _) = try value(node, index), !Self.mayFollow(node.type, finish) {
        throw Refusal(
          "it reads the result of a \(finish.rawValue)", "only the network's output may be a \(finish.rawValue)")
      }
    }
    if ["Slice", "Gather", "Split"].contains(node.type) {
      for (name, part) in zip(node.outputs, try selection(node)) where !name.isEmpty { values[name] = part }
      return
    }
    let result = try shuffled(node) ?? layer(node)
    guard let first = node.outputs.first, !first.isEmpty else { throw Refusal("its first output has no name") }
    for name in node.outputs.dropFirst() where readers[name, default: 0] > 0 {
      throw Refusal("its second output is read", "use the first output only")
    }
    values[first] = result
  }

  /// Whether an operator may read what the data owner computes.
  private static func mayFollow(_ type: String, _ finish: OutputFinish) -> Bool {
    type == "Identity" || type == "Cast" || (type == "ArgMax" && finish != .argMax)
  }

  /// Whether nothing computes with a node's result: the output is it, or passes it on.
  private func isLast(_ node: OperatorNode) -> Bool { node.outputs.first.map { tail.contains($0) } ?? false }

  mutating func layer(_ node: OperatorNode) throws -> Value {
    switch node.type {
    case "Conv": try convolution(node)
    case "Gemm": .tensor(try gemm(node))
    case "MatMul": .tensor(try matMul(node))
    case "BatchNormalization": .tensor(try batchNormalization(node, try tensor(node)))
    case "Relu", "LeakyRelu", "PRelu", "Abs", "Clip", "HardSigmoid": try activation(node)
    case "GreaterOrEqual", "LessOrEqual", "Greater", "Less": try condition(node)
    case "Where": try choice(node)
    case "Max", "Min": try extremum(node)
    case "MaxPool", "GlobalMaxPool": .tensor(try maxPool(node))
    case "AveragePool": .tensor(try averagePool(node))
    case "GlobalAveragePool": .tensor(try globalAveragePool(node))
    case "ReduceMean", "ReduceSum", "ReduceMax": try reduction(node)
    case "Add", "Sub", "Sum", "Mean": try sum(node)
    case "Mul": try product(node)
    case "Div": try quotient(node)
    case "Neg": try scaled(node, -1)
    case "Pow": try power(node)
    case "Concat": .tensor(try concatenation(node))
    case "Pad": try border(node)
    case "Transpose": try transposition(node)
    case "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Expand", "Tile": try reshaping(node)
    case "Identity", "Dropout", "Cast", "CastLike": try passed(node)
    case "Softmax", "LogSoftmax", "ArgMax": try finishing(node)
    case "Sigmoid" where isLast(node), "Tanh" where isLast(node): try finishing(node)
    default: throw Self.unknown(node.type)
    }
  }

  /// Operators that are refused whatever they read, so that one behind a refused one is named as well.
  private static let hopelessTypes: Set<String> = [
    "Sigmoid", "Tanh", "Gelu", "Erf", "Elu", "Selu", "Celu", "Softplus", "Softsign", "Mish", "Swish", "HardSwish",
    "LRN",
    "InstanceNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization", "LpNormalization", "LSTM",
    "GRU",
    "RNN", "ConvTranspose", "Resize", "Upsample", "DepthToSpace", "SpaceToDepth", "Attention", "Einsum", "TopK",
  ]

  /// Why an operator would be refused even if what it reads were not; nil where it might be computed.
  func hopeless(_ node: OperatorNode) -> Refusal? {
    guard node.domain.isEmpty, Self.hopelessTypes.contains(node.type) else { return nil }
    return isLast(node) && ["Sigmoid", "Tanh"].contains(node.type) ? nil : Self.unknown(node.type)
  }

  /// Why an operator without a private protocol is refused, and the usual remedy.
  private static func unknown(_ type: String) -> Refusal {
    switch type {
    case "Sigmoid", "Tanh", "Gelu", "Erf", "Exp", "Log", "Sqrt", "Elu", "Selu", "Celu", "Softplus", "Softsign", "Mish",
      "Swish", "HardSwish", "Reciprocal", "ThresholdedRelu", "Shrink":
      return Refusal(
        "no protocol computes it on shared values", "train with X2act (a quadratic) or ReLU in its place")
    case "TopK", "NonMaxSuppression", "Hardmax", "ArgMin":
      return Refusal(
        "it ranks hidden values",
        "make the scores the output, which the data owner ranks, or ArgMax, which tells a label")
    case "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceSumSquare":
      return Refusal(
        "no protocol computes a norm of shared values",
        "make what it reads the output: who learns that may normalise it")
    case "Sign":
      return Refusal("it is 0 at 0, which takes a second comparison", "choose 1 or -1 by x >= 0, with Where")
    case "LRN", "InstanceNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization",
      "MeanVarianceNormalization", "LpNormalization":
      return Refusal(
        "it divides by a number that depends on the input", "train with batch normalisation, or without it")
    case "If", "Loop", "Scan":
      return Refusal("a program's steps may not depend on data", "export the network unrolled")
    case "LSTM", "GRU", "RNN":
      return Refusal("its gates are sigmoids and products of hidden values", "use convolutions over the sequence")
    case "ConvTranspose", "Resize", "Upsample", "DepthToSpace", "SpaceToDepth":
      return Refusal("no step enlarges or rearranges pictures", "choose an architecture without it")
    case "Attention", "Einsum":
      return Refusal("it multiplies two hidden tensors", "only products with constants and squares are computed")
    case let type
    where type.hasPrefix("QLinear") || type.contains("quantize") || type.contains("Quantize")
      || type.hasSuffix("Integer"):
      return Refusal("the network is quantised already", "import the float network; planning quantises it")
    default:
      return Refusal("the operator is unknown to this build", "replace it by operators that the documentation lists")
    }
  }
}
