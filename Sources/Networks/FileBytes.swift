package import Foundation

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

  /// Reads a regular file piece by piece, so that no second copy of a large one is in memory.
  ///
  /// - Parameter body: gets the file's size, and what fills a buffer with the next bytes.
  /// - Throws: ``NetworksError/fileSystem(path:action:reason:)``, and what `body` throws.
  package static func read<R>(
    _ path: String, limit: Int, _ body: (Int, (UnsafeMutableRawBufferPointer) throws -> Void) throws -> R
  ) throws -> R {
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
    var total = 0
    return try body(size) { buffer in
      var done = 0
      while done < buffer.count {
        let count = Foundation.read(descriptor, buffer.baseAddress! + done, buffer.count - done)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw failure(path, "read") }
        if count == 0 { throw NetworksError.wrongLength(path: path, found: total + done, expected: size) }
        done += count
      }
      total += done
    }
  }

  /// Replaces a file by way of a temporary one beside it: written, synchronised, then renamed. Until the rename, and
  /// after any failure, the old file is whole.
  ///
  /// - Throws: ``NetworksError/fileSystem(path:action:reason:)``
  package static func replace(_ path: String, with bytes: [UInt8], mode: mode_t, writer: @escaping Writer = systemWrite)
    throws
  {
    try bytes.withUnsafeBytes { try replace(path, with: $0, mode: mode, writer: writer) }
  }

  /// The same from raw memory.
  package static func replace(
    _ path: String, with buffer: UnsafeRawBufferPointer, mode: mode_t, writer: @escaping Writer = systemWrite
  ) throws {
    try replace(path, mode: mode, writer: writer) { try $0(buffer) }
  }

  /// The same piece by piece, so that no second copy of a large file is in memory.
  ///
  /// - Parameter body: gets what writes the next bytes.
  /// - Throws: ``NetworksError/fileSystem(path:action:reason:)``, and what `body` throws.
  package static func replace(
    _ path: String, mode: mode_t, writer: @escaping Writer = systemWrite,
    _ body: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0...UInt32.max)).new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw failure(path, "written") }
    do {
      defer { close(descriptor) }
      try body { buffer in
        var done = 0
        while done < buffer.count {
          let count = writer(descriptor, UnsafeRawBufferPointer(rebasing: buffer[done...]))
          if count < 0 && errno == EINTR { continue }
          guard count > 0 else { throw failure(path, "written") }
          done += count
        }
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
