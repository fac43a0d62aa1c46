import Randomness
import TestSupport
import Testing
import Transport

/// Both results of a connection attempt: TLS at both ends unless replaced.
private func attempt(
  client: Identity = alice, clientPins: [Digest32] = [bob.fingerprint], serverPins: [Digest32] = [alice.fingerprint],
  options: StreamOptions = patient
) throws -> (client: TransportError?, server: TransportError?) {
  let listener = try TCPListener(host: "127.0.0.1", port: 0)
  let (one, two) = Parties.run(
    {
      try TLSStream.connect(
        host: "127.0.0.1", port: listener.port, identity: client, pinned: clientPins, options: options)
    },
    {
      try TLSStream.accept(try listener.accept()!, identity: bob, pinned: serverPins, options: options)
    })
  return (failure(one), failure(two))
}

private func failure<Value>(_ result: Result<Value, any Error>) -> TransportError? {
  if case .failure(let error) = result { return error as? TransportError }
  return nil
}

/// What a TLS server says to a client that sends these bytes in plain, and then reads or stays silent.
private func serverError(for bytes: [UInt8], thenClose: Bool) throws -> TransportError? {
  let listener = try TCPListener(host: "127.0.0.1", port: 0)
  let client = try PlainTCPStream.connect(host: "127.0.0.1", port: listener.port, options: quick)
  try client.write(bytes)
  try client.flush()
  if thenClose { client.close() }
  let result = Result {
    try TLSStream.accept(try listener.accept()!, identity: bob, pinned: [alice.fingerprint], options: quick)
  }
  client.close()
  return failure(result)
}

@Suite struct TLSTests {
  @Test func aServerNobodyPinnedIsNamedAndTheServerHearsOfIt() throws {
    let (client, server) = try attempt(clientPins: [eve.fingerprint])
    #expect(client == .fingerprintMismatch(seen: bob.fingerprint, pinned: [eve.fingerprint]))
    guard case .refusedByPeer(bob.fingerprint, _) = server else {
      Issue.record("\(String(describing: server))")
      return
    }
    #expect("\(client!)".contains(bob.fingerprint.fingerprintText))
  }

  @Test func aClientNobodyPinnedIsNamedAndHearsOfItWhileConnecting() throws {
    let (client, server) = try attempt(client: eve)
    #expect(server == .fingerprintMismatch(seen: eve.fingerprint, pinned: [alice.fingerprint]))
    guard case .refusedByPeer(eve.fingerprint, _) = client else {
      Issue.record("\(String(describing: client))")
      return
    }
  }

  @Test func severalPeersMayBePinned() throws {
    let (client, server) = try attempt(
      clientPins: [eve.fingerprint, bob.fingerprint], serverPins: [eve.fingerprint, alice.fingerprint])
    #expect(client == nil)
    #expect(server == nil)
  }

  @Test func nobodyPinnedMeansNobodyServed() throws {
    #expect(throws: TransportError.noPinnedFingerprint) {
      try TLSStream.connect(host: "127.0.0.1", port: 1, identity: alice, pinned: [])
    }
    let (_, server) = try attempt(serverPins: [], options: quick)
    #expect(server == .noPinnedFingerprint)
  }

  @Test func plainBytesOnATLSPortAreNamed() throws {
    let garbage = StreamGenerator(publicSeed: 8)
    let first = [
      Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), Array("POLYMPC\0".utf8) + garbage.bytes(152),
      [20, 0, 0, 0, 0, 0, 0, 0, 160, 0, 0, 0, 0, 0, 0, 0] + garbage.bytes(160),
    ]
    for bytes in first {
      guard case .notTLS = try serverError(for: bytes, thenClose: false) else {
        Issue.record("\(bytes.prefix(16)): \(String(describing: try serverError(for: bytes, thenClose: false)))")
        continue
      }
    }
    for _ in 0..<30 { #expect(try serverError(for: garbage.bytes(200), thenClose: true) != nil) }
  }

  @Test func aHandshakeCutShortOrStalledEnds() throws {
    // The first bytes of a ClientHello record that promises 512 more.
    let half: [UInt8] = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03]
    for count in 0...half.count {
      let bytes = Array(half[..<count])
      let closed = try serverError(for: bytes, thenClose: true)
      #expect(closed == .peerClosed(activity: "shaking hands by TLS"), "\(count)")
    }
    #expect(
      try serverError(for: half, thenClose: false) == .timedOut(activity: "shaking hands by TLS", seconds: 0.4))
  }

  @Test func tlsOnAPlainPortFailsAtBothEnds() throws {
    let listener = try TCPListener(host: "127.0.0.1", port: 0)
    let (client, server) = Parties.run(
      {
        try TLSStream.connect(
          host: "127.0.0.1", port: listener.port, identity: alice, pinned: [bob.fingerprint], options: quick)
      },
      {
        let channel = FramedChannel(PlainTCPStream.accept(try listener.accept()!, options: quick))
        defer { channel.close() }
        _ = try channel.receive(.hello, byteCount: Hello.byteCount)
      })
    #expect(failure(client) != nil)
    guard case .nonzeroFlags = failure(server) else {
      Issue.record("\(String(describing: failure(server)))")
      return
    }
  }

  @Test func aPlainServerIsNamedByTheTLSClient() throws {
    let listener = try TCPListener(host: "127.0.0.1", port: 0)
    let (client, _) = Parties.run(
      {
        try TLSStream.connect(
          host: "127.0.0.1", port: listener.port, identity: alice, pinned: [bob.fingerprint], options: quick)
      },
      {
        let stream = PlainTCPStream.accept(try listener.accept()!, options: quick)
        try stream.write(Array("SSH-2.0-OpenSSH_9.2p1 Debian\r\n".utf8))
        _ = try stream.waitReadable(timeout: .milliseconds(200))
        _ = try stream.read(100_000)
      })
    guard case .notTLS = failure(client) else {
      Issue.record("\(String(describing: failure(client)))")
      return
    }
  }

  /// A relay passes whole records; a bit flipped in one of data ends the connection, and none of it is delivered.
  @Test(arguments: [false, true]) func changedCiphertextIsNotDelivered(flips: Bool) throws {
    let listener = try TCPListener(host: "127.0.0.1", port: 0)
    let entry = try TCPListener(host: "127.0.0.1", port: 0)
    let (ends, flipped) = Parties.run(
      { () -> Result<[UInt8], any Error> in
        Parties.run(
          { () -> Bool in
            let stream = try TLSStream.connect(
              host: "127.0.0.1", port: entry.port, identity: alice, pinned: [bob.fingerprint], options: patient)
            try stream.write([UInt8](repeating: 9, count: 1500))
            try stream.flush()
            return try stream.waitReadable(timeout: .seconds(60))
          },
          { () -> [UInt8] in
            let stream = try TLSStream.accept(
              try listener.accept()!, identity: bob, pinned: [alice.fingerprint], options: patient)
            return try stream.read(1500)
          }
        ).1
      },
      { () -> Bool in
        let client = PlainTCPStream.accept(try entry.accept()!, options: patient)
        let server = try PlainTCPStream.connect(host: "127.0.0.1", port: listener.port, options: patient)
        var isFlipped = false
        func pass(_ from: PlainTCPStream, _ to: PlainTCPStream) throws {
          guard try from.waitReadable(timeout: .milliseconds(1)) else { return }
          let header = try from.read(5)
          var body = try from.read(Int(header[3]) << 8 | Int(header[4]))
          // Only the record of data is as long as this: certificates are shorter, and so are their messages.
          if flips, header[0] == 23, body.count > 1500 {
            body[700] ^= 4
            isFlipped = true
          }
          try to.write(header + body)
          try to.flush()
        }
        do {
          while true {
            try pass(client, server)
            try pass(server, client)
          }
        } catch TransportError.peerClosed {
          return isFlipped
        }
      })
    #expect(try flipped.get() == flips)
    let received = try ends.get()
    if flips {
      guard case .socketFailed(_, let reason) = failure(received) else {
        Issue.record("\(received)")
        return
      }
      #expect(reason.contains("bad record mac"))
    } else {
      #expect(try received.get() == [UInt8](repeating: 9, count: 1500))
    }
  }

  @Test(arguments: [Link.plain, .tls]) func aPeerThatVanishesOrStallsIsNoticed(link: Link) throws {
    let (one, two) = try link.connect(quick)
    #expect(throws: TransportError.timedOut(activity: "receiving", seconds: 0.3)) { try two.read(1) }
    let (three, four) = try link.connect(quick)
    try three.write([1, 2])
    try three.flush()
    three.close()
    #expect(try four.read(2) == [1, 2])
    #expect(throws: TransportError.peerClosed(activity: "receiving")) { try four.read(1) }
    // Writing to one that is gone must not kill the process by SIGPIPE.
    #expect(throws: TransportError.self) {
      for _ in 0..<100 { try four.write([UInt8](repeating: 0, count: 1 << 20)) }
    }
    one.close()
  }

  @Test(arguments: Link.allCases) func aReaderThatNeverReadsStopsTheWriter(link: Link) throws {
    let (one, two) = try link.connect(StreamOptions(idleTimeout: .milliseconds(200), inboundLimit: 1 << 20))
    #expect(throws: TransportError.timedOut(activity: "sending", seconds: 0.2)) {
      for _ in 0..<64 { try one.write([UInt8](repeating: 0, count: 1 << 20)) }
    }
    two.close()
  }

  /// Both write more than the inbound limit before they read: no deadlock, but an error that says which knob.
  @Test(arguments: [Link.plain, .tls]) func theInboundLimitHolds(link: Link) throws {
    let (one, two) = try link.connect(StreamOptions(idleTimeout: .milliseconds(300), inboundLimit: 1 << 20))
    let data = [UInt8](repeating: 0, count: 64 << 20)
    @Sendable func flood(_ stream: any ByteStream) throws {
      try stream.write(data)
      try stream.flush()
    }
    let (first, second) = Parties.run({ try flood(one) }, { try flood(two) })
    let errors = [failure(first), failure(second)]
    #expect(errors.contains { if case .inboundLimitReached(let bytes) = $0 { bytes < 2 << 20 } else { false } })
  }

  @Test(arguments: Link.allCases) func interruptingWakesABlockedReader(link: Link) throws {
    let (one, two) = try link.connect(StreamOptions(idleTimeout: .seconds(60)))
    let (reader, _) = Parties.run({ try one.read(1) }, { one.interrupt() })
    #expect(failure(reader) == .interrupted)
    two.close()
  }

  @Test(arguments: Link.allCases) func waitingForBytesTellsWhetherTheyCame(link: Link) throws {
    let (one, two) = try link.connect()
    #expect(try !one.waitReadable(timeout: .milliseconds(20)))
    try two.write([1])
    try two.flush()
    #expect(try one.waitReadable(timeout: .seconds(10)))
    #expect(try one.read(1) == [1])
    two.close()
    #expect(throws: TransportError.peerClosed(activity: "waiting")) { try one.waitReadable(timeout: .seconds(10)) }
  }
}
