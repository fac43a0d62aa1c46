internal import Foundation
internal import GRDB
public import Randomness
internal import Rings

/// Prepared material on disk: one SQLite file a party, one process at a time, rules in Protocols/store/spec.md.
///
/// A row is the material of one inference. It is encrypted under a key of its own that is deleted with it. Every method is
/// one transaction with `synchronous=FULL`; what it returned has happened, also after a loss of power. Thread-safe.
public final class MaterialStore: Sendable {
  static let version = 1

  /// Where it lies.
  public let path: String
  /// Bytes of material it may hold.
  public let limit: Int
  /// Names this file for as long as it exists.
  public let identifier: Digest32
  /// Rises with every start.
  public let generation: UInt64
  /// Names this start; never stored.
  public let boot: Digest32

  private let database: DatabaseQueue
  private let lock: StoreLock
  private let randomness: any RandomByteSource & Sendable

  /// Opens or makes a store, raises its generation, and deletes what was not finished.
  ///
  /// - Parameters:
  ///   - path: the file; its folder must exist. The file and its lock are readable by the owner only.
  ///   - limit: bytes of material.
  /// - Throws: ``StoreError``
  public init(path: String, limit: Int, randomness: any RandomByteSource & Sendable = SystemRandom()) throws {
    self.path = path
    self.limit = limit
    self.randomness = randomness
    lock = try StoreLock(path: path + ".lock")
    boot = Digest32(bytes: randomness.bytes(32))!
    let fresh = Digest32(bytes: randomness.bytes(32))!
    (database, identifier, generation) = try Self.reporting(path) {
      let database = try Self.open(path)
      let (identifier, generation) = try database.write { try Self.start($0, path: path, fresh: fresh) }
      return (database, identifier, generation)
    }
  }

  private static func open(_ path: String) throws -> DatabaseQueue {
    if !FileManager.default.fileExists(atPath: path) {
      guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]) else {
        throw StoreError.unusable(
          path: path, reason: "it cannot be created; see that its folder exists and is writable")
      }
    }
    var configuration = Configuration()
    configuration.busyMode = .timeout(10)
    configuration.prepareDatabase { database in
      // A rollback journal: in a write-ahead log deleted rows would live on until a checkpoint.
      try database.execute(
        sql: "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON")
    }
    return try DatabaseQueue(path: path, configuration: configuration)
  }

  private static func start(_ database: Database, path: String, fresh: Digest32) throws -> (Digest32, UInt64) {
    let found = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
    guard found == 0 || found == version else {
      throw StoreError.version(path: path, found: found, supported: version)
    }
    if found == 0 {
      try database.execute(
        sql: """
          CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), store BLOB NOT NULL, generation INTEGER NOT NULL);
          CREATE TABLE peers (peer BLOB PRIMARY KEY, store BLOB NOT NULL, generation INTEGER NOT NULL, boot BLOB NOT NULL);
          CREATE TABLE rows (number INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, peer BLOB NOT NULL,
            binding BLOB NOT NULL, ready INTEGER NOT NULL, size INTEGER NOT NULL, secret BLOB NOT NULL, digest BLOB NOT NULL);
          CREATE TABLE payloads (key BLOB PRIMARY KEY, data BLOB NOT NULL);
          CREATE INDEX stock ON rows (binding, ready, number);
          PRAGMA user_version = 1;
          """)
      try database.execute(sql: "INSERT INTO meta VALUES (1, ?, 0)", arguments: [Data(fresh.bytes)])
    }
    try database.execute(sql: "UPDATE meta SET generation = generation + 1")
    try database.execute(sql: "DELETE FROM payloads WHERE key IN (SELECT key FROM rows WHERE ready = 0)")
    try database.execute(sql: "DELETE FROM rows WHERE ready = 0")
    guard let row = try Row.fetchOne(database, sql: "SELECT store, generation FROM meta"),
      let identifier = Digest32(bytes: [UInt8](row["store"] as Data)), let generation = row["generation"] as Int64?
    else { throw StoreError.unusable(path: path, reason: "its header is damaged; delete it, and it is made anew") }
    return (identifier, UInt64(generation))
  }

  private static func reporting<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as DatabaseError {
      throw StoreError.unusable(path: path, reason: error.message ?? "\(error.resultCode)")
    }
  }

  func write<Result>(_ body: (Database) throws -> Result) throws -> Result {
    try Self.reporting(path) { try database.write(body) }
  }

  // MARK: Rows

  /// Adds material that is not ready yet.
  /// - Throws: ``StoreError/full(needed:held:limit:)`` before anything is written.
  func add(key: Digest32, peer: Digest32, binding: Digest32, material: SecretBytes) throws {
    let secret = SecretKey(count: 16, from: randomness)
    let data = Self.crypt(material, secret)
    let digest = Digest32.sha256([UInt8](data))
    try write { database in
      let held = try Int.fetchOne(database, sql: "SELECT COALESCE(SUM(size), 0) FROM rows") ?? 0
      guard held + material.count <= limit else {
        throw StoreError.full(needed: material.count, held: held, limit: limit)
      }
      try database.execute(
        sql: "INSERT INTO rows (key, peer, binding, ready, size, secret, digest) VALUES (?, ?, ?, 0, ?, ?, ?)",
        arguments: [
          Data(key.bytes), Data(peer.bytes), Data(binding.bytes), material.count, secret.withUnsafeBytes { Data($0) },
          Data(digest.bytes),
        ])
      try database.execute(sql: "INSERT INTO payloads VALUES (?, ?)", arguments: [Data(key.bytes), data])
    }
  }

  /// AES-128 in counter mode under a key that serves this row only.
  private static func crypt(_ material: SecretBytes, _ key: SecretKey) -> Data {
    let stream = StreamGenerator(key: key)
    var data = Data(count: material.count)
    data.withUnsafeMutableBytes { out in
      stream.fill(out)
      for index in 0..<material.count { out[index] ^= material.pointer[index] }
    }
    withExtendedLifetime(material) {}
    return data
  }

  /// Makes rows ready.
  func finish(_ keys: [Digest32]) throws {
    try write { database in
      for key in keys {
        try database.execute(sql: "UPDATE rows SET ready = 1 WHERE key = ?", arguments: [Data(key.bytes)])
      }
    }
  }

  /// Keys that are ready, in the order in which they were made.
  func readyKeys(_ binding: Digest32) throws -> [Digest32] {
    try write { database in
      try Data.fetchAll(
        database, sql: "SELECT key FROM rows WHERE binding = ? AND ready = 1 ORDER BY number",
        arguments: [Data(binding.bytes)]
      ).compactMap { Digest32(bytes: [UInt8]($0)) }
    }
  }

  /// Takes rows out: when this returns they are gone from the file, and only the result has them. Rows that are not there or
  /// not ready give nil.
  func take(_ keys: [Digest32]) throws -> [SecretBytes?] {
    let found = try write { database in
      try keys.map { key -> (Data, SecretKey, Digest32)? in
        let name = Data(key.bytes)
        guard
          let row = try Row.fetchOne(
            database, sql: "SELECT secret, digest FROM rows WHERE key = ? AND ready = 1", arguments: [name]),
          let data = try Data.fetchOne(database, sql: "SELECT data FROM payloads WHERE key = ?", arguments: [name])
        else { return nil }
        try Self.delete(database, name)
        guard let digest = Digest32(bytes: [UInt8](row["digest"] as Data)) else { return nil }
        return (data, SecretKey(bytes: row["secret"] as Data), digest)
      }
    }
    return try found.map { entry in
      guard let (data, secret, digest) = entry else { return nil }
      guard Digest32.sha256([UInt8](data)) == digest, secret.count == 16 else {
        throw StoreError.unusable(
          path: path, reason: "a row is damaged; delete the file, and what it held is made anew")
      }
      let out = SecretBytes(uninitialized: data.count)
      StreamGenerator(key: secret).fill(UnsafeMutableRawBufferPointer(out.buffer))
      data.withUnsafeBytes { bytes in for index in 0..<bytes.count { out.pointer[index] ^= bytes[index] } }
      return out
    }
  }

  static func delete(_ database: Database, _ key: Data) throws {
    try database.execute(sql: "DELETE FROM rows WHERE key = ?", arguments: [key])
    try database.execute(sql: "DELETE FROM payloads WHERE key = ?", arguments: [key])
  }

  /// Deletes rows without reading them.
  func burn(_ keys: [Digest32]) throws {
    try write { database in for key in keys { try Self.delete(database, Data(key.bytes)) } }
  }
}
