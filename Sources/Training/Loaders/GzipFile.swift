import CZlib
import Glibc

/// A file that is read in order, unpacked where it is gzip, as it is where not.
final class GzipFile {
  let path: String
  private let file: gzFile

  /// - Throws: ``TrainingError/unreadable(path:reason:)``
  init(_ path: String) throws {
    errno = 0
    guard let file = gzopen(path, "rb") else {
      throw TrainingError.unreadable(path: path, reason: String(cString: strerror(errno == 0 ? ENOMEM : errno)))
    }
    self.path = path
    self.file = file
  }

  deinit { gzclose(file) }

  /// Up to `count` bytes; fewer only at the end.
  ///
  /// - Throws: ``TrainingError`` where the file cannot be read or its packed form is damaged.
  func read(atMost count: Int) throws -> [UInt8] {
    var done = 0
    let bytes = try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      while done < count {
        let got = Int(gzread(file, buffer.baseAddress! + done, UInt32(min(count - done, 1 << 30))))
        if got < 0 { throw fault() }
        if got == 0 { break }
        done += got
      }
      initialized = done
    }
    if done < count {
      var code: Int32 = 0
      _ = gzerror(file, &code)
      if code < 0 { throw fault() }
    }
    return bytes
  }

  /// Exactly `count` bytes of the `total` that the file was said to have.
  func read(exactly count: Int, before: Int, total: Int) throws -> [UInt8] {
    let bytes = try read(atMost: count)
    guard bytes.count == count else {
      throw TrainingError.truncated(path: path, expectedBytes: total, foundBytes: before + bytes.count)
    }
    return bytes
  }

  /// Throws where the file goes on after `total` bytes.
  func expectEnd(total: Int) throws {
    if try !read(atMost: 1).isEmpty { throw TrainingError.trailingBytes(path: path, expectedBytes: total) }
  }

  private func fault() -> TrainingError {
    var code: Int32 = 0
    let text = gzerror(file, &code).map { String(cString: $0) } ?? "unknown error"
    return code == Z_ERRNO
      ? .unreadable(path: path, reason: String(cString: strerror(errno)))
      : .malformed(path: path, reason: "its gzip form is damaged or cut short (zlib: \(text)); fetch the file again")
  }
}
