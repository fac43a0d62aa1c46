public import Randomness
public import Transport

extension FrameKind {
  /// Either way, 72 bytes: store id, generation, boot id.
  public static let storeState = FrameKind(rawValue: 0x50)
  /// Either way, 49 bytes: whether the sender burnt, number of ready rows, digest of their sorted keys, bytes that its store
  /// still takes.
  public static let storeStock = FrameKind(rawValue: 0x51)
  /// Either way, 32 bytes a row: sorted keys, where the digests differ.
  public static let storeKeys = FrameKind(rawValue: 0x52)
  /// Data owner -> model owner, 32 bytes: digest of a bulk's keys and of the session so far, for both have it. Model owner ->
  /// data owner: the same, and 8 bytes: what its store still takes.
  public static let storeCommit = FrameKind(rawValue: 0x53)
  /// Data owner -> model owner, 4 bytes: number of rows that it leases.
  public static let storeTake = FrameKind(rawValue: 0x54)
  /// Data owner -> model owner, 32 bytes a row: their keys.
  public static let storeTakeKeys = FrameKind(rawValue: 0x55)
  /// Model owner -> data owner, one byte a row: 1 taken, 0 none; then 8 bytes: what its store still takes.
  public static let storeTaken = FrameKind(rawValue: 0x56)
}

/// One session's use of a store, on the session's thread (Protocols/store/spec.md).
///
/// Order is what makes reuse impossible: a row is deleted and the deletion committed before its key is named to the peer,
/// and the peer's deletion is committed before it answers.
public final class StoreSession {
  /// Rows that one lease may name.
  public static let maximumLease = 1024
  /// Rows of one binding that are compared at the opening of a session.
  static let maximumRows = 1 << 15

  private let store: MaterialStore
  private let channel: FramedChannel
  private let sessionID: Digest32
  private let peer: Digest32
  private let isModelOwner: Bool
  private let didTake: (Digest32) -> Void
  /// Names this party's role, peer, plan and model.
  public let binding: Digest32
  private var unfinished: [Digest32] = []
  /// Data owner: bytes that the model owner's store still takes, as it said last. Other sessions of it may have changed that.
  public private(set) var peerRoom = 0
  /// Whether all rows of this peer were burnt at the opening, because a store had gone back or was another.
  public private(set) var burntAtOpening = false

  /// Compares the stocks of both ends: afterwards both have the same rows ready.
  ///
  /// - Parameters:
  ///   - channel: after the hello; it records its transcript.
  ///   - planDigest: with the model's, what rows belong to besides the peer.
  ///   - modelDigest: see `planDigest`.
  ///   - didTake: called with the key, which is public, of each row that was taken, before its material is used.
  /// - Throws: ``StoreError``, `TransportError`
  public init(
    store: MaterialStore, channel: FramedChannel, sessionID: Digest32, isModelOwner: Bool, planDigest: Digest32,
    modelDigest: Digest32, didTake: @escaping (Digest32) -> Void = { _ in }
  ) throws {
    precondition(channel.transcript != nil, "a session with a store records its transcript")
    self.store = store
    self.channel = channel
    self.sessionID = sessionID
    self.isModelOwner = isModelOwner
    self.didTake = didTake
    peer = channel.stream.peerFingerprint
    binding = Digest32.sha256(
      Array("polympc store v1".utf8), [isModelOwner ? 0 : 1], peer.bytes, planDigest.bytes, modelDigest.bytes)
    try open()
  }

  private func open() throws {
    try channel.send(.storeState, store.state.bytes)
    let theirs = try StoreState(channel.receive(.storeState, byteCount: StoreState.byteCount))
    let burnt = try store.meet(peer: peer, theirs)
    try store.burnOthers(peer: peer, keeping: binding)
    let keys = try sortedKeys()
    try channel.send(.storeStock, StoreStock(burnt: burnt, keys: keys, room: store.room).bytes)
    let stock = try StoreStock(channel.receive(.storeStock, byteCount: StoreStock.byteCount))
    guard 0...Self.maximumRows ~= stock.count else {
      throw StoreError.peer(reason: "it announces \(stock.count) rows, and at most \(Self.maximumRows) are compared")
    }
    peerRoom = stock.room
    burntAtOpening = burnt || stock.burnt
    if burntAtOpening { return try store.burnAll(peer: peer) }
    if stock.digest != StoreStock(burnt: false, keys: keys, room: 0).digest {
      try compare(keys, theirCount: stock.count)
    }
  }

  /// Burns what the peer does not have. It does the same.
  private func compare(_ keys: [Digest32], theirCount: Int) throws {
    try channel.send(.storeKeys, keys.flatMap(\.bytes))
    let bytes = try channel.receive(.storeKeys, byteCount: 32 * theirCount)
    let known = Set(Self.digests(bytes))
    try store.burn(keys.filter { !known.contains($0) })
  }

  private func sortedKeys() throws -> [Digest32] {
    let keys = try store.readyKeys(binding)
    // More than can be compared are let go of.
    if keys.count > Self.maximumRows { try store.burn(Array(keys[Self.maximumRows...])) }
    return keys.prefix(Self.maximumRows).sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
  }

  private static func digests(_ bytes: [UInt8]) -> [Digest32] {
    stride(from: 0, to: bytes.count, by: 32).compactMap { Digest32(bytes: bytes[$0..<$0 + 32]) }
  }

  // MARK: Preparation

  /// Inferences that are ready; other sessions of the same pair may add and take.
  public var readyCount: Int { store.readyCount(binding) }

  /// Bytes the store still takes.
  public var room: Int { store.room }

  /// Why some rows cannot be prepared: whichever store has no room for them.
  public func refusal(of count: Int, rowBytes: Int, peerRowBytes: Int) -> StoreError {
    if rowBytes > store.limit { return .rowTooLarge(bytes: rowBytes, limit: store.limit) }
    func times(_ bytes: Int) -> Int {
      let product = count.multipliedReportingOverflow(by: bytes)
      return product.overflow ? .max : product.partialValue
    }
    return store.refusal(of: times(rowBytes)) ?? .peerFull(needed: times(peerRowBytes), room: max(0, peerRoom))
  }

  /// Begins the row of an inference before it is prepared; it is not ready before ``commit()``.
  /// - Throws: ``StoreError``, before anything is written, where the store has no room.
  public func row(serial: UInt64, byteCount: Int) throws -> RowWriter {
    let key = Digest32.sha256(
      Array("polympc row v1".utf8), sessionID.bytes,
      (0..<8).map { UInt8(truncatingIfNeeded: serial >> (8 * UInt64($0))) })
    let writer = try RowWriter(store: store, key: key, peer: peer, binding: binding, byteCount: byteCount)
    unfinished.append(key)
    return writer
  }

  /// Makes ready what was added, at both ends, if both have handled the same frames so far: the model owner first, so that a
  /// crash between leaves rows at one end only, which the next opening deletes. All rows that were begun are closed.
  /// - Throws: ``StoreError``, `TransportError`
  public func commit() throws {
    guard let transcript = channel.transcript else { preconditionFailure("checked when the session began") }
    let digest = Digest32.sha256(unfinished.flatMap(\.bytes) + transcript.bytes)
    if !isModelOwner { try channel.send(.storeCommit, digest.bytes) }
    let answer = try channel.receive(.storeCommit, byteCount: isModelOwner ? 32 : 40)
    guard Array(answer[..<32]) == digest.bytes else {
      throw StoreError.peer(reason: "it finished another bulk")
    }
    if !isModelOwner { peerRoom = StoreStock.number(answer[32...]) }
    try store.finish(unfinished)
    unfinished = []
    if isModelOwner { try channel.send(.storeCommit, digest.bytes + StoreStock.bytes(of: store.room)) }
  }

  /// Lets go of what was added and not committed, when a session fails.
  public func abandon() {
    // Where the file cannot be written, what is not ready is deleted at the next start.
    try? store.burn(unfinished)
    unfinished = []
  }

  // MARK: Leases

  /// Data owner: takes the oldest rows out, then has the model owner do the same.
  /// - Returns: the material that both took, at most `count`.
  /// - Throws: ``StoreError``, `TransportError`
  public func lease(_ count: Int) throws -> [StoredRow] {
    precondition(!isModelOwner, "the data owner leases")
    let keys = try store.readyKeys(binding, limit: min(count, Self.maximumLease))
    guard !keys.isEmpty else { return [] }
    let present = zip(keys, try store.take(keys, binding: binding)).compactMap { key, material in
      material.map { (key: key, material: $0) }
    }
    let answers = try ask(present.map(\.key))
    let taken = zip(present, answers).filter { $1 == 1 }.map(\.0)
    for row in taken { didTake(row.key) }
    return taken.map(\.material)
  }

  /// Data owner: asks what the model owner's store still takes, by a lease of no rows.
  /// - Throws: ``StoreError``, `TransportError`
  public func refreshPeerRoom() throws {
    precondition(!isModelOwner, "the data owner leases")
    _ = try ask([])
  }

  private func ask(_ keys: [Digest32]) throws -> ArraySlice<UInt8> {
    try channel.send(.storeTake, (0..<4).map { UInt8(truncatingIfNeeded: keys.count >> (8 * $0)) }, flush: false)
    try channel.send(.storeTakeKeys, keys.flatMap(\.bytes))
    let answer = try channel.receive(.storeTaken, byteCount: keys.count + 8)
    guard answer[..<keys.count].allSatisfy({ $0 <= 1 }) else {
      throw StoreError.peer(reason: "an answer is neither TAKEN nor NONE")
    }
    peerRoom = StoreStock.number(answer[keys.count...])
    return answer[..<keys.count]
  }

  /// Model owner: takes the named rows out, then says which it had.
  ///
  /// - Parameters:
  ///   - header: payload of the `storeTake` frame.
  ///   - limit: rows that are let into memory.
  /// - Returns: the material that both took, in the data owner's order.
  /// - Throws: ``StoreError``, `TransportError`
  public func answerLease(_ header: [UInt8], limit: Int = StoreSession.maximumLease) throws -> [StoredRow] {
    precondition(isModelOwner, "the model owner answers")
    guard header.count == 4 else { throw StoreError.peer(reason: "a lease of \(header.count) bytes") }
    let count = (0..<4).reduce(0) { $0 | Int(header[$1]) << (8 * $1) }
    guard 0...min(limit, Self.maximumLease) ~= count else {
      throw StoreError.peer(
        reason: "it leases \(count) rows at once, and at most \(min(limit, Self.maximumLease)) are allowed")
    }
    let keys = Self.digests(try channel.receive(.storeTakeKeys, byteCount: 32 * count))
    guard Set(keys).count == count else { throw StoreError.peer(reason: "it leases a row twice") }
    // Rows of other bindings are none of this peer's business: they are not found.
    let taken = try store.take(keys, binding: binding)
    for (key, material) in zip(keys, taken) where material != nil { didTake(key) }
    try channel.send(.storeTaken, taken.map { $0 == nil ? 0 : 1 } + StoreStock.bytes(of: store.room))
    return taken.compactMap { $0 }
  }
}

/// What one end says of its ready rows.
struct StoreStock: Equatable {
  static let byteCount = 49
  /// Whether it burnt all rows of this peer.
  let burnt: Bool
  let count: Int
  /// Of the sorted keys.
  let digest: Digest32
  /// Bytes that its store still takes; what it says is used for nothing but to ask for no more.
  let room: Int

  init(burnt: Bool, keys: [Digest32], room: Int) {
    (self.burnt, count, digest) = (burnt, keys.count, Digest32.sha256(keys.flatMap(\.bytes)))
    self.room = room
  }

  var bytes: [UInt8] { [burnt ? 1 : 0] + Self.bytes(of: count) + digest.bytes + Self.bytes(of: room) }

  init(_ bytes: [UInt8]) throws {
    guard bytes.count == Self.byteCount, bytes[0] <= 1, let digest = Digest32(bytes: bytes[9..<41]) else {
      throw StoreError.peer(reason: "its stock is not \(Self.byteCount) bytes that begin with 0 or 1")
    }
    (burnt, self.digest) = (bytes[0] == 1, digest)
    (count, room) = (Self.number(bytes[1..<9]), Self.number(bytes[41...]))
  }

  /// Eight bytes, little-endian.
  static func bytes(of number: Int) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }

  /// Eight bytes may say more than an Int holds: the sign shows it, and the bound of what uses it refuses it.
  static func number(_ bytes: ArraySlice<UInt8>) -> Int {
    Int(truncatingIfNeeded: bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
  }
}
