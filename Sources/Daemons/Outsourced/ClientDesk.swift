import Foundation
import Inference
import Rings

/// Server 0's desk: what clients handed in, until a session takes it, and results, until their clients do.
///
/// Bounded in entries and words: what exceeds them is refused before it is received.
final class ClientDesk: ClientShares, @unchecked Sendable {
  // Unchecked: everything is touched under `lock`.
  static let maximumEntries = 256
  static let maximumWords = 1 << 26

  private struct Entry {
    var words: Int
    var shares: [SecretWords]?
    var output: SecretBytes?
  }

  private let lock = NSCondition()
  private var entries: [SharedQueryName: Entry] = [:]
  private var words = 0

  /// Queries whose shares are held.
  var count: Int { lock.withLock { entries.count } }

  /// Makes room for a share; false where there is none, or the name is in use.
  func reserve(_ name: SharedQueryName, words count: Int) -> Bool {
    lock.withLock {
      guard entries[name] == nil, entries.count < Self.maximumEntries, words + count <= Self.maximumWords else {
        return false
      }
      entries[name] = Entry(words: count)
      words += count
      return true
    }
  }

  /// Lays a share down where room was made for it.
  func lay(_ shares: [SecretWords], _ name: SharedQueryName) {
    lock.withLock { entries[name]?.shares = shares }
  }

  func input(of query: SharedQueryName, samples: Int) -> [SecretWords]? {
    lock.withLock {
      guard let shares = entries[query]?.shares, shares.count == samples else { return nil }
      return shares
    }
  }

  func deliver(_ output: SecretBytes, of query: SharedQueryName) {
    lock.withLock {
      entries[query]?.output = output
      lock.broadcast()
    }
  }

  /// Waits for a result.
  ///
  /// - Parameter isOver: asked several times a second; true gives up.
  /// - Returns: nil where none came in time.
  func wait(for name: SharedQueryName, seconds: Double, isOver: () -> Bool) -> SecretBytes? {
    let deadline = Date(timeIntervalSinceNow: seconds)
    lock.lock()
    defer { lock.unlock() }
    while true {
      if let output = entries[name]?.output { return output }
      let now = Date()
      if now >= deadline || isOver() { return nil }
      _ = lock.wait(until: min(deadline, now.addingTimeInterval(0.25)))
    }
  }

  /// Forgets a query.
  func clear(_ name: SharedQueryName) {
    lock.withLock { if let entry = entries.removeValue(forKey: name) { words -= entry.words } }
  }
}
