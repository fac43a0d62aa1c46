import Randomness
import Testing
import Transport

@Suite struct StreamTests {
  @Test(arguments: Link.allCases) func bytesArriveInOrderHoweverTheyAreCut(link: Link) throws {
    let (one, two) = try link.connect()
    let data = StreamGenerator(publicSeed: 1).bytes(3_000_000)
    let (sent, received) = Parties.run(
      {
        var position = 0
        let cuts = StreamGenerator(publicSeed: 2)
        while position < data.count {
          let size = min(data.count - position, cuts.uniform(in: 0...60_000))
          try one.write(Array(data[position..<position + size]))
          position += size
        }
        try one.flush()
      },
      {
        var bytes: [UInt8] = []
        let cuts = StreamGenerator(publicSeed: 3)
        while bytes.count < data.count {
          bytes += try two.read(min(data.count - bytes.count, cuts.uniform(in: 1...90_000)))
        }
        return bytes
      })
    try sent.get()
    #expect(try received.get() == data)
  }

  /// Both write 64 MiB before either reads.
  @Test(arguments: Link.allCases) func bothEndsMayWriteMuchAtOnce(link: Link) throws {
    let (one, two) = try link.connect()
    let size = 64 << 20
    let data = StreamGenerator(publicSeed: 4).bytes(size)
    @Sendable func exchange(_ stream: any ByteStream) throws -> Bool {
      try stream.write(data)
      try stream.flush()
      return try stream.read(size) == data
    }
    let (first, second) = Parties.run({ try exchange(one) }, { try exchange(two) })
    #expect(try first.get())
    #expect(try second.get())
  }

  @Test(arguments: Link.allCases) func readingFlushesWhatWasWritten(link: Link) throws {
    let (one, two) = try link.connect()
    let (first, second) = Parties.run(
      {
        try one.write([1, 2, 3])
        return try one.read(2)
      },
      {
        let bytes = try two.read(3)
        try two.write([4, 5])
        try two.flush()
        return bytes
      })
    #expect(try first.get() == [4, 5])
    #expect(try second.get() == [1, 2, 3])
  }

  @Test(arguments: Link.allCases) func bothEndsAgreeOnTheConnection(link: Link) throws {
    let (one, two) = try link.connect()
    #expect(try one.exporter == two.exporter)
    #expect(try one.exporter.count == 32)
    #expect(one.peerFingerprint == two.localFingerprint)
    #expect(two.peerFingerprint == one.localFingerprint)
    #expect(one.isInitiator && !two.isInitiator)
    if link == .tls {
      let (other, _) = try link.connect()
      #expect(try other.exporter != one.exporter)
    }
  }
}
