import Foundation

/// A JSON value of unknown shape, so that a mistake can be named by its key.
enum JSONValue: Decodable, Hashable, Sendable {
  case object([String: JSONValue])
  case array([JSONValue])
  case string(String)
  case number(Double)
  case bool(Bool)
  case null

  init(from decoder: any Decoder) throws {
    // Texts and numbers first: they are most of a file, and a refused attempt is dear.
    let single = try decoder.singleValueContainer()
    if let value = try? single.decode(String.self) {
      self = .string(value)
    } else if let value = try? single.decode(Double.self) {
      self = .number(value)
    } else if let keyed = try? decoder.container(keyedBy: Key.self) {
      self = .object(
        try Dictionary(
          uniqueKeysWithValues: keyed.allKeys.map { ($0.stringValue, try keyed.decode(Self.self, forKey: $0)) }))
    } else if var list = try? decoder.unkeyedContainer() {
      var values: [JSONValue] = []
      while !list.isAtEnd { values.append(try list.decode(Self.self)) }
      self = .array(values)
    } else if let value = try? single.decode(Bool.self) {
      self = .bool(value)
    } else {
      guard single.decodeNil() else {
        throw DecodingError.dataCorruptedError(in: single, debugDescription: "no JSON value")
      }
      self = .null
    }
  }

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }
}

/// Reads one object of a model file. Every key that is not asked for is a mistake, and so is every value of the wrong kind; errors
/// name the file and the key.
final class ModelReader {
  /// Largest file that is read, bytes.
  static let maximumBytes = 4 << 20

  let file: String
  let path: String
  private let fields: [String: JSONValue]
  private var asked: Set<String> = []

  /// Reads a file's top object.
  /// - Throws: ``HardwareError/schema(file:key:reason:)``
  convenience init(file: String, data: Data) throws {
    guard data.count <= Self.maximumBytes else {
      throw HardwareError.schema(file: file, key: "", reason: "it is longer than \(Self.maximumBytes) bytes")
    }
    let value: JSONValue
    do { value = try JSONDecoder().decode(JSONValue.self, from: data) } catch {
      throw HardwareError.schema(file: file, key: "", reason: "it is not JSON")
    }
    guard case .object(let fields) = value else {
      throw HardwareError.schema(file: file, key: "", reason: "its top is not an object")
    }
    self.init(file: file, path: "", fields: fields)
  }

  private init(file: String, path: String, fields: [String: JSONValue]) {
    (self.file, self.path, self.fields) = (file, path, fields)
  }

  /// Keys present.
  var keys: [String] { fields.keys.sorted() }
  func has(_ key: String) -> Bool { fields[key] != nil }

  func failure(_ key: String, _ reason: String) -> HardwareError {
    .schema(file: file, key: path.isEmpty ? key : (key.isEmpty ? path : "\(path).\(key)"), reason: reason)
  }

  func value(_ key: String) throws -> JSONValue {
    asked.insert(key)
    guard let value = fields[key] else { throw failure(key, "the key is missing") }
    return value
  }

  func string(_ key: String) throws -> String {
    guard case .string(let text) = try value(key), !text.isEmpty else { throw failure(key, "a text is needed") }
    return text
  }

  func number(_ key: String) throws -> Double {
    guard case .number(let number) = try value(key), number.isFinite else { throw failure(key, "a number is needed") }
    return number
  }

  func bool(_ key: String) throws -> Bool {
    guard case .bool(let flag) = try value(key) else { throw failure(key, "true or false is needed") }
    return flag
  }

  func strings(_ key: String) throws -> [String] {
    guard case .array(let values) = try value(key) else { throw failure(key, "a list of texts is needed") }
    return try values.map {
      guard case .string(let text) = $0 else { throw failure(key, "a list of texts is needed") }
      return text
    }
  }

  func object(_ key: String) throws -> ModelReader {
    guard case .object(let inner) = try value(key) else { throw failure(key, "an object is needed") }
    return ModelReader(file: file, path: path.isEmpty ? key : "\(path).\(key)", fields: inner)
  }

  /// Refuses keys that nothing asked for.
  func finish() throws {
    guard let unknown = keys.first(where: { !asked.contains($0) }) else { return }
    throw failure(unknown, "the key is unknown; expected are \(asked.sorted().joined(separator: ", "))")
  }

  /// Format version and name, with which every file begins; the name must be the file's.
  func header(_ kind: String, named name: String?) throws -> (name: String, title: String) {
    guard try number("format") == 1 else { throw failure("format", "this build reads format 1") }
    let found = try string("kind")
    guard found == kind else { throw failure("kind", "it is \"\(found.prefix(32))\", and \"\(kind)\" is needed") }
    let own = try string("name")
    guard own.utf8.count <= 64, own.utf8.allSatisfy({ ModelReader.isNameByte($0) }) else {
      throw failure("name", "a name has at most 64 lower-case letters, digits, dots and hyphens")
    }
    if let name, own != name { throw failure("name", "it is \"\(own)\", and the file's name says \"\(name)\"") }
    return (own, try string("title"))
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2d || byte == 0x2e
  }
}
