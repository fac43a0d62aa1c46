import SwiftProtobuf

/// Why one operator is refused, and what to do instead.
struct Refusal: Error {
  var reason: String
  var advice: String

  init(_ reason: String, _ advice: String = "export the model again, or change the layer") {
    self.reason = reason
    self.advice = advice
  }
}

/// One node of the file with checked access to its attributes.
struct OperatorNode {
  let type: String
  let domain: String
  let name: String
  let inputs: [String]
  let outputs: [String]
  let opset: Int
  private let attributes: [String: Onnx_AttributeProto]

  init(_ proto: Onnx_NodeProto, opset: Int, index: Int) {
    type = proto.opType
    domain = proto.domain == "ai.onnx" ? "" : proto.domain
    let shown = ONNXError.shown(proto.name.isEmpty ? proto.output.first ?? "" : proto.name)
    name = shown.isEmpty ? "node \(index)" : shown
    inputs = proto.input
    outputs = proto.output
    self.opset = opset
    attributes = Dictionary(proto.attribute.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
  }

  /// Whether an optional operand is given.
  func has(_ index: Int) -> Bool { index < inputs.count && !inputs[index].isEmpty }

  func has(attribute key: String) -> Bool { attributes[key] != nil }

  private func attribute(
    _ key: String, _ type: Onnx_AttributeProto.AttributeType
  ) throws -> Onnx_AttributeProto? {
    guard let found = attributes[key] else { return nil }
    // Files of the first representations leave the type out.
    guard !found.hasType || found.type == type || found.type == .undefined, found.refAttrName.isEmpty else {
      throw Refusal("its attribute \(key) has another type")
    }
    return found
  }

  func int(_ key: String, _ standard: Int) throws -> Int {
    try attribute(key, .int).map { Int(clamping: $0.i) } ?? standard
  }

  func flag(_ key: String, _ standard: Bool = false) throws -> Bool { try int(key, standard ? 1 : 0) != 0 }

  func ints(_ key: String) throws -> [Int]? { try attribute(key, .ints)?.ints.map { Int(clamping: $0) } }

  func float(_ key: String, _ standard: Float) throws -> Float {
    let value = try attribute(key, .float)?.f ?? standard
    guard value.isFinite else { throw Refusal("its attribute \(key) is not finite") }
    return value
  }

  func floats(_ key: String) throws -> [Float]? { try attribute(key, .floats)?.floats }

  func string(_ key: String, _ standard: String) throws -> String {
    try attribute(key, .string).map { String(decoding: $0.s, as: UTF8.self) } ?? standard
  }

  func tensor(_ key: String) throws -> Onnx_TensorProto? { try attribute(key, .tensor)?.t }
}
