import Randomness
import Testing
import Transport

private let data = FrameKind(rawValue: 20)

@Suite struct MeterTests {
  /// A fixed exchange: one way twice, back once, then both at once.
  private func exchange(
    _ link: Link, pieces: Int = 1_000_000
  ) throws -> (ChannelMeters, ChannelMeters, Digest32, Digest32) {
    let (one, two) = try link.connect()
    let payload = StreamGenerator(publicSeed: 6).bytes(5000)
    @Sendable func play(_ stream: any ByteStream, first: Bool) throws -> (ChannelMeters, Digest32) {
      let channel = FramedChannel(stream, configuration: ChannelConfiguration(recordsTranscript: true))
      func send() throws {
        try channel.beginSend(data, byteCount: payload.count)
        for start in stride(from: 0, to: payload.count, by: pieces) {
          try payload[start..<min(start + pieces, payload.count)].withUnsafeBytes { try channel.write($0) }
        }
        try channel.endSend()
      }
      func receive() throws { #expect(try channel.receive(data, byteCount: payload.count) == payload) }
      if first {
        try send()
        try send()
        try receive()
      } else {
        try receive()
        try receive()
        try send()
      }
      try channel.send(data, [first ? 1 : 2])
      _ = try channel.receive(data, byteCount: 1)
      return (channel.meters, channel.transcript!)
    }
    let (first, second) = Parties.run({ try play(one, first: true) }, { try play(two, first: false) })
    return (try first.get().0, try second.get().0, try first.get().1, try second.get().1)
  }

  @Test(arguments: Link.allCases) func metersAreExactAndTranscriptsEqual(link: Link) throws {
    let (one, two, first, second) = try exchange(link)
    #expect(one.payloadSent == 10_001)
    #expect(one.payloadReceived == 5001)
    #expect(one.totalSent == 10_001 + 3 * 16)
    #expect(one.totalReceived == 5001 + 2 * 16)
    #expect((one.messagesSent, one.messagesReceived, one.flights) == (3, 2, 4))
    #expect((two.payloadSent, two.payloadReceived) == (one.payloadReceived, one.payloadSent))
    #expect((two.messagesSent, two.messagesReceived, two.flights) == (2, 3, 3))
    #expect(first == second)
    // Agreement: a changed byte on the wire shows here.
    #expect(first.hex == "ee30cd5236e020d08986969caeba89e03a8a51042f95a8af80da50cbbb11b7bc")
  }

  @Test(arguments: [1, 16, 999, 5000]) func pieceSizesChangeNoByte(pieces: Int) throws {
    #expect(try exchange(.memory, pieces: pieces).2 == exchange(.memory).2)
  }

  @Test func aSnapshotStartsAPhase() throws {
    let (one, two) = MemoryStream.pair()
    let channel = FramedChannel(one)
    try channel.send(data, [1])
    let before = channel.snapshot()
    try channel.send(data, [2, 3])
    try channel.send(data, [4])
    let phase = channel.meters - before
    #expect((phase.flights, phase.messagesSent, phase.payloadSent) == (1, 2, 3))
    #expect(before + phase == channel.meters)
    #expect(channel.transcript == nil)
    two.close()
  }
}
