import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import ObliviousTransfer

@Suite("Transfers on correlated transfers")
struct TransferTests {
  static let methods: [TransferMethod] = [.silent, .softSpoken(k: 4)]

  @Test("Base transfers: one key of each pair, by choice, and all keys differ")
  func base() throws {
    let (left, right) = MemoryStream.pair()
    let session = Ends(seed: 40).session()
    let choices = PackedBits(zeros: 128)
    StreamGenerator(publicSeed: 41).fill(UnsafeMutableRawBufferPointer(choices.storage.buffer))
    let (keys, chosen) = try together(
      { try BaseTransfer.send(FramedChannel(left), session: session, randomness: StreamGenerator(publicSeed: 42)) },
      {
        try BaseTransfer.receive(
          FramedChannel(right), session: session, choices: choices, randomness: StreamGenerator(publicSeed: 43))
      })
    let (zeros, ones, mine) = (split(keys.zeros), split(keys.ones), split(chosen))
    for index in 0..<128 {
      #expect(mine[index] == (choices[index] == 1 ? ones[index] : zeros[index]))
    }
    #expect(Set(zeros + ones).count == 256)
  }

  @Test("Random words: the receiver's pad is the chosen one", arguments: methods, [ModulusKind.word, .field])
  func randomWords(method: TransferMethod, modulus: ModulusKind) throws {
    let count = 9001
    let outcome = try Ends(method: method, seed: 4).run(
      { try $0.randomWords(count, modulus: modulus) }, { try $0.randomWords(count, modulus: modulus) })
    let (zeros, ones) = (outcome.sender.zeros.array(), outcome.sender.ones.array())
    let pads = outcome.receiver.pads.array()
    var chosen = 0
    for index in 0..<count {
      let bit = outcome.receiver.choices[index]
      chosen += Int(bit)
      #expect(pads[index] == (bit == 1 ? ones : zeros)[index])
      #expect(zeros[index] != ones[index])
    }
    #expect(abs(chosen - count / 2) < 3 * 95)
    if modulus == .field { #expect((zeros + ones).allSatisfy { $0 < PrimeField.modulus }) }
    let looksUniform = modulus == .field || Statistics.bytesAreUniform(zeros + ones)
    #expect(looksUniform)
  }

  @Test("Random bits and triples", arguments: methods, [1, 3, 8])
  func randomBits(method: TransferMethod, width: Int) throws {
    let count = 5003
    let outcome = try Ends(method: method, seed: 5).run(
      { (try $0.randomBits(count, width: width), Shares(try $0.bitTriples(count))) },
      { (try $0.randomBits(count, width: width), Shares(try $0.bitTriples(count))) })
    let (sent, received) = (outcome.sender.0, outcome.receiver.0)
    for plane in 0..<width {
      for index in 0..<count {
        let wanted = received.choices[index] == 1 ? sent.ones[plane][index] : sent.zeros[plane][index]
        #expect(received.pads[plane][index] == wanted)
      }
    }
    let (mine, theirs) = (outcome.sender.1, outcome.receiver.1)
    var products = [Int](repeating: 0, count: 4)
    for index in 0..<count {
      let (a, b) = (mine.a[index] ^ theirs.a[index], mine.b[index] ^ theirs.b[index])
      #expect(mine.c[index] ^ theirs.c[index] == a & b)
      products[Int(a + 2 * b)] += 1
    }
    #expect(products.allSatisfy { abs($0 - count / 4) < 6 * 31 })
  }

  @Test("Tables: the receiver gets the entry it chose", arguments: methods, [1, 2, 4, 5, 8])
  func tables(method: TransferMethod, m: Int) throws {
    for width in [1, 5, 8, 16] {
      let shape = TableShape(count: 517, choiceBits: m, entryBytes: width)
      let random = StreamGenerator(publicSeed: 50)
      let choices = SecretBytes((0..<shape.count).map { _ in UInt8(random.uniform(in: 0...(1 << m - 1))) })
      let outcome = try Ends(method: method, seed: 6).run(
        { try $0.tables(shape) }, { try $0.tables(shape, choices: choices) })
      let (tables, chosen) = (outcome.sender.array(), outcome.receiver.array())
      for index in 0..<shape.count {
        let entry = index * shape.entries + Int(choices.pointer[index])
        #expect(
          Array(chosen[width * index..<width * (index + 1)]) == Array(tables[width * entry..<width * (entry + 1)]))
      }
      if width == 16 {
        let entries = stride(from: 0, to: tables.count, by: 16).map { Array(tables[$0..<$0 + 16]) }
        #expect(Set(entries).count == entries.count)
      }
    }
  }

  @Test("Chosen words and products, at the edges of every width", arguments: [1, 4, 20, 63, 64])
  func chosen(bits: Int) throws {
    let count = 1003
    let random = StreamGenerator(publicSeed: 60)
    let mask = UInt64.max >> UInt64(64 - bits)
    let edges: [UInt64] = [0, 1, mask, mask >> 1, mask >> 1 &+ 1]
    let zeros = SecretWords((0..<count).map { $0 < 5 ? edges[$0] : random.word() & mask })
    let ones = SecretWords((0..<count).map { $0 < 5 ? edges[4 - $0] : random.word() & mask })
    let choices = PackedBits(count: count, bytes: random.bytes(PackedBits.byteCount(count)))
    let outcome = try Ends(seed: 7).run(
      {
        try $0.transfer(zeros: zeros, ones: ones, bits: bits)
        return try $0.products(zeros, bits: bits)
      }, { (try $0.transfer(choices: choices, bits: bits), try $0.products(choices: choices, bits: bits)) })
    for index in 0..<count {
      let bit = choices[index] == 1
      #expect(outcome.receiver.0.pointer[index] == (bit ? ones : zeros).pointer[index])
      let sum = (outcome.sender.pointer[index] &+ outcome.receiver.1.pointer[index]) & mask
      #expect(sum == (bit ? zeros.pointer[index] : 0))
    }
  }

  @Test("Every cipher gives both ends the same bytes", arguments: ciphers)
  func variants(variant: CipherVariant) throws {
    for method in Self.methods {
      var ends = Ends(method: method, seed: 8)
      let wanted = try ends.run(
        { try $0.randomWords(300, modulus: .word).ones.array() }, { _ = try $0.randomWords(300, modulus: .word) })
      ends.variants = (variant, .best)
      let found = try ends.run(
        { try $0.randomWords(300, modulus: .word).ones.array() }, { _ = try $0.randomWords(300, modulus: .word) })
      #expect(found.sender == wanted.sender && found.transcript == wanted.transcript)
      ends.variants = (.best, variant)
      let other = try ends.run(
        { try $0.randomWords(300, modulus: .word).ones.array() }, { _ = try $0.randomWords(300, modulus: .word) })
      #expect(other.sender == wanted.sender && other.transcript == wanted.transcript)
    }
  }

  @Test("Lanes and sessions share no pad")
  func separation() throws {
    var seen: Set<UInt64> = []
    for (seed, lane) in [(9, 0), (9, 1), (10, 0)] as [(UInt64, UInt32)] {
      let outcome = try Ends(seed: seed, lane: lane).run(
        { try $0.randomWords(500, modulus: .word) }, { _ = try $0.randomWords(500, modulus: .word) })
      seen.formUnion(outcome.sender.zeros.array() + outcome.sender.ones.array())
    }
    #expect(seen.count == 3000)
  }
}

/// Blocks of 16 bytes.
private func split(_ bytes: SecretBytes) -> [[UInt8]] {
  let all = bytes.array()
  return stride(from: 0, to: all.count, by: 16).map { Array(all[$0..<$0 + 16]) }
}

/// Shares of triples, copied out of material that is used once.
private struct Shares: Sendable {
  let a: PackedBits, b: PackedBits, c: PackedBits
  init(_ triples: consuming BitTriples) { (a, b, c) = (triples.a, triples.b, triples.c) }
}
