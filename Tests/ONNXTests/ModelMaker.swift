import Foundation
import SwiftProtobuf

@testable import ONNX

/// Small models, made message by message.
struct ModelMaker {
  var model = Onnx_ModelProto()

  /// A model with an input `x` of the given shape (0 is an open axis), and the output `y`.
  init(input: [Int64] = [1, 2, 4, 4], opset: Int64 = 17) {
    model.irVersion = 8
    model.opsetImport = [.with { $0.version = opset }]
    model.graph.name = "made"
    model.graph.input = [Self.value("x", input)]
    model.graph.output = [Self.value("y", [])]
  }

  static func value(_ name: String, _ dims: [Int64]) -> Onnx_ValueInfoProto {
    .with {
      $0.name = name
      $0.type.tensorType.elemType = 1
      $0.type.tensorType.shape.dim = dims.map { side in
        .with { if side > 0 { $0.dimValue = side } else { $0.dimParam = "N" } }
      }
    }
  }

  mutating func add(
    _ type: String, _ inputs: [String], _ outputs: [String], name: String = "", ints: [String: [Int64]] = [:],
    int: [String: Int64] = [:], float: [String: Float] = [:]
  ) {
    model.graph.node.append(
      .with {
        $0.opType = type
        $0.name = name
        $0.input = inputs
        $0.output = outputs
        $0.attribute =
          ints.sorted { $0.key < $1.key }.map { key, value in
            .with {
              $0.name = key
              $0.type = .ints
              $0.ints = value
            }
          }
          + int.sorted { $0.key < $1.key }.map { key, value in
            .with {
              $0.name = key
              $0.type = .int
              $0.i = value
            }
          }
          + float.sorted { $0.key < $1.key }.map { key, value in
            .with {
              $0.name = key
              $0.type = .float
              $0.f = value
            }
          }
      })
  }

  mutating func constant(_ name: String, _ dims: [Int64], _ values: [Float]) {
    model.graph.initializer.append(
      .with {
        $0.name = name
        $0.dims = dims
        $0.dataType = 1
        $0.floatData = values
      })
  }

  mutating func integers(_ name: String, _ values: [Int64], dims: [Int64]? = nil) {
    model.graph.initializer.append(
      .with {
        $0.name = name
        $0.dims = dims ?? [Int64(values.count)]
        $0.dataType = 7
        $0.int64Data = values
      })
  }

  func load(_ options: ImportOptions = ImportOptions(), folder: String = ".") throws -> ImportedModel {
    try ONNXImporter.read(ModelReader(model, folder: folder), options)
  }

  /// A convolution 3 x 3 with a bias, then ReLU.
  static func convolution() -> ModelMaker {
    var maker = ModelMaker()
    maker.constant("w", [3, 2, 3, 3], (0..<54).map { Float($0 % 7 - 3) / 8 })
    maker.constant("b", [3], [0.5, -0.25, 0])
    maker.add("Conv", ["x", "w", "b"], ["c"], ints: ["pads": [1, 1, 1, 1]])
    maker.add("Relu", ["c"], ["y"])
    return maker
  }
}
