import CKernels
import COpenSSL
import ObliviousTransfer
import Randomness
import Rings
import TestSupport
import Testing

/// AES-128 in ECB by OpenSSL, which shares no code with the kernels.
func referenceEncrypt(_ key: [UInt8], _ blocks: [UInt8]) -> [UInt8] {
  let context = EVP_CIPHER_CTX_new()
  defer { EVP_CIPHER_CTX_free(context) }
  var out = [UInt8](repeating: 0, count: blocks.count + 16)
  var written: Int32 = 0
  #expect(EVP_EncryptInit_ex(context, EVP_aes_128_ecb(), nil, key, nil) == 1)
  EVP_CIPHER_CTX_set_padding(context, 0)
  #expect(EVP_EncryptUpdate(context, &out, &written, blocks, Int32(blocks.count)) == 1)
  return Array(out[..<Int(written)])
}

extension CipherVariant {
  var isa: ck_aes { ck_aes(rawValue: rawValue) }

  func encrypt(_ key: [UInt8], _ blocks: [UInt8]) -> [UInt8] {
    var keys = [UInt8](repeating: 0, count: 176)
    var out = blocks
    ck_aes_expand(isa, key, 1, &keys)
    ck_aes_encrypt(isa, keys, blocks, blocks.count / 16, &out)
    return out
  }
}

func bytes(hex: String) -> [UInt8] {
  let digits = Array(hex.utf8).map { UInt8(String(UnicodeScalar($0)), radix: 16)! }
  return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

func block(_ words: [UInt64], _ index: Int) -> [UInt8] {
  words[2 * index..<2 * index + 2].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } }
}

@Suite("Transfer kernels")
struct KernelTests {
  /// FIPS 197, appendix B and C.1; NIST SP 800-38A, F.1.1; AESAVS, GFSbox and VarTxt.
  static let vectors: [(key: String, plain: String, cipher: String)] = [
    (
      "2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734", "3925841d02dc09fbdc118597196a0b32"
    ),
    (
      "000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a"
    ),
    (
      "2b7e151628aed2a6abf7158809cf4f3c",
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
      "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4"
    ),
    (
      "00000000000000000000000000000000", "f34481ec3cc627bacd5dc3fb08f273e6", "0336763e966d92595a567cc9ce537f5e"
    ),
    (
      "00000000000000000000000000000000", "80000000000000000000000000000000", "3ad78e726c1ec02b7ebfe92b23d9ec34"
    ),
  ]

  @Test("AES-128 is FIPS 197's", arguments: ciphers)
  func standard(variant: CipherVariant) {
    for (key, plain, cipher) in Self.vectors {
      #expect(variant.encrypt(bytes(hex: key), bytes(hex: plain)) == bytes(hex: cipher))
    }
  }

  @Test("AES-128 is OpenSSL's, for every number of blocks up to 40 and many keys at once", arguments: ciphers)
  func openSSL(variant: CipherVariant) {
    let random = StreamGenerator(publicSeed: 7)
    let keys = random.bytes(16 * 11)
    var expanded = [UInt8](repeating: 0, count: 176 * 11)
    ck_aes_expand(variant.isa, keys, 11, &expanded)
    for count in 0...40 {
      let (index, blocks) = (count % 11, random.bytes(16 * count))
      var out = [UInt8](repeating: 0, count: 16 * count)
      ck_aes_encrypt(variant.isa, Array(expanded[176 * index..<176 * (index + 1)]), blocks, count, &out)
      #expect(out == referenceEncrypt(Array(keys[16 * index..<16 * (index + 1)]), blocks))
    }
    // All bytes pass the S-box of the portable circuit.
    let all = (0..<256).map { UInt8($0) }
    #expect(variant.encrypt(Array(all[..<16]), all) == referenceEncrypt(Array(all[..<16]), all))
  }

  @Test("The hash is E_(salt + i)(s(x)) + s(x)", arguments: ciphers)
  func hash(variant: CipherVariant) {
    let random = StreamGenerator(publicSeed: 8)
    let (salt, offsets) = ((0..<2).map { _ in random.word() }, [0, 0] + (0..<6).map { _ in random.word() })
    for count in [1, 2, 3, 4, 5, 31] {
      let first = random.word() >> 8
      let blocks = (0..<2 * count).map { _ in random.word() }
      var out = [UInt64](repeating: 0, count: 2 * 4 * 40)
      ck_transfer_hash(variant.isa, salt, first, count, blocks, offsets, 4, &out, 40)
      for entry in 0..<4 {
        for index in 0..<count {
          let (low, high) = (blocks[2 * index] ^ offsets[2 * entry], blocks[2 * index + 1] ^ offsets[2 * entry + 1])
          let mixed = block([high, high ^ low], 0)
          let key = block([salt[0] ^ (first + UInt64(index)), salt[1]], 0)
          let expected = zip(referenceEncrypt(key, mixed), mixed).map { $0 ^ $1 }
          #expect(block(out, 40 * entry + index) == expected)
        }
      }
    }
  }

  @Test("Sums of blocks times powers of X", arguments: 1...8)
  func combine(m: Int) {
    let random = StreamGenerator(publicSeed: 9)
    let blocks = (0..<2 * m * 5).map { _ in random.word() }
    var out = [UInt64](repeating: 0, count: 10)
    ck_transfer_combine(blocks, 5, UInt32(m), &out)
    for index in 0..<5 {
      // Bit by bit: the coefficient of X^(l + i) folded by X^128 = X^7 + X^2 + X + 1.
      var bits = [Bool](repeating: false, count: 136)
      for power in 0..<m {
        for bit in 0..<128 where blocks[2 * (m * index + power) + bit / 64] >> UInt64(bit % 64) & 1 == 1 {
          bits[bit + power].toggle()
        }
      }
      for high in (128..<136).reversed() where bits[high] {
        for low in [0, 1, 2, 7] { bits[high - 128 + low].toggle() }
      }
      let expected = (0..<2).map { word in
        (0..<64).reduce(UInt64(0)) { $0 | (bits[64 * word + $1] ? 1 << UInt64($1) : 0) }
      }
      #expect(Array(out[2 * index..<2 * index + 2]) == expected)
    }
  }

  @Test("Planes of streams", arguments: ciphers, [1, 2, 4, 8])
  func planes(variant: CipherVariant, k: Int) {
    let leaves = 1 << k
    let keys = StreamGenerator(publicSeed: 10).bytes(16 * leaves)
    var expanded = [UInt8](repeating: 0, count: 176 * leaves)
    ck_aes_expand(variant.isa, keys, leaves, &expanded)
    let counter: UInt64 = 1 << 33 - 3
    var (sum, planes) = ([UInt8](repeating: 0, count: 256), [UInt8](repeating: 0, count: 256 * k))
    ck_softspoken_planes(variant.isa, expanded, UInt32(k), counter, &sum, &planes)
    var (expectedSum, expected) = ([UInt8](repeating: 0, count: 256), [UInt8](repeating: 0, count: 256 * k))
    let counters = (0..<16).flatMap { block([counter + UInt64($0), 0], 0) }
    for leaf in 0..<leaves {
      let stream = referenceEncrypt(Array(keys[16 * leaf..<16 * leaf + 16]), counters)
      for byte in 0..<256 {
        expectedSum[byte] ^= stream[byte]
        for plane in 0..<k where leaf >> plane & 1 == 1 { expected[256 * plane + byte] ^= stream[byte] }
      }
    }
    #expect(sum == expectedSum && planes == expected)
  }

  @Test("Transposition of a tile", arguments: ciphers)
  func transpose(variant: CipherVariant) {
    let rows = StreamGenerator(publicSeed: 11).bytes(128 * 256)
    var out = [UInt8](repeating: 0, count: 2048 * 16)
    ck_transpose_tile(variant.isa, rows, &out)
    var wrong = 0
    for row in 0..<128 {
      for column in 0..<2048 {
        let (from, to) = (
          rows[256 * row + column / 8] >> UInt8(column % 8), out[16 * column + row / 8] >> UInt8(row % 8)
        )
        if from & 1 != to & 1 { wrong += 1 }
      }
    }
    #expect(wrong == 0)
  }

  @Test("Bits of blocks", arguments: ciphers, [1, 3])
  func pack(variant: CipherVariant, stride: Int) {
    let random = StreamGenerator(publicSeed: 14)
    for count in [1, 7, 8, 9, 64, 71] {
      let blocks = (0..<2 * count * stride).map { _ in random.word() }
      for bit in [0, 1, 31, 63] {
        var out = [UInt8](repeating: 255, count: (count + 7) / 8)
        ck_transfer_pack(variant.isa, blocks, stride, count, UInt32(bit), &out)
        let expected = (0..<out.count).map { byte in
          (8 * byte..<min(8 * byte + 8, count)).reduce(UInt8(0)) {
            $0 | UInt8(blocks[2 * stride * $1] >> UInt64(bit) & 1) << UInt8($1 % 8)
          }
        }
        #expect(out == expected)
      }
    }
  }

  @Test("A tree by its definition, and punctured at every position", arguments: ciphers, [2, 3, 5, 7])
  func trees(variant: CipherVariant, depth: Int) {
    let random = StreamGenerator(publicSeed: 12)
    let key = random.bytes(16)
    var keys = [UInt8](repeating: 0, count: 176)
    ck_aes_expand(variant.isa, key, 1, &keys)
    let count = 1 << depth
    let offset = [random.word() | 1, random.word()]
    let root = [random.word(), random.word()]
    var level = [root, [root[0] ^ offset[0], root[1] ^ offset[1]]]
    var sums: [[UInt64]] = []
    for _ in 1..<depth {
      let left = level.map { node in
        let mixed = block([node[1], node[0] ^ node[1]], 0)
        let bytes = zip(referenceEncrypt(key, mixed), mixed).map { $0 ^ $1 }
        return (0..<2).map { word in (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[8 * word + $1]) << UInt64(8 * $1) } }
      }
      sums.append([left.reduce(0) { $0 ^ $1[0] }, left.reduce(0) { $0 ^ $1[1] }])
      level = left + zip(left, level).map { [$0[0] ^ $1[0], $0[1] ^ $1[1]] }
    }
    let expected = level.flatMap { [$0[0] & ~1, $0[1]] }
    var leaves = [UInt64](repeating: 0, count: 2 * count)
    leaves.replaceSubrange(0..<4, with: root + [root[0] ^ offset[0], root[1] ^ offset[1]])
    var found = [UInt64](repeating: 0, count: 2 * (depth - 1))
    ck_tree_expand(variant.isa, keys, UInt32(depth), &leaves, &found)
    #expect(leaves == expected && found == sums.flatMap { $0 })
    for position in 0..<count {
      var known = (0..<2).map { root[$0] ^ (position & 1 == 0 ? offset[$0] : 0) }
      for (index, sum) in sums.enumerated() {
        let isLeft = position >> (index + 1) & 1 == 1
        known += (0..<2).map { sum[$0] ^ (isLeft ? 0 : offset[$0]) }
      }
      var punctured = [UInt64](repeating: .max, count: 2 * count)
      ck_tree_puncture(variant.isa, keys, UInt32(depth), known, UInt64(position), &punctured)
      var wanted = expected
      for word in 0..<2 { wanted[2 * position + word] ^= offset[word] }
      #expect(punctured == wanted, "position \(position)")
    }
  }

  @Test("Rows of the code by their definition", arguments: ciphers)
  func code(variant: CipherVariant) {
    let random = StreamGenerator(publicSeed: 13)
    let (key, logK) = (random.bytes(16), 9)
    var keys = [UInt8](repeating: 0, count: 176)
    ck_aes_expand(variant.isa, key, 1, &keys)
    let secret = SecretWords((0..<2 << logK).map { _ in random.word() })
    let start = (0..<2 * 48).map { _ in random.word() }
    let out = SecretWords(start)
    ck_code_encode(variant.isa, keys, 1 << 20 + 16, 48, secret.pointer, UInt32(logK), out.pointer)
    for row in 0..<48 {
      let first = (1 << 20 + 16 + row) * 10
      var expected = Array(start[2 * row..<2 * row + 2])
      for word in first..<first + 10 {
        let stream = referenceEncrypt(key, block([UInt64(word / 4), 0], 0))
        let value = (0..<4).reduce(UInt32(0)) { $0 | UInt32(stream[4 * (word % 4) + $1]) << UInt32(8 * $1) }
        let index = Int(value) % (1 << logK)
        expected[0] ^= secret.pointer[2 * index]
        expected[1] ^= secret.pointer[2 * index + 1]
      }
      #expect([out.pointer[2 * row], out.pointer[2 * row + 1]] == expected)
    }
  }
}
