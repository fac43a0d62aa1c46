internal import Foundation
internal import Synchronization

extension MaterialStore {
  /// What the disk of a file still takes, for this user; nil where that is not known.
  static let freeBytes: @Sendable (String) -> Int? = { path in
    (try? FileManager.default.attributesOfFileSystem(forPath: path))?[.systemFreeSize] as? Int
  }

  /// Bytes of material that the limit leaves, less what is being prepared.
  var limitRoom: Int { stock.withLock { max(0, limit - $0.bytes - $0.reserved) } }

  /// Bytes of material that the disk takes, less what is being prepared.
  var diskRoom: Int { stock.withLock { diskRoom($0) } }

  private func diskRoom(_ stock: Stock) -> Int {
    guard let found = freeBytes(path) else { return .max }
    let free = found + stock.free
    // Tables, digests and what a last page leaves take less than a hundredth.
    return max(0, free - free / 101 - stock.unwritten)
  }

  /// Bytes of material it still takes.
  public var room: Int { min(limitRoom, diskRoom) }

  /// Checks that rows of a size can be kept at all.
  /// - Throws: ``StoreError/rowTooLarge(bytes:limit:)``
  public func check(rowBytes: Int) throws {
    guard rowBytes <= limit else { throw StoreError.rowTooLarge(bytes: rowBytes, limit: limit) }
  }

  /// Why a store does not take so many bytes more; nil where it does.
  func refusal(of bytes: Int) -> StoreError? { stock.withLock { refusal(of: bytes, $0) } }

  private func refusal(of bytes: Int, _ stock: Stock) -> StoreError? {
    let held = stock.bytes + stock.reserved
    if bytes > limit - held { return .full(needed: bytes, held: held, limit: limit) }
    let free = diskRoom(stock)
    return bytes > free ? .diskFull(path: path, needed: bytes, free: free) : nil
  }

  /// Keeps room for a row before its material is made.
  /// - Throws: ``StoreError``
  func reserve(_ bytes: Int) throws {
    try check(rowBytes: bytes)
    try stock.withLock {
      if let refusal = refusal(of: bytes, $0) { throw refusal }
      $0.reserved += bytes
      $0.unwritten += bytes
    }
  }

  /// The row counts as one of the file from now on, or will never be one.
  func release(_ bytes: Int) { stock.withLock { $0.reserved -= bytes } }

  /// Bytes were written, or never will be.
  func wrote(_ bytes: Int) { stock.withLock { $0.unwritten -= bytes } }
}
