import Foundation
import SwiftProtobuf
import Testing

@testable import ONNX

@Suite("Data in files beside the model")
struct ExternalDataTests {
  /// A folder `models` with a model whose weights lie in another file, and a secret outside it.
  private struct Site {
    let folder: TemporaryFolder
    var maker = ModelMaker.convolution()

    init() throws {
      folder = try TemporaryFolder()
      try FileManager.default.createDirectory(atPath: folder.path("models/parts"), withIntermediateDirectories: true)
      let values = maker.model.graph.initializer[0].floatData
      let bytes = Data(count: 16) + values.withUnsafeBytes { Data($0) }
      for name in ["models/w.bin", "models/parts/w.bin", "secret.bin"] {
        try bytes.write(to: folder.url.appendingPathComponent(name))
      }
    }

    func load(_ fields: [(String, String)]) throws -> ImportedModel {
      var maker = maker
      maker.model.graph.initializer[0].floatData = []
      maker.model.graph.initializer[0].dataLocation = .external
      maker.model.graph.initializer[0].externalData = fields.map { entry in
        .with {
          $0.key = entry.0
          $0.value = entry.1
        }
      }
      let bytes: [UInt8] = try maker.model.serializedBytes()
      let path = folder.path("models/model.onnx")
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      return try ONNXImporter.load(path: path)
    }
  }

  @Test("Offsets and folders below the model's are followed")
  func followed() throws {
    let site = try Site()
    let wanted = try site.maker.load()
    for location in ["w.bin", "parts/w.bin", "./w.bin"] {
      let model = try site.load([("location", location), ("offset", "16"), ("length", "216")])
      #expect(model.parameters == wanted.parameters)
      #expect(try site.load([("location", location), ("offset", "16")]).parameters == wanted.parameters)
    }
  }

  @Test("Paths that lead elsewhere, and numbers that do not fit, are refused")
  func refused() throws {
    let site = try Site()
    let models = site.folder.path("models")
    try FileManager.default.createSymbolicLink(atPath: models + "/link.bin", withDestinationPath: "../secret.bin")
    try FileManager.default.createSymbolicLink(atPath: models + "/up", withDestinationPath: "..")
    #expect(mkfifo(models + "/pipe.bin", 0o600) == 0)
    let cases: [(String, [(String, String)])] = [
      ("leads elsewhere", [("location", "../secret.bin")]),
      ("leads elsewhere", [("location", site.folder.path("secret.bin"))]),
      ("leads elsewhere", [("location", "parts/../../secret.bin")]),
      ("leads elsewhere", [("location", "parts\\w.bin")]),
      ("symbolic link leads elsewhere", [("location", "link.bin"), ("offset", "16")]),
      ("symbolic link leads elsewhere", [("location", "up/secret.bin"), ("offset", "16")]),
      ("does not exist", [("location", "absent.bin")]),
      ("names no file", [("location", "")]),
      ("names no file", [("offset", "16")]),
      ("not a regular file", [("location", "pipe.bin"), ("offset", "16")]),
      ("not a regular file", [("location", "parts")]),
      ("occurs twice", [("location", "w.bin"), ("location", "secret.bin")]),
      ("offset is not a number", [("location", "w.bin"), ("offset", "-16")]),
      ("offset is not a number", [("location", "w.bin"), ("offset", "0x10")]),
      ("offset is not a number", [("location", "w.bin"), ("offset", "99999999999999999999")]),
      ("the file has 232", [("location", "w.bin"), ("offset", "17")]),
      ("the file has 232", [("location", "w.bin"), ("offset", "9223372036854775807")]),
      ("its shape needs 216", [("location", "w.bin"), ("offset", "16"), ("length", "215")]),
      ("length is not a number", [("location", "w.bin"), ("length", "many")]),
    ]
    for (reason, fields) in cases {
      do {
        _ = try site.load(fields)
        Issue.record("accepted: \(fields)")
      } catch { #expect("\(error)".contains(reason), "\(fields): \(error)") }
    }
  }
}
