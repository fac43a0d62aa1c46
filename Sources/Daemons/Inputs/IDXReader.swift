import Rings

/// IDX files of unsigned bytes (the format of MNIST): magic `00 00 08 n`, n big-endian sizes, then the bytes.
enum IDXReader {
  static func read(_ bytes: [UInt8], selection: Range<Int>?, builder: SampleBuilder) throws -> [InputSample] {
    guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0 else { throw builder.refuse("it is not an IDX file") }
    guard bytes[2] == 0x08 else {
      throw builder.refuse("its IDX elements are of type \(bytes[2]), and unsigned bytes (8) are read")
    }
    let rank = Int(bytes[3])
    guard (2...4).contains(rank), bytes.count >= 4 + 4 * rank else {
      throw builder.refuse("its IDX header announces \(rank) dimensions; pictures have 3 or 4")
    }
    let dimensions = (0..<rank).map { axis in
      (0..<4).reduce(0) { $0 << 8 | Int(bytes[4 + 4 * axis + $1]) }
    }
    let shape = builder.shape
    let inner = Array(dimensions.dropFirst())
    var forms = [[shape.channels, shape.height, shape.width]]
    if shape.channels == 1 { forms.append([shape.height, shape.width]) }
    if shape.height == 1, shape.width == 1 { forms.append([shape.channels]) }
    guard forms.contains(inner) else {
      throw builder.refuse(
        "its samples have shape \(inner), and the network takes \(shape.channels) x \(shape.height) x \(shape.width)")
    }
    let size = shape.count
    let start = 4 + 4 * rank
    // dimensions[0] < 2^32 and size is bounded by the program, so the product cannot overflow.
    guard bytes.count - start == dimensions[0] * size else {
      throw builder.refuse(
        "its header announces \(dimensions[0] * size) bytes of pictures, and \(bytes.count - start) follow")
    }
    return try builder.indices(selection, available: dimensions[0]).map { index in
      let offset = start + index * size
      return try builder.sample(raw: bytes[offset..<offset + size].map(Float.init), index: index)
    }
  }
}
