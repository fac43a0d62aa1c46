/// How layers are cut into tiles.
public struct TilingOptions: Hashable, Sendable {
  /// The memory of a board, as far as tiles pass it.
  public struct Memory: Hashable, Sendable {
    /// Bytes a second, both directions together.
    public var bytesPerSecond: Double
    /// Blocks of 36 kbit that buffers may take: what the kernels leave of the chip's.
    public var blocks: Int

    /// Describes a memory.
    public init(bytesPerSecond: Double, blocks: Int) { (self.bytesPerSecond, self.blocks) = (bytesPerSecond, blocks) }

    /// Bytes of a block.
    public static let blockBytes = 4608
  }

  /// The most tiles of a stage.
  public var tiles = 32
  /// Tiles that a lane may have in its buffers: 2 is double buffering.
  public var buffers = 2
  /// Memory of each board; without one, nothing is loaded, as in the paper's model.
  public var memory: [CostParty: Memory] = [:]

  /// The defaults, without loads.
  public init() {}
}
