/// Which rows of an operand each row of a result is made of.
public struct RowWindow: Hashable, Sendable {
  /// Rows of the window; nil for all rows of the operand.
  public var kernel: Int?
  /// Rows between neighbouring windows.
  public var stride: Int
  /// Rows of zeros before the first.
  public var padding: Int

  /// A window of so many rows.
  public init(kernel: Int, stride: Int, padding: Int) {
    (self.kernel, self.stride, self.padding) = (kernel, stride, padding)
  }

  private init() { (kernel, stride, padding) = (nil, 1, 0) }

  /// Each row of the result is made of the same row.
  public static let same = RowWindow(kernel: 1, stride: 1, padding: 0)
  /// Each row of the result is made of all rows.
  public static let whole = RowWindow()

  /// Rows of a result of `count` rows that need some of these rows of the operand; may be empty.
  func results(needing rows: Range<Int>, of count: Int) -> Range<Int> {
    guard let kernel else { return 0..<count }
    // Row r reads stride*r - padding and the kernel - 1 rows after it.
    let above = rows.lowerBound + padding - kernel + 1
    let first = above <= 0 ? 0 : (above + stride - 1) / stride
    let last = (rows.upperBound - 1 + padding) / stride
    return first..<max(first, min(count, last + 1))
  }
}

/// What one lane of one board does in a stage.
public struct StageWork: Hashable, Sendable {
  /// Whose.
  public var party: CostParty
  /// Which kind of lane; a link is the sender's.
  public var kind: LaneKind
  /// The lane's name.
  public var lane: String
  /// Ticks that the lane is busy with the whole layer.
  public var ticks: Int
  /// Ticks after that until the result is there.
  public var latency: Int
  /// Bytes of operands, material and results that pass the board's memory for it.
  public var dataBytes: Int
  /// Bytes of weights, which may be read before the operands are there.
  public var weightBytes: Int

  /// Describes work.
  public init(
    party: CostParty, kind: LaneKind, lane: String, ticks: Int, latency: Int = 0, dataBytes: Int = 0,
    weightBytes: Int = 0
  ) {
    (self.party, self.kind, self.lane, self.ticks, self.latency) = (party, kind, lane, ticks, latency)
    (self.dataBytes, self.weightBytes) = (dataBytes, weightBytes)
  }
}

/// One term of a layer's analytic sum.
public struct FlowStage: Hashable, Sendable {
  /// Compute, or send.
  public enum Kind: Hashable, Sendable {
    /// Arithmetic and cryptography on the boards named by ``FlowStage/work``.
    case compute
    /// A message to the other party; ``FlowStage/work`` is the sender's link alone.
    case send(to: CostParty)
  }

  /// Whether its tiles are rows of the layer's operand or of its result.
  public enum Space: Hashable, Sendable {
    /// Of the operand.
    case operand
    /// Of the result.
    case result
  }

  /// For people, such as "open".
  public var name: String
  /// What it is.
  public var kind: Kind
  /// What its tiles are.
  public var space: Space
  /// Whether its sender first needs what it has received in this layer: an answer. Openings that cross each other are none.
  public var isAnswer: Bool
  /// Whether the analytic sum waits for its arrival: not where the next message goes the same way.
  public var isAwaited: Bool
  /// What lanes do meanwhile, all at the same time; one a party at most.
  public var work: [StageWork]

  /// Describes a stage.
  public init(
    name: String, kind: Kind, space: Space, isAnswer: Bool = false, isAwaited: Bool = true, work: [StageWork]
  ) {
    (self.name, self.kind, self.space) = (name, kind, space)
    (self.isAnswer, self.isAwaited, self.work) = (isAnswer, isAwaited, work)
  }

  /// Ticks of the stage when nothing overlaps with it.
  public var ticks: Int { work.reduce(0) { max($0, $1.ticks + (isAwaited ? $1.latency : 0)) } }
}

/// A layer of a network under a protocol, on devices: its stages in the order of the analytic sum.
public struct LayerFlow: Hashable, Sendable {
  /// The layer's name.
  public var name: String
  /// Indices of the layers whose results it reads; none for the network's input.
  public var operands: [Int]
  /// Rows of the operand's picture; 1 for vectors.
  public var operandRows: Int
  /// Rows of the result's.
  public var resultRows: Int
  /// Which rows of the operand a row of the result needs.
  public var window: RowWindow
  /// What is done.
  public var stages: [FlowStage]

  /// Describes a layer.
  public init(
    name: String, operands: [Int], operandRows: Int, resultRows: Int, window: RowWindow, stages: [FlowStage]
  ) {
    (self.name, self.operands, self.operandRows) = (name, operands, operandRows)
    (self.resultRows, self.window, self.stages) = (resultRows, window, stages)
  }

  /// Ticks of the layer when nothing overlaps.
  public var ticks: Int { stages.reduce(0) { $0 + $1.ticks } }
}
