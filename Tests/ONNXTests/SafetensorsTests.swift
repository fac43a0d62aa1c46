import Foundation
import Networks
import Testing

@testable import ONNX

@Suite("safetensors")
struct SafetensorsTests {
  private func file(_ header: String, _ data: [UInt8], length: UInt64? = nil) -> Data {
    var bytes = Data()
    withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { bytes += $0 }
    return bytes + Data(header.utf8) + Data(data)
  }

  @Test("What is written is read back, bit by bit")
  func roundTrip() throws {
    let folder = try TemporaryFolder()
    for network in try ExportCase.all() {
      let path = folder.path("w.safetensors")
      try Safetensors.write(network.graph, network.parameters, to: path)
      let tensors = try Safetensors.load(path: path)
      #expect(try Safetensors.parameters(for: network.graph, from: tensors) == network.parameters, "\(network.name)")
      var fewer = tensors
      let gone = try #require(fewer.keys.sorted().first)
      fewer[gone] = nil
      #expect(throws: ONNXError.self) { try Safetensors.parameters(for: network.graph, from: fewer) }
      if !fewer.isEmpty {
        let partial = try Safetensors.partial(for: network.graph, from: fewer)
        #expect(partial.values.count == network.parameters.values.count - 1)
      }
      #expect(throws: ONNXError.self) { try Safetensors.partial(for: network.graph, from: [:]) }
    }
  }

  /// The file that the safetensors package writes for a float32, a float16, a bfloat16 and an int8 tensor.
  @Test("A file of another writer, with metadata and several types")
  func others() throws {
    let url = try #require(
      Bundle.module.url(forResource: "torch", withExtension: "safetensors", subdirectory: "References"))
    let tensors = try Safetensors.load(path: url.path)
    #expect(tensors.keys.sorted() == ["bytes", "layer.bias", "layer.weight", "scalar", "small"])
    #expect(tensors["layer.weight"] == DenseTensor([2, 3], floats: [0, 0.5, 1, 1.5, 2, 2.5]))
    #expect(tensors["layer.bias"] == DenseTensor([2], floats: [-1.5, 3.25]))
    #expect(tensors["small"] == DenseTensor([3], floats: [1, -2, 0.15625]))
    #expect(tensors["bytes"] == DenseTensor([2, 2], integers: [-128, -1, 0, 127]))
    #expect(tensors["scalar"] == DenseTensor([], floats: [7]))
  }

  @Test("Headers that lie are refused, each with its reason")
  func refused() {
    let good = #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
    #expect(throws: Never.self) { try Safetensors.decode(file(good, [0, 0, 128, 63, 0, 0, 0, 64])) }
    let data = [UInt8](repeating: 0, count: 8)
    let cases: [(String, Data)] = [
      ("bytes", Data([1, 2, 3])),
      ("longer than the file", file(good, data, length: 1 << 40)),
      ("longer than the file", file(good, data, length: .max)),
      ("no JSON", file("{", data)),
      ("no JSON", file(#"{"a":{"dtype":"F32","shape":[2]}}"#, data)),
      ("is no tensor", file(#"{"a":{"format":"pt"}}"#, data)),
      ("overlaps", file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, data)),
      ("overlaps", file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,16]}}"#, data)),
      ("overlaps", file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,-8]}}"#, data)),
      ("overlaps", file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#, data)),
      ("needs 12", file(#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, data)),
      ("elements", file(#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#, data)),
      ("negative", file(#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, data)),
      ("has the type C64", file(#"{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}"#, data)),
      ("bytes follow", file(good, data + [0])),
      (
        "overlaps",
        file(
          #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
          data)
      ),
    ]
    for (reason, bytes) in cases {
      do {
        _ = try Safetensors.decode(bytes)
        Issue.record("accepted: \(reason)")
      } catch { #expect("\(error)".contains(reason), "\(reason): \(error)") }
    }
  }
}
