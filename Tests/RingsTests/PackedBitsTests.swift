import Rings
import Testing

@Suite struct PackedBitsTests {
  @Test func bitsAreLittleEndian() {
    let bits = PackedBits(zeros: 11)
    bits[0] = 1
    bits[9] = 1
    #expect(bits.storage.array() == [1, 2])
    bits[0] = 0
    #expect(bits.storage.array() == [0, 2])
    #expect(PackedBits(count: 11, bytes: [0xFF, 0xFF]).storage.array() == [0xFF, 0x07])
    #expect(PackedBits.byteCount(0) == 0)
    #expect(PackedBits.byteCount(9) == 2)
    #expect(PackedBits(zeros: 0).storage.count == 0)
  }

  @Test func packsAndUnpacksWords() {
    var generator = SeededGenerator(seed: 2)
    let words = (0..<77).map { _ in generator.next() }
    for offset in [0, 1, 7, 8, 19] {
      let bits = PackedBits(zeros: 100)
      for i in 0..<100 { bits[i] = 1 }
      PackedBits.packTopBits(words: words, count: 77, to: bits.storage.pointer, offset: offset)
      for i in 0..<100 {
        let expected = i >= offset && i < offset + 77 ? UInt8(words[i - offset] >> 63) : 1
        #expect(bits[i] == expected)
      }
      PackedBits.packLowBits(words: words, count: 77, to: bits.storage.pointer, offset: offset)
      let unpacked = SecretWords(zeros: 77)
      PackedBits.unpack(bits.storage.pointer, offset: offset, count: 77, to: unpacked.pointer)
      #expect(unpacked.array() == words.map { $0 & 1 })
    }
  }

  @Test(arguments: [(0, 0), (8, 16), (3, 5), (0, 1), (16, 0)])
  func copiesUnalignedRuns(source: Int, target: Int) {
    var generator = SeededGenerator(seed: 3)
    let from = PackedBits(zeros: 100)
    for i in 0..<100 { from[i] = UInt8(generator.next() & 1) }
    for count in [0, 1, 7, 8, 61] {
      let to = PackedBits(zeros: 100)
      PackedBits.copyBits(
        from: from.storage.pointer, offset: source, to: to.storage.pointer, offset: target, count: count)
      for i in 0..<100 {
        #expect(to[i] == (i >= target && i < target + count ? from[source + i - target] : 0))
      }
    }
  }

  @Test func xorsBits() {
    let target = PackedBits(count: 12, bytes: [0xF0, 0x0F])
    PackedBits.xor(target.storage.pointer, [0xFF, 0xFF], count: 12)
    #expect(target.storage.array() == [0x0F, 0x00])
  }

  @Test func secretMemoryHoldsWhatItIsGiven() {
    #expect(SecretWords([1, 2, 3]).array() == [1, 2, 3])
    #expect(SecretWords(zeros: 3).array() == [0, 0, 0])
    #expect(SecretWords(zeros: 0).array() == [])
    #expect(SecretBytes([1, 2]).array() == [1, 2])
    let words = SecretWords(uninitialized: 5)
    #expect(words.count == 5 && UInt(bitPattern: words.pointer) % 64 == 0)
    #expect(UInt(bitPattern: SecretBytes(zeros: 5).pointer) % 64 == 0)
  }
}
