import Foundation
import Networks
import Rings

/// An array of NumPy's `.npy` files, versions 1.0 and 2.0 (numpy.lib.format): C order, little-endian.
struct NumPyArray {
  enum Element: String {
    case byte = "|u1"
    case float = "<f4"
    case double = "<f8"
    case int = "<i4"
    case long = "<i8"
    var size: Int {
      switch self {
      case .byte: 1
      case .float, .int: 4
      case .double, .long: 8
      }
    }
  }

  let element: Element
  let dimensions: [Int]
  /// Elements of the whole array.
  let count: Int
  private let bytes: [UInt8]
  private let start: Int

  /// Reads the header and checks that the data are there.
  ///
  /// - Throws: ``DaemonsError/input(source:reason:)``
  init(_ bytes: [UInt8], builder: SampleBuilder) throws {
    guard bytes.count >= 12, bytes.starts(with: NumPyReader.magic) else {
      throw builder.refuse("it is cut short within the header of a .npy file")
    }
    let first: Int
    let length: Int
    switch (bytes[6], bytes[7]) {
    case (1, 0): (first, length) = (10, Int(bytes[8]) | Int(bytes[9]) << 8)
    case (2, 0):
      (first, length) = (12, Int(bytes[8]) | Int(bytes[9]) << 8 | Int(bytes[10]) << 16 | Int(bytes[11]) << 24)
    case (let major, let minor):
      throw builder.refuse("it has .npy version \(major).\(minor), and versions 1.0 and 2.0 are read")
    }
    guard length <= 65536, first + length <= bytes.count else {
      throw builder.refuse("its .npy header says \(length) bytes, and the file does not have them")
    }
    let header = String(decoding: bytes[first..<first + length], as: UTF8.self)
    (element, dimensions) = try Self.parse(header, builder: builder)
    var available = 1
    for dimension in dimensions {
      let (product, overflow) = available.multipliedReportingOverflow(by: dimension)
      guard dimension > 0, !overflow, product <= InputFile.maximumBytes else {
        throw builder.refuse("its shape \(Self.describe(dimensions)) is out of range")
      }
      available = product
    }
    count = available
    start = first + length
    self.bytes = bytes
    guard bytes.count - start == count * element.size else {
      throw builder.refuse(
        "it has \(bytes.count - start) bytes of data, and its shape \(shapeText) needs \(count * element.size)")
    }
  }

  var shapeText: String { Self.describe(dimensions) }

  /// Elements in a range, as real numbers.
  func floats(_ range: Range<Int>) -> [Float] {
    bytes.withUnsafeBytes { data in
      func load<Value>(_ index: Int, as type: Value.Type) -> Value {
        data.loadUnaligned(fromByteOffset: start + index * element.size, as: type)
      }
      return range.map { index in
        switch element {
        case .byte: Float(data[start + index])
        case .float: load(index, as: Float.self)
        case .double: Float(load(index, as: Double.self))
        case .int: Float(load(index, as: Int32.self))
        case .long: Float(load(index, as: Int64.self))
        }
      }
    }
  }

  /// The elements as labels: of whole numbers that are not negative, one an entry; nil where these are none.
  var labels: [Int]? {
    guard element != .float, element != .double, dimensions.dropFirst().allSatisfy({ $0 == 1 }), count < 1 << 24 else {
      return nil
    }
    let values = floats(0..<count)
    return values.allSatisfy { $0 >= 0 && $0 < 0x1p24 } ? values.map { Int($0) } : nil
  }

  /// Shapes of one sample: CHW, HW of one channel, a vector.
  static func forms(of shape: TensorShape) -> [[Int]] {
    var forms = [[shape.channels, shape.height, shape.width]]
    if shape.channels == 1 { forms.append([shape.height, shape.width]) }
    // A sequence has one row, which its own framework leaves out.
    if shape.height == 1 { forms.append([shape.channels, shape.width]) }
    if shape.height == 1, shape.width == 1 { forms.append([shape.channels]) }
    return forms
  }

  /// How many samples the array holds: one, or a row of them; nil where it has another shape.
  func sampleCount(of shape: TensorShape) -> Int? {
    let forms = Self.forms(of: shape)
    if forms.contains(dimensions) { return 1 }
    if let count = dimensions.first, forms.contains(Array(dimensions.dropFirst())) { return count }
    return nil
  }

  static func describe(_ dimensions: [Int]) -> String {
    "(" + dimensions.map(String.init).joined(separator: ", ") + ")"
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
      throw builder.refuse("its numbers are of type \(type.prefix(16)), and |u1, <i4, <i8, <f4 and <f8 are read")
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

/// NumPy's `.npy` files.
enum NumPyReader {
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Reads samples. The array's shape is one sample (CHW; HW for one channel; a vector) or a row of them.
  static func read(_ bytes: [UInt8], selection: Range<Int>?, builder: SampleBuilder) throws -> [InputSample] {
    try read(NumPyArray(bytes, builder: builder), selection: selection, builder: builder)
  }

  static func read(_ array: NumPyArray, selection: Range<Int>?, builder: SampleBuilder) throws -> [InputSample] {
    guard let samples = array.sampleCount(of: builder.shape) else {
      let forms = NumPyArray.forms(of: builder.shape).map(NumPyArray.describe).joined(separator: " or ")
      throw builder.refuse(
        "its shape is \(array.shapeText), and the network takes \(forms), or several of them behind a leading dimension"
      )
    }
    let size = builder.shape.count
    return try builder.indices(selection, available: samples).map { index in
      let values = array.floats(index * size..<(index + 1) * size)
      let place = samples == 1 ? nil : index
      switch array.element {
      case .byte, .int, .long: return try builder.sample(raw: values, index: place)
      case .float, .double: return try builder.sample(fractions: values, index: place)
      }
    }
  }
}
