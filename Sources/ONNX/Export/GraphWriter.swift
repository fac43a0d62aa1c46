import Foundation
import Networks
import Rings
import SwiftProtobuf

/// Writes the nodes of one graph. A tensor is a picture of four axes, or a vector of two; where a layer needs the other
/// form, a reshape is put between.
struct GraphWriter {
  private let graph: Graph
  private let parameters: Parameters
  private let shapes: [TensorShape]
  /// Whether each node's tensor has two axes.
  private var isVector: [Bool]
  private var names: [String]
  private(set) var proto = Onnx_GraphProto()

  init(_ graph: Graph, _ parameters: Parameters) throws {
    self.graph = graph
    self.parameters = parameters
    shapes = try graph.shapes()
    isVector = [Bool](repeating: false, count: graph.nodes.count)
    names = graph.nodes.map { "t\($0.id)" }
    proto.name = graph.name
  }

  mutating func write() throws {
    let readsVector = graph.nodes.contains { $0.inputs.contains(0) && Self.needsVector($0.operation) == true }
    isVector[0] = readsVector && graph.input.height * graph.input.width == 1
    names[0] = "input"
    proto.input = [value("input", shapes[0], isVector: isVector[0])]
    for node in graph.nodes.dropFirst() { try write(node) }
    let last = graph.nodes.count - 1
    var output = names[last]
    let finished = finish(&output, last)
    proto.output = [finished]
  }

  /// Whether an operation reads a vector, a picture, or either (nil).
  private static func needsVector(_ operation: Networks.Operation) -> Bool? {
    switch operation {
    case .linear: true
    case .convolution, .maxPool, .averagePool, .globalAveragePool, .subsamplePad: false
    default: nil
    }
  }

  private mutating func write(_ node: Node) throws {
    let wanted = Self.needsVector(node.operation) ?? isVector[node.inputs[0]]
    isVector[node.id] = wanted
    let inputs = node.inputs.map { operand(of: $0, asVector: wanted, reader: node) }
    switch node.operation {
    case .input: preconditionFailure("a graph has one input, its first node")
    case .convolution(let spec): convolution(node, spec, inputs[0])
    case .linear(_, let bias):
      let from = shapes[node.inputs[0]].channels
      var operands = [inputs[0], initializer(node, .weight, [shapes[node.id].channels, from])]
      if bias { operands.append(initializer(node, .bias, [shapes[node.id].channels])) }
      add("Gemm", node, operands, [Self.attribute("transB", 1)])
    case .batchNorm(let epsilon, _):
      let channels = [shapes[node.id].channels]
      let statistics = [ParameterName.gamma, .beta, .mean, .variance].map { initializer(node, $0, channels) }
      add("BatchNormalization", node, inputs + statistics, [Self.attribute("epsilon", epsilon)])
    case .x2act(let spec): activation(node, spec, inputs[0])
    case .relu: add("Relu", node, inputs)
    case .leakyRelu(let shift):
      add("LeakyRelu", node, inputs, [Self.attribute("alpha", Float(sign: .plus, exponent: -shift, significand: 1))])
    case .slopedRelu(let numerator, let denominator):
      add("LeakyRelu", node, inputs, [Self.attribute("alpha", Float(numerator) / Float(denominator))])
    case .clippedRelu(let upper):
      let (low, high) = (constant(node, "low", [], [0]), constant(node, "high", [], [upper]))
      add("Clip", node, inputs + [low, high])
    case .clip(let lower, let upper):
      let (low, high) = (constant(node, "low", [], [lower]), constant(node, "high", [], [upper]))
      add("Clip", node, inputs + [low, high])
    case .absolute: add("Abs", node, inputs)
    case .sign:
      // ONNX's Sign is 0 at 0, this one 1.
      add("GreaterOrEqual", inputs + [constant(node, "zero", [], [0])], "\(names[node.id]).at", "\(node.name).at")
      let branches = [constant(node, "one", [], [1]), constant(node, "minus", [], [-1])]
      add("Where", node, ["\(names[node.id]).at"] + branches)
    case .maxPool: add("MaxPool", node, inputs, Self.window(node.operation.pooling!, shapes[node.inputs[0]]))
    case .averagePool: try average(node, node.operation.averaging!, inputs)
    case .globalAveragePool: add("GlobalAveragePool", node, inputs)
    case .offset:
      let shape = shapes[node.id]
      let dims = wanted ? [shape.channels] : [shape.channels, shape.height, shape.width]
      add("Add", node, inputs + [initializer(node, .bias, dims)])
    case .reshape(let shape):
      isVector[node.id] = false
      let dims = [0, shape.channels, shape.height, shape.width].map { Int64($0) }
      add("Reshape", node, inputs + [integers(node, "shape", dims)])
    case .flatten:
      isVector[node.id] = true
      add("Flatten", node, inputs, [Self.attribute("axis", 1)])
    case .add: add("Add", node, inputs)
    case .concatenate: add("Concat", node, inputs, [Self.attribute("axis", 1)])
    case .subsamplePad(let stride, let before, let after): subsample(node, inputs[0], stride, before, after)
    }
  }

  // MARK: Layers of several nodes

  private mutating func convolution(_ node: Node, _ spec: ConvolutionSpec, _ input: String) {
    let window = spec.window
    let from = shapes[node.inputs[0]]
    var operands = [
      input,
      initializer(
        node, .weight, [spec.outChannels, from.channels / spec.groups, window.kernelHeight, window.kernelWidth]),
    ]
    if spec.bias { operands.append(initializer(node, .bias, [spec.outChannels])) }
    add(
      "Conv", node, operands,
      [
        Self.attribute("kernel_shape", [window.kernelHeight, window.kernelWidth]),
        Self.attribute("strides", [window.strideHeight, window.strideWidth]),
        Self.attribute("pads", [window.padTop, window.padLeft, window.padBottom, window.padRight]),
        Self.attribute("group", spec.groups),
      ])
  }

  /// `(a x + w2) x + b`, in the order in which the float network computes it.
  private mutating func activation(_ node: Node, _ spec: X2actSpec, _ input: String) {
    let shape = shapes[node.id]
    let factor = spec.squareFactor(elements: shape.count)
    let dims = !spec.perChannel ? [] : isVector[node.id] ? [shape.channels] : [shape.channels, 1, 1]
    let square = constant(node, "square", dims, parameters[node.id, .w1].map { factor * $0 })
    let slope = constant(node, "slope", dims, parameters[node.id, .w2])
    let offset = constant(node, "offset", dims, parameters[node.id, .b])
    let name = names[node.id]
    for (type, operands, result) in [
      ("Mul", [input, square], "\(name).ax"), ("Add", ["\(name).ax", slope], "\(name).axb"),
      ("Mul", ["\(name).axb", input], "\(name).xx"), ("Add", ["\(name).xx", offset], name),
    ] { add(type, operands, result, "\(node.name)\(result.dropFirst(name.count))") }
  }

  /// Operator set 17 knows no gaps in averaged windows. An overhang is padding that does not count, unless other padding does.
  private mutating func average(_ node: Node, _ windows: AveragingWindow, _ inputs: [String]) throws {
    let window = windows.window
    guard window.rows.dilation == 1, window.columns.dilation == 1 else {
      throw ONNXError.notExportable(node: node.name, reason: "its averaged windows have gaps")
    }
    let counts = windows.countsPadding && !window.isUnpadded
    guard !counts || (window.rows.overhang == 0 && window.columns.overhang == 0) else {
      throw ONNXError.notExportable(
        node: node.name, reason: "its averages count the zeros of the padding and not those behind it")
    }
    let attributes = Self.window(window, shapes[node.inputs[0]])
    add("AveragePool", node, inputs, attributes + (counts ? [Self.attribute("count_include_pad", 1)] : []))
  }

  private mutating func subsample(_ node: Node, _ input: String, _ stride: Int, _ before: Int, _ after: Int) {
    let name = names[node.id]
    let ends = Int64(Int32.max)
    let operands =
      [input]
      + [
        ("starts", [0, 0]), ("ends", [ends, ends]), ("axes", [2, 3]), ("steps", [Int64(stride), Int64(stride)]),
      ].map { integers(node, $0.0, $0.1) }
    guard before + after > 0 else { return add("Slice", node, operands) }
    add("Slice", operands, "\(name).part", "\(node.name).part")
    let pads = integers(node, "pads", [0, Int64(before), 0, 0, 0, Int64(after), 0, 0])
    add("Pad", node, ["\(name).part", pads])
  }

  private mutating func finish(_ output: inout String, _ last: Int) -> Onnx_ValueInfoProto {
    guard let finish = graph.finish else { return value(output, shapes[last], isVector: isVector[last]) }
    if !isVector[last], shapes[last].height * shapes[last].width > 1 {
      output = operand(of: last, asVector: true, reader: graph.nodes[last])
      return finished(finish, &output, TensorShape(vector: shapes[last].count), isVector: true)
    }
    return finished(finish, &output, shapes[last], isVector: isVector[last])
  }

  private mutating func finished(
    _ finish: OutputFinish, _ output: inout String, _ shape: TensorShape, isVector: Bool
  ) -> Onnx_ValueInfoProto {
    switch finish {
    case .softmax: add("Softmax", [output], "finished", "softmax", [Self.attribute("axis", 1)])
    case .logSoftmax: add("LogSoftmax", [output], "finished", "log-softmax", [Self.attribute("axis", 1)])
    case .sigmoid: add("Sigmoid", [output], "finished", "sigmoid")
    case .tanh: add("Tanh", [output], "finished", "tanh")
    case .argMax: add("ArgMax", [output], "finished", "argmax", [Self.attribute("axis", 1)])
    }
    output = "finished"
    return value(
      output, finish == .argMax ? TensorShape(vector: 1) : shape, isVector: isVector, isInteger: finish == .argMax)
  }

  // MARK: Parts

  /// An operand in the form that its reader needs.
  private mutating func operand(of index: Int, asVector: Bool, reader: Node) -> String {
    guard isVector[index] != asVector else { return names[index] }
    let name = "\(names[index]).for\(reader.id)"
    if asVector {
      add("Flatten", [names[index]], name, name, [Self.attribute("axis", 1)])
    } else {
      let shape = shapes[index]
      let dims = [0, shape.channels, shape.height, shape.width].map { Int64($0) }
      add("Reshape", [names[index], integers(reader, "shape\(index)", dims)], name, name)
    }
    return name
  }

  private mutating func add(
    _ type: String, _ node: Node, _ inputs: [String], _ attributes: [Onnx_AttributeProto] = []
  ) { add(type, inputs, names[node.id], node.name, attributes) }

  private mutating func add(
    _ type: String, _ inputs: [String], _ output: String, _ name: String, _ attributes: [Onnx_AttributeProto] = []
  ) {
    proto.node.append(
      .with {
        $0.opType = type
        $0.name = name
        $0.input = inputs
        $0.output = [output]
        $0.attribute = attributes
      })
  }

  private mutating func initializer(_ node: Node, _ name: ParameterName, _ dims: [Int]) -> String {
    constant(node, name.rawValue, dims, parameters[node.id, name])
  }

  private mutating func constant(_ node: Node, _ suffix: String, _ dims: [Int], _ values: [Float]) -> String {
    let name = "\(names[node.id]).\(suffix)"
    proto.initializer.append(
      .with {
        $0.name = name
        $0.dims = dims.map { Int64($0) }
        $0.dataType = Int32(Onnx_TensorProto.DataType.float.rawValue)
        $0.rawData = values.withUnsafeBytes { Data($0) }
      })
    return name
  }

  private mutating func integers(_ node: Node, _ suffix: String, _ values: [Int64]) -> String {
    let name = "\(names[node.id]).\(suffix)"
    proto.initializer.append(
      .with {
        $0.name = name
        $0.dims = [Int64(values.count)]
        $0.dataType = Int32(Onnx_TensorProto.DataType.int64.rawValue)
        $0.int64Data = values
      })
    return name
  }

  private func value(
    _ name: String, _ shape: TensorShape, isVector: Bool, isInteger: Bool = false
  ) -> Onnx_ValueInfoProto {
    let sides = isVector ? [shape.channels] : [shape.channels, shape.height, shape.width]
    return .with {
      $0.name = name
      $0.type.tensorType.elemType = Int32(
        (isInteger ? Onnx_TensorProto.DataType.int64 : Onnx_TensorProto.DataType.float).rawValue)
      $0.type.tensorType.shape.dim =
        [.with { $0.dimParam = "N" }] + sides.map { side in .with { $0.dimValue = Int64(side) } }
    }
  }

  /// Behind the picture as much padding as windows reach, so that no rounding up is needed.
  private static func window(_ window: PoolingWindow, _ shape: TensorShape) -> [Onnx_AttributeProto] {
    func behind(_ axis: PoolingAxis, _ side: Int) -> Int {
      max(0, (axis.windows(on: side) - 1) * axis.stride + axis.reach - axis.before - side)
    }
    let (rows, columns) = (window.rows, window.columns)
    let gaps = rows.dilation > 1 || columns.dilation > 1
    return [
      attribute("kernel_shape", [rows.kernel, columns.kernel]), attribute("strides", [rows.stride, columns.stride]),
      attribute(
        "pads", [rows.before, columns.before, behind(rows, shape.height), behind(columns, shape.width)]),
    ] + (gaps ? [attribute("dilations", [rows.dilation, columns.dilation])] : [])
  }

  private static func attribute(_ name: String, _ value: Int) -> Onnx_AttributeProto {
    .with {
      $0.name = name
      $0.type = .int
      $0.i = Int64(value)
    }
  }

  private static func attribute(_ name: String, _ value: Float) -> Onnx_AttributeProto {
    .with {
      $0.name = name
      $0.type = .float
      $0.f = value
    }
  }

  private static func attribute(_ name: String, _ values: [Int]) -> Onnx_AttributeProto {
    .with {
      $0.name = name
      $0.type = .ints
      $0.ints = values.map { Int64($0) }
    }
  }
}
