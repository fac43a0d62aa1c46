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
    guard let type = Onnx_TensorProto.DataType(rawValue: Int(proto.dataType)), let encoding = ElementEncoding(type)
    else {
      throw ONNXError.invalidTensor(name: name, reason: "its element type \(proto.dataType) is not one of real numbers")
    }
    guard !proto.hasSegment else {
      throw ONNXError.invalidTensor(name: name, reason: "it is one segment of several; save it whole")
    }
    let count = dims.reduce(1, *)
    if proto.hasDataLocation, proto.dataLocation == .external {
      guard let folder else { throw ONNXError.externalData(tensor: name, reason: "this file has no folder beside it") }
      let bytes = try ExternalData(proto, name, folder: folder).read(count: encoding.bytes(count))
      return tensor(encoding, dims, bytes: bytes)
    }
    if proto.hasRawData {
      let bytes = proto.rawData
      guard bytes.count == encoding.bytes(count) else {
        throw ONNXError.invalidTensor(
          name: name, reason: "it has \(bytes.count) bytes of raw data, and its shape needs \(encoding.bytes(count))")
      }
      return tensor(encoding, dims, bytes: bytes)
    }
    return try typed(proto, type, encoding, dims, count, name)
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

  // MARK: Raw bytes

  private func tensor(_ encoding: ElementEncoding, _ dims: [Int], bytes: Data) -> DenseTensor {
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
      switch encoding {
      case .real(.single): return floats(UInt32.self) { Float(bitPattern: $0) }
      case .real(.double): return floats(UInt64.self) { Float(Double(bitPattern: $0)) }
      case .real(.half): return floats(UInt16.self) { Float(Float16(bitPattern: $0)) }
      case .real(.brain): return floats(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
      case .small(let float):
        return DenseTensor(dims, floats: (0..<count).map { float.value(Self.code(raw, $0, bits: float.bits)) })
      case .integer(8, let isSigned): return isSigned ? integers(Int8.self) : integers(UInt8.self)
      case .integer(16, let isSigned): return isSigned ? integers(Int16.self) : integers(UInt16.self)
      case .integer(32, let isSigned): return isSigned ? integers(Int32.self) : integers(UInt32.self)
      case .integer(64, _): return integers(Int64.self)
      case .integer(let bits, let isSigned):
        return DenseTensor(
          dims, integers: (0..<count).map { Self.signed(Self.code(raw, $0, bits: bits), bits: bits, isSigned) })
      }
    }
  }

  /// An element of 2 to 8 bits of a stream of bits, the first in the lowest ones.
  private static func code(_ bytes: UnsafeRawBufferPointer, _ index: Int, bits: Int) -> UInt8 {
    let (byte, shift) = (index * bits / 8, index * bits % 8)
    var pair = UInt16(bytes[byte])
    if shift + bits > 8 { pair |= UInt16(bytes[byte + 1]) << 8 }
    return UInt8(truncatingIfNeeded: pair >> UInt16(shift)) & UInt8(truncatingIfNeeded: 1 << bits - 1)
  }

  private static func signed(_ code: UInt8, bits: Int, _ isSigned: Bool) -> Int64 {
    let value = Int64(code)
    return isSigned && value >> Int64(bits - 1) == 1 ? value - 1 << Int64(bits) : value
  }

  // MARK: Typed fields

  private func typed(
    _ proto: Onnx_TensorProto, _ type: Onnx_TensorProto.DataType, _ encoding: ElementEncoding, _ dims: [Int],
    _ count: Int, _ name: String
  ) throws -> DenseTensor {
    func check(_ found: Int, _ wanted: Int) throws {
      guard found == wanted else {
        throw ONNXError.invalidTensor(name: name, reason: "it has \(found) values, and its shape needs \(wanted)")
      }
    }
    switch encoding {
    case .real(.single):
      try check(proto.floatData.count, count)
      return DenseTensor(dims, floats: proto.floatData)
    case .real(.double):
      try check(proto.doubleData.count, count)
      return DenseTensor(dims, floats: proto.doubleData.map { Float($0) })
    case .real(let real):
      try check(proto.int32Data.count, count)
      return DenseTensor(
        dims,
        floats: proto.int32Data.map {
          let bits = UInt16(truncatingIfNeeded: $0)
          return real == .half ? Float(Float16(bitPattern: bits)) : Float(bitPattern: UInt32(bits) << 16)
        })
    case .integer(64, true):
      try check(proto.int64Data.count, count)
      return DenseTensor(dims, integers: proto.int64Data)
    case .integer(64, false), .integer(32, false):
      try check(proto.uint64Data.count, count)
      return DenseTensor(dims, integers: proto.uint64Data.map { Int64(truncatingIfNeeded: $0) })
    case .integer(let bits, _) where bits >= 8:
      try check(proto.int32Data.count, count)
      return DenseTensor(dims, integers: proto.int32Data.map { Int64($0) })
    case .small(let float) where float.bits >= 6:
      // An element an entry, also where raw data would pack them.
      try check(proto.int32Data.count, count)
      return DenseTensor(dims, floats: proto.int32Data.map { float.value(UInt8(truncatingIfNeeded: $0)) })
    case .integer, .small:
      try check(proto.int32Data.count, encoding.bytes(count))
      return tensor(encoding, dims, bytes: Data(proto.int32Data.map { UInt8(truncatingIfNeeded: $0) }))
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
