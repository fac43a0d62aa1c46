import Foundation
import SwiftProtobuf

/// Turns the messages of a file into tensors. The length of the data is held against shape and type before anything is
/// allocated.
struct TensorDecoder {
  /// The folder in which files with external data lie; nil where there is none.
  var folder: String?

  /// Decodes one tensor and its encoding: `raw_data`, a typed field, or a file beside the model.
  ///
  /// - Throws: ``ONNXError``
  func decode(_ proto: Onnx_TensorProto) throws -> DenseTensor {
    let name = ONNXError.shown(proto.name)
    let dims = try dims(proto, name)
    guard let type = Onnx_TensorProto.DataType(rawValue: Int(proto.dataType)), let width = Self.bits(type) else {
      throw ONNXError.invalidTensor(name: name, reason: "its element type \(proto.dataType) is not numeric")
    }
    guard !proto.hasSegment else {
      throw ONNXError.invalidTensor(name: name, reason: "it is one segment of several; save it whole")
    }
    let count = dims.reduce(1, *)
    if proto.hasDataLocation, proto.dataLocation == .external {
      guard let folder else { throw ONNXError.externalData(tensor: name, reason: "this file has no folder beside it") }
      let bytes = try ExternalData(proto, name, folder: folder).read(count: (count * width + 7) / 8)
      return try tensor(type, dims, bytes: bytes)
    }
    if proto.hasRawData {
      let bytes = proto.rawData
      guard bytes.count == (count * width + 7) / 8 else {
        throw ONNXError.invalidTensor(
          name: name, reason: "it has \(bytes.count) bytes of raw data, and its shape needs \((count * width + 7) / 8)")
      }
      return try tensor(type, dims, bytes: bytes)
    }
    return try typed(proto, type, dims, count, name)
  }

  private func dims(_ proto: Onnx_TensorProto, _ name: String) throws -> [Int] {
    let dims = proto.dims.map { Int(clamping: $0) }
    guard DenseTensor.count(of: dims) != nil else {
      throw ONNXError.invalidTensor(
        name: name,
        reason: "its shape has a negative dimension, more than \(DenseTensor.maximumRank) of them, or more than "
          + "\(DenseTensor.maximumElements) elements")
    }
    return dims
  }

  /// Bits of an element in raw data; nil for strings, complex numbers and formats without a float32 equal here.
  private static func bits(_ type: Onnx_TensorProto.DataType) -> Int? {
    switch type {
    case .int4, .uint4: 4
    case .int8, .uint8, .bool: 8
    case .int16, .uint16, .float16, .bfloat16: 16
    case .int32, .uint32, .float: 32
    case .int64, .uint64, .double: 64
    default: nil
    }
  }

  // MARK: Raw bytes

  private func tensor(_ type: Onnx_TensorProto.DataType, _ dims: [Int], bytes: Data) throws -> DenseTensor {
    let count = dims.reduce(1, *)
    return bytes.withUnsafeBytes { raw in
      func integers<Value: FixedWidthInteger>(_ type: Value.Type) -> DenseTensor {
        DenseTensor(
          dims,
          integers: (0..<count).map {
            Int64(
              truncatingIfNeeded: Value(
                littleEndian: raw.loadUnaligned(fromByteOffset: $0 * Value.bitWidth / 8, as: Value.self)))
          })
      }
      func floats<Bits: FixedWidthInteger>(_ type: Bits.Type, _ convert: (Bits) -> Float) -> DenseTensor {
        let values = [Float](unsafeUninitializedCapacity: count) { target, filled in
          for index in 0..<count {
            let bits = raw.loadUnaligned(fromByteOffset: index * Bits.bitWidth / 8, as: Bits.self)
            (target.baseAddress! + index).initialize(to: convert(Bits(littleEndian: bits)))
          }
          filled = count
        }
        return DenseTensor(dims, floats: values)
      }
      switch type {
      case .float: return floats(UInt32.self) { Float(bitPattern: $0) }
      case .double: return floats(UInt64.self) { Float(Double(bitPattern: $0)) }
      case .float16: return floats(UInt16.self) { Float(Float16(bitPattern: $0)) }
      case .bfloat16: return floats(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
      case .int8: return integers(Int8.self)
      case .uint8, .bool: return integers(UInt8.self)
      case .int16: return integers(Int16.self)
      case .uint16: return integers(UInt16.self)
      case .int32: return integers(Int32.self)
      case .uint32: return integers(UInt32.self)
      case .int64, .uint64: return integers(Int64.self)
      case .int4, .uint4: return DenseTensor(dims, integers: Self.nibbles(raw, count, signed: type == .int4))
      default: preconditionFailure("refused before")
      }
    }
  }

  /// Two elements a byte, the first in the low half.
  private static func nibbles(_ bytes: UnsafeRawBufferPointer, _ count: Int, signed: Bool) -> [Int64] {
    (0..<count).map { index in
      let nibble = Int64(bytes[index / 2] >> (index % 2 == 0 ? 0 : 4)) & 15
      return signed && nibble > 7 ? nibble - 16 : nibble
    }
  }

  // MARK: Typed fields

  private func typed(
    _ proto: Onnx_TensorProto, _ type: Onnx_TensorProto.DataType, _ dims: [Int], _ count: Int, _ name: String
  ) throws -> DenseTensor {
    func check(_ found: Int, _ wanted: Int) throws {
      guard found == wanted else {
        throw ONNXError.invalidTensor(name: name, reason: "it has \(found) values, and its shape needs \(wanted)")
      }
    }
    switch type {
    case .float:
      try check(proto.floatData.count, count)
      return DenseTensor(dims, floats: proto.floatData)
    case .double:
      try check(proto.doubleData.count, count)
      return DenseTensor(dims, floats: proto.doubleData.map { Float($0) })
    case .float16, .bfloat16:
      try check(proto.int32Data.count, count)
      return DenseTensor(
        dims,
        floats: proto.int32Data.map {
          let bits = UInt16(truncatingIfNeeded: $0)
          return type == .float16 ? Float(Float16(bitPattern: bits)) : Float(bitPattern: UInt32(bits) << 16)
        })
    case .int64:
      try check(proto.int64Data.count, count)
      return DenseTensor(dims, integers: proto.int64Data)
    case .uint32, .uint64:
      try check(proto.uint64Data.count, count)
      return DenseTensor(dims, integers: proto.uint64Data.map { Int64(truncatingIfNeeded: $0) })
    case .int4, .uint4:
      try check(proto.int32Data.count, (count + 1) / 2)
      let bytes = proto.int32Data.map { UInt8(truncatingIfNeeded: $0) }
      return bytes.withUnsafeBytes {
        DenseTensor(dims, integers: Self.nibbles($0, count, signed: type == .int4))
      }
    default:
      try check(proto.int32Data.count, count)
      return DenseTensor(dims, integers: proto.int32Data.map { Int64($0) })
    }
  }
}

extension DenseTensor {
  /// Reads a file of one ONNX `TensorProto`, such as the ONNX package's test data.
  ///
  /// - Throws: ``ONNXError``
  public static func load(path: String) throws -> DenseTensor {
    let bytes = try InputFile.map(path, limit: 4 * maximumElements)
    let proto: Onnx_TensorProto
    do { proto = try Onnx_TensorProto(serializedBytes: bytes, options: InputFile.options) } catch {
      throw ONNXError.notProtobuf(path: path, kind: "an ONNX tensor")
    }
    return try TensorDecoder(folder: nil).decode(proto)
  }
}
