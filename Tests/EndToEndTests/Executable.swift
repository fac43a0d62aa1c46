import Foundation
import Testing

/// The executable that the package builds, run as users run it.
enum Executable {
  private final class Anchor {}

  /// Beside the test bundle, or beside the program that runs the tests.
  static let url: URL = {
    let places = [
      Bundle(for: Anchor.self).bundleURL.deletingLastPathComponent(),
      URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent(),
      Bundle.main.bundleURL,
    ]
    let found = places.map { $0.appendingPathComponent("polympc") }
    return found.first { FileManager.default.isExecutableFile(atPath: $0.path) } ?? found[0]
  }()

  struct Outcome {
    var code: Int32
    var output: String
    var error: String
  }

  /// A process that is not started yet.
  static func process(_ arguments: [String], in folder: URL, output: FileHandle, error: FileHandle) -> Process {
    let process = Process()
    process.executableURL = url
    process.arguments = arguments
    process.currentDirectoryURL = folder
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = error
    return process
  }

  /// Runs a command to its end. Its output goes through files, so that no full pipe can stop it.
  static func run(_ arguments: [String], in folder: URL) throws -> Outcome {
    let name = UUID().uuidString
    let files = ["out", "err"].map { folder.appendingPathComponent("\(name).\($0)") }
    for file in files { try Data().write(to: file) }
    defer { for file in files { try? FileManager.default.removeItem(at: file) } }
    let process = process(
      arguments, in: folder, output: try FileHandle(forWritingTo: files[0]),
      error: try FileHandle(forWritingTo: files[1]))
    try process.run()
    process.waitUntilExit()
    let texts = try files.map { String(decoding: try Data(contentsOf: $0), as: UTF8.self) }
    return Outcome(code: process.terminationStatus, output: texts[0], error: texts[1])
  }
}

/// Asks again and again until the answer is there; a test that waits too long fails with `what`.
func eventually<Value>(
  _ what: String, seconds: Double = 60, _ body: () throws -> Value?
) throws -> Value {
  let end = Date(timeIntervalSinceNow: seconds)
  repeat {
    if let value = try body() { return value }
    usleep(20_000)
  } while Date() < end
  throw Overdue(what: what)
}

struct Overdue: Error, CustomStringConvertible {
  var what: String
  var description: String { "In vain this was waited for: \(what)" }
}
