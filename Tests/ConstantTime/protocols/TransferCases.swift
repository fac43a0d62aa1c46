import Randomness
import Rings
import TestSupport
import Transport

@testable import ObliviousTransfer

/// Oblivious transfer of both ends: every draw is secret, what is sent is not.
enum TransferCases {
  static let all: [Case] = [
    ("transfers, SoftSpoken", { try run(.softSpoken(k: 4)) }),
    ("transfers, silent", { try run(.silent) }),
  ]

  static let count = 200
  static let shape = TableShape(count: count, choiceBits: 4)

  /// The first point of base transfers: its sender compares the peer's points with it.
  static let published = [FrameKind.transferBasePoint]

  static func run(_ method: TransferMethod) throws {
    let (left, right) = channels(published: published)
    let session = TransferSession(id: Digest32.sha256(Array("constant time".utf8)), lane: 0)
    let handed = Handed(left)
    _ = try together(
      {
        let end = CorrelatedSender(
          channel: handed.value, session: session, method: method, randomness: SecretSource(10))
        try end.begin()
        try send(end)
        end.end()
        try handed.value.flush()
      },
      {
        let end = CorrelatedReceiver(channel: right, session: session, method: method, randomness: SecretSource(11))
        try end.begin()
        try receive(end)
        end.end()
        try right.flush()
      })
  }

  static func send(_ end: CorrelatedSender) throws {
    let source = SecretSource(12)
    for modulus in [ModulusKind.field, .word] { _ = try end.randomWords(count, modulus: modulus) }
    _ = try end.randomBits(count, width: 3)
    _ = try end.bitTriples(count)
    try end.transfer(zeros: source.words(count, .word), ones: source.words(count, .word), bits: 64)
    try end.transfer(zeros: source.words(count, .word), ones: source.words(count, .word), bits: 13)
    for ring in [ProductRing.field, .bits(64), .bits(20)] {
      _ = try end.products(source.words(count, .field), ring: ring)
    }
    _ = try end.tables(shape, entryBytes: 5)
    _ = try end.bitTables(shape, lanes: 2)
  }

  static func receive(_ end: CorrelatedReceiver) throws {
    let source = SecretSource(13)
    for modulus in [ModulusKind.field, .word] { _ = try end.randomWords(count, modulus: modulus) }
    _ = try end.randomBits(count, width: 3)
    _ = try end.bitTriples(count)
    _ = try end.transfer(choices: source.planes(1, count: count)[0], bits: 64)
    _ = try end.transfer(choices: source.planes(1, count: count)[0], bits: 13)
    for ring in [ProductRing.field, .bits(64), .bits(20)] {
      _ = try end.products(choices: source.planes(1, count: count)[0], ring: ring)
    }
    let choices = source.planes(shape.choiceBits, count: count)
    _ = try end.tables(shape, choices: choices, entryBytes: 5)
    _ = try end.bitTables(shape, choices: choices, lanes: 2)
  }
}
