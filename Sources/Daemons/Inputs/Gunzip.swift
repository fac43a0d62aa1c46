import CZlib

/// Decompression of gzip files and of deflated members of archives, in memory.
enum Gunzip {
  /// What is around the deflated data.
  enum Wrapping {
    /// The header and trailer of a gzip file.
    case gzip
    /// Nothing.
    case none
  }

  /// - Throws: ``DaemonsError/input(source:reason:)`` when the data is damaged, cut short, or grows past `limit`.
  static func decompress(
    _ bytes: [UInt8], wrapping: Wrapping = .gzip, limit: Int, source: String
  ) throws -> [UInt8] {
    var stream = z_stream()
    // 16 asks zlib for the gzip wrapping, a negative window for none.
    let opened = inflateInit2_(
      &stream, wrapping == .gzip ? 15 + 16 : -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard opened == Z_OK else { throw DaemonsError.input(source: source, reason: "zlib could not start (\(opened))") }
    defer { inflateEnd(&stream) }
    var input = bytes
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 18)
    return try input.withUnsafeMutableBufferPointer { input in
      stream.next_in = input.baseAddress
      stream.avail_in = UInt32(input.count)
      while true {
        let status = chunk.withUnsafeMutableBufferPointer { chunk in
          stream.next_out = chunk.baseAddress
          stream.avail_out = UInt32(chunk.count)
          return inflate(&stream, Z_NO_FLUSH)
        }
        output.append(contentsOf: chunk.prefix(chunk.count - Int(stream.avail_out)))
        guard output.count <= limit else {
          throw DaemonsError.input(source: source, reason: "it grows past \(limit) bytes when decompressed")
        }
        if status == Z_STREAM_END { return output }
        guard status == Z_OK else {
          throw DaemonsError.input(
            source: source, reason: "its compressed data is damaged or cut short (zlib \(status))")
        }
      }
    }
  }
}
