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
  /// Either way, 32 bytes: digest of a bulk's keys and of the session so far, for both have it.
  public static let storeCommit = FrameKind(rawValue: 0x53)
  /// Data owner -> model owner, 4 bytes: number of rows that it leases.
  public static let storeTake = FrameKind(rawValue: 0x54)
  /// Data owner -> model owner, 32 bytes a row: their keys.
  public static let storeTakeKeys = FrameKind(rawValue: 0x55)
  /// Model owner -> data owner, one byte a row: 1 taken, 0 none.
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
    try channel.send(.storeStock, StoreStock(burnt: burnt, keys: keys).bytes)
    let stock = try StoreStock(channel.receive(.storeStock, byteCount: StoreStock.byteCount))
    guard 0...Self.maximumRows ~= stock.count else {
      throw StoreError.peer(reason: "it announces \(stock.count) rows, and at most \(Self.maximumRows) are compared")
    }
    burntAtOpening = burnt || stock.burnt
    if burntAtOpening { return try store.burnAll(peer: peer) }
    if stock.digest != StoreStock(burnt: false, keys: keys).digest { try compare(keys, theirCount: stock.count) }
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
  public var room: Int { max(0, store.limit - store.heldBytes) }

  /// Adds the material of an inference that is being prepared; it is not ready before ``commit()``.
  /// - Throws: ``StoreError``
  public func add(_ material: SecretBytes, serial: UInt64) throws {
    let key = Digest32.sha256(
      Array("polympc row v1".utf8), sessionID.bytes,
      (0..<8).map { UInt8(truncatingIfNeeded: serial >> (8 * UInt64($0))) })
    try store.add(key: key, peer: peer, binding: binding, material: material)
    unfinished.append(key)
  }

  /// Makes ready what was added, at both ends, if both have handled the same frames so far: the model owner first, so that a
  /// crash between leaves rows at one end only, which the next opening deletes.
  /// - Throws: ``StoreError``, `TransportError`
  public func commit() throws {
    guard let transcript = channel.transcript else { preconditionFailure("checked when the session began") }
    let digest = Digest32.sha256(unfinished.flatMap(\.bytes) + transcript.bytes)
    if !isModelOwner { try channel.send(.storeCommit, digest.bytes) }
    guard try channel.receive(.storeCommit, byteCount: 32) == digest.bytes else {
      throw StoreError.peer(reason: "it finished another bulk")
    }
    try store.finish(unfinished)
    unfinished = []
    if isModelOwner { try channel.send(.storeCommit, digest.bytes) }
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
  public func lease(_ count: Int) throws -> [SecretBytes] {
    precondition(!isModelOwner, "the data owner leases")
    let keys = try store.readyKeys(binding, limit: min(count, Self.maximumLease))
    guard !keys.isEmpty else { return [] }
    let present = zip(keys, try store.take(keys, binding: binding)).compactMap { key, material in
      material.map { (key: key, material: $0) }
    }
    try channel.send(
      .storeTake, (0..<4).map { UInt8(truncatingIfNeeded: present.count >> (8 * $0)) }, flush: false)
    try channel.send(.storeTakeKeys, present.flatMap(\.key.bytes))
    let answers = try channel.receive(.storeTaken, byteCount: present.count)
    guard answers.allSatisfy({ $0 <= 1 }) else { throw StoreError.peer(reason: "an answer is neither TAKEN nor NONE") }
    let taken = zip(present, answers).filter { $1 == 1 }.map(\.0)
    for row in taken { didTake(row.key) }
    return taken.map(\.material)
  }

  /// Model owner: takes the named rows out, then says which it had.
  ///
  /// - Parameter header: payload of the `storeTake` frame.
  /// - Returns: the material that both took, in the data owner's order.
  /// - Throws: ``StoreError``, `TransportError`
  public func answerLease(_ header: [UInt8]) throws -> [SecretBytes] {
    precondition(isModelOwner, "the model owner answers")
    guard header.count == 4 else { throw StoreError.peer(reason: "a lease of \(header.count) bytes") }
    let count = (0..<4).reduce(0) { $0 | Int(header[$1]) << (8 * $1) }
    guard 0...Self.maximumLease ~= count else {
      throw StoreError.peer(reason: "it leases \(count) rows at once, and at most \(Self.maximumLease) are allowed")
    }
    let keys = Self.digests(try channel.receive(.storeTakeKeys, byteCount: 32 * count))
    guard Set(keys).count == count else { throw StoreError.peer(reason: "it leases a row twice") }
    // Rows of other bindings are none of this peer's business: they are not found.
    let taken = try store.take(keys, binding: binding)
    for (key, material) in zip(keys, taken) where material != nil { didTake(key) }
    try channel.send(.storeTaken, taken.map { $0 == nil ? 0 : 1 })
    return taken.compactMap { $0 }
  }
}

/// What one end says of its ready rows.
struct StoreStock: Equatable {
  static let byteCount = 41
  /// Whether it burnt all rows of this peer.
  let burnt: Bool
  let count: Int
  /// Of the sorted keys.
  let digest: Digest32

  init(burnt: Bool, keys: [Digest32]) {
    (self.burnt, count, digest) = (burnt, keys.count, Digest32.sha256(keys.flatMap(\.bytes)))
  }

  var bytes: [UInt8] {
    [burnt ? 1 : 0] + (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + digest.bytes
  }

  init(_ bytes: [UInt8]) throws {
    guard bytes.count == Self.byteCount, bytes[0] <= 1, let digest = Digest32(bytes: bytes[9...]) else {
      throw StoreError.peer(reason: "its stock is not 41 bytes that begin with 0 or 1")
    }
    // Eight bytes may say more than an Int holds: the sign shows it, and the caller's bound refuses it.
    count = Int(truncatingIfNeeded: (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[1 + $1]) << (8 * UInt64($1)) })
    (burnt, self.digest) = (bytes[0] == 1, digest)
  }
}
