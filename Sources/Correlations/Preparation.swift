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
    for index in PreparationOrder(program).waves.joined() {
      switch program.steps[index].operation {
      case .linear:
        for (slot, words) in zip(slots, try source.linear(step: index)) {
          slot.material!.store(linear: words, at: index)
        }
      case .activation:
        try source.activation(step: index) { slots[$0].material!.store($1, at: index) }
      case .comparison, .maxPool, .argMax:
        for (number, stage) in program.comparisonSchedule(index)!.stages.enumerated() {
          try source.comparison(step: index, stage: number, of: stage) {
            slots[$0].material!.store($1, at: index, stage: number)
          }
        }
      case .input, .sumPool, .globalSumPool, .add, .reshape, .subsamplePad, .changeRing, .output: break
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
    var walk = DataOwnerWalk(program: program, source: source, serials: serials)
    try source.beginBulk(serials: serials)
    for wave in PreparationOrder(program).waves {
      for event in try PreparationOrder.events(wave, bytes: source.requestBytes) {
        switch event {
        case .request(let step): try walk.request(step)
        case .collect(let step): try walk.collect(step)
        }
      }
    }
    try walk.finish()
    try source.endBulk()
    walk.handOut(receive)
  }

  // A noncopyable value cannot be an element of an Array; a slot is.
  private final class Slot {
    var material: ModelOwnerMaterial?
    init(_ material: consuming ModelOwnerMaterial) { self.material = consume material }
  }
}
