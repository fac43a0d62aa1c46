internal import CKernels

/// Linear layers on words modulo p or 2^64.
///
/// Each word is split into two signed 32-bit halves, x = 2^32 h + l + 2^63 + 2^31, each multiplied by small weights
/// into a 64-bit accumulator that cannot overflow; one reduction an output word, and the constant
/// (2^63 + 2^31) sum(w) an output channel, restore the residue.
public enum LinearMap {
  /// 2^63 + 2^31, what the signed halves leave out of each word.
  static let halfOffset: UInt64 = 0x8000_0000_8000_0000
  /// Taps of an accumulator with weights up to 2^17: 2^14 * 2^17 * 2^31 = 2^62.
  static let smallChunk = 1 << 14
  /// Taps of an accumulator with limbs up to 2^21: 2^10 * 2^21 * 2^31 = 2^62.
  static let limbChunk = 1 << 10

  /// out = W x for one sample.
  ///
  /// - Parameters:
  ///   - m: the modulus of input and output.
  ///   - weights: the layer.
  ///   - input: CHW words of the layer's input shape; any word is accepted.
  ///   - output: receives `channels.count * outHeight * outWidth` reduced words, the first being that of
  ///     `channels.lowerBound`; must not overlap `input`.
  ///   - channels: output channels to compute; all if nil. Multiples of four channels of a group cost least.
  ///   - workspace: scratch memory of this thread.
  public static func apply<M: Modulus>(
    _ m: M.Type, weights: PackedWeights, input: UnsafePointer<UInt64>, output: UnsafeMutablePointer<UInt64>,
    channels: Range<Int>? = nil, workspace: LinearWorkspace
  ) {
    let geometry = weights.geometry
    let range = channels ?? 0..<geometry.outChannels
    precondition(range.lowerBound >= 0 && range.upperBound <= geometry.outChannels, "channels out of range")
    let call = SmallCall(weights: weights, input: input, output: output, channels: range, workspace: workspace)
    if geometry.isFullyConnected { call.dot(m) } else { call.convolve(m) }
  }
}

/// One call of ``LinearMap/apply(_:weights:input:output:channels:workspace:)``.
private struct SmallCall {
  let weights: PackedWeights
  let input: UnsafePointer<UInt64>
  let output: UnsafeMutablePointer<UInt64>
  let channels: Range<Int>
  let workspace: LinearWorkspace

  /// (2^63 + 2^31) sum(w) mod M.
  private func correction<M: Modulus>(_ m: M.Type, channel: Int) -> UInt64 {
    M.multiply(M.reduce(signed: Int64(bitPattern: weights.sums.pointer[channel])), LinearMap.halfOffset)
  }

  /// Blocks of `group` that meet the wanted channels.
  private func blocks(_ all: ChannelBlocks, group: Int) -> some Sequence<ChannelBlocks.Block> {
    let wanted = channels
    return (0..<all.blocksPerGroup).lazy.map { all.block(group: group, index: $0) }
      .filter { $0.firstChannel < wanted.upperBound && $0.firstChannel + $0.channels > wanted.lowerBound }
  }

  func convolve<M: Modulus>(_ m: M.Type) {
    let geometry = weights.geometry
    let layout = BandLayout(geometry, planeBudget: workspace.planeBudget)
    let taps = geometry.tapsPerOutput
    let positions = geometry.outHeight * geometry.outWidth
    let stride = layout.accumulatorStride
    let offsets = workspace.reserve(offsets: taps)
    let planes = workspace.reserve(planes: layout.planeWords + Int(CK_OVERREAD))
    let sums = workspace.reserve(accumulators: 2 * ChannelBlocks.width * stride)
    var band = layout.band
    ck_band_offsets(&band, offsets)
    let all = ChannelBlocks(geometry)
    let inputsPerGroup = geometry.inChannels / geometry.groups * geometry.inHeight * geometry.inWidth
    let outputsPerGroup = geometry.outChannels / geometry.groups
    let groups = channels.isEmpty ? 0..<0 : groupRange(outputsPerGroup)
    for group in groups {
      for rowBegin in Swift.stride(from: 0, to: geometry.outHeight, by: layout.rows) {
        let rows = min(layout.rows, geometry.outHeight - rowBegin)
        let count = rows * geometry.outWidth
        band.row_begin = UInt32(rowBegin)
        band.row_count = UInt32(rows)
        ck_band_fill(&band, input + group * inputsPerGroup, planes)
        for block in blocks(all, group: group) {
          for first in Swift.stride(from: 0, to: taps, by: LinearMap.smallChunk) {
            ck_convolve(
              workspace.variant.isa, UInt32(block.width), planes, offsets + first,
              weights.words + block.weightOffset + first * block.width, min(LinearMap.smallChunk, taps - first), count,
              sums, stride)
            for row in 0..<block.channels where channels.contains(block.firstChannel + row) {
              let channel = block.firstChannel + row
              ck_finish(
                M.kind.kernelValue, sums + 2 * row * stride, sums + (2 * row + 1) * stride, count,
                first == 0 ? correction(m, channel: channel) : 0, 0, first != 0,
                output + (channel - channels.lowerBound) * positions + rowBegin * geometry.outWidth)
            }
          }
        }
      }
    }
  }

  func dot<M: Modulus>(_ m: M.Type) {
    let geometry = weights.geometry
    let taps = geometry.tapsPerOutput
    let sums = workspace.reserve(accumulators: 2 * ChannelBlocks.width)
    let all = ChannelBlocks(geometry)
    let groups = channels.isEmpty ? 0..<0 : groupRange(geometry.outChannels / geometry.groups)
    for group in groups {
      for block in blocks(all, group: group) {
        for first in Swift.stride(from: 0, to: taps, by: LinearMap.smallChunk) {
          ck_dot(
            workspace.variant.isa, UInt32(block.width), input + group * taps + first,
            weights.words + block.weightOffset + first, taps, min(LinearMap.smallChunk, taps - first), sums)
          for row in 0..<block.channels where channels.contains(block.firstChannel + row) {
            let channel = block.firstChannel + row
            ck_finish(
              M.kind.kernelValue, sums + 2 * row, sums + 2 * row + 1, 1,
              first == 0 ? correction(m, channel: channel) : 0, 0, first != 0, output + (channel - channels.lowerBound))
          }
        }
      }
    }
  }

  private func groupRange(_ outputsPerGroup: Int) -> Range<Int> {
    channels.lowerBound / outputsPerGroup..<(channels.upperBound - 1) / outputsPerGroup + 1
  }
}

/// How the input of one group is laid out in bands of output rows.
struct BandLayout {
  /// Output rows of a band.
  let rows: Int
  /// Words of the planes of a band.
  let planeWords: Int
  /// Words of a row of accumulators.
  let accumulatorStride: Int
  /// The first band.
  let band: ck_band

  init(_ geometry: LinearGeometry, planeBudget: Int) {
    var band = ck_band()
    band.channels = UInt32(geometry.inChannels / geometry.groups)
    band.in_height = UInt32(geometry.inHeight)
    band.in_width = UInt32(geometry.inWidth)
    band.out_width = UInt32(geometry.outWidth)
    band.kernel_height = UInt32(geometry.kernelHeight)
    band.kernel_width = UInt32(geometry.kernelWidth)
    band.stride_height = UInt32(geometry.strideHeight)
    band.stride_width = UInt32(geometry.strideWidth)
    band.pad_top = UInt32(geometry.padTop)
    band.pad_left = UInt32(geometry.padLeft)
    band.offset = LinearMap.halfOffset
    let planes = ck_band_planes_per_channel(&band) * Int(band.channels)
    let budgetRows =
      planeBudget / max(planes * geometry.outWidth, 1) - (geometry.kernelHeight - 1) / geometry.strideHeight
    // Bands of equal height, so that the last one is not a sliver.
    let atMost = max(1, min(geometry.outHeight, budgetRows))
    let bands = (geometry.outHeight + atMost - 1) / atMost
    rows = (geometry.outHeight + bands - 1) / bands
    band.row_count = UInt32(rows)
    // An odd number of cache lines, so that the planes do not fall on the same cache sets.
    let lines = (ck_band_plane_rows(&band) * geometry.outWidth + 7) / 8
    band.plane_stride = UInt32((lines | 1) * 8)
    planeWords = planes * Int(band.plane_stride)
    accumulatorStride = (rows * geometry.outWidth + Int(CK_POSITION_UNIT) - 1) & ~(Int(CK_POSITION_UNIT) - 1)
    self.band = band
  }
}
