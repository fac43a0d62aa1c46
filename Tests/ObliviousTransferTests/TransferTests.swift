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
    let shape = TableShape(count: 517, choiceBits: m)
    let choices = Choices(shape, seed: 50)
    for width in [1, 5, 8, 16] {
      let outcome = try Ends(method: method, seed: 6).run(
        { try $0.tables(shape, entryBytes: width) },
        { try $0.tables(shape, choices: choices.planes, entryBytes: width) })
      let (tables, chosen) = (outcome.sender.array(), outcome.receiver.array())
      for (index, choice) in choices.values.enumerated() {
        let entry = index * shape.entries + choice
        let wanted = Array(tables[width * entry..<width * (entry + 1)])
        #expect(Array(chosen[width * index..<width * (index + 1)]) == wanted)
      }
      if width == 16 {
        let entries = stride(from: 0, to: tables.count, by: 16).map { Array(tables[$0..<$0 + 16]) }
        #expect(Set(entries).count == entries.count)
      }
    }
  }

  @Test("Tables of bits are planes of the same entries", arguments: [1, 2, 4, 6], [1, 2, 9])
  func bitTables(m: Int, lanes: Int) throws {
    let shape = TableShape(count: 4099, choiceBits: m)
    let choices = Choices(shape, seed: 51)
    let ends = Ends(method: .softSpoken(k: 2), seed: 12)
    let outcome = try ends.run(
      { try $0.bitTables(shape, lanes: lanes) }, { try $0.bitTables(shape, choices: choices.planes, lanes: lanes) })
    let bytes = try ends.run(
      { try $0.tables(shape, entryBytes: 2) }, { _ = try $0.tables(shape, choices: choices.planes, entryBytes: 2) })
    let words = bytes.sender.array()
    var wrong = 0
    for (index, choice) in choices.values.enumerated() {
      for lane in 0..<lanes {
        for entry in 0..<shape.entries {
          let byte = words[2 * (index * shape.entries + entry) + lane / 8]
          if outcome.sender[entry * lanes + lane][index] != byte >> UInt8(lane % 8) & 1 { wrong += 1 }
        }
        if outcome.receiver[lane][index] != outcome.sender[choice * lanes + lane][index] { wrong += 1 }
      }
    }
    #expect(wrong == 0)
  }

  @Test("Tables that were prepared ahead serve in order")
  func ahead() throws {
    let shapes = [TableShape(count: 100, choiceBits: 4), TableShape(count: 3000, choiceBits: 1)]
    let choices = shapes.map { Choices($0, seed: 52) }
    let outcome = try Ends(method: .silent, seed: 13).run(
      { end in
        let first = try end.prepareTables(shapes[0])
        let second = try end.prepareTables(shapes[1])
        return (try end.tables(first, entryBytes: 8), try end.tables(second, entryBytes: 8))
      },
      { end in
        let first = try end.tables(shapes[0], choices: choices[0].planes, entryBytes: 8)
        return (first, try end.tables(shapes[1], choices: choices[1].planes, entryBytes: 8))
      })
    let tables = [outcome.sender.0.array(), outcome.sender.1.array()]
    let chosen = [outcome.receiver.0.array(), outcome.receiver.1.array()]
    for (number, shape) in shapes.enumerated() {
      for (index, choice) in choices[number].values.enumerated() {
        let entry = 8 * (index * shape.entries + choice)
        #expect(Array(chosen[number][8 * index..<8 * index + 8]) == Array(tables[number][entry..<entry + 8]))
      }
    }
  }

  @Test("Chosen words, at the edges of every width", arguments: [1, 4, 20, 63, 64])
  func chosen(bits: Int) throws {
    let count = 1003
    let random = StreamGenerator(publicSeed: 60)
    let (zeros, ones) = (Self.factors(count, .bits(bits), seed: 61), Self.factors(count, .bits(bits), seed: 62))
    let choices = PackedBits(count: count, bytes: random.bytes(PackedBits.byteCount(count)))
    let outcome = try Ends(seed: 7).run(
      { try $0.transfer(zeros: zeros, ones: ones, bits: bits) }, { try $0.transfer(choices: choices, bits: bits) })
    let found = outcome.receiver.array()
    for index in 0..<count { #expect(found[index] == (choices[index] == 1 ? ones : zeros).pointer[index]) }
  }

  @Test(
    "Products by hidden bits, given and random",
    arguments: [.field, .bits(1), .bits(20), .bits(63), .bits(64)] as [ProductRing])
  func products(ring: ProductRing) throws {
    let count = 5003
    let factors = Self.factors(count, ring, seed: 63)
    let given = PackedBits(
      count: count, bytes: StreamGenerator(publicSeed: 64).bytes(PackedBits.byteCount(count)))
    let outcome = try Ends(seed: 14).run(
      { (try $0.products(factors, ring: ring), try $0.randomProducts(factors, ring: ring)) },
      { (try $0.products(choices: given, ring: ring), try $0.randomProducts(count, ring: ring)) })
    func check(_ mine: SecretWords, _ theirs: SecretWords, _ bits: PackedBits) {
      let (a, b, x) = (mine.array(), theirs.array(), factors.array())
      for index in 0..<count {
        let sum =
          switch ring {
          case .field: Plain.add(a[index], b[index])
          case .bits(let width): (a[index] &+ b[index]) & (.max >> UInt64(64 - width))
          }
        #expect(sum == (bits[index] == 1 ? x[index] : 0))
      }
    }
    check(outcome.sender.0, outcome.receiver.0, given)
    check(outcome.sender.1, outcome.receiver.1.shares, outcome.receiver.1.choices)
    let set = (0..<count).reduce(0) { $0 + Int(outcome.receiver.1.choices[$1]) }
    #expect(abs(set - count / 2) < 6 * 36)
  }

  /// Edges of the ring, then uniform words.
  static func factors(_ count: Int, _ ring: ProductRing, seed: UInt64) -> SecretWords {
    let random = StreamGenerator(publicSeed: seed)
    guard case .bits(let bits) = ring else {
      let edges: [UInt64] = [0, 1, PrimeField.modulus - 1, PrimeField.modulus / 2, 1 << 32]
      return SecretWords(edges + (5..<count).map { _ in random.word() % PrimeField.modulus })
    }
    let mask = UInt64.max >> UInt64(64 - bits)
    let edges: [UInt64] = [0, 1, mask, mask >> 1, mask ^ mask >> 1]
    return SecretWords(edges + (5..<count).map { _ in random.word() & mask })
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

/// Choices as numbers and as planes.
struct Choices: Sendable {
  let values: [Int]
  let planes: [PackedBits]

  init(_ shape: TableShape, seed: UInt64) {
    let random = StreamGenerator(publicSeed: seed)
    let values = (0..<shape.count).map { _ in random.uniform(in: 0...shape.entries - 1) }
    planes = (0..<shape.choiceBits).map { bit in
      let plane = PackedBits(zeros: shape.count)
      for (index, value) in values.enumerated() { plane[index] = UInt8(value >> bit & 1) }
      return plane
    }
    self.values = values
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
