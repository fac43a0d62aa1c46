/// What went wrong with a store. No case carries material.
public enum StoreError: Error, Equatable, CustomStringConvertible {
  /// Another process has it.
  case inUse(path: String)
  /// It cannot be read or written.
  case unusable(path: String, reason: String)
  /// Another version of the format.
  case version(path: String, found: Int, supported: Int)
  /// The limit would be passed.
  case full(needed: Int, held: Int, limit: Int)
  /// The disk would be full.
  case diskFull(path: String, needed: Int, free: Int)
  /// The material of one inference is more than the store may hold.
  case rowTooLarge(bytes: Int, limit: Int)
  /// The model owner's store would pass its limit.
  case peerFull(needed: Int, room: Int)
  /// The peer's message does not fit.
  case peer(reason: String)

  /// Whether a store had no room, which was found before anything was prepared: a session goes on.
  public var isRefusal: Bool {
    switch self {
    case .full, .diskFull, .peerFull, .rowTooLarge: true
    case .inUse, .unusable, .version, .peer: false
    }
  }

  /// A sentence for people.
  public var description: String {
    switch self {
    case .inUse(let path): "The store \(path) is in use by another process; stop it, or give this one another store."
    case .unusable(let path, let reason): "The store \(path) cannot be used: \(reason)."
    case .version(let path, let found, let supported):
      "The store \(path) has format version \(found), and this build writes version \(supported): delete it, and what it "
        + "holds is prepared anew."
    case .full(let needed, let held, let limit):
      "The store would grow from \(held) by \(needed) bytes beyond its limit of \(limit); use some of it or raise "
        + "store.limit (--store-limit)."
    case .diskFull(let path, let needed, let free):
      "The disk of the store \(path) takes \(free) bytes of material more, and \(needed) were to be prepared: free some "
        + "space, or give another place with store.path (--store)."
    case .peerFull(let needed, let room):
      "The model owner's store has room for \(room) bytes, and \(needed) were to be prepared; use some of what it holds, or "
        + "have its store.limit (--store-limit) raised."
    case .rowTooLarge(let bytes, let limit):
      "The material of one inference takes \(bytes) bytes, and the store may hold \(limit): raise store.limit "
        + "(--store-limit) to \((bytes + 1 << 20 - 1) >> 20) mebibytes or more at this party, or run both without a store."
    case .peer(let reason): "The peer's store does not follow the protocol: \(reason)."
    }
  }
}
