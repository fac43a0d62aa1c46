public import Randomness
public import Rings
public import Transport

extension FrameKind {
  /// Either way, 72 bytes: store id, generation, boot id.
  public static let storeState = FrameKind(rawValue: 0x50)
  /// Either way, 41 bytes: whether the sender burnt, number of ready rows, digest of their sorted keys.
  public static let storeStock = FrameKind(rawValue: 0x51)
  /// Either way, 32 bytes a row: sorted keys, where the digests differ.
  public static let storeKeys = FrameKind(rawValue: 0x52)
  /// Either way, 32 bytes: digest of a bulk's keys, for both have it.
  public static let storeCommit = FrameKind(rawValue: 0x53)
  /// Data owner -> model owner, 4 bytes: number of rows that it leases.
  public static let storeTake = FrameKind(rawValue: 0x54)
  /// Data owner -> model owner, 32 bytes a row: their keys.
  public static let storeTakeKeys = FrameKind(rawValue: 0x55)
  /// Model owner -> data owner, one byte a row: 1 taken, 0 none.
  public static let storeTaken = FrameKind(rawValue: 0x56)
}

/// One session's use of a store, on the session's thread.
///
/// Order is what makes reuse impossible (DESIGN of the store): a row is deleted and the deletion committed before its key
/// is named to the peer, and the peer's deletion is committed before it answers.
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
  /// Names peer, plan and model.
  public let binding: Digest32
  private var unfinished: [Digest32] = []
  /// Whether all rows of this peer were burnt at the opening, because a store had gone back or was another.
  public private(set) var burntAtOpening = false

  /// Compares the stocks of both ends: afterwards both have the same rows ready.
  ///
  /// - Parameters:
  ///   - planDigest, modelDigest: what rows belong to, besides the peer.
  /// - Throws: ``StoreError``, `TransportError`
  public init(
    store: MaterialStore, channel: FramedChannel, sessionID: Digest32, isModelOwner: Bool, planDigest: Digest32,
    modelDigest: Digest32
  ) throws {
    self.store = store
    self.channel = channel
    self.sessionID = sessionID
    self.isModelOwner = isModelOwner
    peer = channel.stream.peerFingerprint
    binding = Digest32.sha256(
      Array("polympc store v1".utf8), [isModelOwner ? 0 : 1], peer.bytes, planDigest.bytes, modelDigest.bytes)
    try open()
  }

  private func open() throws {
    try channel.send(.storeState, store.state.bytes)
    let theirs = try StoreState(channel.receive(.storeState, byteCount: StoreState.byteCount))
    let burnt = try store.meet(peer: peer, theirs)
    var keys = try stock()
    try channel.send(.storeStock, Self.summary(burnt, keys))
    let answer = try channel.receive(.storeStock, byteCount: 41)
    let count = (0..<8).reduce(0) { $0 | Int(answer[1 + $1]) << (8 * $1) }
    guard answer[0] <= 1, 0...Self.maximumRows ~= count else {
      throw StoreError.peer(reason: "it announces \(count) rows, and at most \(Self.maximumRows) are compared")
    }
    burntAtOpening = burnt || answer[0] == 1
    if burntAtOpening {
      try store.burnAll(peer: peer)
      return
    }
    defer { readyCount = (try? store.readyCount(binding)) ?? 0 }
    guard Array(answer[1...]) != Array(Self.summary(false, keys)[1...]) else { return }
    try channel.send(.storeKeys, keys.flatMap(\.bytes))
    let bytes = try channel.receive(.storeKeys, byteCount: 32 * count)
    let known = Set((0..<count).compactMap { Digest32(bytes: bytes[32 * $0..<32 * $0 + 32]) })
    keys.removeAll { known.contains($0) }
    try store.burn(keys)
  }

  private func stock() throws -> [Digest32] {
    let keys = try store.readyKeys(binding)
    // More than can be compared are let go of.
    if keys.count > Self.maximumRows { try store.burn(Array(keys[Self.maximumRows...])) }
    return keys.prefix(Self.maximumRows).sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
  }

  private static func summary(_ burnt: Bool, _ keys: [Digest32]) -> [UInt8] {
    [burnt ? 1 : 0] + (0..<8).map { UInt8(truncatingIfNeeded: keys.count >> (8 * $0)) }
      + Digest32.sha256(keys.flatMap(\.bytes)).bytes
  }

  /// Inferences that are ready, as far as this session knows; others of the same pair may add and take.
  public private(set) var readyCount = 0

  /// Bytes the store still takes.
  public func room() throws -> Int { store.limit - (try store.heldBytes()) }

  /// Adds the material of an inference that is being prepared; it is not ready before ``commit()``.
  public func add(_ material: SecretBytes, serial: UInt64) throws {
    let key = Digest32.sha256(
      Array("polympc row v1".utf8), sessionID.bytes,
      (0..<8).map { UInt8(truncatingIfNeeded: serial >> (8 * UInt64($0))) })
    try store.add(key: key, peer: peer, binding: binding, material: material)
    unfinished.append(key)
  }

  /// Makes ready what was added, at both ends: the model owner first, so that a crash between leaves rows at one end only,
  /// which the next opening deletes.
  public func commit() throws {
    let digest = Digest32.sha256(unfinished.flatMap(\.bytes))
    if !isModelOwner { try channel.send(.storeCommit, digest.bytes) }
    guard try channel.receive(.storeCommit, byteCount: 32) == digest.bytes else {
      throw StoreError.peer(reason: "it finished another bulk")
    }
    try store.finish(unfinished)
    if isModelOwner { try channel.send(.storeCommit, digest.bytes) }
    readyCount += unfinished.count
    unfinished = []
  }

  /// Data owner: takes the oldest rows out, then has the model owner do the same.
  /// - Returns: the material that both took.
  public func lease(_ count: Int) throws -> [SecretBytes] {
    precondition(!isModelOwner, "the data owner leases")
    let keys = Array(try store.readyKeys(binding).prefix(min(count, Self.maximumLease)))
    readyCount = max(0, keys.count < count ? 0 : readyCount - keys.count)
    guard !keys.isEmpty else { return [] }
    let taken = try store.take(keys)
    let present = zip(keys, taken).compactMap { key, material in material.map { (key, $0) } }
    try channel.send(
      .storeTake, (0..<4).map { UInt8(truncatingIfNeeded: present.count >> (8 * $0)) }, flush: false)
    try channel.send(.storeTakeKeys, present.flatMap { $0.0.bytes })
    let answers = try channel.receive(.storeTaken, byteCount: present.count)
    guard answers.allSatisfy({ $0 <= 1 }) else { throw StoreError.peer(reason: "an answer is neither TAKEN nor NONE") }
    return zip(present, answers).compactMap { $1 == 1 ? $0.1 : nil }
  }

  /// Model owner: takes the named rows out, then says which it had.
  ///
  /// - Parameter header: payload of the `storeTake` frame.
  /// - Returns: the material that both took, in the data owner's order.
  public func answerLease(_ header: [UInt8]) throws -> [SecretBytes] {
    precondition(isModelOwner && header.count == 4, "the model owner answers")
    let count = (0..<4).reduce(0) { $0 | Int(header[$1]) << (8 * $1) }
    guard 0...Self.maximumLease ~= count else {
      throw StoreError.peer(reason: "it leases \(count) rows at once, and at most \(Self.maximumLease) are allowed")
    }
    let bytes = try channel.receive(.storeTakeKeys, byteCount: 32 * count)
    let keys = (0..<count).compactMap { Digest32(bytes: bytes[32 * $0..<32 * $0 + 32]) }
    guard Set(keys).count == count else { throw StoreError.peer(reason: "it leases a row twice") }
    let own = Set(try store.readyKeys(binding))
    // Rows of other peers are none of this peer's business.
    let taken = try store.take(keys.filter { own.contains($0) })
    readyCount = max(0, own.count - taken.count)
    var next = taken.makeIterator()
    let result = keys.map { own.contains($0) ? next.next()! : nil }
    try channel.send(.storeTaken, result.map { $0 == nil ? 0 : 1 })
    return result.compactMap { $0 }
  }

  /// Lets go of what was added and not committed, when a session fails.
  public func abandon() {
    try? store.burn(unfinished)
    unfinished = []
  }
}
