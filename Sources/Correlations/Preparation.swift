public import Programs
import Rings

/// Walks a program before any query and has a source fill the material of a whole bulk, layer by layer.
public enum Preparation {
  /// The model owner's walk.
  ///
  /// - Parameter receive: called once an inference, in the order of `serials`.
  /// - Throws: what the source throws; then nothing of the bulk may be used.
  public static func modelOwner(
    program: Program, source: any ModelOwnerSource, serials: Range<UInt64>,
    receive: (consuming ModelOwnerMaterial) -> Void
  ) throws {
    try BulkLimits.check(serials.count, of: program)
    let slots = serials.map { Slot(ModelOwnerMaterial(serial: $0)) }
    try source.beginBulk(serials: serials)
    for (index, step) in program.steps.enumerated() {
      switch step.operation {
      case .linear:
        for (slot, words) in zip(slots, try source.linear(step: index)) {
          slot.material!.store(linear: words, at: index)
        }
      case .activation:
        try source.activation(step: index) { slots[$0].material!.store($1, at: index) }
      case .input, .sumPool, .globalSumPool, .add, .reshape, .subsamplePad, .output: break
      }
    }
    try source.endBulk()
    for slot in slots { receive(slot.material.take()!) }
  }

  /// The data owner's walk: its share of every tensor is known here already.
  ///
  /// - Parameter receive: called once an inference, in the order of `serials`.
  /// - Throws: what the source throws; then nothing of the bulk may be used.
  public static func dataOwner(
    program: Program, source: any DataOwnerSource, serials: Range<UInt64>,
    receive: (consuming DataOwnerMaterial) -> Void
  ) throws {
    try BulkLimits.check(serials.count, of: program)
    let slots = serials.map { DataSlot(DataOwnerMaterial(serial: $0)) }
    let lastUses = program.lastUses()
    var shares = [[SecretWords]](repeating: [], count: program.steps.count)
    try source.beginBulk(serials: serials)
    for (index, step) in program.steps.enumerated() {
      switch step.operation {
      case .input:
        shares[index] = try source.masks(step: index)
        for (slot, mask) in zip(slots, shares[index]) { slot.material!.store(inputMask: mask) }
      case .linear:
        shares[index] = try source.linear(step: index, masks: shares[step.inputs[0]])
      case .activation:
        let masks = try source.masks(step: index)
        try source.activation(step: index, shares: shares[step.inputs[0]], masks: masks) {
          slots[$0].material!.store($1, at: index)
        }
        shares[index] = masks
      case .output:
        for (slot, share) in zip(slots, shares[step.inputs[0]]) { slot.material!.store(outputShare: share) }
      case .sumPool, .globalSumPool, .add, .reshape, .subsamplePad:
        shares[index] = serials.indices.map { serial in
          let position = Int(serial - serials.lowerBound)
          return program.applyLocalStep(index, operands: step.inputs.map { shares[$0][position] })
        }
      }
      for operand in step.inputs where lastUses[operand] == index { shares[operand] = [] }
    }
    try source.endBulk()
    for slot in slots { receive(slot.material.take()!) }
  }

  // A noncopyable value cannot be an element of an Array; a slot is.
  private final class Slot {
    var material: ModelOwnerMaterial?
    init(_ material: consuming ModelOwnerMaterial) { self.material = consume material }
  }
  private final class DataSlot {
    var material: DataOwnerMaterial?
    init(_ material: consuming DataOwnerMaterial) { self.material = consume material }
  }
}
