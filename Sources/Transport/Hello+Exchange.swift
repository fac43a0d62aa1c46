public import Randomness

extension Hello {
  /// Opens a session: both ends send their hello, compare, and one confirms.
  ///
  /// The *proposer* (the data owner towards the model owner, a party towards a dealer, a client towards a server) names the session number; the
  /// other end echoes it with the session id in a second frame, and the proposer accepts nothing else. Both ends see
  /// the peer's hello before they refuse, so both can say why.
  ///
  /// The session id is SHA-256 of "polympc session v1", the exporter, and then of proposer and responder in this order:
  /// roles, fingerprints, nonces; at last version, ring, session number and the three digests. It is equal at both ends.
  /// - Parameters:
  ///   - expecting: the roles that the peer may have. By default the one or those that complete `mine.role`, without a
  ///     dealer; a party that connects to its dealer says `[.dealer]`.
  /// - Returns: the peer's hello, its `sessionNumber` the agreed one, and the session id.
  /// - Throws: ``TransportError/helloMismatch(field:ours:theirs:advice:)``, `malformedHello`, errors of the channel.
  public static func exchange(
    _ channel: FramedChannel, _ mine: Hello, expecting: Set<Role>? = nil
  ) throws -> (peer: Hello, sessionID: Digest32) {
    let expected = expecting ?? mine.role.complement
    precondition(!expected.isEmpty, "no role is left for the peer")
    try channel.send(.hello, mine.bytes)
    var peer = try Hello(bytes: channel.receive(.hello, byteCount: Self.byteCount))
    try mine.check(peer, expected: expected)
    let proposes = mine.proposes(towards: peer.role)
    let (proposer, responder) = proposes ? (mine, peer) : (peer, mine)
    guard responder.sessionNumber == 0 || responder.sessionNumber == proposer.sessionNumber else {
      throw TransportError.helloMismatch(
        field: "session number", ours: "\(mine.sessionNumber)", theirs: "\(peer.sessionNumber)",
        advice: "the \(proposer.role) proposes the number and the \(responder.role) echoes it")
    }
    peer.sessionNumber = proposer.sessionNumber
    let fingerprints = (channel.stream.localFingerprint, channel.stream.peerFingerprint)
    let sessionID = try identifier(
      exporter: channel.stream.exporter, proposer: proposer, responder: responder,
      fingerprints: proposes ? fingerprints : (fingerprints.1, fingerprints.0))
    try confirm(channel, number: proposer.sessionNumber, sessionID: sessionID, proposes: proposes)
    return (peer, sessionID)
  }

  private func proposes(towards peer: Role) -> Bool {
    role != .dealer && peer != .client && (role == .dataOwner || role == .client || peer == .dealer)
  }

  private func check(_ peer: Hello, expected: Set<Role>) throws {
    func compare(_ field: String, _ ours: String, _ theirs: String, _ advice: String) throws {
      guard ours != theirs else { return }
      throw TransportError.helloMismatch(field: field, ours: ours, theirs: theirs, advice: advice)
    }
    try compare(
      "protocol version", "\(protocolVersion)", "\(peer.protocolVersion)", "install the same release on both sides")
    guard expected.contains(peer.role), role.complement.union([.dealer, .client]).contains(peer.role), peer.role != role
    else {
      let wanted = expected.map(\.description).sorted().joined(separator: " or ")
      throw TransportError.helloMismatch(
        field: "role", ours: "\(role), which expects a \(wanted)", theirs: "\(peer.role)",
        advice: "check --role and the peer's address on both sides")
    }
    try compare(
      "ring identifier", "\(ringIdentifier)", "\(peer.ringIdentifier)", "install the same release on both sides")
    try compare(
      "protocols digest", "\(protocolsDigest)", "\(peer.protocolsDigest)", "install the same release on both sides")
    try compare(
      "model digest", "\(modelDigest)", "\(peer.modelDigest)",
      "give both sides files of the same model: the data owner's is the public part of the model owner's")
    try compare(
      "plan digest", "\(programDigest)", "\(peer.programDigest)",
      "make the plan anew from the same model and options on both sides")
    guard role != .client, peer.role != .client else { return try checkNonce(peer) }
    try compare(
      "source of correlated randomness", "\(source)", "\(peer.source)",
      "give both parties the same source: --source lattice, or --source dealer with the same dealer")
    try compare(
      "use of a store", usesStore ? "a store" : "none", peer.usesStore ? "a store" : "none",
      "give both parties a store for prepared material (--store), or neither")
    try checkNonce(peer)
  }

  private func checkNonce(_ peer: Hello) throws {
    guard peer.nonce != nonce else {
      throw TransportError.malformedHello(reason: "it carries this side's own nonce, so it was reflected or replayed")
    }
  }

  private static func confirm(
    _ channel: FramedChannel, number: UInt64, sessionID: Digest32, proposes: Bool
  ) throws {
    var echo: [UInt8] = []
    echo.append(littleEndian: number)
    echo += sessionID.bytes
    guard proposes else { return try channel.send(.helloAccepted, echo) }
    let answer = try channel.receive(.helloAccepted, byteCount: echo.count)
    let echoed = UInt64(littleEndian: answer[..<8])
    guard echoed == number else {
      throw TransportError.helloMismatch(
        field: "session number", ours: "\(number)", theirs: "\(echoed)", advice: "the responder must echo the number")
    }
    let theirs = Digest32(bytes: answer[8...])!
    guard theirs == sessionID else {
      throw TransportError.helloMismatch(
        field: "session id", ours: "\(sessionID)", theirs: "\(theirs)",
        advice: "someone changed the connection between the two ends, or one of them is faulty")
    }
  }

  private static func identifier(
    exporter: [UInt8], proposer: Hello, responder: Hello, fingerprints: (proposer: Digest32, responder: Digest32)
  ) -> Digest32 {
    var numbers: [UInt8] = []
    numbers.append(littleEndian: proposer.protocolVersion)
    numbers.append(littleEndian: proposer.ringIdentifier)
    numbers.append(littleEndian: proposer.sessionNumber)
    return Digest32.sha256(
      Array("polympc session v1".utf8), exporter, [proposer.role.rawValue, responder.role.rawValue],
      fingerprints.proposer.bytes, fingerprints.responder.bytes, proposer.nonce.bytes, responder.nonce.bytes, numbers,
      proposer.programDigest.bytes, proposer.modelDigest.bytes, proposer.protocolsDigest.bytes)
  }
}

extension Role {
  /// The roles that a peer has unless it is a dealer.
  var complement: Set<Role> {
    switch self {
    case .modelOwner: [.dataOwner]
    case .dataOwner: [.modelOwner]
    case .dealer, .client: [.modelOwner, .dataOwner]
    }
  }
}
