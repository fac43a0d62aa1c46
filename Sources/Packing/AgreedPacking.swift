public import Rings

/// What both parties must do alike. AGREEMENT: a change is a change of the wire.
extension LinearPacking {
  /// N of the rings in which parties prepare.
  public static let agreedDegree = 8192

  /// Costs that parties plan with: bytes first; more weights in one coefficient than 2^16 would widen the flood beyond the
  /// ring.
  public static let agreedCosts = {
    var costs = PackingCosts()
    costs.maximumWeightTerms = 1 << 16
    return costs
  }()

  /// The plan that parties follow, and from which their cost is predicted.
  /// - Throws: as ``init(geometry:inferences:degree:costs:)``.
  public static func agreed(geometry: LinearGeometry, inferences: Int) throws -> LinearPacking {
    try LinearPacking(geometry: geometry, inferences: inferences, degree: agreedDegree, costs: agreedCosts)
  }
}

/// Elements in slots: element i of a bulk stands in slot i mod N of ciphertext i / N.
public enum SlotPacking {
  /// Ciphertexts that `elements` slots take.
  public static func ciphertexts(_ elements: Int) -> Int {
    (elements + LinearPacking.agreedDegree - 1) / LinearPacking.agreedDegree
  }
}

/// Random transfers of a step: whole tiles, so that no step's cost depends on the steps before it.
public enum TransferPacking {
  /// Transfers that are extended at once. AGREEMENT.
  public static let tile = 2048
  /// Tiles that travel in one frame, at most. AGREEMENT.
  public static let frame = 2

  /// Transfers made for `count` that are needed.
  public static func rounded(_ count: Int) -> Int { (count + tile - 1) / tile * tile }

  /// Sizes of the frames in which they travel, in tiles.
  public static func frames(_ count: Int) -> [Int] {
    let tiles = rounded(count) / tile
    return stride(from: 0, to: tiles, by: frame).map { min(frame, tiles - $0) }
  }
}
