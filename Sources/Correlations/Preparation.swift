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
      case .comparison, .maxPool, .argMax:
        shares[index] = try compare(program, source, index, shares[step.inputs[0]]) { position, number, material in
          slots[position].material!.store(material, at: index, stage: number)
        }
      case .output:
        for (slot, share) in zip(slots, shares[step.inputs[0]]) { slot.material!.store(outputShare: share) }
      case .sumPool, .globalSumPool, .add, .reshape, .subsamplePad, .changeRing:
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

  /// The data owner's walk through the runs of one step of comparisons.
  ///
  /// - Parameter receive: position in the bulk, number of the run, material.
  /// - Returns: its shares of the step's tensor.
  private static func compare(
    _ program: Program, _ source: any DataOwnerSource, _ index: Int, _ operands: [SecretWords],
    receive: (Int, Int, consuming DataOwnerComparisonMaterial) -> Void
  ) throws -> [SecretWords] {
    let schedule = program.comparisonSchedule(index)!
    var walks = operands.map {
      ComparisonWalk(program: program, step: index, schedule: schedule, leads: false, share: $0)
    }
    let results = try source.masks(step: index)
    for (number, stage) in schedule.stages.enumerated() {
      let isLast = number == schedule.stages.count - 1
      let masks = try masks(source, index, number, stage, isLast ? results : nil)
      let parts = walks.map { $0.operands(stage: number) }
      let offsets = zip(parts, masks).map { part, mask in
        let offset = part.base ?? SecretWords(zeros: stage.count)
        let out = SecretWords(uninitialized: stage.count)
        Elementwise.subtract(stage.modulus, offset.pointer, mask.pointer, count: stage.count, output: out.pointer)
        return out
      }
      try source.comparison(
        step: index, stage: number, of: stage, compared: parts.map(\.compared), operands: parts.map(\.operand),
        offsets: offsets
      ) { receive($0, number, $1) }
      for position in walks.indices { walks[position].advance(stage: number, results: masks[position]) }
    }
    return walks.map { $0.finish() }
  }

  /// The masks of a run: the step's own in its last one, where a clip splits each in two.
  private static func masks(
    _ source: any DataOwnerSource, _ index: Int, _ number: Int, _ stage: ComparisonStage, _ results: [SecretWords]?
  ) throws -> [SecretWords] {
    guard let results else {
      return try source.masks(step: index, stage: number, count: stage.count, modulus: stage.modulus)
    }
    guard let length = results.first?.count, length != stage.count else { return results }
    let seconds = try source.masks(step: index, stage: number, count: length, modulus: stage.modulus)
    return zip(results, seconds).map { result, second in
      let both = SecretWords(uninitialized: 2 * length)
      Elementwise.subtract(stage.modulus, result.pointer, second.pointer, count: length, output: both.pointer)
      (both.pointer + length).update(from: second.pointer, count: length)
      return both
    }
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
