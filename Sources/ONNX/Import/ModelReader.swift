import Foundation
import SwiftProtobuf

/// A model's message, its versions checked.
struct ModelReader {
  /// Bytes that a model's file may have: a protobuf message is shorter.
  static let maximumBytes = (1 << 31) - 1
  /// Versions of the intermediate representation that are read: those of the committed schema (onnx 1.23).
  static let representations = 3...14
  /// Versions of the default operator set that are read.
  static let opsets = 6...28
  /// Nodes that a graph may have.
  static let maximumNodes = 65536

  var graph: Onnx_GraphProto
  let opset: Int
  let producer: String
  let metadata: [Onnx_StringStringEntryProto]
  let folder: String

  /// Reads a file. The bytes are mapped, and unmapped on return: weights are in memory once.
  ///
  /// - Throws: ``ONNXError``
  init(path: String) throws {
    let model = try Self.decode(try InputFile.map(path, limit: Self.maximumBytes), path: path)
    let directory = (path as NSString).deletingLastPathComponent
    try self.init(model, folder: directory.isEmpty ? "." : directory)
  }

  private static func decode(_ bytes: Data, path: String) throws -> Onnx_ModelProto {
    do { return try Onnx_ModelProto(serializedBytes: bytes, options: InputFile.options) } catch {
      throw ONNXError.notProtobuf(path: path, kind: "an ONNX model")
    }
  }

  init(_ model: Onnx_ModelProto, folder: String) throws {
    guard model.hasGraph, !model.graph.node.isEmpty || !model.graph.output.isEmpty else {
      throw ONNXError.invalidGraph(reason: "it has no nodes; is this a model?")
    }
    let version = Int(clamping: model.irVersion)
    guard Self.representations.contains(version) else {
      throw ONNXError.unsupportedVersion(
        what: "representation version", found: version, supported: Self.representations)
    }
    let versions = model.opsetImport.filter { $0.domain.isEmpty || $0.domain == "ai.onnx" }.map(\.version)
    guard let first = versions.first, versions.count == 1 else {
      throw ONNXError.invalidGraph(reason: "it names \(versions.count) default operator sets and must name one")
    }
    opset = Int(clamping: first)
    guard Self.opsets.contains(opset) else {
      throw ONNXError.unsupportedVersion(what: "operator set", found: opset, supported: Self.opsets)
    }
    guard model.graph.node.count <= Self.maximumNodes else {
      throw ONNXError.invalidGraph(
        reason: "it has \(model.graph.node.count) nodes, and at most \(Self.maximumNodes) are accepted")
    }
    guard model.functions.isEmpty else {
      throw ONNXError.invalidGraph(reason: "it defines functions; inline them with onnx.inliner")
    }
    guard model.graph.sparseInitializer.isEmpty else {
      throw ONNXError.invalidGraph(reason: "it has sparse initializers; store them densely")
    }
    try GraphCheck.run(model.graph)
    graph = model.graph
    metadata = model.metadataProps
    producer = ONNXError.shown(
      [model.producerName, model.producerVersion].filter { !$0.isEmpty }.joined(separator: " "))
    self.folder = folder
  }
}
