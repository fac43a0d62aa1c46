package import Foundation
package import Rings

/// Whole files: read with a limit, and written so that a failure leaves the old file as it was.
package enum FileBytes {
  /// Writes part of a buffer to a descriptor, as `write(2)` does.
  package typealias Writer = (Int32, UnsafeRawBufferPointer) -> Int

  /// Reads a whole regular file.
  ///
  /// - Throws: ``NetworksError/fileSystem(path:action:reason:)``
  static func read(_ path: String, limit: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    try read(path, limit: limit) { size, fill in
      bytes = [UInt8](repeating: 0, count: size)
      try bytes.withUnsafeMutableBytes(fill)
    }
    return bytes
  }

  /// Reads a whole regular file into memory that is erased when the last reference goes.
  ///
  /// - Throws: ``NetworksError/fileSystem(path:action:reason:)``
  package static func readSecret(_ path: String, limit: Int) throws -> SecretBytes {
    var bytes = SecretBytes(zeros: 0)
    try read(path, limit: limit) { size, fill in
      bytes = SecretBytes(zeros: size)
      try withExtendedLifetime(bytes) { try fill(UnsafeMutableRawBufferPointer(bytes.buffer)) }
    }
    return bytes
  }

  private static func read(
    _ path: String, limit: Int, _ allocate: (Int, (UnsafeMutableRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path, "read") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure(path, "read") }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw NetworksError.fileSystem(path: path, action: "read", reason: "it is not a regular file")
    }
    let size = Int(status.st_size)
    guard size <= limit else {
      throw NetworksError.fileSystem(
        path: path, action: "read", reason: "it has \(size) bytes, and at most \(limit) are accepted")
    }
    try allocate(size) { buffer in
      var done = 0
      while done < size {
        let count = Foundation.read(descriptor, buffer.baseAddress! + done, size - done)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw failure(path, "read") }
        if count == 0 { throw NetworksError.wrongLength(path: path, found: done, expected: size) }
        done += count
      }
    }
  }

  /// Replaces a file by way of a temporary one beside it: written, synchronised, then renamed. Until the rename, and
  /// after any failure, the old file is whole.
  ///
  /// - Throws: ``NetworksError/fileSystem(path:action:reason:)``
  package static func replace(_ path: String, with bytes: [UInt8], mode: mode_t, writer: Writer = systemWrite) throws {
    try bytes.withUnsafeBytes { try replace(path, with: $0, mode: mode, writer: writer) }
  }

  /// The same from raw memory.
  package static func replace(
    _ path: String, with buffer: UnsafeRawBufferPointer, mode: mode_t, writer: Writer = systemWrite
  ) throws {
    let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0...UInt32.max)).new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw failure(path, "written") }
    do {
      defer { close(descriptor) }
      var done = 0
      while done < buffer.count {
        let count = writer(descriptor, UnsafeRawBufferPointer(rebasing: buffer[done...]))
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { throw failure(path, "written") }
        done += count
      }
      guard fsync(descriptor) == 0 else { throw failure(path, "written") }
    } catch {
      unlink(temporary)
      throw error
    }
    guard rename(temporary, path) == 0 else {
      let error = failure(path, "written")
      unlink(temporary)
      throw error
    }
    // The rename itself must reach the disk too; a file system that cannot do this still has a whole file.
    let directory = open((path as NSString).deletingLastPathComponent.nonEmpty ?? ".", O_RDONLY | O_CLOEXEC)
    if directory >= 0 {
      _ = fsync(directory)
      close(directory)
    }
  }

  package static let systemWrite: @Sendable (Int32, UnsafeRawBufferPointer) -> Int = {
    Foundation.write($0, $1.baseAddress, $1.count)
  }

  private static func failure(_ path: String, _ action: String) -> NetworksError {
    .fileSystem(path: path, action: action, reason: String(cString: strerror(errno)))
  }
}

extension String {
  fileprivate var nonEmpty: String? { isEmpty ? nil : self }
}
