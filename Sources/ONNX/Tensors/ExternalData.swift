import Foundation
import SwiftProtobuf

/// Whole files, mapped rather than read.
enum InputFile {
  /// No message of ONNX nests deeper without being an attack on the stack.
  static let options = {
    var options = BinaryDecodingOptions()
    options.messageDepthLimit = 64
    options.discardUnknownFields = true
    return options
  }()

  /// Maps a regular file of bounded size.
  ///
  /// - Throws: ``ONNXError/fileSystem(path:action:reason:)``
  static func map(_ path: String, limit: Int) throws -> Data {
    let size = try size(path)
    guard size <= limit else {
      throw ONNXError.fileSystem(
        path: path, action: "read", reason: "it has \(size) bytes, and at most \(limit) are accepted")
    }
    do { return try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) } catch {
      throw ONNXError.fileSystem(path: path, action: "read", reason: "the system refused to map it")
    }
  }

  /// Bytes of a regular file.
  static func size(_ path: String) throws -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw ONNXError.fileSystem(path: path, action: "read", reason: String(cString: strerror(errno)))
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw ONNXError.fileSystem(path: path, action: "read", reason: "it is not a regular file")
    }
    return Int(status.st_size)
  }
}

/// Where a tensor's bytes lie outside the model's file: below the model's folder and nowhere else.
struct ExternalData {
  private let name: String
  private let path: String
  private let offset: Int
  private let length: Int?

  /// Reads and checks the reference.
  ///
  /// - Throws: ``ONNXError/externalData(tensor:reason:)`` where the path is absolute, climbs out of the folder, or leaves
  ///   it by a symbolic link, or a number is malformed.
  init(_ proto: Onnx_TensorProto, _ name: String, folder: String) throws {
    func refuse(_ reason: String) -> ONNXError { .externalData(tensor: name, reason: reason) }
    var fields: [String: String] = [:]
    for entry in proto.externalData {
      guard fields.updateValue(entry.value, forKey: entry.key) == nil else {
        throw refuse("its field \(ONNXError.shown(entry.key)) occurs twice")
      }
    }
    guard let location = fields["location"], !location.isEmpty, location.utf8.count <= 4096, !location.utf8.contains(0)
    else { throw refuse("it names no file") }
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    guard !location.hasPrefix("/"), !location.contains("\\"), !parts.contains("..") else {
      throw refuse("its file must lie in the model's folder, and its path leads elsewhere")
    }
    func number(_ key: String) throws -> Int? {
      guard let text = fields[key] else { return nil }
      guard let value = Int(text), value >= 0 else { throw refuse("its \(key) is not a number of at least 0") }
      return value
    }
    offset = try number("offset") ?? 0
    length = try number("length")
    guard let root = Self.resolved(folder), let file = Self.resolved(folder + "/" + location) else {
      throw refuse("the file \(ONNXError.shown(location)) beside the model does not exist")
    }
    guard file.hasPrefix(root == "/" ? root : root + "/") else {
      throw refuse("its file must lie in the model's folder, and a symbolic link leads elsewhere")
    }
    self.name = name
    path = file
  }

  private static func resolved(_ path: String) -> String? {
    guard let found = realpath(path, nil) else { return nil }
    defer { free(found) }
    return String(cString: found)
  }

  /// The bytes, which must be as many as shape and type need.
  ///
  /// - Throws: ``ONNXError``
  func read(count: Int) throws -> Data {
    func refuse(_ reason: String) -> ONNXError { .externalData(tensor: name, reason: reason) }
    let size = try InputFile.size(path)
    guard length ?? count == count else { throw refuse("\(length ?? 0) bytes are given, and its shape needs \(count)") }
    guard offset <= size, count <= size - offset else {
      throw refuse("it ends \(count) bytes behind byte \(offset), and the file has \(size)")
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { throw refuse(String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var bytes = Data(count: count)
    var done = 0
    while done < count {
      let read = bytes.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress! + done, count - done, off_t(offset + done))
      }
      if read < 0 && errno == EINTR { continue }
      guard read > 0 else { throw refuse(read < 0 ? String(cString: strerror(errno)) : "the file became shorter") }
      done += read
    }
    return bytes
  }
}
