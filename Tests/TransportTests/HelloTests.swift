import Randomness
import Testing
import Transport

private func hello(_ role: Role, number: UInt64 = 0, seed: UInt64? = nil) -> Hello {
  Hello(
    role: role, protocolVersion: 1, ringIdentifier: 2, programDigest: .sha256([1]), modelDigest: .sha256([2]),
    protocolsDigest: .sha256([3]), sessionNumber: number,
    randomness: StreamGenerator(publicSeed: seed ?? UInt64(role.rawValue) + 100))
}

private typealias Outcome = Result<(peer: Hello, sessionID: Digest32), any Error>

private func exchange(
  _ first: Hello, _ second: Hello, over link: Link = .memory, expecting: (Set<Role>?, Set<Role>?) = (nil, nil)
) throws -> (Outcome, Outcome) {
  let (one, two) = try link.connect()
  return Parties.run(
    { try Hello.exchange(FramedChannel(one), first, expecting: expecting.0) },
    { try Hello.exchange(FramedChannel(two), second, expecting: expecting.1) })
}

private func field(_ outcome: Outcome) -> String? {
  guard case .failure(let error) = outcome, case TransportError.helloMismatch(let field, _, _, _) = error else {
    return nil
  }
  return field
}

@Suite struct HelloTests {
  @Test(arguments: Link.allCases) func bothEndsAgreeOnTheSession(link: Link) throws {
    let (model, data) = try exchange(hello(.modelOwner), hello(.dataOwner, number: 7), over: link)
    #expect(try model.get().sessionID == data.get().sessionID)
    #expect(try model.get().peer == hello(.dataOwner, number: 7))
    #expect(try data.get().peer.sessionNumber == 7)
    // The id does not depend on who connected to whom, but on all nonces and numbers.
    let (turned, _) = try exchange(hello(.dataOwner, number: 8), hello(.modelOwner), over: link)
    #expect(try turned.get().sessionID != model.get().sessionID)
  }

  @Test func partiesAndDealerAgreeToo() throws {
    for role in [Role.modelOwner, .dataOwner] {
      let (party, dealer) = try exchange(hello(role, number: 5), hello(.dealer), expecting: ([.dealer], nil))
      #expect(try party.get().sessionID == dealer.get().sessionID)
      #expect(try dealer.get().peer.sessionNumber == 5)
    }
  }

  /// A client proposes, says nothing of sources and stores, and is let in only where one is expected.
  @Test func clientsAndServersAgreeWhereClientsAreExpected() throws {
    for role in [Role.modelOwner, .dataOwner] {
      var server = hello(role)
      server.source = .lattice
      server.usesStore = true
      let (client, other) = try exchange(hello(.client, number: 6), server, expecting: ([role], [.client, .dealer]))
      #expect(try client.get().sessionID == other.get().sessionID)
      #expect(try other.get().peer.role == .client && other.get().peer.sessionNumber == 6)
      let (_, refused) = try exchange(hello(.client, number: 6), hello(role), expecting: ([role], nil))
      #expect(field(refused) == "role")
      var changed = hello(role)
      changed.modelDigest = .sha256([9])
      let (one, two) = try exchange(hello(.client), changed, expecting: ([role], [.client]))
      #expect(field(one) == "model digest" && field(two) == "model digest")
    }
    let (one, two) = try exchange(
      hello(.client, seed: 1), hello(.client, seed: 2), expecting: ([.client], [.client]))
    #expect(field(one) == "role" && field(two) == "role")
  }

  @Test func everyDifferenceIsNamedAtBothEnds() throws {
    let changes: [(String, @Sendable (inout Hello) -> Void)] = [
      ("protocol version", { $0.protocolVersion = 9 }), ("ring identifier", { $0.ringIdentifier = 9 }),
      ("plan digest", { $0.programDigest = .sha256([9]) }), ("model digest", { $0.modelDigest = .sha256([9]) }),
      ("protocols digest", { $0.protocolsDigest = .sha256([9]) }),
    ]
    for (name, change) in changes {
      var other = hello(.dataOwner)
      change(&other)
      let (one, two) = try exchange(hello(.modelOwner), other)
      #expect(field(one) == name)
      #expect(field(two) == name)
    }
  }

  @Test func rolesMustBeComplementary() throws {
    for (one, two) in [(Role.modelOwner, Role.modelOwner), (.dataOwner, .dataOwner), (.dealer, .dealer)] {
      let (first, second) = try exchange(hello(one, seed: 1), hello(two, seed: 2))
      #expect(field(first) == "role")
      #expect(field(second) == "role")
    }
    // A party that wants its peer but reached the dealer.
    let (party, _) = try exchange(hello(.dataOwner), hello(.dealer))
    #expect(field(party) == "role")
  }

  @Test func onlyTheProposedNumberIsAccepted() throws {
    let (model, data) = try exchange(hello(.modelOwner, number: 3), hello(.dataOwner, number: 4))
    #expect(field(model) == "session number")
    #expect(field(data) == "session number")
    let (same, _) = try exchange(hello(.modelOwner, number: 4), hello(.dataOwner, number: 4))
    #expect(try same.get().peer.sessionNumber == 4)
  }

  @Test func aWrongEchoIsRefused() throws {
    for number in [UInt64(5), 4] {
      let (one, two) = MemoryStream.pair(options: quick)
      let fake = FramedChannel(two)
      try fake.send(.hello, hello(.modelOwner).bytes)
      let numberBytes = (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
      try fake.send(.helloAccepted, numberBytes + [UInt8](repeating: 0, count: 32))
      let result = Result { try Hello.exchange(FramedChannel(one), hello(.dataOwner, number: 4)) }
      #expect(field(result) == (number == 5 ? "session number" : "session id"))
    }
  }

  @Test func theEncodingIsPinnedAndReadStrictly() throws {
    let original = hello(.dataOwner, number: 0x0102_0304_0506_0708)
    #expect(original.bytes.count == Hello.byteCount)
    #expect(try Hello(bytes: original.bytes) == original)
    #expect(Digest32.sha256(original.bytes).hex == "35c8139b49f31eb94322e1171343c451d9ffef012d61145eaa125f1e153292c1")
    #expect(throws: TransportError.self) { try Hello(bytes: Array(original.bytes.dropLast())) }
    for position in [0, 7, 12, 13, 15, 20, 23] {
      var bytes = original.bytes
      bytes[position] ^= 0x40
      #expect(throws: TransportError.self) { try Hello(bytes: bytes) }
    }
  }

  @Test func aReflectedHelloIsRefused() throws {
    let (one, two) = MemoryStream.pair(options: quick)
    var reflected = hello(.modelOwner)
    let mine = hello(.dataOwner)
    reflected.nonce = mine.nonce
    try FramedChannel(two).send(.hello, reflected.bytes)
    let error = #expect(throws: TransportError.self) { try Hello.exchange(FramedChannel(one), mine) }
    guard case .malformedHello = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }
}
