internal import Foundation
internal import GRDB
public import Randomness
internal import Rings
internal import Synchronization

/// Prepared material on disk: one SQLite file a party, one process at a time, rules in Protocols/store/spec.md.
///
/// A row is the material of one inference, encrypted under a key of its own that is erased when the row is taken; it lies in
/// pieces, so that no more than one of them is in memory while it is written. Every method that changes the file is one
/// transaction with `synchronous=FULL`: when it returned, the change has happened, also after a loss of power. Thread-safe.
public final class MaterialStore: Sendable {
  static let version = 2
  /// Bytes of a piece, the last one of a row excepted. LOCAL: a file may hold rows of other sizes of pieces.
  static let pieceBytes = 16 << 20
  private static let pageBytes = 16384

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
  /// See ``pieceBytes``.
  let pieceBytes: Int

  struct Stock {
    /// Of rows in the file.
    var bytes = 0
    /// Of rows that will be in it.
    var reserved = 0
    /// Of rows that were begun, in the file or not: what has yet to be written.
    var unwritten = 0
    /// Of pages of the file that are free.
    var free = 0
    var ready: [Digest32: Int] = [:]
  }

  private let database: DatabaseQueue
  private let lock: StoreLock
  let randomness: any RandomByteSource & Sendable
  let freeBytes: @Sendable (String) -> Int?
  /// What the rows add up to after the last transaction, so that no query of a session asks the file.
  let stock = Mutex(Stock())

  /// Opens or makes a store, raises its generation, and deletes what was not finished.
  ///
  /// - Parameters:
  ///   - path: the file; its folder must exist. The file and its lock are readable by the owner only.
  ///   - limit: bytes of material.
  /// - Throws: ``StoreError``
  public convenience init(
    path: String, limit: Int, randomness: any RandomByteSource & Sendable = SystemRandom()
  ) throws {
    try self.init(path: path, limit: limit, pieceBytes: Self.pieceBytes, randomness: randomness)
  }

  /// - Parameter freeBytes: what the disk of a path still takes; nil where that is not known.
  init(
    path: String, limit: Int, pieceBytes: Int, randomness: any RandomByteSource & Sendable = SystemRandom(),
    freeBytes: @escaping @Sendable (String) -> Int? = MaterialStore.freeBytes
  ) throws {
    precondition(pieceBytes > 0)
    self.path = path
    self.limit = limit
    self.pieceBytes = pieceBytes
    self.freeBytes = freeBytes
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
          PRAGMA page_size = \(pageBytes); PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL;
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
            binding BLOB NOT NULL, ready INTEGER NOT NULL, size INTEGER NOT NULL, secret BLOB NOT NULL);
          CREATE TABLE pieces (row INTEGER NOT NULL, position INTEGER NOT NULL, digest BLOB NOT NULL, data BLOB NOT NULL,
            PRIMARY KEY (row, position));
          CREATE INDEX stock ON rows (binding, ready, number, size);
          PRAGMA user_version = \(version);
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
      stock.withLock { ($0.bytes, $0.ready, $0.free) = (found.bytes, found.ready, found.free) }
      return result
    }
  }

  func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
    try Self.reporting(path) { try database.read(body) }
  }

  private static func count(_ database: Database) throws -> Stock {
    var stock = Stock()
    stock.free = pageBytes * (try Int.fetchOne(database, sql: "PRAGMA freelist_count") ?? 0)
    let rows = try Row.fetchAll(
      database, sql: "SELECT binding, SUM(ready) AS ready, SUM(size) AS size FROM rows GROUP BY binding")
    for row in rows {
      stock.bytes += row["size"] as Int
      if let binding = Digest32(bytes: [UInt8](row["binding"] as Data)) { stock.ready[binding] = row["ready"] as Int }
    }
    return stock
  }

  /// Deletes rows: their keys are overwritten with zeros, which is what makes their pieces unreadable; those pages are
  /// only set free, since overwriting them too would write all material a third time.
  static func delete(_ database: Database, where condition: String, _ arguments: StatementArguments = []) throws {
    try database.execute(sql: "PRAGMA secure_delete = OFF")
    try database.execute(
      sql: "DELETE FROM pieces WHERE row IN (SELECT number FROM rows WHERE \(condition))", arguments: arguments)
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
}
