internal import CKernels
internal import Randomness
internal import Rings

/// All-but-one transfers of 2^k seeds from k base transfers: trees of Goldreich, Goldwasser and Micali whose level sums the
/// receiver unlocks. Roy, "SoftSpokenOT" (CRYPTO 2022), whose small-field VOLE starts so; semi-honest, so without its consistency check.
///
/// A child of x on side b, on the level of base transfer i, is E(x) ^ x under the public key numbered 2 i + b: each key serves one
/// secret node, so that guesses cannot be shared among nodes.
struct SmallTrees {
  /// Levels of a tree; 1, 2, 4 or 8.
  let k: Int
  let variant: CipherVariant
  private let key: NumberedKey

  /// Bytes of the message.
  static let messageBytes = 32 * BaseTransfer.count

  var trees: Int { BaseTransfer.count / k }
  var leaves: Int { 1 << k }

  init(k: Int, session: TransferSession, variant: CipherVariant) {
    precondition([1, 2, 4, 8].contains(k), "SoftSpoken runs with k = 1, 2, 4 or 8, not \(k)")
    self.k = k
    self.variant = variant
    key = NumberedKey(session.publicBlock(.transferTree))
  }

  /// The end that learns all leaves: leaf x of tree c at block c 2^k + x; bit l of x is the side taken on level l.
  func plant(
    seeds: (zeros: SecretBytes, ones: SecretBytes), randomness: any RandomByteSource
  ) -> (leaves: SecretBytes, message: SecretBytes) {
    let (all, message) = (SecretBytes(zeros: 16 * trees * leaves), SecretBytes(zeros: Self.messageBytes))
    let scratch = SecretBytes(zeros: 16 * leaves)
    for tree in 0..<trees {
      let nodes = all.pointer + 16 * tree * leaves
      randomness.fill(UnsafeMutableRawBufferPointer(start: nodes, count: 16))
      for level in 0..<k {
        let index = tree * k + level
        grow(nodes, count: 1 << level, index: index, scratch: scratch)
        for side in 0..<2 {
          let sum = Self.sum(nodes + 16 * (side << level), count: 1 << level)
          let seed = Self.words(side == 0 ? seeds.zeros.pointer : seeds.ones.pointer, index)
          let place = Self.words(message.pointer, 2 * index + side)
          (place[0], place[1]) = (sum.0 ^ seed[0], sum.1 ^ seed[1])
        }
      }
    }
    return (all, message)
  }

  /// The end that learns all leaves but that numbered by its secret bits: leaf y of tree c is leaf y xor d of the other end,
  /// d bits k c to k c + k - 1 of `offset`; leaf 0 is unknown and zero here. `seeds` are those of the inverted bits.
  func graft(offset: PackedBits, seeds: SecretBytes, message: SecretBytes) -> SecretBytes {
    let all = SecretBytes(zeros: 16 * trees * leaves)
    let scratch = SecretBytes(zeros: 16 * leaves)
    for tree in 0..<trees {
      let nodes = all.pointer + 16 * tree * leaves
      var hole: UInt64 = 0
      for level in 0..<k {
        let (index, count) = (tree * k + level, 1 << level)
        let bit = UInt64(offset[index])
        grow(nodes, count: count, index: index, scratch: scratch)
        let words = Self.words(nodes, 0)
        for node in 0..<count {
          let keep = ~Self.mask(UInt64(node), hole)
          for word in [2 * node, 2 * node + 1, 2 * (node + count), 2 * (node + count) + 1] { words[word] &= keep }
        }
        // The side not taken: its sum is known, so the sibling of the missing node is.
        let (left, right) = (Self.sum(nodes, count: count), Self.sum(nodes + 16 * count, count: count))
        let (seed, sent) = (Self.words(seeds.pointer, index), Self.words(message.pointer, 2 * index))
        let taken = secretMask(bit)
        let fix = (
          seed[0] ^ ((sent[0] ^ left.0) & taken) ^ ((sent[2] ^ right.0) & ~taken),
          seed[1] ^ ((sent[1] ^ left.1) & taken) ^ ((sent[3] ^ right.1) & ~taken)
        )
        let fresh = hole &+ (1 &- bit) &* UInt64(count)
        for node in 0..<2 * count {
          let here = Self.mask(UInt64(node), fresh)
          words[2 * node] ^= fix.0 & here
          words[2 * node + 1] ^= fix.1 & here
        }
        hole &+= bit &* UInt64(count)
      }
      permute(nodes, offset: offset, tree: tree)
    }
    return all
  }

  /// Leaf y := leaf y xor d, without an address that depends on d.
  private func permute(_ nodes: UnsafeMutablePointer<UInt8>, offset: PackedBits, tree: Int) {
    let words = Self.words(nodes, 0)
    for level in 0..<k {
      let swap = secretMask(offset[tree * k + level])
      for low in 0..<leaves where low >> level & 1 == 0 {
        let high = low | 1 << level
        for word in 0..<2 {
          let difference = (words[2 * low + word] ^ words[2 * high + word]) & swap
          words[2 * low + word] ^= difference
          words[2 * high + word] ^= difference
        }
      }
    }
  }

  /// `count` nodes become the left half of their 2 `count` children.
  private func grow(_ nodes: UnsafeMutablePointer<UInt8>, count: Int, index: Int, scratch: SecretBytes) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: roundKeyBytes) { keys in
      let size = 16 * count
      let parents = scratch.pointer
      parents.update(from: nodes, count: size)
      for side in [1, 0] {
        key.expand(UInt64(2 * index + side), variant, to: keys.baseAddress!)
        let children = nodes + side * size
        ck_aes_encrypt(variant.kernel, keys.baseAddress, parents, count, children)
        for byte in 0..<size { children[byte] ^= parents[byte] }
      }
    }
  }

  private static func sum(_ nodes: UnsafeMutablePointer<UInt8>, count: Int) -> (UInt64, UInt64) {
    let words = words(nodes, 0)
    var sum: (UInt64, UInt64) = (0, 0)
    for node in 0..<count {
      sum.0 ^= words[2 * node]
      sum.1 ^= words[2 * node + 1]
    }
    return sum
  }

  /// All ones where the numbers agree, zero elsewhere, without a branch; numbers are below 2^63.
  private static func mask(_ a: UInt64, _ b: UInt64) -> UInt64 { secretMask(((a ^ b) &- 1) >> 63) }

  /// Blocks from block `index` on, as words.
  private static func words(_ bytes: UnsafeMutablePointer<UInt8>, _ index: Int) -> UnsafeMutablePointer<UInt64> {
    UnsafeMutableRawPointer(bytes + 16 * index).assumingMemoryBound(to: UInt64.self)
  }
}
