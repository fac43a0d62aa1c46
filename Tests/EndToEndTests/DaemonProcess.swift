import Foundation

/// A daemon as a process of its own, with its log in a file.
final class DaemonProcess {
  let name: String
  private let process: Process
  private let logFile: URL

  init(_ name: String, _ arguments: [String], in folder: URL) throws {
    self.name = name
    logFile = folder.appendingPathComponent("\(name)-\(UUID().uuidString.prefix(8)).log")
    try Data().write(to: logFile)
    let handle = try FileHandle(forWritingTo: logFile)
    process = Executable.process(arguments, in: folder, output: handle, error: handle)
    try process.run()
  }

  deinit { kill() }

  var log: String { (try? String(contentsOf: logFile, encoding: .utf8)) ?? "" }
  var isRunning: Bool { process.isRunning }

  /// The port that the daemon says it serves.
  func port() throws -> UInt16 {
    try eventually("the port of \(name): \(log)") {
      guard let line = log.split(separator: "\n").first(where: { $0.contains(" serves") }),
        let start = line.range(of: "port=")
      else { return isRunning ? nil : 0 }
      return UInt16(line[start.upperBound...].prefix { $0.isNumber })
    }
  }

  /// Waits for a line of the log that holds all the words.
  func waitForLog(_ words: String..., seconds: Double = 60) throws {
    do {
      try eventually("\(words) of \(name)", seconds: seconds) {
        log.split(separator: "\n").contains { line in words.allSatisfy { line.contains($0) } } ? () : nil
      }
    } catch { throw Overdue(what: "\(words) in the log of \(name):\n\(log)") }
  }

  /// SIGKILL: no chance to say goodbye.
  func kill() {
    guard process.isRunning else { return }
    Foundation.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// SIGTERM.
  /// - Returns: the exit code, and whether a signal was what ended the process.
  func terminate() throws -> (code: Int32, bySignal: Bool) {
    Foundation.kill(process.processIdentifier, SIGTERM)
    return try exit()
  }

  /// Waits for the end.
  func exit() throws -> (code: Int32, bySignal: Bool) {
    try eventually("the end of \(name)") { process.isRunning ? nil : () }
    return (process.terminationStatus, process.terminationReason == .uncaughtSignal)
  }
}
