import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import ObliviousTransfer

/// The bytes between the ends, for seeded randomness. A changed byte is a changed line here.
@Suite("Golden wire of transfers")
struct WireTests {
  static let golden: [(method: TransferMethod, digest: String)] = [
    (.softSpoken(k: 1), "0c2bb2ba3c9afa0777cf606d7918aace45d9fb01c33965f6be9b0315d2042646"),
    (.softSpoken(k: 2), "1e8a27e3fa62613f2fca157c0125e3d8a3dbeb221a0dcf28875c70dd5e8ed03f"),
    (.softSpoken(k: 4), "124db8c3121561acb18dc1b02a9278317d0c57bd218e263c8c3c00a9ee9fc6a6"),
    (.softSpoken(k: 8), "2d9b8866f315741dc2c6c875a37b9119e5389147bff8a3eb9e247b3e46c2881d"),
    (.silent, "0c484b8755e3bea5d0b60089540e7e615433c84216deb694e79f7190be348a29"),
  ]

  @Test("Transcript of set-up, draws and every use", arguments: golden)
  func transcript(method: TransferMethod, digest: String) throws {
    let shape = TableShape(count: 100, choiceBits: 4)
    let none = (0..<4).map { _ in PackedBits(zeros: 100) }
    let words = SecretWords((0..<50).map { UInt64($0) })
    let outcome = try Ends(method: method, seed: 30).run(
      { end in
        _ = try end.draw(3000)
        _ = try end.randomWords(100, modulus: .word)
        _ = try end.tables(shape, entryBytes: 1)
        try end.transfer(zeros: words, ones: words, bits: 20)
        _ = try end.products(words, ring: .bits(9))
        _ = try end.randomProducts(words, ring: .field)
      },
      { end in
        _ = try end.draw(3000)
        _ = try end.randomWords(100, modulus: .word)
        _ = try end.tables(shape, choices: none, entryBytes: 1)
        _ = try end.transfer(choices: PackedBits(zeros: 50), bits: 20)
        _ = try end.products(choices: PackedBits(zeros: 50), ring: .bits(9))
        _ = try end.randomProducts(50, ring: .field)
      })
    #expect(outcome.transcript.hex == digest)
  }
}

@Suite("Damaged transfers")
struct FaultTests {
  /// Runs both ends, one behind a stream with a fault, and gives the error of the end that is named.
  private func failure(_ method: TransferMethod, _ fault: Fault, atSender: Bool) throws -> (any Error)? {
    let options = StreamOptions(idleTimeout: .milliseconds(500))
    let (left, right) = MemoryStream.pair(options: options)
    let session = Ends(seed: 31).session()
    let threads = Threads()
    let errors = Errors()
    threads.start {
      let stream: any ByteStream = atSender ? FaultyStream(left, fault) : left
      defer { stream.close() }
      let end = CorrelatedSender(
        channel: FramedChannel(stream), session: session, method: method,
        randomness: StreamGenerator(publicSeed: 1))
      do {
        try end.begin()
        _ = try end.tables(TableShape(count: 10, choiceBits: 2), entryBytes: 1)
      } catch { errors.sender = error }
    }
    threads.start {
      let stream: any ByteStream = atSender ? right : FaultyStream(right, fault)
      defer { stream.close() }
      let end = CorrelatedReceiver(
        channel: FramedChannel(stream), session: session, method: method,
        randomness: StreamGenerator(publicSeed: 2))
      do {
        try end.begin()
        let none = (0..<2).map { _ in PackedBits(zeros: 10) }
        _ = try end.tables(TableShape(count: 10, choiceBits: 2), choices: none, entryBytes: 1)
      } catch { errors.receiver = error }
    }
    try threads.join(seconds: 60)
    return atSender ? errors.receiver : errors.sender
  }

  @Test("A point that is none is refused by name", arguments: [0, 1, 32, 33, 64])
  func points(byte: Int) throws {
    // The receiver's point A, seen by the sender.
    let atBase = try failure(.softSpoken(k: 4), .flipInFrame(frame: 0, byte: 16 + byte, bit: 3), atSender: false)
    #expect(atBase as? ObliviousTransferError == .malformedPoint(message: "base point", index: 0))
    // The sender's seventh point B, seen by the receiver.
    let atAnswer = try failure(
      .softSpoken(k: 4), .flipInFrame(frame: 0, byte: 16 + 7 * 65 + byte, bit: 3), atSender: true)
    #expect(atAnswer as? ObliviousTransferError == .malformedPoint(message: "base transfers", index: 7))
  }

  @Test("Frames of another length or kind, repeated or missing, end the session", arguments: [0, 1, 2])
  func frames(frame: Int) throws {
    for method in [TransferMethod.silent, .softSpoken(k: 4)] {
      for fault in [Fault.drop(frame: frame), .swap(frame: frame), .cutFrame(frame: frame), .duplicate(frame: frame)] {
        let error = try failure(method, fault, atSender: false)
        #expect(error is TransportError, "\(method) \(fault)")
      }
    }
    let noise = try failure(.silent, .cutFrame(frame: 1), atSender: true)
    #expect(noise is TransportError)
  }

  @Test("A word of F_p that is not reduced is refused")
  func notReduced() throws {
    let (left, right) = MemoryStream.pair()
    let session = Ends(seed: 33).session()
    let (_, error) = try together(
      {
        let channel = FramedChannel(left)
        let end = CorrelatedSender(
          channel: channel, session: session, method: .softSpoken(k: 4), randomness: StreamGenerator(publicSeed: 5))
        try end.begin()
        _ = try end.randomWords(2, modulus: .field)
        try channel.send(.transferMessages, [UInt8](repeating: 0, count: 8) + [UInt8](repeating: 255, count: 8))
      },
      { () -> (any Error)? in
        let end = CorrelatedReceiver(
          channel: FramedChannel(right), session: session, method: .softSpoken(k: 4),
          randomness: StreamGenerator(publicSeed: 6))
        do {
          try end.begin()
          _ = try end.randomProducts(2, ring: .field)
          return nil
        } catch { return error }
      })
    #expect(error as? ObliviousTransferError == .wordNotReduced)
  }

  @Test("The point that was sent is no answer")
  func degenerate() throws {
    let (left, right) = MemoryStream.pair()
    let session = Ends(seed: 32).session()
    let (_, error) = try together(
      {
        let channel = FramedChannel(left)
        let point = try channel.receive(.transferBasePoint, byteCount: 65)
        try channel.send(.transferBaseAnswer, (0..<128).flatMap { _ in point })
      },
      { () -> (any Error)? in
        do {
          _ = try BaseTransfer.send(
            FramedChannel(right), session: session, randomness: StreamGenerator(publicSeed: 3))
          return nil
        } catch { return error }
      })
    #expect(error as? ObliviousTransferError == .degeneratePoint(index: 0))
  }

  @Test("The neutral element, other forms and coordinates out of range are refused")
  func encodings() throws {
    let curve = Curve()
    let good = curve.multiply(curve.scalar(from: StreamGenerator(publicSeed: 4)))
    var bytes = [UInt8](repeating: 0, count: 65)
    curve.encode(good, to: &bytes)
    _ = try curve.decode(bytes, message: "test", index: 1)
    var cases = [[UInt8](repeating: 0, count: 65), [4] + [UInt8](repeating: 0, count: 64)]
    for form: UInt8 in [0, 2, 3, 5, 6, 7] { cases.append([form] + bytes.dropFirst()) }
    // x + p is the same coordinate in another encoding; it fits 256 bits for small x only, so take all ones.
    cases.append([4] + [UInt8](repeating: 255, count: 32) + bytes[33...])
    cases.append(Array(bytes[..<33]) + [UInt8](repeating: 255, count: 32))
    for (index, wrong) in cases.enumerated() {
      #expect(throws: ObliviousTransferError.malformedPoint(message: "test", index: index)) {
        try curve.decode(wrong, message: "test", index: index)
      }
    }
  }
}

/// Filled by one thread each.
private final class Errors: @unchecked Sendable {
  var sender: (any Error)?
  var receiver: (any Error)?
}
