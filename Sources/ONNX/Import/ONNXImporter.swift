import Networks
import Rings

/// Reads networks from ONNX files.
///
/// See <doc:Operators> for what is read and how.
public enum ONNXImporter {
  /// Reads a model file, and the files beside it that hold its tensors.
  ///
  /// - Throws: ``ONNXError``; ``ONNXError/unsupported(_:)`` lists every operator that cannot be computed privately. Or
  ///   `NetworksError`, where the result is no valid network.
  public static func load(path: String, options: ImportOptions = ImportOptions()) throws -> ImportedModel {
    try read(ModelReader(path: path), options)
  }

  static func read(_ reader: consuming ModelReader, _ options: ImportOptions) throws -> ImportedModel {
    var input = try NetworkInput(reader.graph, options)
    let output = try output(reader.graph, options)
    let name = ONNXError.shown(reader.graph.name)
    let shape = SampleTensor.shape(input.dims)
    let (normalization, classes) = NetworkMetadata.read(reader.metadata)
    let nodes = needed(reader.graph.node, output)
    var lowering = Lowering(
      graph: Graph(
        name: name.isEmpty ? "onnx" : name, input: shape,
        inputNormalization: options.normalization ?? normalization ?? .none(channels: shape.channels),
        classes: options.classes.isEmpty ? classes : options.classes),
      readers: [output: 1], hasBatchAxis: input.hasBatchAxis, batch: input.batch ?? 1,
      decoder: TensorDecoder(folder: reader.folder))
    for tensor in reader.graph.initializer where input.constants[tensor.name] == nil {
      lowering.encoded[tensor.name] = tensor
    }
    // From here on only the table holds the encoded tensors, so each is freed once it is decoded.
    reader.graph.initializer = []
    for (name, tensor) in input.constants { lowering.values[name] = .constant(tensor) }
    input.constants = [:]
    for node in nodes { for name in node.input { lowering.readers[name, default: 0] += 1 } }
    lowering.values[input.name] = .tensor(SampleTensor(node: 0, dims: input.dims))
    lowering.tail = tail(nodes, output)
    let opset = reader.opset
    let refused = try lowerAll(&lowering, nodes, opset)
    guard refused.isEmpty else { throw ONNXError.unsupported(refused) }
    let last = try finish(&lowering, output)
    let (graph, parameters) = Pruning.prune(lowering.graph, lowering.parameters, output: last.node)
    try graph.validate()
    try parameters.validate(for: graph)
    return ImportedModel(
      graph: graph, parameters: parameters, outputShape: last.dims, inputName: input.name, inputShape: input.dims,
      hasBatchAxis: input.hasBatchAxis, batch: input.batch, opset: opset, producer: reader.producer)
  }

  /// Lowers every node, and collects what is refused; a node that reads a refused one is named where its operator is refused
  /// whatever it reads.
  private static func lowerAll(
    _ lowering: inout Lowering, _ nodes: [Onnx_NodeProto], _ opset: Int
  ) throws -> [UnsupportedOperator] {
    var refused: [UnsupportedOperator] = []
    for (index, proto) in nodes.enumerated() {
      let node = OperatorNode(proto, opset: opset, index: index)
      let isSpoiled = node.inputs.contains {
        if case .refused = lowering.values[$0] { true } else { false }
      }
      do {
        if !isSpoiled { try lowering.lower(node) } else if let refusal = lowering.hopeless(node) { throw refusal }
      } catch let refusal as Refusal {
        refused.append(
          UnsupportedOperator(
            node: node.name, operation: ONNXError.shown(node.type), reason: refusal.reason, advice: refusal.advice))
      }
      for name in node.outputs where !name.isEmpty && lowering.values[name] == nil { lowering.values[name] = .refused }
      lowering.release(node)
    }
    return refused
  }

  /// Makes the output a layer, and notes what the data owner does to it.
  ///
  /// - Returns: the layer, under the dimensions of the finished output.
  private static func finish(_ lowering: inout Lowering, _ output: String) throws -> SampleTensor {
    let last: SampleTensor
    var dims: [Int]?
    do {
      switch try lowering.value(named: output) {
      case .tensor(let tensor): last = tensor
      case .polynomial(let polynomial): last = try lowering.materialize(polynomial, name: output)
      case .bordered(let tensor, let border): last = try lowering.padded(tensor, border, name: output)
      case .selected(let tensor, let selection): last = try lowering.selected(tensor, selection, output)
      case .moved(let movement):
        throw ONNXError.unsupported([
          UnsupportedOperator(
            node: movement.node, operation: "Transpose", reason: "it moves elements to other places",
            advice: "export the network without it, in NCHW order")
        ])
      case .finished(let finish, let tensor):
        last = tensor
        lowering.graph.finish = finish
        dims = lowering.finishedDims
      case .condition:
        throw ONNXError.invalidGraph(reason: "its output is a truth value; choose between numbers by it, with Where")
      case .constant, .refused:
        throw ONNXError.invalidGraph(reason: "its output does not depend on its input")
      }
    } catch let refusal as Refusal { throw ONNXError.invalidGraph(reason: refusal.reason) }
    return SampleTensor(node: last.node, dims: dims ?? last.dims)
  }

  private static func output(_ graph: Onnx_GraphProto, _ options: ImportOptions) throws -> String {
    let names = graph.output.map(\.name)
    if let wanted = options.output {
      guard names.contains(wanted) else {
        throw ONNXError.invalidGraph(reason: "it has no output \(ONNXError.shown(wanted))")
      }
      return wanted
    }
    guard let first = names.first, names.count == 1 else {
      throw ONNXError.invalidGraph(
        reason: "it has \(names.count) outputs (\(names.prefix(8).map(ONNXError.shown).joined(separator: ", "))); "
          + "name the one that is wanted")
    }
    return first
  }

  /// The output, and the names that reach it through operators that pass on what they read, or through an index of the greatest.
  private static func tail(_ nodes: [Onnx_NodeProto], _ output: String) -> Set<String> {
    var result: Set<String> = [output]
    for node in nodes.reversed() where ["Identity", "Cast", "ArgMax"].contains(node.opType) {
      if let made = node.output.first, result.contains(made), let read = node.input.first { result.insert(read) }
    }
    return result
  }

  /// The nodes on which the output depends, in the file's order.
  private static func needed(_ nodes: [Onnx_NodeProto], _ output: String) -> [Onnx_NodeProto] {
    var wanted: Set<String> = [output]
    var result: [Onnx_NodeProto] = []
    for node in nodes.reversed() where node.output.contains(where: { wanted.contains($0) }) {
      wanted.formUnion(node.input)
      result.append(node)
    }
    return result.reversed()
  }
}

/// The one input of the network, and the constants among the graph's inputs.
private struct NetworkInput {
  let name: String
  let dims: [Int]
  let hasBatchAxis: Bool
  let batch: Int?
  var constants: [String: DenseTensor]

  init(_ graph: Onnx_GraphProto, _ options: ImportOptions) throws {
    let initialized = Set(graph.initializer.map(\.name))
    constants = options.constants
    let open = graph.input.filter { !initialized.contains($0.name) && options.constants[$0.name] == nil }
    guard let input = open.first, open.count == 1 else {
      throw ONNXError.invalidGraph(
        reason:
          "it has \(open.count) inputs (\(open.prefix(8).map { ONNXError.shown($0.name) }.joined(separator: ", "))); "
          + "a private inference has one, and the others must be given as constants")
    }
    name = input.name
    let type = input.type.tensorType
    guard case .tensorType = input.type.value,
      [.float, .double, .float16, .bfloat16].contains(Onnx_TensorProto.DataType(rawValue: Int(type.elemType)))
    else { throw ONNXError.invalidGraph(reason: "its input is no tensor of floating point") }
    let sides: [Int?] = type.shape.dim.map {
      if case .dimValue(let value) = $0.value { Int(clamping: value) } else { nil }
    }
    let hasBatch = options.batchAxis == .automatic && sides.count >= 2
    hasBatchAxis = hasBatch
    batch = hasBatch ? sides[0] : nil
    let sample = Array(hasBatch ? sides[1...] : sides[...])
    let wanted = options.sampleShape
    guard wanted == nil || wanted!.count == sample.count else {
      throw ONNXError.invalidGraph(
        reason: "its input has \(sample.count) axes a sample, and \(wanted!.count) are given")
    }
    dims = try sample.enumerated().map { axis, side in
      guard let length = wanted?[axis] ?? side else {
        throw ONNXError.invalidGraph(reason: "its input leaves axis \(axis) of a sample open; give the sample's shape")
      }
      guard side == nil || side == length else {
        throw ONNXError.invalidGraph(reason: "its input's axis \(axis) has \(side!) elements, and \(length) are given")
      }
      return length
    }
    guard dims.allSatisfy({ $0 >= 1 }), (batch ?? 1) >= 1, (batch ?? 1) <= 65536,
      let count = DenseTensor.count(of: dims), count <= Graph.maximumElements
    else { throw ONNXError.invalidGraph(reason: "its input's shape is out of range") }
  }
}
