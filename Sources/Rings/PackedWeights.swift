internal import CKernels

/// Small signed weights of a linear layer, arranged once for the kernels.
///
/// Weights are secret: they are overwritten when the object goes. Memory is 4 bytes a weight, and 8 an output channel.
public final class PackedWeights: Sendable {
  /// The layer that the weights belong to.
  public let geometry: LinearGeometry
  /// Largest magnitude of a weight: 16384 taps of it stay within a 64-bit accumulator.
  public static let maximumMagnitude: Int32 = 1 << 17

  /// Blocks of output channels in order, each [tap][channel of the block]; OIHW where fully connected.
  let storage: SecretBytes
  /// Sum over the taps of each output channel, as a two's-complement word.
  let sums: SecretWords

  /// Arranges `weights`, in OIHW order (I counts the channels of a group), |w| <= 2^17.
  /// - Throws: ``RingsError`` for an invalid geometry, a wrong count, or a weight that is too large.
  public init(geometry: LinearGeometry, weights: [Int32]) throws {
    try geometry.validate()
    guard weights.count == geometry.weightCount else {
      throw RingsError.weightCount(found: weights.count, expected: geometry.weightCount)
    }
    let limit = Self.maximumMagnitude
    if weights.contains(where: { $0 > limit || $0 < -limit }) {
      throw RingsError.weightTooLarge(limit: Int(limit))
    }
    let taps = geometry.tapsPerOutput
    let blocks = ChannelBlocks(geometry)
    storage = SecretBytes(zeros: blocks.packedWeightCount * 4)
    sums = SecretWords(zeros: geometry.outChannels)
    let packed = UnsafeMutableRawPointer(storage.pointer).assumingMemoryBound(to: Int32.self)
    for block in blocks.all {
      for channel in 0..<block.channels {
        let row = (block.firstChannel + channel) * taps
        var sum = 0
        for tap in 0..<taps {
          let weight = weights[row + tap]
          sum += Int(weight)
          let place = geometry.isFullyConnected ? channel * taps + tap : tap * block.width + channel
          packed[block.weightOffset + place] = weight
        }
        sums.pointer[block.firstChannel + channel] = UInt64(bitPattern: Int64(sum))
      }
    }
    self.geometry = geometry
  }

  var words: UnsafePointer<Int32> {
    UnsafePointer(UnsafeMutableRawPointer(storage.pointer).assumingMemoryBound(to: Int32.self))
  }
}

/// Division of the output channels into the blocks that a kernel computes at a time.
struct ChannelBlocks {
  /// Up to four neighbouring output channels of one group.
  struct Block {
    /// First output channel.
    var firstChannel: Int
    /// Output channels, 1 ... 4.
    var channels: Int
    /// Channels that the kernel computes (1, 2 or 4); those beyond `channels` have zero weights.
    var width: Int
    /// Group of the channels.
    var group: Int
    /// First weight of the block in the packed order.
    var weightOffset: Int
  }

  /// Channels of a full block.
  static let width = 4

  private let channelsPerGroup, taps, groups: Int
  /// Blocks of one group.
  let blocksPerGroup: Int

  init(_ geometry: LinearGeometry) {
    groups = geometry.groups
    channelsPerGroup = geometry.outChannels / geometry.groups
    taps = geometry.tapsPerOutput
    blocksPerGroup = (channelsPerGroup + Self.width - 1) / Self.width
  }

  private var weightsPerGroup: Int {
    let rest = channelsPerGroup % Self.width
    return (channelsPerGroup - rest + (rest == 3 ? 4 : rest)) * taps
  }

  /// Weights of all blocks, the zeros included.
  var packedWeightCount: Int { groups * weightsPerGroup }

  /// Block `index` of `group`.
  func block(group: Int, index: Int) -> Block {
    let first = index * Self.width
    let channels = min(Self.width, channelsPerGroup - first)
    return Block(
      firstChannel: group * channelsPerGroup + first, channels: channels, width: channels == 3 ? 4 : channels,
      group: group, weightOffset: group * weightsPerGroup + first * taps)
  }

  /// All blocks in order of their channels.
  var all: some Sequence<Block> {
    (0..<groups).lazy.flatMap { group in (0..<blocksPerGroup).lazy.map { block(group: group, index: $0) } }
  }
}
