import Foundation
public import Networks
import Rings
import SwiftProtobuf

/// Writes networks as ONNX files of float32 layers.
///
/// The file's input is the normalised input; how raw values become it stands in the file's metadata, with the names of
/// the classes, and ``ONNXImporter`` reads both back.
public enum ONNXExporter {
  /// Operator set of the files.
  public static let opset = 17
  /// Representation version of the files: the one that came with the operator set.
  static let representation = 8

  /// Writes a network. A failure leaves an old file as it was.
  ///
  /// - Throws: ``ONNXError``, or `NetworksError` where graph and parameters do not fit each other.
  public static func write(_ graph: Graph, _ parameters: Parameters, to path: String) throws {
    let bytes: [UInt8] = try model(graph, parameters).serializedBytes()
    try FileBytes.replace(path, with: bytes, mode: 0o600)
  }

  static func model(_ graph: Graph, _ parameters: Parameters) throws -> Onnx_ModelProto {
    try graph.validate()
    try parameters.validate(for: graph)
    var writer = try GraphWriter(graph, parameters)
    try writer.write()
    var model = Onnx_ModelProto()
    model.irVersion = Int64(representation)
    model.producerName = "PolyMPCNet"
    model.opsetImport = [
      .with {
        $0.domain = ""
        $0.version = Int64(opset)
      }
    ]
    model.graph = writer.proto
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    model.metadataProps = try [
      (NetworkMetadata.normalization, encoder.encode(graph.inputNormalization)),
      (NetworkMetadata.classes, encoder.encode(graph.classes)),
    ].map { key, value in
      .with {
        $0.key = key
        $0.value = String(decoding: value, as: UTF8.self)
      }
    }
    return model
  }
}

/// Keys under which a file's metadata say what ONNX itself has no place for.
enum NetworkMetadata {
  static let normalization = "polympcnet.normalization"
  static let classes = "polympcnet.classes"

  /// Reads what a file says; nothing where it says nothing of the kind, or something malformed.
  static func read(_ properties: [Onnx_StringStringEntryProto]) -> (InputNormalization?, [String]) {
    func decode<Value: Decodable>(_ type: Value.Type, _ key: String) -> Value? {
      properties.first { $0.key == key }.flatMap { try? JSONDecoder().decode(type, from: Data($0.value.utf8)) }
    }
    return (decode(InputNormalization.self, normalization), decode([String].self, classes) ?? [])
  }
}
