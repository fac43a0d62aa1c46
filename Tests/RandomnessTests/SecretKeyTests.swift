import Randomness
import Testing

@Suite struct SecretKeyTests {
  @Test func equalityLooksAtLengthAndBytes() {
    #expect(SecretKey(bytes: [1, 2, 3]) == SecretKey(bytes: [1, 2, 3]))
    #expect(SecretKey(bytes: [1, 2, 3]) != SecretKey(bytes: [1, 2, 4]))
    #expect(SecretKey(bytes: [1, 2, 3]) != SecretKey(bytes: [1, 2, 3, 0]))
    #expect(SecretKey.random() != SecretKey.random())
    #expect(SecretKey.random(count: 32).count == 32)
  }

  @Test func descriptionsHideTheBytes() {
    #expect("\(SecretKey(bytes: [201, 202]))" == "SecretKey(2 bytes)")
    #expect(SecretKey(bytes: [201, 202]).withUnsafeBytes { Array($0) } == [201, 202])
  }
}
