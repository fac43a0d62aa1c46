import Randomness
import Rings
import Testing

@Suite struct StreamGeneratorTests {
  /// NIST SP 800-38A, F.5.1: the output blocks of CTR-AES128.Encrypt.
  @Test func standardVectorsHold() {
    let generator = StreamGenerator(
      key: SecretKey(bytes: bytes("2b7e151628aed2a6abf7158809cf4f3c")),
      firstBlock: 0xf0f1_f2f3_f4f5_f6f7_f8f9_fafb_fcfd_feff)
    #expect(hex(generator.bytes(16)) == "ec8cdf7398607cb0f2d21675ea9ea1e4")
    #expect(hex(generator.bytes(16)) == "362b7c3c6773516318a077d7fc5073ae")
    #expect(hex(generator.bytes(16)) == "6a2cc3787889374fbeb4c81b17ba6c44")
    #expect(hex(generator.bytes(16)) == "e89c399ff0f198c6d40a31db156cabfe")
  }

  /// The counter starts at zero: blocks 0 and 1 under the zero key, as published with GCM (McGrew and Viega, case 1).
  @Test func theCounterStartsAtZero() {
    let generator = StreamGenerator(key: SecretKey(bytes: [UInt8](repeating: 0, count: 16)))
    #expect(hex(generator.bytes(16)) == "66e94bd4ef8a2c3b884cfa59ca342b2e")
    #expect(hex(generator.bytes(16)) == "58e2fccefa7e3061367f1d57a4e7455a")
  }

  @Test func aLaterBlockIsTheSameStream() {
    let key = SecretKey(bytes: [UInt8](0..<16))
    let whole = StreamGenerator(key: key).bytes(16 * 600)
    #expect(StreamGenerator(key: key, firstBlock: 300).bytes(16 * 300) == Array(whole[4800...]))
  }

  @Test func requestSizesDoNotChangeTheStream() {
    let size = 300_000
    let whole = StreamGenerator(publicSeed: 7).bytes(size)
    for seed in UInt64(1)...5 {
      let cuts = StreamGenerator(publicSeed: seed)
      let generator = StreamGenerator(publicSeed: 7)
      var pieces: [UInt8] = []
      while pieces.count < size {
        let small = cuts.uniform(below: 2) == 0
        let next = min(size - pieces.count, cuts.uniform(in: 0...(small ? 100 : 50_000)))
        pieces += generator.bytes(next)
      }
      #expect(pieces == whole)
    }
  }

  @Test func wordsAndFieldElementsComeFromTheStreamAsDocumented() {
    let count = 5000
    let bytes = StreamGenerator(publicSeed: 9).bytes(16 * count)
    var words = [UInt64](repeating: 0, count: 2 * count)
    StreamGenerator(publicSeed: 9).fill(.word, &words, count: 2 * count)
    var field = [UInt64](repeating: 0, count: count)
    StreamGenerator(publicSeed: 9).fill(.field, &field, count: count)
    for index in 0..<(2 * count) {
      let expected = bytes[(8 * index)..<(8 * index + 8)].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      #expect(words[index] == expected)
    }
    for index in 0..<count {
      let value = UInt128(words[2 * index + 1]) << 64 | UInt128(words[2 * index])
      #expect(field[index] == UInt64(value % UInt128(PrimeField.modulus)))
    }
  }

  @Test func fieldFillsContinueTheStream() {
    let generator = StreamGenerator(publicSeed: 11)
    var parts = [UInt64](repeating: 0, count: 3000)
    parts.withUnsafeMutableBufferPointer { buffer in
      generator.fillField(buffer.baseAddress!, count: 1)
      generator.fillField(buffer.baseAddress! + 1, count: 1500)
      generator.fillField(buffer.baseAddress! + 1501, count: 1499)
    }
    #expect(parts == StreamGenerator(publicSeed: 11).secretWords(.field, count: 3000).array())
  }

  @Test func uniformDrawsStayInRangeAndReachItsEnds() {
    let generator = StreamGenerator(publicSeed: 13)
    var seen = Set<Int>()
    for _ in 0..<2000 { seen.insert(generator.uniform(in: -3...3)) }
    #expect(seen == Set(-3...3))
    for _ in 0..<100 { #expect((0..<1).contains(generator.uniformUnit())) }
    _ = generator.uniform(in: Int.min...Int.max)
    #expect(generator.uniform(below: 1) == 0)
  }

  @Test func theSystemGivesDifferentBytesEachTime() {
    #expect(SystemRandom().bytes(32) != SystemRandom().bytes(32))
  }
}

func hex(_ bytes: some Sequence<UInt8>) -> String {
  bytes.map { byte in String(byte >> 4, radix: 16) + String(byte & 15, radix: 16) }.joined()
}

func bytes(_ hex: String) -> [UInt8] {
  let digits = hex.map { UInt8($0.hexDigitValue!) }
  return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}
