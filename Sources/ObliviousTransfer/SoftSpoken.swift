internal import CKernels
internal import Randomness
internal import Rings
internal import Transport

/// Correlated transfers by Roy, "SoftSpokenOT" (CRYPTO 2022), over F_(2^k), semi-honest: 128 / k - 1 bits a transfer on the wire. With
/// k = 1 it is the extension of Ishai, Kilian, Nissim and Petrank (CRYPTO 2003).
///
/// Of tree c the streams G_x give u_c = xor G_x and, for each bit b, v_(c,b) = xor of G_x with bit b of x; the other
/// end's permuted leaves give w_(c,b) = v_(c,b) ^ D_(c,b) u_c. Choices are u_0; u_c ^ u_0 travel.
struct SoftSpokenLayout {
  /// Transfers computed at once.
  static let tile = Int(CK_TILE)
  /// Tiles of a frame, at most.
  static let group = 32
  static let rowBytes = Int(CK_TILE_BYTES)
  static let rows = BaseTransfer.count
  /// Blocks of a leaf's stream that a tile takes.
  static let blocks: UInt64 = 16

  let trees: SmallTrees

  /// Bytes on the wire for a tile.
  var columnBytes: Int { (trees.trees - 1) * Self.rowBytes }

  func roundKeys(of leaves: SecretBytes) -> SecretBytes {
    let count = trees.trees * trees.leaves
    let keys = SecretBytes(uninitialized: roundKeyBytes * count)
    ck_aes_expand(trees.variant.kernel, leaves.pointer, count, keys.pointer)
    return keys
  }

  /// u of tree c to `sum`, its planes to rows k c to k c + k - 1.
  func planes(
    tree: Int, tile: UInt64, keys: SecretBytes, sum: UnsafeMutablePointer<UInt8>, rows: SecretBytes
  ) {
    ck_softspoken_planes(
      trees.variant.kernel, keys.pointer + roundKeyBytes * trees.leaves * tree, UInt32(trees.k), tile * Self.blocks,
      sum,
      rows.pointer + Self.rowBytes * trees.k * tree)
  }

  func transpose(_ rows: SecretBytes, to out: UnsafeMutablePointer<UInt64>) {
    ck_transpose_tile(
      trees.variant.kernel, rows.pointer, UnsafeMutableRawPointer(out).assumingMemoryBound(to: UInt8.self))
  }

  static func words(_ bytes: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt64> {
    UnsafeMutableRawPointer(bytes).assumingMemoryBound(to: UInt64.self)
  }
}

/// The end with the offset.
final class SoftSpokenSender: CorrelationExtension {
  private let channel: FramedChannel
  private let layout: SoftSpokenLayout
  private let offset: PackedBits
  private let keys: SecretBytes
  private let rows = SecretBytes(zeros: SoftSpokenLayout.rows * SoftSpokenLayout.rowBytes)
  private let sum = SecretBytes(zeros: SoftSpokenLayout.rowBytes)
  private var tile: UInt64 = 0
  private var reservoir = Reservoir(batch: SoftSpokenLayout.tile)

  /// Runs the base transfers and the small trees.
  init(
    channel: FramedChannel, session: TransferSession, k: Int, offset: PackedBits, randomness: any RandomByteSource,
    variant: CipherVariant
  ) throws {
    let trees = SmallTrees(k: k, session: session, variant: variant)
    let inverted = PackedBits(zeros: BaseTransfer.count)
    for index in 0..<BaseTransfer.count { inverted[index] = 1 ^ offset[index] }
    let seeds = try BaseTransfer.receive(channel, session: session, choices: inverted, randomness: randomness)
    let message = SecretBytes(uninitialized: SmallTrees.messageBytes)
    try channel.receive(.transferTrees, into: UnsafeMutableRawBufferPointer(message.buffer))
    self.channel = channel
    self.offset = offset
    layout = SoftSpokenLayout(trees: trees)
    keys = layout.roundKeys(of: trees.graft(offset: offset, seeds: seeds, message: message))
  }

  func draw(_ count: Int, into out: UnsafeMutablePointer<UInt64>) throws {
    try reservoir.draw(count, into: out, produce: produce)
  }

  private func produce(_ tiles: Int, _ out: UnsafeMutablePointer<UInt64>) throws {
    let columns = SecretBytes(uninitialized: layout.columnBytes)
    for start in stride(from: 0, to: tiles, by: SoftSpokenLayout.group) {
      let size = min(SoftSpokenLayout.group, tiles - start)
      try channel.beginReceive(.transferColumns, byteCount: size * layout.columnBytes)
      for place in start..<start + size {
        try channel.read(into: UnsafeMutableRawBufferPointer(columns.buffer))
        makeTile(columns, out + 2 * SoftSpokenLayout.tile * place)
      }
      channel.endReceive()
    }
  }

  private func makeTile(_ columns: SecretBytes, _ out: UnsafeMutablePointer<UInt64>) {
    let (k, width) = (layout.trees.k, SoftSpokenLayout.rowBytes)
    for tree in 0..<layout.trees.trees {
      layout.planes(tree: tree, tile: tile, keys: keys, sum: sum.pointer, rows: rows)
      guard tree > 0 else { continue }
      let column = SoftSpokenLayout.words(columns.pointer + width * (tree - 1))
      for bit in tree * k..<(tree + 1) * k {
        let row = SoftSpokenLayout.words(rows.pointer + width * bit)
        let mask = secretMask(offset[bit])
        for word in 0..<width / 8 { row[word] ^= column[word] & mask }
      }
    }
    // Lowest bits carry the choice at the other end and nothing here.
    rows.pointer.update(repeating: 0, count: width)
    layout.transpose(rows, to: out)
    tile += 1
  }
}

/// The end with the choices.
final class SoftSpokenReceiver: CorrelationExtension {
  private let channel: FramedChannel
  private let layout: SoftSpokenLayout
  private let keys: SecretBytes
  private let rows = SecretBytes(zeros: SoftSpokenLayout.rows * SoftSpokenLayout.rowBytes)
  private let sum = SecretBytes(zeros: SoftSpokenLayout.rowBytes)
  private let choices = SecretBytes(zeros: SoftSpokenLayout.rowBytes)
  private var tile: UInt64 = 0
  private var reservoir = Reservoir(batch: SoftSpokenLayout.tile)

  /// Runs the base transfers and the small trees.
  init(
    channel: FramedChannel, session: TransferSession, k: Int, randomness: any RandomByteSource, variant: CipherVariant
  ) throws {
    let trees = SmallTrees(k: k, session: session, variant: variant)
    let seeds = try BaseTransfer.send(channel, session: session, randomness: randomness)
    let planted = trees.plant(seeds: seeds, randomness: randomness)
    try channel.send(.transferTrees, UnsafeRawBufferPointer(planted.message.buffer))
    self.channel = channel
    layout = SoftSpokenLayout(trees: trees)
    keys = layout.roundKeys(of: planted.leaves)
  }

  func draw(_ count: Int, into out: UnsafeMutablePointer<UInt64>) throws {
    try reservoir.draw(count, into: out, produce: produce)
  }

  private func produce(_ tiles: Int, _ out: UnsafeMutablePointer<UInt64>) throws {
    let columns = SecretBytes(uninitialized: layout.columnBytes)
    for start in stride(from: 0, to: tiles, by: SoftSpokenLayout.group) {
      let size = min(SoftSpokenLayout.group, tiles - start)
      try channel.beginSend(.transferColumns, byteCount: size * layout.columnBytes)
      for place in start..<start + size {
        makeTile(columns, out + 2 * SoftSpokenLayout.tile * place)
        try channel.write(UnsafeRawBufferPointer(columns.buffer))
      }
      try channel.endSend()
    }
  }

  private func makeTile(_ columns: SecretBytes, _ out: UnsafeMutablePointer<UInt64>) {
    let width = SoftSpokenLayout.rowBytes
    layout.planes(tree: 0, tile: tile, keys: keys, sum: choices.pointer, rows: rows)
    let chosen = SoftSpokenLayout.words(choices.pointer)
    for tree in 1..<layout.trees.trees {
      let column = columns.pointer + width * (tree - 1)
      layout.planes(tree: tree, tile: tile, keys: keys, sum: column, rows: rows)
      let words = SoftSpokenLayout.words(column)
      for word in 0..<width / 8 { words[word] ^= chosen[word] }
    }
    rows.pointer.update(from: choices.pointer, count: width)
    layout.transpose(rows, to: out)
    tile += 1
  }
}
