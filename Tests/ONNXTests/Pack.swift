import Foundation
import SwiftProtobuf

@testable import ONNX

/// Files in one, as `References/pack.py` writes them: records of a path (u32 length, UTF-8) and a content (u32 length,
/// bytes), little-endian.
struct Pack {
  let files: [String: [UInt8]]

  init(_ name: String) throws {
    guard let url = Bundle.module.url(forResource: name, withExtension: "pack", subdirectory: "References") else {
      throw NetworkCase.Wrong("References/\(name).pack is not there")
    }
    let bytes = [UInt8](try Data(contentsOf: url))
    var files: [String: [UInt8]] = [:]
    var place = 0
    func next() -> ArraySlice<UInt8> {
      let length = bytes[place..<place + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
      defer { place += 4 + length }
      return bytes[place + 4..<place + 4 + length]
    }
    while place < bytes.count {
      let path = String(decoding: next(), as: UTF8.self)
      files[path] = Array(next())
    }
    self.files = files
  }

  /// Folders that hold a model.
  var cases: [String] { files.keys.filter { $0.hasSuffix("/model.onnx") }.map { String($0.dropLast(11)) }.sorted() }

  /// A tensor, where the file is there and holds one of numbers.
  func tensor(_ path: String) -> DenseTensor? {
    guard let bytes = files[path], let proto = try? Onnx_TensorProto(serializedBytes: bytes) else { return nil }
    return try? TensorDecoder(folder: nil).decode(proto)
  }
}
