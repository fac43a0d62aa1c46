internal import CKernels
internal import Randomness
internal import Rings
internal import Transport

/// What both ends of the silent extension do alike: Yang, Weng, Lan, Zhang and Wang, "Ferret" (CCS 2020) with regular noise,
/// without its consistency checks (semi-honest), over the correlated trees of Guo et al., "Half-Tree" (EUROCRYPT 2023).
///
/// A round takes `reserve` correlated transfers and makes `outputs`, the first of which are the next round's. Nothing but
/// reserves and one group of leaves is held: a group is expanded when it is drawn.
final class SilentRounds {
  private let variant: CipherVariant
  private let treeKey: NumberedKey
  private let codeKeys = SecretBytes(zeros: roundKeyBytes)
  private let treeKeys = SecretBytes(zeros: roundKeyBytes)
  private var base: SecretWords
  private var next: SecretWords
  private var reservoir = Reservoir(batch: SilentParameters.group * SilentParameters.leaves)
  private var round: UInt64 = 0
  private var tree = SilentParameters.trees

  /// - Parameter first: the transfers of the first round.
  init(session: TransferSession, first: SecretWords, variant: CipherVariant) {
    precondition(first.count == 2 * SilentParameters.reserve, "a round takes \(SilentParameters.reserve) transfers")
    self.variant = variant
    base = SecretWords(uninitialized: 2 * SilentParameters.reserve)
    next = first
    treeKey = NumberedKey(session.publicBlock(.transferNoise))
    NumberedKey(session.publicBlock(.transferCode)).expand(0, variant, to: codeKeys.pointer)
  }

  /// Writes `count` blocks. `makeGroup` makes the leaves of a group, given its first tree and a place.
  func draw(
    _ count: Int, into out: UnsafeMutablePointer<UInt64>,
    makeGroup: (_ tree: Int, _ leaves: UnsafeMutablePointer<UInt64>) throws -> Void
  ) throws {
    var done = 0
    while done < count {
      if reservoir.count == 0 && tree == SilentParameters.trees {
        swap(&base, &next)
        round += 1
        tree = 0
        try take(SilentParameters.reserve, into: next.pointer, makeGroup)
      }
      let left = reservoir.count + (SilentParameters.trees - tree) * SilentParameters.leaves
      let size = min(left, count - done)
      try take(size, into: out + 2 * done, makeGroup)
      done += size
    }
  }

  private func take(
    _ count: Int, into out: UnsafeMutablePointer<UInt64>,
    _ makeGroup: (Int, UnsafeMutablePointer<UInt64>) throws -> Void
  ) throws {
    let batch = reservoir.batch
    try reservoir.draw(count, into: out) { batches, place in
      for index in 0..<batches {
        try makeGroup(tree, place + 2 * batch * index)
        tree += SilentParameters.group
      }
    }
  }

  /// The transfers that a tree takes, one a level.
  func transfers(of tree: Int) -> UnsafeMutablePointer<UInt64> {
    base.pointer + 2 * (SilentParameters.secret + SilentParameters.depth * tree)
  }

  /// Round keys of a tree's permutation. Each tree of each round has its own, so that guesses of D cannot be tried on many
  /// nodes at once: Guo, Katz, Wang, Weng and Yu (CRYPTO 2020).
  func keys(of tree: Int) -> UnsafePointer<UInt8> {
    treeKey.expand(round * UInt64(SilentParameters.trees) + UInt64(tree), variant, to: treeKeys.pointer)
    return UnsafePointer(treeKeys.pointer)
  }

  /// Adds the codeword's part of a tree's leaves.
  func encode(tree: Int, _ leaves: UnsafeMutablePointer<UInt64>) {
    ck_code_encode(
      variant.kernel, codeKeys.pointer, UInt64(SilentParameters.leaves * tree), SilentParameters.leaves, base.pointer,
      UInt32(SilentParameters.logSecret), leaves)
  }
}

/// The end with the offset: makes whole trees.
final class SilentSender: CorrelationExtension {
  private let channel: FramedChannel
  private let rounds: SilentRounds
  private let variant: CipherVariant
  private let offset: PackedBits
  private let sums = SecretWords(zeros: 2 * SilentParameters.depth)
  private let message = SecretWords(zeros: SilentParameters.frameBytes / 8)

  init(
    channel: FramedChannel, session: TransferSession, offset: PackedBits, randomness: any RandomByteSource,
    variant: CipherVariant
  ) throws {
    let first = SecretWords(uninitialized: 2 * SilentParameters.reserve)
    try SoftSpokenSender(
      channel: channel, session: session, k: SilentParameters.bootstrap, offset: offset, randomness: randomness,
      variant: variant
    ).draw(SilentParameters.reserve, into: first.pointer)
    self.offset = offset
    self.channel = channel
    self.variant = variant
    rounds = SilentRounds(session: session, first: first, variant: variant)
  }

  func draw(_ count: Int, into out: UnsafeMutablePointer<UInt64>) throws {
    try rounds.draw(count, into: out, makeGroup: makeGroup)
  }

  private func makeGroup(_ first: Int, _ leaves: UnsafeMutablePointer<UInt64>) throws {
    let depth = SilentParameters.depth
    let difference = SoftSpokenLayout.words(offset.storage.pointer)
    for index in 0..<SilentParameters.group {
      let tree = first + index
      let (nodes, transfers) = (leaves + 2 * SilentParameters.leaves * index, rounds.transfers(of: tree))
      (nodes[0], nodes[1]) = (transfers[0], transfers[1])
      (nodes[2], nodes[3]) = (transfers[0] ^ difference[0], transfers[1] ^ difference[1])
      ck_tree_expand(variant.kernel, rounds.keys(of: tree), UInt32(depth), nodes, sums.pointer)
      let part = message.pointer + 2 * (depth - 1) * index
      for word in 0..<2 * (depth - 1) { part[word] = sums.pointer[word] ^ transfers[2 + word] }
      rounds.encode(tree: tree, nodes)
    }
    try channel.send(.transferNoise, UnsafeRawBufferPointer(message.buffer))
  }
}

/// The end with the choices: misses one leaf a tree, where its noise is.
final class SilentReceiver: CorrelationExtension {
  private let channel: FramedChannel
  private let rounds: SilentRounds
  private let variant: CipherVariant
  private let known = SecretWords(zeros: 2 * SilentParameters.depth)
  private let message = SecretWords(zeros: SilentParameters.frameBytes / 8)

  init(
    channel: FramedChannel, session: TransferSession, randomness: any RandomByteSource, variant: CipherVariant
  ) throws {
    let first = SecretWords(uninitialized: 2 * SilentParameters.reserve)
    try SoftSpokenReceiver(
      channel: channel, session: session, k: SilentParameters.bootstrap, randomness: randomness, variant: variant
    ).draw(SilentParameters.reserve, into: first.pointer)
    self.channel = channel
    self.variant = variant
    rounds = SilentRounds(session: session, first: first, variant: variant)
  }

  func draw(_ count: Int, into out: UnsafeMutablePointer<UInt64>) throws {
    try rounds.draw(count, into: out, makeGroup: makeGroup)
  }

  private func makeGroup(_ first: Int, _ leaves: UnsafeMutablePointer<UInt64>) throws {
    let depth = SilentParameters.depth
    try channel.receive(.transferNoise, into: UnsafeMutableRawBufferPointer(message.buffer))
    for index in 0..<SilentParameters.group {
      let tree = first + index
      let (nodes, transfers) = (leaves + 2 * SilentParameters.leaves * index, rounds.transfers(of: tree))
      let part = message.pointer + 2 * (depth - 1) * index
      var position: UInt64 = 0
      for level in 0..<depth { position |= (1 ^ (transfers[2 * level] & 1)) << UInt64(level) }
      (known.pointer[0], known.pointer[1]) = (transfers[0], transfers[1])
      for word in 0..<2 * (depth - 1) { known.pointer[2 + word] = part[word] ^ transfers[2 + word] }
      ck_tree_puncture(variant.kernel, rounds.keys(of: tree), UInt32(depth), known.pointer, position, nodes)
      rounds.encode(tree: tree, nodes)
    }
  }
}
