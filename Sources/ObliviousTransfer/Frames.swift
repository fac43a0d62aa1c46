import Randomness
public import Transport

extension FrameKind {
  /// Receiver of correlations -> sender, 65 bytes: its point A of the base transfers.
  public static let transferBasePoint = FrameKind(rawValue: 0x60)
  /// Sender of correlations -> receiver, 65 bytes a base transfer: the points B.
  public static let transferBaseAnswer = FrameKind(rawValue: 0x61)
  /// Receiver -> sender, 32 bytes a base transfer: level sums of the small trees, masked.
  public static let transferTrees = FrameKind(rawValue: 0x62)
  /// Receiver -> sender: columns of an extension, the corrections to its choice bits.
  public static let transferColumns = FrameKind(rawValue: 0x63)
  /// Sender -> receiver: level sums of the trees of one group of the silent extension.
  public static let transferNoise = FrameKind(rawValue: 0x64)
  /// Receiver -> sender: choices xor random choices, packed bits.
  public static let transferChoices = FrameKind(rawValue: 0x65)
  /// Sender -> receiver: masked messages.
  public static let transferMessages = FrameKind(rawValue: 0x66)
}

extension Purpose {
  static let transferBase = Purpose(label: "transfer base")
  static let transferTree = Purpose(label: "transfer small trees")
  static let transferNoise = Purpose(label: "transfer silent trees")
  static let transferCode = Purpose(label: "transfer code")
  static let transferHash = Purpose(label: "transfer hash")
}
