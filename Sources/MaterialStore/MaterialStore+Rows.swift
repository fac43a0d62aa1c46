internal import Foundation
internal import GRDB
internal import Randomness
internal import Rings

/// A row as it is entered, before its first piece.
struct RowEntry {
  let key: Digest32
  let peer: Digest32
  let binding: Digest32
  let byteCount: Int
  let secret: SecretKey
}

extension MaterialStore {
  /// Enters a row that is not ready, with its first piece, if it has one, in one transaction.
  /// - Returns: its number in the file.
  func enter(_ row: RowEntry, piece: UnsafeRawBufferPointer?) throws -> Int64 {
    try write { database in
      try database.execute(
        sql: "INSERT INTO rows (key, peer, binding, ready, size, secret) VALUES (?, ?, ?, 0, ?, ?)",
        arguments: [
          Data(row.key.bytes), Data(row.peer.bytes), Data(row.binding.bytes), row.byteCount,
          row.secret.withUnsafeBytes { Data($0) },
        ])
      let number = database.lastInsertedRowID
      if let piece { try Self.insert(database, row, number, position: 0, piece) }
      return number
    }
  }

  /// Adds a piece to a row. Where the row was burnt meanwhile, nothing is kept.
  func add(_ piece: UnsafeRawBufferPointer, position: Int, to row: RowEntry, _ number: Int64) throws {
    try write { try Self.insert($0, row, number, position: position, piece) }
  }

  private static func insert(
    _ database: Database, _ row: RowEntry, _ number: Int64, position: Int, _ piece: UnsafeRawBufferPointer
  ) throws {
    let digest = pieceDigest(piece, position: position, key: row.key, byteCount: row.byteCount)
    // Not copied: the memory outlives the statement.
    let data = Data(
      bytesNoCopy: UnsafeMutableRawPointer(mutating: piece.baseAddress!), count: piece.count, deallocator: .none)
    try database.execute(
      sql: "INSERT INTO pieces SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM rows WHERE number = ?)",
      arguments: [number, position, Data(digest.bytes), data, number])
  }

  /// What is remembered of a piece: its bytes, its place, and the row to which it belongs.
  private static func pieceDigest(
    _ piece: UnsafeRawBufferPointer, position: Int, key: Digest32, byteCount: Int
  ) -> Digest32 {
    let hash = SHA256()
    hash.update(Array("polympc piece v2".utf8) + key.bytes)
    hash.update(
      [byteCount, position].flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } })
    hash.update(piece)
    return hash.digest()
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

  private enum Found {
    case none
    case damaged
    case row(StoredRow)
  }

  /// Takes rows of a binding out: when this returns they are gone from the file, and only the result has them. Rows that
  /// are not there, not ready, or another binding's give nil and stay.
  /// - Throws: ``StoreError/unusable(path:reason:)``; rows that were found damaged are gone too.
  func take(_ keys: [Digest32], binding: Digest32) throws -> [StoredRow?] {
    let found = try write { database in
      try keys.map { key -> Found in
        let name = Data(key.bytes)
        guard
          let row = try Row.fetchOne(
            database, sql: "SELECT number, size, secret FROM rows WHERE key = ? AND binding = ? AND ready = 1",
            arguments: [name, Data(binding.bytes)])
        else { return .none }
        let pieces = try Self.pieces(database, row, key)
        try Self.delete(database, where: "key = ?", [name])
        return pieces.map { .row(StoredRow($0)) } ?? .damaged
      }
    }
    return try found.map { entry in
      switch entry {
      case .none: return nil
      case .row(let row): return row
      case .damaged:
        throw StoreError.unusable(
          path: path, reason: "a row is damaged; delete the file, and what it held is made anew")
      }
    }
  }

  /// A row's pieces, decrypted; nil where one is damaged, missing or another's.
  private static func pieces(_ database: Database, _ row: Row, _ key: Digest32) throws -> [SecretBytes]? {
    let (number, size, secret) = (row["number"] as Int64, row["size"] as Int, row["secret"] as Data)
    guard secret.count == 16, size >= 0 else { return nil }
    let stream = StreamGenerator(key: SecretKey(bytes: secret))
    var (pieces, left): ([SecretBytes], Int) = ([], size)
    let rows = try Row.fetchCursor(
      database, sql: "SELECT position, digest, data FROM pieces WHERE row = ? ORDER BY position", arguments: [number])
    while let found = try rows.next() {
      let isNext = found["position"] as Int == pieces.count
      let digest = Digest32(bytes: [UInt8](found["digest"] as Data))
      let piece = try found.withUnsafeData(named: "data") { data -> SecretBytes? in
        data?.withUnsafeBytes { bytes in
          guard isNext, 1...max(1, left) ~= bytes.count,
            pieceDigest(bytes, position: pieces.count, key: key, byteCount: size) == digest
          else { return nil }
          let out = SecretBytes(uninitialized: bytes.count)
          UnsafeMutableRawBufferPointer(out.buffer).copyMemory(from: bytes)
          PieceCipher.apply(stream, to: UnsafeMutableRawBufferPointer(out.buffer))
          return out
        }
      }
      guard let piece else { return nil }
      left -= piece.count
      pieces.append(piece)
    }
    return left == 0 ? pieces : nil
  }

  /// Deletes rows without reading them.
  func burn(_ keys: [Digest32]) throws {
    guard !keys.isEmpty else { return }
    try write { database in for key in keys { try Self.delete(database, where: "key = ?", [Data(key.bytes)]) } }
  }
}
