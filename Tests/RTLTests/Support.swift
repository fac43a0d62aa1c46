import Randomness
import Rings

let p = PrimeField.modulus

/// Words at which carries, borrows, limbs and signs change.
let edgeWords: [UInt64] = [
  0, 1, 2, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF, 1 << 32, (1 << 32) + 1, 1 << 63, (1 << 63) - 1,
  p / 2 - 1, p / 2, p / 2 + 1, p / 2 + 2, p - 2, p - 1, p - (1 << 32), p - (1 << 32) + 1, p, p + 1, .max,
  0x8000_0000_8000_0000, 0x7FFF_FFFF_7FFF_FFFF, 0xFFFF_FFFF_0000_0000, 0x0001_FFFF_0000_FFFF, 0x00FF_FFFF_FF00_0000,
]

extension StreamGenerator {
  /// A word reduced for `kind`, an edge one time in four.
  func word(_ kind: ModulusKind) -> UInt64 {
    var words: [UInt64] = [0, 0]
    fillWords(&words, count: 2)
    let value = words[0] & 3 == 0 ? edgeWords[Int((words[0] >> 2) % UInt64(edgeWords.count))] : words[1]
    return kind == .field ? value % p : value
  }

  func words(_ kind: ModulusKind, _ count: Int) -> [UInt64] { (0..<count).map { _ in word(kind) } }

  func bits(_ count: Int) -> PackedBits {
    let bits = PackedBits(zeros: count)
    for index in 0..<count { bits[index] = UInt8(word(.word) >> 5 & 1) }
    return bits
  }

  /// A cycle without input now and then, where `gaps` says so.
  func gap(_ gaps: Bool) -> Int { gaps && word(.word) >> 7 & 1 == 1 ? Int(word(.word) >> 8 & 3) : 0 }
}

/// Elements to beats of `lanes` lanes: each field of a beat is `lanes` elements; the last beat is filled with zeros.
struct Beats {
  var lanes: Int
  var count: Int

  var beats: Int { (count + lanes - 1) / lanes }

  /// One beat's words of a field.
  func slice<Word: FixedWidthInteger>(_ field: [Word], _ beat: Int) -> [Word] {
    (0..<lanes).map { lane in
      let index = beat * lanes + lane
      return index < count ? field[index] : 0
    }
  }
}
