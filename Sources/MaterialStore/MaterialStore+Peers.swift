internal import Foundation
internal import GRDB
public import Randomness

/// How a store presents itself to the peer's.
struct StoreState: Equatable {
  static let byteCount = 72
  let identifier: Digest32
  let generation: UInt64
  let boot: Digest32

  var bytes: [UInt8] {
    identifier.bytes + (0..<8).map { UInt8(truncatingIfNeeded: generation >> (8 * UInt64($0))) } + boot.bytes
  }

  init(identifier: Digest32, generation: UInt64, boot: Digest32) {
    (self.identifier, self.generation, self.boot) = (identifier, generation, boot)
  }

  init(_ bytes: [UInt8]) throws {
    guard bytes.count == Self.byteCount, let identifier = Digest32(bytes: bytes[..<32]),
      let boot = Digest32(bytes: bytes[40...])
    else { throw StoreError.peer(reason: "its state has \(bytes.count) bytes") }
    let generation = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[32 + $1]) << (8 * UInt64($1)) }
    guard generation <= UInt64(Int64.max) else { throw StoreError.peer(reason: "its generation is out of range") }
    self.init(identifier: identifier, generation: generation, boot: boot)
  }
}

/// What lies in a store for one peer and plan.
public struct StoreListing: Codable, Equatable, Sendable {
  /// Fingerprint of the peer's certificate.
  public var peer: String
  /// Digest of peer, plan and model.
  public var binding: String
  /// Inferences that are ready.
  public var ready: Int
  /// Inferences that are being made.
  public var unfinished: Int
  /// Bytes of material.
  public var bytes: Int
}

extension MaterialStore {
  var state: StoreState { StoreState(identifier: identifier, generation: generation, boot: boot) }

  /// Remembers the peer's state. Where it has gone back, or is another file, all rows of this peer are burnt with it.
  /// - Returns: whether they were.
  func meet(peer: Digest32, _ state: StoreState) throws -> Bool {
    try write { database in
      let name = Data(peer.bytes)
      let last = try Row.fetchOne(
        database, sql: "SELECT store, generation, boot FROM peers WHERE peer = ?", arguments: [name])
      var isSound = true
      if let last {
        let (store, seen, boot) = (last["store"] as Data, last["generation"] as Int64, last["boot"] as Data)
        let isSame = UInt64(seen) == state.generation && [UInt8](boot) == state.boot.bytes
        isSound = [UInt8](store) == state.identifier.bytes && (state.generation > UInt64(seen) || isSame)
      }
      if !isSound { try Self.burnAll(database, peer: name) }
      try database.execute(
        sql: "INSERT OR REPLACE INTO peers VALUES (?, ?, ?, ?)",
        arguments: [name, Data(state.identifier.bytes), Int64(state.generation), Data(state.boot.bytes)])
      return !isSound
    }
  }

  /// Deletes all rows of a peer.
  public func burnAll(peer: Digest32) throws {
    try write { try Self.burnAll($0, peer: Data(peer.bytes)) }
  }

  /// Deletes rows of a peer that belong to another plan or model than the one in use.
  func burnOthers(peer: Digest32, keeping binding: Digest32) throws {
    let name = StatementArguments([Data(peer.bytes), Data(binding.bytes)])
    try write { try Self.delete($0, where: "peer = ? AND binding <> ?", name) }
  }

  private static func burnAll(_ database: Database, peer: Data) throws {
    try delete(database, where: "peer = ?", [peer])
  }

  /// What lies in a store's file, which may be in use by a daemon; changes nothing.
  /// - Throws: ``StoreError``
  public static func list(path: String) throws -> (identifier: Digest32, generation: UInt64, rows: [StoreListing]) {
    guard FileManager.default.fileExists(atPath: path) else {
      throw StoreError.unusable(path: path, reason: "there is no such file")
    }
    do {
      var configuration = Configuration()
      configuration.readonly = true
      configuration.busyMode = .timeout(10)
      return try DatabaseQueue(path: path, configuration: configuration).read { database in
        let found = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard found == version else { throw StoreError.version(path: path, found: found, supported: version) }
        guard let meta = try Row.fetchOne(database, sql: "SELECT store, generation FROM meta"),
          let identifier = Digest32(bytes: [UInt8](meta["store"] as Data))
        else { throw StoreError.unusable(path: path, reason: "its header is damaged") }
        let rows = try Row.fetchAll(
          database,
          sql: """
            SELECT peer, binding, SUM(ready) AS ready, SUM(1 - ready) AS unfinished, SUM(size) AS bytes
            FROM rows GROUP BY peer, binding ORDER BY MIN(number)
            """)
        let listings = rows.map { row in
          StoreListing(
            peer: Digest32(bytes: [UInt8](row["peer"] as Data))?.hex ?? "",
            binding: Digest32(bytes: [UInt8](row["binding"] as Data))?.hex ?? "", ready: row["ready"],
            unfinished: row["unfinished"], bytes: row["bytes"])
        }
        return (identifier, UInt64(meta["generation"] as Int64), listings)
      }
    } catch let error as DatabaseError {
      throw StoreError.unusable(path: path, reason: error.message ?? "\(error.resultCode)")
    }
  }
}
