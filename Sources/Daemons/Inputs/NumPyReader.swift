import Foundation
import Networks
import Rings

/// NumPy's `.npy` files, versions 1.0 and 2.0 (numpy.lib.format): C order, little-endian `u1`, `f4` and `f8`.
enum NumPyReader {
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  private enum Element: String {
    case byte = "|u1"
    case float = "<f4"
    case double = "<f8"
    var size: Int { self == .byte ? 1 : self == .float ? 4 : 8 }
  }

  /// Reads samples. The array's shape is one sample (CHW; HW for one channel; a vector) or a row of them.
  static func read(_ bytes: [UInt8], selection: Range<Int>?, builder: SampleBuilder) throws -> [InputSample] {
    guard bytes.count >= 10 else { throw builder.refuse("it is cut short within the header of a .npy file") }
    let start: Int
    let length: Int
    switch (bytes[6], bytes[7]) {
    case (1, 0):
      start = 10
      length = Int(bytes[8]) | Int(bytes[9]) << 8
    case (2, 0):
      guard bytes.count >= 12 else { throw builder.refuse("it is cut short within the header of a .npy file") }
      start = 12
      length = Int(bytes[8]) | Int(bytes[9]) << 8 | Int(bytes[10]) << 16 | Int(bytes[11]) << 24
    case (let major, let minor):
      throw builder.refuse("it has .npy version \(major).\(minor), and versions 1.0 and 2.0 are read")
    }
    guard length <= 65536, start + length <= bytes.count else {
      throw builder.refuse("its .npy header says \(length) bytes, and the file does not have them")
    }
    let header = String(decoding: bytes[start..<start + length], as: UTF8.self)
    let (element, dimensions) = try parse(header, builder: builder)
    var available = 1
    for dimension in dimensions {
      let (product, overflow) = available.multipliedReportingOverflow(by: dimension)
      guard dimension > 0, !overflow, product <= InputFile.maximumBytes else {
        throw builder.refuse("its shape \(describe(dimensions)) is out of range")
      }
      available = product
    }
    guard bytes.count - start - length == available * element.size else {
      throw builder.refuse(
        "it has \(bytes.count - start - length) bytes of data, and its shape \(describe(dimensions)) needs "
          + "\(available * element.size)")
    }
    let samples = try sampleCount(dimensions, builder: builder)
    let size = builder.shape.count
    return try builder.indices(selection, available: samples).map { index in
      let offset = start + length + index * size * element.size
      let place = samples == 1 ? nil : index
      return try bytes.withUnsafeBytes { data in
        switch element {
        case .byte:
          try builder.sample(raw: (0..<size).map { Float(data[offset + $0]) }, index: place)
        case .float:
          try builder.sample(
            fractions: (0..<size).map { data.loadUnaligned(fromByteOffset: offset + 4 * $0, as: Float.self) },
            index: place)
        case .double:
          try builder.sample(
            fractions: (0..<size).map { Float(data.loadUnaligned(fromByteOffset: offset + 8 * $0, as: Double.self)) },
            index: place)
        }
      }
    }
  }

  private static func describe(_ dimensions: [Int]) -> String {
    "(" + dimensions.map(String.init).joined(separator: ", ") + ")"
  }

  /// How many samples an array of these dimensions holds.
  private static func sampleCount(_ dimensions: [Int], builder: SampleBuilder) throws -> Int {
    let shape = builder.shape
    var forms = [[shape.channels, shape.height, shape.width]]
    if shape.channels == 1 { forms.append([shape.height, shape.width]) }
    if shape.height == 1, shape.width == 1 { forms.append([shape.channels]) }
    if forms.contains(dimensions) { return 1 }
    if let count = dimensions.first, forms.contains(Array(dimensions.dropFirst())) { return count }
    throw builder.refuse(
      "its shape is \(describe(dimensions)), and the network takes \(forms.map(describe).joined(separator: " or ")), "
        + "or several of them behind a leading dimension")
  }

  /// Reads the header, a Python dictionary literal of three known keys.
  private static func parse(_ header: String, builder: SampleBuilder) throws -> (Element, [Int]) {
    func value(after key: String) -> Substring? {
      guard let found = header.range(of: "'\(key)':") else { return nil }
      return header[found.upperBound...].drop { $0 == " " }
    }
    guard let description = value(after: "descr"), description.first == "'",
      let end = description.dropFirst().firstIndex(of: "'")
    else { throw builder.refuse("its .npy header has no plain \"descr\"") }
    let type = String(description[description.index(after: description.startIndex)..<end])
    guard let element = Element(rawValue: type) else {
      throw builder.refuse("its numbers are of type \(type.prefix(16)), and |u1, <f4 and <f8 are read")
    }
    guard let order = value(after: "fortran_order") else {
      throw builder.refuse("its .npy header has no \"fortran_order\"")
    }
    guard order.hasPrefix("False") else {
      throw builder.refuse("it is in Fortran order; save numpy.ascontiguousarray of it")
    }
    guard let tuple = value(after: "shape"), tuple.first == "(", let close = tuple.firstIndex(of: ")") else {
      throw builder.refuse("its .npy header has no \"shape\"")
    }
    let parts = tuple[tuple.index(after: tuple.startIndex)..<close].split(separator: ",")
    let dimensions = try parts.map { part in
      guard let number = Int(part.filter { $0 != " " }) else {
        throw builder.refuse("its .npy header has an unreadable \"shape\"")
      }
      return number
    }
    guard dimensions.count <= 8 else { throw builder.refuse("its array has \(dimensions.count) dimensions") }
    return (element, dimensions)
  }
}
