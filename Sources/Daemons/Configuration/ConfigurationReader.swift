import Foundation
import Yams

/// A value given on the command line in place of a key of the configuration file.
public struct ConfigurationOverride: Sendable, Equatable {
  /// The key, dotted: `dealer.address`.
  public var key: String
  /// The values; more than one for lists.
  public var values: [String]
  /// The flag, for messages: `--dealer`.
  public var flag: String

  /// Makes an override.
  public init(key: String, values: [String], flag: String) {
    self.key = key
    self.values = values
    self.flag = flag
  }
}

/// Reads typed values of a YAML mapping by dotted key, flags first, and remembers which keys were asked for, so that
/// ``finish()`` can name those that nothing knows. Every error names the key and its line or flag.
struct ConfigurationReader {
  private struct Entry {
    var values: [String]
    var isList: Bool
    var place: String
    /// The folder that relative paths start from: the file's, or the working folder for flags.
    var folder: String
  }

  private var entries: [String: Entry] = [:]
  private var known: Set<String> = []
  /// The file's name, or "flags".
  let source: String

  /// Reads a file, or only the overrides when there is none.
  init(file: String?, overrides: [ConfigurationOverride]) throws {
    if let file {
      guard let data = FileManager.default.contents(atPath: file) else {
        throw DaemonsError.configurationFile(place: file, reason: "there is no such file, or it cannot be read")
      }
      guard data.count <= 1 << 20 else {
        throw DaemonsError.configurationFile(
          place: file, reason: "it has \(data.count) bytes; a configuration is small")
      }
      guard let text = String(data: data, encoding: .utf8) else {
        throw DaemonsError.configurationFile(place: file, reason: "it is not UTF-8 text")
      }
      try self.init(yaml: text, file: file, overrides: overrides)
    } else {
      try self.init(yaml: "", file: "flags", overrides: overrides)
    }
  }

  /// Reads YAML text; `file` names it in messages, and its folder is where relative paths start.
  init(yaml: String, file: String, overrides: [ConfigurationOverride] = []) throws {
    source = file
    let folder = (file as NSString).deletingLastPathComponent
    do {
      if let root = try Yams.compose(yaml: yaml) {
        switch root {
        case .mapping(let mapping): try flatten(mapping, prefix: "", folder: folder)
        case .scalar(let scalar) where scalar.string.isEmpty: break
        default:
          throw DaemonsError.configurationFile(place: file, reason: "it is not a list of \"key: value\" lines")
        }
      }
    } catch let error as YamlError {
      throw Self.translated(error, file: file)
    }
    for override in overrides {
      entries[override.key] = Entry(
        values: override.values, isList: override.values.count != 1, place: "flag \(override.flag)", folder: "")
    }
  }

  private static func translated(_ error: YamlError, file: String) -> DaemonsError {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      return .configurationFile(place: "\(file):\(mark.line)", reason: "it is not YAML (\(problem))")
    case .duplicatedKeysInMapping(let duplicates, let context):
      return .configurationFile(
        place: "\(file):\(context.mark.line)", reason: "the key \"\(duplicates.first ?? "")\" is given twice")
    default:
      return .configurationFile(place: file, reason: "it is not YAML")
    }
  }

  private mutating func flatten(_ mapping: Node.Mapping, prefix: String, folder: String) throws {
    for (keyNode, value) in mapping {
      let line = keyNode.mark.map { ":\($0.line)" } ?? ""
      guard let name = keyNode.scalar?.string else {
        throw DaemonsError.configurationFile(place: source + line, reason: "a key is not a plain word")
      }
      let key = prefix + name
      switch value {
      case .scalar(let scalar):
        entries[key] = Entry(values: [scalar.string], isList: false, place: source + line, folder: folder)
      case .sequence(let sequence):
        let values = try sequence.map { node in
          guard let scalar = node.scalar else {
            throw DaemonsError.invalidKey(key: key, place: source + line, reason: "its items must be plain values")
          }
          return scalar.string
        }
        entries[key] = Entry(values: values, isList: true, place: source + line, folder: folder)
      case .mapping(let inner):
        try flatten(inner, prefix: key + ".", folder: folder)
      case .alias:
        throw DaemonsError.invalidKey(key: key, place: source + line, reason: "YAML aliases are not used here")
      }
    }
  }

  private mutating func entry(_ key: String) throws -> Entry? {
    known.insert(key)
    guard let entry = entries[key] else { return nil }
    guard !entry.isList else {
      throw DaemonsError.invalidKey(key: key, place: entry.place, reason: "it takes one value, not a list")
    }
    return entry
  }

  /// An error about a key, with its line or flag.
  func invalid(_ key: String, _ reason: String) -> DaemonsError {
    .invalidKey(key: key, place: entries[key]?.place ?? source, reason: reason)
  }

  /// Whether the key is given.
  func has(_ key: String) -> Bool { entries[key] != nil }

  /// Refuses a key that another choice makes meaningless.
  mutating func forbid(_ key: String, _ reason: String) throws {
    if has(key) { throw invalid(key, reason) }
  }

  /// A text, or nil when the key is absent.
  mutating func string(_ key: String) throws -> String? {
    guard let value = try entry(key)?.values[0] else { return nil }
    guard !value.isEmpty else { throw invalid(key, "it is empty") }
    return value
  }

  /// A text that must be there.
  mutating func required(_ key: String, _ reason: String) throws -> String {
    guard let value = try string(key) else { throw DaemonsError.missingKey(key: key, place: source, reason: reason) }
    return value
  }

  /// A path; relative ones start at the configuration file's folder (or, from a flag, at the working folder).
  mutating func path(_ key: String, _ reason: String) throws -> String {
    let value = try required(key, reason)
    let folder = entries[key]?.folder ?? ""
    return value.hasPrefix("/") || folder.isEmpty ? value : folder + "/" + value
  }

  /// A whole number within bounds.
  mutating func integer(_ key: String, in range: ClosedRange<Int>, default value: Int) throws -> Int {
    guard let text = try string(key) else { return value }
    guard let number = Int(text), range.contains(number) else {
      throw invalid(key, "\"\(text)\" is not a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// A duration in seconds within bounds.
  mutating func seconds(_ key: String, in range: ClosedRange<Double>, default value: Double) throws -> Double {
    guard let text = try string(key) else { return value }
    guard let number = Double(text), range.contains(number) else {
      throw invalid(key, "\"\(text)\" is not a number of seconds from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// One of several words.
  mutating func choice<Value: RawRepresentable & CaseIterable>(
    _ key: String, default value: Value
  ) throws -> Value where Value.RawValue == String {
    guard let text = try string(key) else { return value }
    guard let choice = Value(rawValue: text) else {
      throw invalid(key, "\"\(text)\" is none of \(Value.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return choice
  }

  /// A list, which may be given as one plain value; empty when the key is absent.
  mutating func list(_ key: String) -> [String] {
    known.insert(key)
    return entries[key]?.values ?? []
  }

  /// Names a key that nothing asked for.
  func finish() throws {
    let unknown = entries.filter { !known.contains($0.key) }.sorted { $0.value.place < $1.value.place }
    if let (key, entry) = unknown.first {
      throw DaemonsError.unknownKey(key: key, place: entry.place, known: known.sorted())
    }
  }
}
