import Rings
import Testing

@testable import Correlations

@Suite("Material pool")
struct PoolTests {
  private func pool(_ serials: Range<UInt64>) -> MaterialPool<DataOwnerMaterial> {
    var pool = MaterialPool<DataOwnerMaterial>()
    for serial in serials {
      var material = DataOwnerMaterial(serial: serial)
      material.store(inputMask: SecretWords([serial]))
      material.store(outputShare: SecretWords([serial + 100]))
      pool.add(material, serial: serial)
    }
    return pool
  }

  @Test("Inferences leave in order, each once, and are gone")
  func order() throws {
    var pool = pool(0..<3)
    #expect(throws: CorrelationError.serialOutOfOrder(found: 1, expected: 0)) { _ = try pool.take(serial: 1) }
    for serial in UInt64(0)..<3 {
      #expect(pool.nextSerial == serial && pool.count == 3 - Int(serial))
      var material = try pool.take(serial: serial)
      #expect(try material.takeInputMask().array() == [serial])
      #expect(throws: CorrelationError.serialOutOfOrder(found: serial, expected: serial + 1)) {
        _ = try pool.take(serial: serial)
      }
    }
    #expect(throws: CorrelationError.materialSpent(step: 0, serial: 3)) { _ = try pool.take(serial: 3) }
  }

  @Test("Parts of the data owner's material are taken once")
  func dataOwnerParts() throws {
    var pool = pool(0..<1)
    var material = try pool.take(serial: 0)
    material.store(
      DataOwnerActivationMaterial(
        share: SecretWords([1]), constant: SecretWords([2]), pads: nil, mask: SecretWords([3])), at: 4)
    #expect(throws: CorrelationError.materialSpent(step: 5, serial: 0)) { _ = try material.takeActivation(5) }
    let part = try material.takeActivation(4)
    #expect(part.share.array() == [1] && part.constant.array() == [2] && part.mask.array() == [3])
    #expect(throws: CorrelationError.materialSpent(step: 4, serial: 0)) { _ = try material.takeActivation(4) }
    _ = try material.takeInputMask()
    #expect(throws: CorrelationError.materialSpent(step: 0, serial: 0)) { _ = try material.takeInputMask() }
    #expect(try material.takeOutputShare().array() == [100])
    #expect(throws: CorrelationError.self) { _ = try material.takeOutputShare() }
  }

  @Test("Parts of the model owner's material are taken once")
  func modelOwnerParts() throws {
    var material = ModelOwnerMaterial(serial: 9)
    material.store(linear: SecretWords([1]), at: 2)
    material.store(
      ModelOwnerActivationMaterial(alpha: SecretWords([4]), u: SecretWords([5]), transfer: nil), at: 3)
    #expect(try material.takeLinear(2).array() == [1])
    #expect(throws: CorrelationError.materialSpent(step: 2, serial: 9)) { _ = try material.takeLinear(2) }
    #expect(try material.takeActivation(3).alpha.array() == [4])
    #expect(throws: CorrelationError.materialSpent(step: 3, serial: 9)) { _ = try material.takeActivation(3) }
  }
}
