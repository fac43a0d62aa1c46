import Foundation
import Networks
import Randomness
import SwiftProtobuf
import Testing

@testable import ONNX

@Suite("Export")
struct ExportTests {
  static let references = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
    "References")

  /// Whether a Python with ONNX's own runtime is in the path.
  static let hasRuntime: Bool = {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", "import numpy, onnx, onnxruntime"]
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }()

  private func tensor(_ rows: [[Float]], _ dims: [Int]) throws -> Data {
    var proto = Onnx_TensorProto()
    proto.dims = ([rows.count] + dims).map { Int64($0) }
    proto.dataType = 1
    proto.rawData = rows.joined().map { $0 }.withUnsafeBytes { Data($0) }
    return try proto.serializedBytes()
  }

  /// Writes every case with its input and output.
  private func write(to folder: URL) throws {
    for network in try ExportCase.all() {
      let place = folder.appendingPathComponent(network.name)
      try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
      let path = place.appendingPathComponent("model.onnx").path
      try ONNXExporter.write(network.graph, network.parameters, to: path)
      let outputs = try network.outputs()
      try tensor(network.samples, ONNXImporter.load(path: path).inputShape).write(
        to: place.appendingPathComponent("input_0.pb"))
      try tensor(outputs.map { $0.map { Float($0) } }, [outputs[0].count]).write(
        to: place.appendingPathComponent("output_0.pb"))
    }
  }

  @Test("What is written is read back as the same network, with classes, normalisation and finish")
  func roundTrip() throws {
    let folder = try TemporaryFolder()
    for network in try ExportCase.all() {
      let path = folder.path("\(network.name).onnx")
      try ONNXExporter.write(network.graph, network.parameters, to: path)
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
      let model = try ONNXImporter.load(path: path)
      #expect(model.graph.inputNormalization == network.graph.inputNormalization, "\(network.name)")
      #expect(model.graph.classes == network.graph.classes && model.graph.finish == network.graph.finish)
      #expect(model.graph.input == network.graph.input)
      let (first, second) = (
        try FloatExecutor(graph: network.graph, parameters: network.parameters),
        try FloatExecutor(graph: model.graph, parameters: model.parameters)
      )
      for sample in network.samples {
        for (value, wanted) in zip(try second.output(of: sample), try first.output(of: sample)) {
          #expect(abs(value - wanted) <= 1e-5 * max(1, abs(wanted)), "\(network.name)")
        }
      }
    }
  }

  @Test("onnxruntime's outputs, stored with the digest of the files that it ran, are the float network's")
  func stored() throws {
    let folder = Self.references.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent(".build/onnx-exports")
    try? FileManager.default.removeItem(at: folder)
    try write(to: folder)
    let pack = try Pack("exported")
    for network in try ExportCase.all() {
      let bytes = try Data(contentsOf: folder.appendingPathComponent("\(network.name)/model.onnx"))
      #expect(
        Digest32.sha256([UInt8](bytes)).hex
          == String(decoding: pack.files[network.name + "/model.sha256"] ?? [], as: UTF8.self),
        "\(network.name) is another file than onnxruntime ran: run References/exported.py write .build/onnx-exports")
      let wanted = try #require(pack.tensor(network.name + "/output_0.pb")).floats
      let values = try network.outputs().flatMap { $0 }
      #expect(values.count == wanted.count)
      for (value, right) in zip(values, wanted.map(Double.init)) {
        #expect(abs(value - right) <= 1e-4 * abs(right) + 1e-5, "\(network.name)")
      }
    }
  }

  @Test(
    "onnxruntime accepts every file and gives the float network's outputs",
    .enabled(if: hasRuntime, "no python3 with onnx and onnxruntime: only its stored outputs are compared"))
  func runtime() throws {
    let folder = try TemporaryFolder()
    try write(to: folder.url)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "python3", "-B", Self.references.appendingPathComponent("exported.py").path, "check", folder.url.path,
    ]
    let log = folder.path("log")
    try Data().write(to: URL(fileURLWithPath: log))
    let handle = try #require(FileHandle(forWritingAtPath: log))
    (process.standardOutput, process.standardError) = (handle, handle)
    try process.run()
    process.waitUntilExit()
    let text = try String(contentsOfFile: log, encoding: .utf8)
    #expect(process.terminationStatus == 0 && text.contains("9 networks check"), "\(text)")
  }

  @Test("A failure leaves an old file as it was")
  func failure() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("net.onnx")
    try Data("old".utf8).write(to: URL(fileURLWithPath: path))
    let network = try ExportCase.all()[0]
    #expect(throws: NetworksError.self) { try ONNXExporter.write(network.graph, Parameters(), to: path) }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
    #expect(throws: NetworksError.self) {
      try ONNXExporter.write(network.graph, network.parameters, to: folder.path("absent/net.onnx"))
    }
  }
}
