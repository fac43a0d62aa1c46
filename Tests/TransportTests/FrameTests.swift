import Randomness
import TestSupport
import Testing
import Transport

private let data = FrameKind(rawValue: 20)
private let other = FrameKind(rawValue: 21)

/// A frame's bytes, by hand, so that tests do not rest on the code under test.
private func frame(
  kind: UInt16 = 20, flags: UInt16 = 0, sequence: UInt32 = 0, length: UInt64? = nil, payload: [UInt8] = []
) -> [UInt8] {
  func little(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
  }
  return little(UInt64(kind), 2) + little(UInt64(flags), 2) + little(UInt64(sequence), 4)
    + little(length ?? UInt64(payload.count), 8) + payload
}

/// What a channel says to raw bytes from its peer, which then closes or stays silent.
private func outcome(
  of bytes: [UInt8], thenClose: Bool = true, _ receive: (FramedChannel) throws -> Void
) -> TransportError? {
  let (one, two) = MemoryStream.pair(options: quick)
  do {
    try one.write(bytes)
    try one.flush()
    if thenClose { one.close() }
    let channel = FramedChannel(two)
    let error = #expect(throws: TransportError.self) { try receive(channel) }
    // One failure ends the channel, and the process is still here.
    #expect(throws: TransportError.channelBroken) { try channel.send(data, [1]) }
    return error
  } catch {
    Issue.record("the test's own end failed: \(error)")
    return nil
  }
}

@Suite struct FrameTests {
  @Test func theEncodingIsTheDocumentedOne() throws {
    let (one, two) = MemoryStream.pair()
    let channel = FramedChannel(one)
    try channel.send(data, [7, 8, 9])
    try channel.send(other, [])
    #expect(try two.read(35) == frame(payload: [7, 8, 9]) + frame(kind: 21, sequence: 1))
  }

  @Test(arguments: Link.allCases) func framesArriveWholeAndInPieces(link: Link) throws {
    let (one, two) = try link.connect()
    let payload = StreamGenerator(publicSeed: 5).bytes(1_000_000)
    let (sent, received) = Parties.run(
      {
        let channel = FramedChannel(one)
        try channel.send(data, payload)
        try channel.beginSend(other, byteCount: payload.count)
        for start in stride(from: 0, to: payload.count, by: 77_777) {
          try payload[start..<min(start + 77_777, payload.count)].withUnsafeBytes { try channel.write($0) }
        }
        try channel.endSend()
        try channel.send(data, [])
      },
      { () -> Bool in
        let channel = FramedChannel(two)
        var pieces = [UInt8](repeating: 0, count: payload.count)
        try channel.beginReceive(data, byteCount: payload.count)
        try pieces.withUnsafeMutableBytes { buffer in
          for start in stride(from: 0, to: buffer.count, by: 12_345) {
            try channel.read(into: .init(rebasing: buffer[start..<min(start + 12_345, buffer.count)]))
          }
        }
        channel.endReceive()
        let (kind, whole) = try channel.receiveAny([data: 10, other: payload.count])
        return try pieces == payload && kind == other && whole == payload && channel.receive(data, byteCount: 0).isEmpty
      })
    try sent.get()
    #expect(try received.get())
  }

  @Test func eachWrongHeaderHasItsOwnError() {
    #expect(
      outcome(of: frame(kind: 21)) { _ = try $0.receive(data, byteCount: 0) }
        == .unexpectedKind(expected: [data], found: other))
    #expect(
      outcome(of: frame(length: 9)) { _ = try $0.receive(data, byteCount: 8) }
        == .unexpectedLength(kind: data, expected: 8, found: 9))
    #expect(
      outcome(of: frame(length: 11)) { _ = try $0.receiveAny([data: 10]) }
        == .lengthAboveBound(kind: data, bound: 10, found: 11))
    #expect(
      outcome(of: frame(sequence: 1)) { _ = try $0.receive(data, byteCount: 0) }
        == .unexpectedSequence(kind: data, expected: 0, found: 1))
    #expect(
      outcome(of: frame(flags: 0x8000)) { _ = try $0.receive(data, byteCount: 0) }
        == .nonzeroFlags(kind: data, found: 0x8000))
  }

  /// Nothing of that size is ever allocated: the process would not survive it.
  @Test(arguments: [1 << 63, UInt64.max, 1 << 62, UInt64(Int64.max)]) func hugeLengthsAreRefused(length: UInt64) {
    #expect(
      outcome(of: frame(length: length)) { _ = try $0.receive(data, byteCount: 8) }
        == .unexpectedLength(kind: data, expected: 8, found: length))
    #expect(
      outcome(of: frame(length: length)) { _ = try $0.receiveAny([data: 10]) }
        == .lengthAboveBound(kind: data, bound: 10, found: length))
  }

  @Test func truncatedFramesEndInAnErrorAtEveryLength() {
    let whole = frame(payload: [1, 2, 3, 4])
    for count in 0..<whole.count {
      #expect(
        outcome(of: Array(whole[..<count])) { _ = try $0.receive(data, byteCount: 4) }
          == .peerClosed(activity: "receiving"))
    }
  }

  @Test func aSilentPeerEndsInATimeOut() {
    let whole = frame(payload: [1, 2, 3, 4])
    for count in [0, 8, 16, 19] {
      #expect(
        outcome(of: Array(whole[..<count]), thenClose: false) { _ = try $0.receive(data, byteCount: 4) }
          == .timedOut(activity: "receiving", seconds: 0.3))
    }
  }

  @Test func garbageIsRefused() {
    for seed in UInt64(1)...50 {
      let error = outcome(of: StreamGenerator(publicSeed: seed).bytes(64)) { _ = try $0.receive(data, byteCount: 8) }
      #expect(error != nil)
    }
  }

  @Test(arguments: [Fault.duplicate(frame: 1), .swap(frame: 1), .drop(frame: 1)])
  func repeatedReorderedAndLostFramesAreRefused(fault: Fault) throws {
    let (one, two) = MemoryStream.pair(options: quick)
    let sender = FramedChannel(FaultyStream(one, fault))
    for index in 0..<4 { try sender.send(data, [UInt8(index)]) }
    let receiver = FramedChannel(two)
    let error = #expect(throws: TransportError.self) {
      for index in 0..<4 {
        let bytes = try receiver.receive(data, byteCount: 1)
        #expect(bytes == [UInt8(index)])
      }
    }
    guard case .unexpectedSequence = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func aPeerThatVanishesOrStallsAtAnyByteIsNoticed() throws {
    for limit in [0, 1, 15, 16, 17, 30] {
      let (one, two) = MemoryStream.pair(options: quick)
      let sender = FramedChannel(FaultyStream(one, .cut(afterBytes: limit)))
      try? sender.send(data, [UInt8](repeating: 1, count: 15))
      #expect(throws: TransportError.peerClosed(activity: "receiving")) {
        try FramedChannel(two).receive(data, byteCount: 15)
      }
      let (three, four) = MemoryStream.pair(options: quick)
      try FramedChannel(FaultyStream(three, .stall(afterBytes: limit))).send(data, [UInt8](repeating: 1, count: 15))
      #expect(throws: TransportError.timedOut(activity: "receiving", seconds: 0.3)) {
        try FramedChannel(four).receive(data, byteCount: 15)
      }
    }
  }

  @Test func errorsAreSentences() {
    let error = TransportError.unexpectedLength(kind: data, expected: 8, found: 1 << 63)
    #expect("\(error)".contains("9223372036854775808 bytes"))
    #expect("\(error)".contains("has 8 bytes"))
  }
}
