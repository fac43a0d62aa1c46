import Randomness
import Rings

/// The material of one inference that was taken out of a store: this is all that is left of it. Read once, from its beginning;
/// memory that was read is erased and free.
public final class StoredRow {
  /// Bytes of it all.
  public let byteCount: Int
  private var pieces: [SecretBytes?]
  private var current = 0
  private var offset = 0

  init(_ pieces: [SecretBytes]) {
    self.pieces = pieces
    byteCount = pieces.reduce(0) { $0 + $1.count }
  }

  /// The next bytes.
  public func read(into out: UnsafeMutableRawBufferPointer) {
    var filled = 0
    while filled < out.count {
      guard current < pieces.count, let piece = pieces[current] else { preconditionFailure("a row is read to its end") }
      let count = min(out.count - filled, piece.count - offset)
      UnsafeMutableRawBufferPointer(rebasing: out[filled..<filled + count]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(piece.buffer)[offset..<offset + count]))
      filled += count
      offset += count
      guard offset == piece.count else { continue }
      pieces[current] = nil
      (current, offset) = (current + 1, 0)
    }
  }
}

/// Writes the material of one inference into a store while it is made. No more than a piece of it lies in memory; a piece
/// that is full is encrypted in place and written in a transaction of its own. The row is not ready before its session commits.
public final class RowWriter {
  private let store: MaterialStore
  private let row: RowEntry
  /// AES-128 in counter mode under a key that serves this row only, one stream for all pieces.
  private let stream: StreamGenerator
  private let piece: SecretBytes
  private var filled = 0
  private var position = 0
  private var left: Int
  private var number: Int64?

  /// Keeps room for the row.
  /// - Throws: ``StoreError``, before anything is written.
  init(store: MaterialStore, key: Digest32, peer: Digest32, binding: Digest32, byteCount: Int) throws {
    precondition(byteCount >= 0)
    try store.reserve(byteCount)
    self.store = store
    let secret = SecretKey(count: 16, from: store.randomness)
    row = RowEntry(key: key, peer: peer, binding: binding, byteCount: byteCount, secret: secret)
    stream = StreamGenerator(key: secret)
    left = byteCount
    piece = SecretBytes(uninitialized: min(store.pieceBytes, byteCount))
  }

  deinit {
    if number == nil { store.release(row.byteCount) }
    store.wrote(left + filled)
  }

  /// Bytes that are still to come.
  public var remaining: Int { left }

  /// Takes the next bytes.
  /// - Throws: ``StoreError``
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    precondition(bytes.count <= left, "a row takes the bytes that it was begun with")
    var rest = bytes
    while !rest.isEmpty {
      let count = min(rest.count, piece.count - filled)
      UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(piece.buffer)[filled..<filled + count])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: rest.prefix(count)))
      filled += count
      left -= count
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
      if filled == piece.count || left == 0 { try flush() }
    }
  }

  /// Ends the row, all of whose bytes came.
  /// - Throws: ``StoreError``
  public func close() throws {
    precondition(left == 0, "a row takes the bytes that it was begun with")
    if number == nil { try enter(nil) }
  }

  private func flush() throws {
    let full = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(piece.buffer)[..<filled])
    PieceCipher.apply(stream, to: full)
    if let number {
      try store.add(UnsafeRawBufferPointer(full), position: position, to: row, number)
    } else {
      try enter(UnsafeRawBufferPointer(full))
    }
    store.wrote(filled)
    position += 1
    filled = 0
  }

  private func enter(_ piece: UnsafeRawBufferPointer?) throws {
    number = try store.enter(row, piece: piece)
    store.release(row.byteCount)
  }
}

/// Encrypts and decrypts pieces in place.
enum PieceCipher {
  /// Bytes of the stream that are made at once: they stay in the first-level cache.
  private static let chunk = 1 << 14

  /// Adds the next bytes of a stream.
  static func apply(_ stream: StreamGenerator, to bytes: UnsafeMutableRawBufferPointer) {
    let pad = SecretBytes(uninitialized: min(chunk, bytes.count))
    for first in stride(from: 0, to: bytes.count, by: chunk) {
      let part = UnsafeMutableRawBufferPointer(rebasing: bytes[first..<min(first + chunk, bytes.count)])
      let used = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(pad.buffer)[..<part.count])
      stream.fill(used)
      exclusiveOr(part, UnsafeRawBufferPointer(used))
    }
    withExtendedLifetime(pad) {}
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
}
