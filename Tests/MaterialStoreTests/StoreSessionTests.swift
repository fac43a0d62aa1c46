import Foundation
import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import MaterialStore

@Suite("Two stores and a session")
struct StoreSessionTests {
  private func parties() throws -> (model: StoreParty, data: StoreParty) {
    let folder = try Folder()
    return (try StoreParty(isModelOwner: true, folder: folder), try StoreParty(isModelOwner: false, folder: folder))
  }

  @Test("What one session prepares, a later one leases, at both ends in one order")
  func acrossSessions() throws {
    let (model, data) = try parties()
    #expect(try meet(model, data, session: 1, [.prepare(3), .prepare(2)]).isEmpty)
    #expect(model.store!.readyCount == 5 && data.store!.readyCount == 5)
    try model.restart()
    #expect(try meet(model, data, session: 2, [.lease(2)]).isEmpty)
    try data.restart()
    #expect(try meet(model, data, session: 3, [.prepare(1), .lease(3), .lease(1)]).isEmpty)
    #expect(data.used == (0..<5).map { Label(session: 1, serial: $0) } + [Label(session: 3, serial: 0)])
    #expect(model.used == data.used && model.leases == data.leases)
    #expect(model.store!.readyCount == 0 && data.store!.readyCount == 0)
  }

  @Test("Rows that only one end has are burnt when the two meet")
  func oneEnd() throws {
    let (model, data) = try parties()
    #expect(try meet(model, data, session: 1, [.prepare(4)]).isEmpty)
    let keys = try #require(try model.store?.readyKeys(try binding(model)))
    try model.store!.burn([keys[1]])
    try data.store!.burn([try data.store!.readyKeys(try binding(data))[3]])
    #expect(try meet(model, data, session: 2, []).isEmpty)
    #expect(model.store!.readyCount == 2 && data.store!.readyCount == 2)
    #expect(try meet(model, data, session: 3, [.lease(4)]).isEmpty)
    #expect(data.used.map(\.serial) == [0, 2] && model.used == data.used)
  }

  private func binding(_ party: StoreParty) throws -> Digest32 {
    let row = try MaterialStore.list(path: party.folder.path(party.file)).rows[0]
    return Digest32(hex: row.binding)!
  }

  @Test("A store that went back to an earlier start burns all rows of both ends", arguments: [true, false])
  func rollback(isModelOwner: Bool) throws {
    let (model, data) = try parties()
    let restored = isModelOwner ? model : data
    #expect(try meet(model, data, session: 1, [.prepare(3)]).isEmpty)
    let copy = try restored.copy
    try restored.restart()
    #expect(try meet(model, data, session: 2, [.lease(1)]).isEmpty)
    #expect(!model.wasBurnt && !data.wasBurnt)
    try restored.restore(copy)
    #expect(try meet(model, data, session: 3, [.prepare(2), .lease(4)]).isEmpty)
    #expect(model.wasBurnt && data.wasBurnt)
    #expect(data.used == [1, 3, 3].enumerated().map { Label(session: $1, serial: [0, 0, 1][$0]) })
    #expect(model.used == data.used)
  }

  @Test("A store that is another file burns what the peer held for the old one", arguments: [true, false])
  func replaced(isModelOwner: Bool) throws {
    let (model, data) = try parties()
    let replaced = isModelOwner ? model : data
    #expect(try meet(model, data, session: 1, [.prepare(3)]).isEmpty)
    let empty = try Folder()
    _ = try empty.store("fresh.store")
    try replaced.restore(try Data(contentsOf: URL(fileURLWithPath: empty.path("fresh.store"))))
    #expect(try meet(model, data, session: 2, [.lease(3)]).isEmpty)
    #expect(model.wasBurnt && data.wasBurnt && model.used.isEmpty && data.used.isEmpty)
  }

  @Test("A peer that sends what it must not is refused, and nothing is taken")
  func malformed() throws {
    let (model, data) = try parties()
    // Frames of the data owner in a session that leases: state 0, stock 1, the test's own 2, take 3, keys 4.
    let damages: [(Fault, String)] = [
      (.flipInFrame(frame: 0, byte: 16 + 39, bit: 7), "a generation beyond 2^63"),
      (.flipInFrame(frame: 1, byte: 16, bit: 1), "burnt is neither 0 nor 1"),
      (.flipInFrame(frame: 1, byte: 16 + 7, bit: 6), "a stock of 2^54 rows"),
      (.flipInFrame(frame: 1, byte: 16 + 8, bit: 7), "a negative stock"),
      (.flipInFrame(frame: 3, byte: 16 + 3, bit: 7), "a lease of 2^31 rows"),
      (.flipInFrame(frame: 3, byte: 16 + 1, bit: 3), "a lease of 2050 rows"),
    ]
    for (index, damage) in damages.enumerated() {
      #expect(try meet(model, data, session: UInt64(100 + index), [.prepare(2)]).isEmpty)
      let errors = try meet(model, data, session: UInt64(200 + index), [.lease(2)]) { stream, isModelOwner in
        guard !isModelOwner else { return stream }
        return FaultyStream(stream, damage.0)
      }
      #expect(errors.contains { $0 is StoreError }, "\(damage.1): \(errors)")
      #expect(model.used.isEmpty, "\(damage.1)")
    }
  }

  @Test("A lease of more rows than memory takes is refused, and no row is taken")
  func leaseBound() throws {
    let (model, data) = try parties()
    #expect(try meet(model, data, session: 1, [.prepare(3)]).isEmpty)
    model.leaseLimit = 2
    let errors = try meet(model, data, session: 2, [.lease(3)])
    #expect(
      errors.contains {
        $0 as? StoreError == .peer(reason: "it leases 3 rows at once, and at most 2 are allowed")
      })
    #expect(model.used.isEmpty && model.store!.readyCount == 3)
    // What the data owner took is gone at its end; the next opening burns it here.
    #expect(try meet(model, data, session: 3, [.prepare(2), .lease(2)]).isEmpty)
    #expect(data.used == (0..<2).map { Label(session: 3, serial: $0) } && model.used == data.used)
  }

  @Test("The data owner learns how much the model owner's store still takes, and is told so in words")
  func room() throws {
    let (model, data) = try parties()
    #expect(try meet(model, data, session: 1, [.prepare(2), .lease(1)]).isEmpty)
    #expect(data.peerRooms == [1 << 24, 1 << 24 - 80, 1 << 24 - 40])
    let error = StoreError.peerFull(needed: 100, room: 40)
    #expect(error.isRefusal && "\(error)".contains("40 bytes") && "\(error)".contains("--store-limit"))
  }

  @Test("A bulk whose frames were changed under way is not finished at either end")
  func transcript() throws {
    let (model, data) = try parties()
    let errors = try meet(model, data, session: 1, [.prepare(2)]) { stream, isModelOwner in
      // One bit of the digest that ends the bulk: both ends hold other transcripts from then on.
      guard !isModelOwner else { return stream }
      return FaultyStream(stream, .flipInFrame(frame: 2, byte: 20, bit: 0))
    }
    #expect(errors.contains { $0 as? StoreError == .peer(reason: "it finished another bulk") })
    #expect(model.store!.readyCount == 0 && data.store!.readyCount == 0)
  }
}
