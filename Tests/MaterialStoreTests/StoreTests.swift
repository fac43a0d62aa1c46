import Foundation
import GRDB
import Randomness
import Rings
import Testing

@testable import MaterialStore

@Suite("A store's file")
struct StoreTests {
  private let binding = digest("binding")
  private let peer = digest("peer")

  private func add(_ store: MaterialStore, _ name: String, bytes: [UInt8], isReady: Bool = true) throws {
    try store.add(key: digest(name), peer: peer, binding: binding, material: SecretBytes(bytes))
    if isReady { try store.finish([digest(name)]) }
  }

  @Test("A row gives its bytes once, whatever their number", arguments: [0, 1, 7, 8, 9, 16384, 100_003])
  func once(count: Int) throws {
    let folder = try Folder()
    let store = try folder.store()
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    try add(store, "row", bytes: bytes)
    #expect(store.readyCount(binding) == 1 && store.heldBytes == count)
    #expect(try store.take([digest("row")], binding: digest("another"))[0] == nil)
    #expect(try store.take([digest("row")], binding: binding)[0]?.array() == bytes)
    #expect(try store.take([digest("row")], binding: binding)[0] == nil)
    #expect(store.readyCount(binding) == 0 && store.heldBytes == 0)
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
    #expect(throws: StoreError.version(path: folder.path("old.store"), found: 9, supported: 1)) {
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

  @Test("A damaged row is refused, not used, and gone")
  func damage() throws {
    let folder = try Folder()
    let store = try folder.store()
    try add(store, "row", bytes: [UInt8](repeating: 1, count: 100))
    try store.write { try $0.execute(sql: "UPDATE payloads SET data = zeroblob(100)") }
    #expect(throws: StoreError.self) { try store.take([digest("row")], binding: binding) }
    #expect(try store.take([digest("row")], binding: binding)[0] == nil)
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
