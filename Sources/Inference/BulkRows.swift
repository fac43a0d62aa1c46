import Correlations
import MaterialStore

/// The rows of a store for a bulk, filled while its material is made, so that it need not wait in memory.
///
/// All of them are begun before anything is prepared: a store without room refuses then.
final class BulkRows {
  private let first: UInt64
  private let writers: [RowWriter]
  private var encoders: [MaterialEncoder]

  /// - Parameter encoder: the party's, new.
  /// - Throws: `StoreError`
  init(_ store: StoreSession, serials: Range<UInt64>, encoder: MaterialEncoder) throws {
    first = serials.lowerBound
    writers = try serials.map { try store.row(serial: $0, byteCount: encoder.byteCount) }
    encoders = [MaterialEncoder](repeating: encoder, count: serials.count)
  }

  func fill(_ position: Int, _ material: inout ModelOwnerMaterial) throws {
    try encoders[position].encode(&material) { try writers[position].write($0) }
  }

  func fill(_ position: Int, _ material: inout DataOwnerMaterial) throws {
    try encoders[position].encode(&material) { try writers[position].write($0) }
  }

  /// Ends the row of an inference with what is left of its material.
  func finish(_ material: consuming ModelOwnerMaterial) throws {
    let position = Int(material.serial - first)
    try fill(position, &material)
    try close(position)
  }

  func finish(_ material: consuming DataOwnerMaterial) throws {
    let position = Int(material.serial - first)
    try fill(position, &material)
    try close(position)
  }

  private func close(_ position: Int) throws {
    precondition(encoders[position].isComplete, "a source made less material than the program takes")
    try writers[position].close()
  }
}
