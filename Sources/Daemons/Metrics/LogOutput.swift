import Foundation
public import Logging

/// Levels of the log, by name.
public enum LogLevel: String, CaseIterable, Sendable {
  case trace, debug, info, notice, warning, error

  /// swift-log's level of the same name.
  public var level: Logger.Level {
    switch self {
    case .trace: .trace
    case .debug: .debug
    case .info: .info
    case .notice: .notice
    case .warning: .warning
    case .error: .error
    }
  }
}

/// Forms of the log.
public enum LogFormat: String, CaseIterable, Sendable {
  /// Time, level, text, `key=value`.
  case text
  /// One JSON object a line.
  case json
}

/// Writes log lines to a file descriptor, one `write` a line, so that lines of several threads never mix.
public struct LineLogHandler: LogHandler {
  /// Values added to every line.
  public var metadata: Logger.Metadata = [:]
  /// Least severe level that is written.
  public var logLevel: Logger.Level
  private let format: LogFormat
  private let descriptor: Int32

  /// Makes a handler that writes to `descriptor` (2 is standard error).
  public init(level: LogLevel, format: LogFormat, descriptor: Int32 = 2) {
    logLevel = level.level
    self.format = format
    self.descriptor = descriptor
  }

  /// A logger of this handler.
  public static func logger(
    label: String, level: LogLevel, format: LogFormat, descriptor: Int32 = 2
  ) -> Logger {
    Logger(label: label) { _ in LineLogHandler(level: level, format: format, descriptor: descriptor) }
  }

  /// One value of the metadata.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Writes one line.
  public func log(event: LogEvent) {
    let all = metadata.merging(event.metadata ?? [:]) { $1 }
    let line =
      switch format {
      case .text: Self.text(event.level, event.message.description, all)
      case .json: Self.json(event.level, event.message.description, all)
      }
    let bytes = Array((line + "\n").utf8)
    _ = SystemCall.retrying { write(descriptor, bytes, bytes.count) }
  }

  private static func timestamp() -> String {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    var parts = tm()
    gmtime_r(&now.tv_sec, &parts)
    return String(
      format: "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
      parts.tm_hour, parts.tm_min, parts.tm_sec, Int(now.tv_nsec / 1_000_000))
  }

  static func text(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
    // A peer may have chosen part of a message: it must not start a line of its own.
    let fields = metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\(oneLine("\($0.value)"))" }
    return "\(timestamp()) \(level.rawValue) \(oneLine(message))" + fields.joined()
  }

  private static func oneLine(_ text: String) -> String {
    String(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
  }

  static func json(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
    var fields: [String: String] = ["time": timestamp(), "level": level.rawValue, "message": message]
    for (key, value) in metadata { fields[key] = "\(value)" }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(fields)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}
