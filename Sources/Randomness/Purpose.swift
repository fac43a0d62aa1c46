/// What a derived key is for. Two purposes never share a label, so keys for different uses are independent.
///
/// Modules add their own: `extension Purpose { static let x = Purpose(label: "module x") }`. A label is agreement between
/// the parties: changing one changes every key below it.
public struct Purpose: Hashable, Sendable {
  /// Printable ASCII, at most 64 bytes.
  public let label: String

  /// A purpose named by 1 to 64 bytes of printable ASCII.
  public init(label: String) {
    precondition((1...64).contains(label.utf8.count), "a purpose label has 1 to 64 bytes")
    precondition(label.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "a purpose label is printable ASCII")
    self.label = label
  }

  /// The data owner's mask r of a tensor.
  public static let mask = Purpose(label: "mask")
  /// The share s of a linear layer's output that the model owner adds.
  public static let linearOutput = Purpose(label: "linear output")
  /// alpha of an OLE, the model owner's.
  public static let oleAlpha = Purpose(label: "ole alpha")
  /// gamma of a random OLE, the data owner's.
  public static let oleGamma = Purpose(label: "ole gamma")
  /// v of an OLE, the data owner's.
  public static let oleV = Purpose(label: "ole v")
  /// Both pads of a random OT, the sender's.
  public static let transferPads = Purpose(label: "transfer pads")
  /// Choice bits of a random OT, the receiver's.
  public static let transferChoice = Purpose(label: "transfer choice")
  /// The dealer's uniform stand-in A for a layer's weights.
  public static let dealerWeight = Purpose(label: "dealer weight")
  /// A seed from which a dealer or a party derives the keys of one batch.
  public static let batchSeed = Purpose(label: "batch seed")
}
