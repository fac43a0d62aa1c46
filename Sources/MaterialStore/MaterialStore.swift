internal import Foundation
internal import GRDB
public import Randomness
internal import Rings
internal import Synchronization

/// Prepared material on disk: one SQLite file a party, one process at a time, rules in Protocols/store/spec.md.
///
/// A row is the material of one inference, encrypted under a key of its own that is erased when the row is taken. Every
/// method that changes the file is one transaction with `synchronous=FULL`: when it returned, the change has happened, also
/// after a loss of power. Thread-safe.
public final class MaterialStore: Sendable {
  static let version = 1
  /// Bytes that one row may hold: SQLite's default limit of a blob, 10^9, with room for the rest of the row.
  static let maximumRow = 999_000_000

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

  struct Stock {
    var bytes = 0
    var ready: [Digest32: Int] = [:]
  }

  private let database: DatabaseQueue
  private let lock: StoreLock
  private let randomness: any RandomByteSource & Sendable
  /// What the rows add up to after the last transaction, so that no query of a session asks the file.
  private let stock = Mutex(Stock())

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
    let opened = try Self.reporting(path) {
      let database = try Self.open(path)
      return (database, try database.write { try Self.start($0, path: path, fresh: fresh) })
    }
    database = opened.0
    (identifier, generation) = (opened.1.identifier, opened.1.generation)
    let found = opened.1.stock
    stock.withLock { $0 = found }
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
      // A rollback journal: in a write-ahead log deleted rows would live on until a checkpoint. The page size counts for
      // a new file only.
      try database.execute(
        sql: """
          PRAGMA page_size = 16384; PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL;
          PRAGMA secure_delete = ON
          """)
    }
    return try DatabaseQueue(path: path, configuration: configuration)
  }

  private static func start(
    _ database: Database, path: String, fresh: Digest32
  ) throws -> (identifier: Digest32, generation: UInt64, stock: Stock) {
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
          CREATE INDEX stock ON rows (binding, ready, number, size);
          PRAGMA user_version = 1;
          """)
      try database.execute(sql: "INSERT INTO meta VALUES (1, ?, 0)", arguments: [Data(fresh.bytes)])
    }
    try database.execute(sql: "UPDATE meta SET generation = generation + 1")
    try delete(database, where: "ready = 0")
    guard let row = try Row.fetchOne(database, sql: "SELECT store, generation FROM meta"),
      let identifier = Digest32(bytes: [UInt8](row["store"] as Data)), let generation = row["generation"] as Int64?,
      generation > 0
    else { throw StoreError.unusable(path: path, reason: "its header is damaged; delete it, and it is made anew") }
    return (identifier, UInt64(generation), try count(database))
  }

  private static func reporting<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as DatabaseError {
      throw StoreError.unusable(path: path, reason: error.message ?? "\(error.resultCode)")
    }
  }

  // MARK: Transactions

  /// One transaction, after which the stock in memory is that of the file.
  func write<Result>(_ body: (Database) throws -> Result) throws -> Result {
    try Self.reporting(path) {
      let (result, found) = try database.write { (try body($0), try Self.count($0)) }
      stock.withLock { $0 = found }
      return result
    }
  }

  func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
    try Self.reporting(path) { try database.read(body) }
  }

  private static func count(_ database: Database) throws -> Stock {
    var stock = Stock()
    let rows = try Row.fetchAll(
      database, sql: "SELECT binding, SUM(ready) AS ready, SUM(size) AS size FROM rows GROUP BY binding")
    for row in rows {
      stock.bytes += row["size"] as Int
      if let binding = Digest32(bytes: [UInt8](row["binding"] as Data)) { stock.ready[binding] = row["ready"] as Int }
    }
    return stock
  }

  /// Deletes rows: their keys are overwritten with zeros, which is what makes their payloads unreadable; those pages are
  /// only set free, since overwriting them too would write all material a third time.
  static func delete(_ database: Database, where condition: String, _ arguments: StatementArguments = []) throws {
    try database.execute(sql: "PRAGMA secure_delete = OFF")
    try database.execute(
      sql: "DELETE FROM payloads WHERE key IN (SELECT key FROM rows WHERE \(condition))", arguments: arguments)
    try database.execute(sql: "PRAGMA secure_delete = ON")
    try database.execute(sql: "DELETE FROM rows WHERE \(condition)", arguments: arguments)
  }

  // MARK: Stock

  /// Inferences that are ready for a binding.
  public func readyCount(_ binding: Digest32) -> Int { stock.withLock { $0.ready[binding] ?? 0 } }

  /// Inferences that are ready for anybody.
  public var readyCount: Int { stock.withLock { $0.ready.values.reduce(0, +) } }

  /// Bytes of material it holds.
  public var heldBytes: Int { stock.withLock { $0.bytes } }

  // MARK: Rows

  /// Adds material that is not ready yet.
  /// - Throws: ``StoreError/full(needed:held:limit:)`` before anything is written.
  func add(key: Digest32, peer: Digest32, binding: Digest32, material: SecretBytes) throws {
    guard material.count <= Self.maximumRow else {
      throw StoreError.rowTooLarge(bytes: material.count, limit: Self.maximumRow)
    }
    let secret = SecretKey(count: 16, from: randomness)
    let data = Self.encrypted(material, secret)
    let digest = Self.digest(data)
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

  /// Makes rows ready.
  func finish(_ keys: [Digest32]) throws {
    try write { database in
      for key in keys {
        try database.execute(sql: "UPDATE rows SET ready = 1 WHERE key = ?", arguments: [Data(key.bytes)])
      }
    }
  }

  /// Keys that are ready, in the order in which they were made.
  func readyKeys(_ binding: Digest32, limit: Int = .max) throws -> [Digest32] {
    try read { database in
      try Data.fetchAll(
        database, sql: "SELECT key FROM rows WHERE binding = ? AND ready = 1 ORDER BY number LIMIT ?",
        arguments: [Data(binding.bytes), limit]
      ).compactMap { Digest32(bytes: [UInt8]($0)) }
    }
  }

  /// Takes rows of a binding out: when this returns they are gone from the file, and only the result has them. Rows that
  /// are not there, not ready, or another binding's give nil and stay.
  /// - Throws: ``StoreError/unusable(path:reason:)``; rows that were found damaged are gone too.
  func take(_ keys: [Digest32], binding: Digest32) throws -> [SecretBytes?] {
    let found = try write { database in
      try keys.map { key -> (data: Data, secret: SecretKey, digest: Digest32?)? in
        let name = Data(key.bytes)
        guard
          let row = try Row.fetchOne(
            database, sql: "SELECT secret, digest FROM rows WHERE key = ? AND binding = ? AND ready = 1",
            arguments: [name, Data(binding.bytes)])
        else { return nil }
        let data = try Data.fetchOne(database, sql: "SELECT data FROM payloads WHERE key = ?", arguments: [name])
        try Self.delete(database, where: "key = ?", [name])
        return (data ?? Data(), SecretKey(bytes: row["secret"] as Data), Digest32(bytes: row["digest"] as Data))
      }
    }
    return try found.map { entry in
      guard let entry else { return nil }
      guard entry.secret.count == 16, Self.digest(entry.data) == entry.digest else {
        throw StoreError.unusable(
          path: path, reason: "a row is damaged; delete the file, and what it held is made anew")
      }
      return Self.decrypted(entry.data, entry.secret)
    }
  }

  /// Deletes rows without reading them.
  func burn(_ keys: [Digest32]) throws {
    guard !keys.isEmpty else { return }
    try write { database in for key in keys { try Self.delete(database, where: "key = ?", [Data(key.bytes)]) } }
  }
}

// MARK: Encryption of rows

extension MaterialStore {
  /// AES-128 in counter mode under a key that serves this row only.
  private static func encrypted(_ material: SecretBytes, _ key: SecretKey) -> Data {
    var data = Data(count: material.count)
    data.withUnsafeMutableBytes { out in
      StreamGenerator(key: key).fill(out)
      exclusiveOr(out, UnsafeRawBufferPointer(material.buffer))
    }
    withExtendedLifetime(material) {}
    return data
  }

  private static func decrypted(_ data: Data, _ key: SecretKey) -> SecretBytes {
    let out = SecretBytes(uninitialized: data.count)
    StreamGenerator(key: key).fill(UnsafeMutableRawBufferPointer(out.buffer))
    data.withUnsafeBytes { exclusiveOr(UnsafeMutableRawBufferPointer(out.buffer), $0) }
    return out
  }

  private static func exclusiveOr(_ out: UnsafeMutableRawBufferPointer, _ bytes: UnsafeRawBufferPointer) {
    precondition(out.count == bytes.count, "two lengths")
    guard let to = out.baseAddress, let from = bytes.baseAddress else { return }
    let words = out.count / 8
    for index in 0..<words {
      let word = to.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)
      to.storeBytes(
        of: word ^ from.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self), toByteOffset: 8 * index,
        as: UInt64.self)
    }
    for index in 8 * words..<out.count {
      let byte = to.load(fromByteOffset: index, as: UInt8.self) ^ from.load(fromByteOffset: index, as: UInt8.self)
      to.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
    }
  }

  private static func digest(_ data: Data) -> Digest32 { data.withUnsafeBytes { Digest32.sha256($0) } }
}
