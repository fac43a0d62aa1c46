import Foundation
import Randomness
import Testing

@Suite struct DigestTests {
  /// FIPS 180-4 examples: "abc", the 448-bit message, and the empty one; then a million times "a".
  @Test func standardVectorsHold() {
    #expect(
      Digest32.sha256(Array("abc".utf8)).hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      Digest32.sha256(Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)).hex
        == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    #expect(Digest32.sha256().hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    let hash = SHA256()
    for _ in 0..<1000 { hash.update([UInt8](repeating: 0x61, count: 1000)) }
    #expect(hash.digest().hex == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  @Test func aDigestMayBeReadAndContinued() {
    let hash = SHA256()
    hash.update([1])
    #expect(hash.digest() == Digest32.sha256([1]))
    hash.update([2, 3])
    #expect(hash.digest() == Digest32.sha256([1, 2], [3]))
  }

  @Test func textFormsAreReadStrictly() throws {
    let digest = Digest32.sha256([5])
    #expect(Digest32(hex: digest.hex.uppercased()) == digest)
    #expect(Digest32(bytes: digest.bytes) == digest)
    #expect(Digest32(hex: digest.hex.dropLast()) == nil)
    #expect(Digest32(hex: "g" + digest.hex.dropFirst()) == nil)
    #expect(Digest32(bytes: digest.bytes.dropLast()) == nil)
    let coded = try JSONEncoder().encode([digest])
    #expect(String(decoding: coded, as: UTF8.self) == "[\"\(digest.hex)\"]")
    #expect(try JSONDecoder().decode([Digest32].self, from: coded) == [digest])
    #expect(throws: DecodingError.self) { try JSONDecoder().decode([Digest32].self, from: Data("[\"00\"]".utf8)) }
  }
}
