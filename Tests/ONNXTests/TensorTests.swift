import Foundation
import SwiftProtobuf
import Testing

@testable import ONNX

@Suite("Tensors in every encoding")
struct TensorTests {
  static let pack = Result { try Pack("tensors") }

  /// The data of a `.npy` file of float32 or int64, as its generator writes them.
  private func npy(_ bytes: [UInt8]) -> (floats: [Float], integers: [Int64]) {
    let start = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
    let header = String(decoding: bytes[10..<start], as: UTF8.self)
    return bytes[start...].withUnsafeBytes { raw in
      if header.contains("<f4") {
        return ((0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }, [])
      }
      return ([], (0..<raw.count / 8).map { raw.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self) })
    }
  }

  @Test("Raw and typed data of each element type are what NumPy reads")
  func types() throws {
    let pack = try Self.pack.get()
    let types = Set(pack.files.keys.map { String($0.split(separator: "/")[0]) })
    #expect(types.count == 25)
    for type in types.sorted() {
      let wanted = npy(pack.files["\(type)/expected.npy"]!)
      for place in ["raw", "typed"] {
        let proto = try Onnx_TensorProto(serializedBytes: pack.files["\(type)/\(place).pb"]!)
        switch try TensorDecoder(folder: nil).decode(proto).elements {
        case .floats(let values):
          #expect(values.count == wanted.floats.count, "\(type) \(place)")
          for (value, right) in zip(values, wanted.floats) {
            #expect(value == right && value.sign == right.sign || value.isNaN && right.isNaN, "\(type) \(place)")
          }
        case .integers(let values): #expect(values == wanted.integers, "\(type) \(place)")
        }
      }
    }
  }

  @Test("Each type read from a file beside the model, behind other bytes")
  func external() throws {
    let pack = try Self.pack.get()
    let folder = try TemporaryFolder()
    for type in Set(pack.files.keys.map({ String($0.split(separator: "/")[0]) })).sorted() {
      let inner = try Onnx_TensorProto(serializedBytes: pack.files["\(type)/raw.pb"]!)
      try (Data([1, 2, 3]) + inner.rawData + Data([4])).write(to: folder.url.appendingPathComponent("\(type).bin"))
      var outer = inner
      outer.clearRawData()
      outer.dataLocation = .external
      outer.externalData = [
        ("location", "\(type).bin"), ("offset", "3"), ("length", "\(inner.rawData.count)"),
      ].map { entry in
        .with {
          $0.key = entry.0
          $0.value = entry.1
        }
      }
      let decoder = TensorDecoder(folder: folder.url.path)
      // Not a number is unlike itself, so the bits are compared.
      #expect(try "\(decoder.decode(outer))" == "\(decoder.decode(inner))", "\(type)")
    }
  }

  @Test("Data that do not fit shape or type are refused")
  func refused() {
    func tensor(_ change: (inout Onnx_TensorProto) -> Void) -> Onnx_TensorProto {
      var proto = Onnx_TensorProto()
      proto.name = "w"
      proto.dataType = 1
      proto.dims = [2, 3]
      proto.floatData = [1, 2, 3, 4, 5, 6]
      change(&proto)
      return proto
    }
    let decoder = TensorDecoder(folder: nil)
    #expect(throws: Never.self) { try decoder.decode(tensor { _ in }) }
    let changes: [(String, (inout Onnx_TensorProto) -> Void)] = [
      ("needs 6", { $0.floatData.removeLast() }),
      ("needs 6", { $0.floatData.append(7) }),
      ("needs 24", { $0.rawData = Data(count: 23) }),
      ("negative dimension", { $0.dims = [-1, 6] }),
      ("elements", { $0.dims = [1 << 40, 1 << 40] }),
      ("elements", { $0.dims = [1 << 62, 4] }),
      ("elements", { $0.dims = [0, 1 << 40] }),
      ("more than", { $0.dims = [Int64](repeating: 1, count: 17) }),
      ("element type 8", { $0.dataType = 8 }),
      ("element type 14", { $0.dataType = 14 }),
      ("element type 77", { $0.dataType = 77 }),
      ("segment", { $0.segment.begin = 0 }),
      ("no folder", { $0.dataLocation = .external }),
    ]
    for (reason, change) in changes {
      do {
        _ = try decoder.decode(tensor(change))
        Issue.record("accepted: \(reason)")
      } catch { #expect("\(error)".contains(reason), "\(error)") }
    }
  }
}

/// A folder that goes with the test.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("onnx-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appendingPathComponent(name).path }
}
