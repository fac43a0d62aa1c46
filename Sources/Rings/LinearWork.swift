internal import CKernels

/// What the kernels of a linear layer do for one sample, in the units in which a host's time grows: a description of the
/// engine, not of the arithmetic. For the default workspace and vectors of eight words; it depends on public shapes only.
public struct LinearWork: Hashable, Sendable {
  /// Multiply-accumulates of a convolution, positions filled up to whole vectors and channels to whole blocks.
  public let tileMultiplications: Int
  /// Multiply-accumulates of a fully connected layer, channels filled up to whole blocks.
  public let dotMultiplications: Int
  /// Words of planes that are written: the operand as every tap of a band sees it.
  public let planeWords: Int
  /// Weights that are split into limbs where weights are full words: all of them, once a band.
  public let splitWords: Int
}

extension LinearGeometry {
  /// The work of a valid layer.
  public var kernelWork: LinearWork {
    let blocks = ChannelBlocks(self)
    let width = (0..<blocks.blocksPerGroup).reduce(0) { $0 + blocks.block(group: 0, index: $1).width }
    guard !isFullyConnected else {
      return LinearWork(
        tileMultiplications: 0, dotMultiplications: groups * width * tapsPerOutput, planeWords: 0,
        splitWords: weightCount)
    }
    let layout = BandLayout(self, planeBudget: LinearWorkspace.defaultPlaneBudget)
    let starts = stride(from: 0, to: outHeight, by: layout.rows)
    let positions = starts.reduce(0) { sum, begin in
      sum + (min(layout.rows, outHeight - begin) * outWidth + LinearWork.vector - 1) & ~(LinearWork.vector - 1)
    }
    let bands = (outHeight + layout.rows - 1) / layout.rows
    return LinearWork(
      tileMultiplications: groups * width * tapsPerOutput * positions, dotMultiplications: 0,
      planeWords: groups * bands * layout.planeWords, splitWords: bands * weightCount)
  }
}

extension LinearWork {
  /// Words of the widest vector that the kernels compute with.
  static let vector = 8
}
