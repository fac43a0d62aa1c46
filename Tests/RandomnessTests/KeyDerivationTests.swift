import Randomness
import Testing

@Suite struct KeyDerivationTests {
  struct Vector: Sendable {
    var secret, salt, info, output: String
  }

  /// RFC 5869, appendix A.1 to A.3.
  static let vectors = [
    Vector(
      secret: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", salt: "000102030405060708090a0b0c",
      info: "f0f1f2f3f4f5f6f7f8f9",
      output: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
    Vector(
      secret: hex(0x00...0x4f), salt: hex(0x60...0xaf), info: hex(0xb0...0xff),
      output: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
        + "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"),
    Vector(
      secret: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", salt: "", info: "",
      output: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
  ]

  @Test(arguments: vectors) func standardVectorsHold(vector: Vector) {
    let output = bytes(vector.output)
    let key = KeyDerivation.hkdf(
      secret: SecretKey(bytes: bytes(vector.secret)), salt: bytes(vector.salt), info: bytes(vector.info),
      length: output.count)
    #expect(key == SecretKey(bytes: output))
  }

  @Test func everyPartOfTheContextChangesTheKey() {
    let secret = SecretKey(bytes: [UInt8](0..<32))
    func derive(
      _ context: [UInt8] = [1, 2], _ purpose: Purpose = .mask, _ layer: UInt32 = 3, _ serial: UInt64 = 4,
      _ length: Int = 16
    ) -> [UInt8] {
      KeyDerivation.derive(
        secret: secret, context: context, purpose: purpose, layer: layer, serial: serial, length: length
      ).withUnsafeBytes { Array($0.prefix(16)) }
    }
    let keys = [
      derive(), derive([1, 2, 0]), derive([]), derive([1, 2], .oleAlpha), derive([1, 2], .mask, 4),
      derive([1, 2], .mask, 3, 5), derive([1, 2], .mask, 3, 4, 32),
      // The boundary between context and label must not be movable.
      derive([1], Purpose(label: "a")), derive([], Purpose(label: "1a")),
    ]
    #expect(Set(keys).count == keys.count)
    #expect(derive() == derive())
  }

  /// Agreement: a changed byte here means that parties of different versions derive different keys.
  @Test func derivationIsPinned() {
    let key = KeyDerivation.derive(
      secret: SecretKey(bytes: [UInt8](0..<32)), context: [UInt8](0..<32), purpose: .mask, layer: 1, serial: 2)
    #expect(key.withUnsafeBytes { hex($0) } == "f8a0a1972fed75ae2b902d244edcefd5")
  }
}
