import Foundation
import GRDB
import Randomness
import Rings
import Synchronization
import Testing

@testable import MaterialStore

@Suite("A store's file")
struct StoreTests {
  private let binding = digest("binding")
  private let peer = digest("peer")

  private func writer(_ store: MaterialStore, _ name: String, byteCount: Int) throws -> RowWriter {
    try RowWriter(store: store, key: digest(name), peer: peer, binding: binding, byteCount: byteCount)
  }

  private func add(_ store: MaterialStore, _ name: String, bytes: [UInt8], isReady: Bool = true) throws {
    let row = try writer(store, name, byteCount: bytes.count)
    try row.write(bytes, by: 1000)
    try row.close()
    if isReady { try store.finish([digest(name)]) }
  }

  @Test(
    "A row gives its bytes once, whatever their number and that of its pieces",
    arguments: [0, 1, 7, 8, 9, 47, 48, 49, 480, 481, 16384, 20_003], [48, 5000, 1 << 20])
  func once(count: Int, pieceBytes: Int) throws {
    let folder = try Folder()
    let store = try folder.store(pieceBytes: pieceBytes)
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    try add(store, "row", bytes: bytes)
    #expect(store.readyCount(binding) == 1 && store.heldBytes == count)
    #expect(try store.pieceCount() == (count + pieceBytes - 1) / pieceBytes)
    #expect(try store.take([digest("row")], binding: digest("another"))[0] == nil)
    #expect(try store.take([digest("row")], binding: binding)[0]?.array(by: 777) == bytes)
    #expect(try store.take([digest("row")], binding: binding)[0] == nil)
    #expect(try store.readyCount(binding) == 0 && store.heldBytes == 0 && store.pieceCount() == 0)
  }

  @Test("Rows outlive a restart, those that were not finished do not, and the generation rises")
  func restart() throws {
    let folder = try Folder()
    var store: MaterialStore? = try folder.store()
    let (identifier, boot) = (store!.identifier, store!.boot)
    #expect(store!.generation == 1)
    try add(store!, "done", bytes: [1, 2, 3])
    try add(store!, "begun", bytes: [4, 5, 6], isReady: false)
    #expect(try store!.take([digest("begun")], binding: binding)[0] == nil)
    store = nil
    let again = try folder.store()
    #expect(again.generation == 2 && again.identifier == identifier && again.boot != boot)
    #expect(try again.readyKeys(binding) == [digest("done")])
    #expect(again.readyCount == 1 && again.heldBytes == 3)
    #expect(try again.take([digest("done")], binding: binding)[0]?.array() == [1, 2, 3])
  }

  @Test("Rows come oldest first, and a full store refuses before it writes")
  func bounds() throws {
    let folder = try Folder()
    let store = try folder.store(limit: 100)
    for index in 0..<4 { try add(store, "\(index)", bytes: [UInt8](repeating: 1, count: 24)) }
    #expect(throws: StoreError.full(needed: 24, held: 96, limit: 100)) {
      try add(store, "one more", bytes: [UInt8](repeating: 1, count: 24))
    }
    #expect(try store.readyKeys(binding, limit: 2) == [digest("0"), digest("1")])
    try store.burn([digest("0"), digest("2")])
    #expect(try store.readyKeys(binding) == [digest("1"), digest("3")])
    #expect(store.heldBytes == 48)
  }

  @Test("A store belongs to one process, and says so")
  func lock() throws {
    let folder = try Folder()
    let store = try folder.store()
    #expect(throws: StoreError.inUse(path: folder.path("a.store.lock"))) { try folder.store() }
    let found = try MaterialStore.list(path: folder.path("a.store"))
    #expect(found.identifier == store.identifier && found.generation == 1 && found.rows.isEmpty)
    withExtendedLifetime(store) {}
  }

  @Test("Only the owner may read the file and its lock")
  func permissions() throws {
    let folder = try Folder()
    let store = try folder.store()
    for name in ["a.store", "a.store.lock"] {
      let mode = try FileManager.default.attributesOfItem(atPath: folder.path(name))[.posixPermissions] as? Int
      #expect(mode == 0o600)
    }
    withExtendedLifetime(store) {}
  }

  @Test("Other versions, other files and missing folders are refused in words")
  func refusals() throws {
    let folder = try Folder()
    try Data("This is no database, but long enough to be looked at. ".utf8).write(
      to: URL(fileURLWithPath: folder.path("text.store")))
    let text = #expect(throws: StoreError.self) { try folder.store("text.store") }
    #expect("\(text!)".contains("text.store"))
    let missing = #expect(throws: StoreError.self) { try folder.store("none/a.store") }
    #expect("\(missing!)".contains("none/a.store"))
    #expect(throws: StoreError.self) { try MaterialStore.list(path: folder.path("nothing.store")) }
    _ = try folder.store("old.store")
    let changed = try #require(FileHandle(forUpdatingAtPath: folder.path("old.store")))
    // SQLite keeps user_version at byte 60.
    try changed.seek(toOffset: 60)
    try changed.write(contentsOf: Data([0, 0, 0, 9]))
    try changed.close()
    #expect(throws: StoreError.version(path: folder.path("old.store"), found: 9, supported: MaterialStore.version)) {
      try folder.store("old.store")
    }
  }

  @Test("Taken material and its key are not in the file any more; while it waits, it is encrypted")
  func erasure() throws {
    let folder = try Folder()
    let store = try folder.store()
    let bytes = (0..<5000).map { _ in UInt8(0xA7) }
    try add(store, "row", bytes: bytes)
    func file() throws -> Data { try Data(contentsOf: URL(fileURLWithPath: folder.path("a.store"))) }
    #expect(try file().range(of: Data(bytes[..<64])) == nil)
    let key: Data = try store.read { try Data.fetchOne($0, sql: "SELECT secret FROM rows")! }
    #expect(key.count == 16)
    #expect(try file().range(of: key) != nil)
    _ = try store.take([digest("row")], binding: binding)
    #expect(try file().range(of: key) == nil)
  }

  @Test(
    "Pieces that are damaged, missing, changed places or come from another row are noticed, and the row is gone",
    arguments: [
      "UPDATE pieces SET data = zeroblob(32) WHERE row = 1 AND position = 1",
      "UPDATE pieces SET data = substr(data, 1, 31) WHERE row = 1 AND position = 1",
      "UPDATE pieces SET data = data || x'00' WHERE row = 1 AND position = 3",
      "UPDATE pieces SET digest = zeroblob(32) WHERE row = 1 AND position = 0",
      "DELETE FROM pieces WHERE row = 1 AND position = 0",
      "DELETE FROM pieces WHERE row = 1 AND position = 1",
      "DELETE FROM pieces WHERE row = 1 AND position = 3",
      "DELETE FROM pieces WHERE row = 1",
      """
      UPDATE pieces SET position = 9 WHERE row = 1 AND position = 1;
      UPDATE pieces SET position = 1 WHERE row = 1 AND position = 2;
      UPDATE pieces SET position = 2 WHERE row = 1 AND position = 9
      """,
      "INSERT INTO pieces SELECT 1, 4, digest, data FROM pieces WHERE row = 1 AND position = 3",
      """
      DELETE FROM pieces WHERE row = 1 AND position = 1;
      INSERT INTO pieces SELECT 1, 1, digest, data FROM pieces WHERE row = 1 AND position = 2
      """,
      """
      DELETE FROM pieces WHERE row = 1 AND position = 1;
      INSERT INTO pieces SELECT 1, 1, digest, data FROM pieces WHERE row = 2 AND position = 1
      """,
      "UPDATE rows SET size = 96 WHERE number = 1",
      "UPDATE rows SET size = 101 WHERE number = 1",
      "UPDATE rows SET size = -1 WHERE number = 1",
      "UPDATE rows SET secret = x'00' WHERE number = 1",
    ])
  func damage(sql: String) throws {
    let folder = try Folder()
    let store = try folder.store(pieceBytes: 32)
    for name in ["row", "other"] { try add(store, name, bytes: [UInt8](repeating: 1, count: 100)) }
    try store.write { try $0.execute(sql: sql) }
    #expect(throws: StoreError.self) { try store.take([digest("row")], binding: binding) }
    #expect(try store.take([digest("row")], binding: binding)[0] == nil)
    #expect(try store.take([digest("other")], binding: binding)[0]?.array() == [UInt8](repeating: 1, count: 100))
    #expect(try store.pieceCount() == 0)
  }

  @Test("A store keeps room for rows before they are written, and gives back what is not used")
  func reservation() throws {
    let folder = try Folder()
    let store = try folder.store(limit: 100, pieceBytes: 16)
    #expect(throws: StoreError.rowTooLarge(bytes: 101, limit: 100)) { try store.check(rowBytes: 101) }
    #expect(throws: StoreError.rowTooLarge(bytes: 101, limit: 100)) { try writer(store, "large", byteCount: 101) }
    var first: RowWriter? = try writer(store, "first", byteCount: 60)
    #expect(store.room == 40 && store.heldBytes == 0)
    #expect(throws: StoreError.full(needed: 41, held: 60, limit: 100)) {
      try writer(store, "second", byteCount: 41)
    }
    let second = try writer(store, "second", byteCount: 40)
    #expect(store.room == 0)
    // One piece is in the file, and all of the row counts.
    try first!.write([UInt8](repeating: 1, count: 17), by: 17)
    #expect(try store.room == 0 && store.heldBytes == 60 && store.pieceCount() == 1 && first!.remaining == 43)
    first = nil
    #expect(store.room == 0)
    try store.burn([digest("first")])
    #expect(try store.room == 60 && store.pieceCount() == 0)
    try second.write([UInt8](repeating: 2, count: 40), by: 3)
    try second.close()
    #expect(store.room == 60 && store.heldBytes == 40)
  }

  @Test("A row that its disk has no space for is refused before it is prepared")
  func disk() throws {
    let folder = try Folder()
    let free = Mutex(202)
    let store = try MaterialStore(path: folder.path("a.store"), limit: 1000, pieceBytes: 16) { _ in
      free.withLock { $0 }
    }
    #expect(store.room == 200)
    let refusal = StoreError.diskFull(path: folder.path("a.store"), needed: 201, free: 200)
    #expect(refusal.isRefusal && "\(refusal)".contains("--store"))
    #expect(throws: refusal) { try writer(store, "row", byteCount: 201) }
    var row: RowWriter? = try writer(store, "row", byteCount: 150)
    #expect(store.room == 50)
    try row!.write([UInt8](repeating: 1, count: 40), by: 40)
    // Two pieces lie in the file: the disk has as much less, and as much less has to be written.
    free.withLock { $0 -= 32 }
    #expect(store.room == 170 - 1 - (150 - 32))
    row = nil
    #expect(store.room == 170 - 1)
  }

  @Test("A row that is burnt while it is written leaves no pieces")
  func burntUnderWay() throws {
    let folder = try Folder()
    let store = try folder.store(pieceBytes: 16)
    let row = try writer(store, "row", byteCount: 64)
    try row.write([UInt8](repeating: 1, count: 32), by: 16)
    try store.burnAll(peer: peer)
    try row.write([UInt8](repeating: 1, count: 32), by: 16)
    try row.close()
    try store.finish([digest("row")])
    #expect(try store.readyCount == 0 && store.pieceCount() == 0 && store.room == 1 << 24)
  }

  @Test("A process that ends between pieces leaves nothing of a row, whichever piece was the last")
  func endedBetween() throws {
    let folder = try Folder()
    for pieces in 0...4 {
      var store: MaterialStore? = try folder.store(pieceBytes: 16)
      var row: RowWriter? = try writer(store!, "row", byteCount: 64)
      try row!.write([UInt8](repeating: 1, count: 16 * pieces), by: 16)
      #expect(try store!.pieceCount() == pieces)
      row = nil
      store = nil
      let again = try folder.store(pieceBytes: 16)
      #expect(try again.pieceCount() == 0 && again.heldBytes == 0 && again.room == 1 << 24)
    }
  }

  @Test("The listing adds up by peer and binding")
  func listing() throws {
    let folder = try Folder()
    let store = try folder.store()
    try add(store, "a", bytes: [1, 2])
    try add(store, "b", bytes: [3, 4, 5], isReady: false)
    #expect(
      try MaterialStore.list(path: folder.path("a.store")).rows == [
        StoreListing(peer: peer.hex, binding: binding.hex, ready: 1, unfinished: 1, bytes: 5)
      ])
  }
}
