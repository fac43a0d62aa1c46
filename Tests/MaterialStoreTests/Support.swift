import Foundation
import Randomness
import Rings
import TestSupport
import Transport

@testable import MaterialStore

/// A folder that is gone with its owner.
final class Folder: Sendable {
  let url: URL
  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("polympc-store-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appendingPathComponent(name).path }
  func store(_ name: String = "a.store", limit: Int = 1 << 24, pieceBytes: Int? = nil) throws -> MaterialStore {
    try MaterialStore(path: path(name), limit: limit, pieceBytes: pieceBytes ?? MaterialStore.pieceBytes)
  }
}

extension RowWriter {
  /// Writes bytes, some at a time, and calls `step` before each.
  func write(_ bytes: [UInt8], by count: Int, step: () throws -> Void = {}) throws {
    for first in stride(from: 0, to: bytes.count, by: count) {
      try step()
      try bytes[first..<min(first + count, bytes.count)].withUnsafeBytes { try write($0) }
    }
  }
}

extension StoredRow {
  /// The bytes that are left, some at a time.
  func array(by count: Int = 1 << 20) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    bytes.withUnsafeMutableBytes { buffer in
      for first in stride(from: 0, to: buffer.count, by: count) {
        read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[first..<min(first + count, buffer.count)]))
      }
    }
    return bytes
  }
}

func digest(_ text: String) -> Digest32 { Digest32.sha256(Array(text.utf8)) }

/// What a row of a test holds: which session made it, and its number there, over and over.
struct Label: Hashable, Sendable {
  var session: UInt64
  var serial: UInt64

  func material(count: Int) -> [UInt8] {
    let words = [session, serial]
    return (0..<count).map { UInt8(truncatingIfNeeded: words[$0 / 8 % 2] >> UInt64(8 * ($0 % 8))) }
  }

  init(session: UInt64, serial: UInt64) { (self.session, self.serial) = (session, serial) }

  /// Nil where bytes are not a label's.
  init?(_ row: StoredRow) {
    let array = row.array(by: 11)
    guard array.count >= 16 else { return nil }
    func word(_ place: Int) -> UInt64 { (0..<8).reduce(0) { $0 | UInt64(array[place + $1]) << UInt64(8 * $1) } }
    self.init(session: word(0), serial: word(8))
    guard material(count: array.count) == array else { return nil }
  }
}

/// What both parties of a session do, in step.
enum Action: Sendable {
  case prepare(Int)
  case lease(Int)
}

/// A party's store and its part of sessions.
final class StoreParty: @unchecked Sendable {
  // Unchecked: one thread at a time works on it, the other waits for that one's end.
  let isModelOwner: Bool
  let folder: Folder
  private(set) var store: MaterialStore?
  /// Rows handed out for use, in order.
  private(set) var used: [Label] = []
  /// Rows handed out by each lease that came to its end.
  private(set) var leases: [[Label]] = []
  private(set) var wasBurnt = false
  /// Rows that it lets into memory at once, at the model owner.
  var leaseLimit = StoreSession.maximumLease
  /// What the data owner knew of the model owner's room after the opening and each action.
  private(set) var peerRooms: [Int] = []
  /// What the opening and each action sent and received.
  private(set) var meters: [ChannelMeters] = []
  var file: String { isModelOwner ? "model.store" : "data.store" }

  init(isModelOwner: Bool, folder: Folder) throws {
    (self.isModelOwner, self.folder) = (isModelOwner, folder)
    store = try folder.store(file, pieceBytes: Self.pieceBytes)
  }

  /// A row of a test has several.
  static let pieceBytes = 16

  /// The process ends and comes back.
  func restart() throws {
    store = nil
    store = try reopened()
  }

  /// A process that another test starts at the same instant holds a copy of the lock until it becomes another program.
  private func reopened() throws -> MaterialStore {
    let limit = ContinuousClock.now + .seconds(10)
    while true {
      do { return try folder.store(file, pieceBytes: Self.pieceBytes) } catch StoreError.inUse
        where ContinuousClock.now < limit
      { usleep(1000) }
    }
  }

  /// The process ends, its file goes back to a copy, and it comes back.
  func restore(_ copy: Data) throws {
    store = nil
    try copy.write(to: URL(fileURLWithPath: folder.path(file)))
    store = try reopened()
  }

  var copy: Data { get throws { try Data(contentsOf: URL(fileURLWithPath: folder.path(file))) } }

  /// - Parameter step: called before each piece of a row.
  func play(
    _ actions: [Action], session: UInt64, rowBytes: Int, on stream: any ByteStream, step: () throws -> Void = {}
  ) throws {
    let channel = FramedChannel(stream, configuration: ChannelConfiguration(recordsTranscript: true))
    defer { channel.close() }
    let stock = try StoreSession(
      store: store!, channel: channel, sessionID: digest("session \(session)"), isModelOwner: isModelOwner,
      planDigest: digest("plan"), modelDigest: digest("model"))
    wasBurnt = stock.burntAtOpening
    var last = channel.snapshot()
    meters = [last]
    peerRooms = [stock.peerRoom]
    defer { stock.abandon() }
    var serial: UInt64 = 0
    for action in actions {
      defer {
        meters.append(channel.snapshot() - last)
        peerRooms.append(stock.peerRoom)
        last = channel.meters
      }
      switch action {
      case .prepare(let count):
        let rows = try (0..<count).map { try stock.row(serial: serial + UInt64($0), byteCount: rowBytes) }
        for row in rows {
          try row.write(
            Label(session: session, serial: serial).material(count: rowBytes), by: Self.pieceBytes, step: step)
          try row.close()
          serial += 1
        }
        try stock.commit()
      case .lease(let count):
        guard try hasRows(stock, channel) else { continue }
        let rows =
          isModelOwner
          ? try stock.answerLease(try channel.receive(.storeTake, byteCount: 4), limit: leaseLimit)
          : try stock.lease(count)
        let labels = rows.map { Label($0) }
        guard !labels.contains(nil) else { throw Damaged() }
        used += labels.compactMap { $0 }
        leases.append(labels.compactMap { $0 })
      }
    }
  }

  /// The data owner says whether a lease follows, as a program's control flow would.
  private func hasRows(_ stock: StoreSession, _ channel: FramedChannel) throws -> Bool {
    let kind = FrameKind(rawValue: 0x5f)
    if isModelOwner { return try channel.receive(kind, byteCount: 1) == [1] }
    try channel.send(kind, [stock.readyCount > 0 ? 1 : 0])
    return stock.readyCount > 0
  }

  struct Damaged: Error {}
}

/// Both parties of a session on threads of their own; an error of either is given back.
func meet(
  _ model: StoreParty, _ data: StoreParty, session: UInt64, _ actions: [Action], rowBytes: Int = 40,
  wrap: (MemoryStream, _ isModelOwner: Bool) -> any ByteStream = { stream, _ in stream }
) throws -> [any Error] {
  let (dataEnd, modelEnd) = MemoryStream.pair(options: StreamOptions(idleTimeout: .seconds(20)))
  let errors = Errors()
  let threads = Threads()
  for (party, stream) in [(model, wrap(modelEnd, true)), (data, wrap(dataEnd, false))] {
    threads.start {
      do {
        try party.play(actions, session: session, rowBytes: rowBytes, on: stream) {
          try (stream as? CrashingStream)?.step()
        }
      } catch {
        errors.add(error)
      }
    }
  }
  try threads.join(seconds: 60)
  return errors.all
}

final class Errors: @unchecked Sendable {
  // Unchecked: everything is touched under `lock`.
  private let lock = NSLock()
  private var values: [any Error] = []
  func add(_ error: any Error) { lock.withLock { values.append(error) } }
  var all: [any Error] { lock.withLock { values } }
}
