import Foundation
import GRDB
import Randomness
import Testing
import Transport

@testable import MaterialStore

/// Ends its party's process, as far as the peer can see, at the given operation of the stream.
///
/// All that happens between two operations, pieces of rows among them, is one transaction of the store at most, so that every
/// state that a crash can leave is reached.
final class CrashingStream: ByteStream, @unchecked Sendable {
  // Unchecked: used by one thread.
  private let base: any ByteStream
  private var left: Int
  private(set) var crashed = false

  struct Crash: Error {}

  init(_ base: any ByteStream, after operations: Int) { (self.base, left) = (base, operations) }

  /// An operation, of the stream or of the store.
  func step() throws {
    guard left > 0 else {
      crashed = true
      base.close()
      throw Crash()
    }
    left -= 1
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    try step()
    try base.write(bytes)
  }
  func flush() throws {
    try step()
    try base.flush()
  }
  func read(into buffer: UnsafeMutableRawBufferPointer) throws {
    try step()
    try base.read(into: buffer)
    // A crash after a message came and before it was acted upon.
    try step()
  }
  func waitReadable(timeout: Duration) throws -> Bool { try base.waitReadable(timeout: timeout) }
  func close() { base.close() }
  func interrupt() { base.interrupt() }
  var exporter: [UInt8] { get throws { try base.exporter } }
  var peerFingerprint: Digest32 { base.peerFingerprint }
  var localFingerprint: Digest32 { base.localFingerprint }
  var isInitiator: Bool { base.isInitiator }
}

extension MaterialStore {
  /// Pieces in the file.
  func pieceCount() throws -> Int {
    try read { try Int.fetchOne($0, sql: "SELECT COUNT(*) FROM pieces") ?? 0 }
  }
}

@Suite("Crashes at every instant")
struct CrashTests {
  /// Numbers from a seed.
  private struct Dice {
    let stream: StreamGenerator
    func roll(_ sides: Int) -> Int {
      var word: UInt64 = 0
      withUnsafeMutableBytes(of: &word) { stream.fill($0) }
      return Int(word % UInt64(sides))
    }
  }

  @Test("No row serves twice, whoever crashes when, and whichever side goes back to a copy", arguments: [0, 1, 2, 3])
  func randomly(seed: UInt64) throws {
    let folder = try Folder()
    let model = try StoreParty(isModelOwner: true, folder: folder)
    let data = try StoreParty(isModelOwner: false, folder: folder)
    let dice = Dice(stream: StreamGenerator(publicSeed: 100 + seed))
    // Copies of one side only: of two sides that both go back to the same instant neither can know.
    let copied = seed % 2 == 0 ? model : data
    var copies: [Data] = []
    var (crashes, rollbacks, lives) = (0, 0, 0)
    while lives < 200 {
      lives += 1
      let actions: [Action] = (0..<dice.roll(5)).map { _ in
        dice.roll(2) == 0 ? .prepare(1 + dice.roll(3)) : .lease(1 + dice.roll(4))
      }
      let victim = dice.roll(3)
      let instant = dice.roll(90)
      let errors = try meet(model, data, session: 1000 * seed + UInt64(lives), actions) { stream, isModelOwner in
        guard victim == (isModelOwner ? 0 : 1) else { return stream }
        return CrashingStream(stream, after: instant)
      }
      #expect(!errors.contains { $0 is StoreParty.Damaged })
      if errors.contains(where: { $0 is CrashingStream.Crash }) {
        crashes += 1
        try (victim == 0 ? model : data).restart()
      }
      if dice.roll(8) == 0 { copies.append(try copied.copy) }
      if dice.roll(10) == 0, !copies.isEmpty {
        rollbacks += 1
        try copied.restore(copies[dice.roll(copies.count)])
      }
    }
    #expect(crashes > 30 && rollbacks > 5, "the test says nothing without crashes")
    for party in [model, data] {
      #expect(party.used.count > 50)
      #expect(Set(party.used).count == party.used.count, "a row served twice")
    }
    // What the data owner took, the model owner took in the same lease and order; the converse may fail, by a crash.
    let answered = Set(model.leases)
    for lease in data.leases where !lease.isEmpty { #expect(answered.contains(lease)) }
  }

  @Test("A crash at each single operation of a lease, of either side, leaves rows that serve at most once")
  func everyInstant() throws {
    for isModelOwner in [true, false] {
      for instant in 0..<200 {
        let folder = try Folder()
        let model = try StoreParty(isModelOwner: true, folder: folder)
        let data = try StoreParty(isModelOwner: false, folder: folder)
        #expect(try meet(model, data, session: 1, [.prepare(2)]).isEmpty)
        let errors = try meet(model, data, session: 2, [.prepare(1), .lease(2), .lease(2)]) { stream, end in
          guard end == isModelOwner else { return stream }
          return CrashingStream(stream, after: instant)
        }
        try (isModelOwner ? model : data).restart()
        #expect(try meet(model, data, session: 3, [.lease(4)]).isEmpty)
        // Pieces of rows that were begun are gone with them.
        for party in [model, data] {
          #expect(
            try party.store!.pieceCount() == 3 * party.store!.readyCount
              && party.store!.room == 1 << 24 - party.store!.heldBytes)
        }
        for party in [model, data] { #expect(Set(party.used).count == party.used.count) }
        #expect(Set(data.used).isSubset(of: Set(model.used)))
        if errors.isEmpty { break }
        #expect(instant < 199, "a session has fewer operations than that")
      }
    }
  }
}
