import Glibc

/// Whole files, replaced at once: written beside the old one, synchronised, renamed.
enum AtomicFile {
  /// - Throws: ``TrainingError/checkpointNotWritten(path:reason:)``; what was at `path` is then untouched.
  static func write(_ bytes: [UInt8], to path: String) throws(TrainingError) {
    let temporary = "\(path).\(getpid()).tmp"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(path) }
    do throws(TrainingError) {
      try writeAll(bytes, descriptor, path)
      guard fsync(descriptor) == 0 else { throw failure(path) }
    } catch {
      close(descriptor)
      unlink(temporary)
      throw error
    }
    guard close(descriptor) == 0, rename(temporary, path) == 0 else {
      let error = failure(path)
      unlink(temporary)
      throw error
    }
    // The new name itself has to reach the disk too; where a folder cannot be synchronised there is nothing to undo.
    let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let folderDescriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if folderDescriptor >= 0 {
      fsync(folderDescriptor)
      close(folderDescriptor)
    }
  }

  /// Reads a regular file whose size was checked first.
  static func read(_ path: String, maximumBytes: Int) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw unreadable(path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw unreadable(path) }
    let size = Int(status.st_size)
    guard status.st_mode & S_IFMT == S_IFREG, size <= maximumBytes else {
      throw TrainingError.malformed(path: path, reason: "it is no regular file of at most \(maximumBytes) bytes")
    }
    var done = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
      while done < size {
        let got = Glibc.read(descriptor, buffer.baseAddress! + done, size - done)
        if got < 0 && errno == EINTR { continue }
        if got <= 0 { break }
        done += got
      }
      initialized = done
    }
    guard done == size else { throw TrainingError.truncated(path: path, expectedBytes: size, foundBytes: done) }
    return bytes
  }

  private static func writeAll(_ bytes: [UInt8], _ descriptor: Int32, _ path: String) throws(TrainingError) {
    var done = 0
    while done < bytes.count {
      let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, bytes.count - done) }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw failure(path) }
      done += written
    }
  }

  private static func failure(_ path: String) -> TrainingError {
    .checkpointNotWritten(path: path, reason: String(cString: strerror(errno)))
  }

  private static func unreadable(_ path: String) -> TrainingError {
    .unreadable(path: path, reason: String(cString: strerror(errno)))
  }
}
