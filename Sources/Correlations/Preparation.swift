public import Programs
import Rings

/// Walks a program before any query and has a source fill the material of a whole bulk, layer by layer.
public enum Preparation {
  /// The model owner's walk; server 0's, outsourced.
  ///
  /// - Parameters:
  ///   - reverse: outsourced, the source of the reverse run, begun with `Program.reversed`.
  ///   - willPrepare: called with each step before its material is made.
  ///   - didPrepare: called after each step with an inference's position in the bulk and its material so far: what is there is
  ///     complete, and may be taken.
  ///   - receive: called once an inference, in the order of `serials`, with what is left.
  /// - Throws: what the source or a closure throws; then nothing of the bulk may be used.
  public static func modelOwner(
    program: Program, source: any ModelOwnerSource, serials: Range<UInt64>, reverse: (any DataOwnerSource)? = nil,
    willPrepare: (Int) -> Void = { _ in },
    didPrepare: (Int, inout ModelOwnerMaterial) throws -> Void = { _, _ in },
    receive: (consuming ModelOwnerMaterial) throws -> Void
  ) throws {
    precondition((reverse != nil) == (program.deployment == .outsourced), "an outsourced program needs both runs")
    try BulkLimits.check(serials.count, of: program)
    let slots = serials.map { Slot(ModelOwnerMaterial(serial: $0)) }
    try source.beginBulk(serials: serials)
    let waves = PreparationOrder(program).waves
    // Outsourced, linear steps are complete after the reverse run only.
    try prepare(waves[0], program, source, slots, willPrepare, reverse == nil ? didPrepare : { _, _ in })
    if let reverse { try Self.reverse(program, reverse, serials, slots) }
    try prepare(waves[1], program, source, slots, willPrepare, didPrepare)
    try source.endBulk()
    for slot in slots { try receive(slot.material.take()!) }
  }

  /// A wave.
  private static func prepare(
    _ wave: [Int], _ program: Program, _ source: any ModelOwnerSource, _ slots: [Slot],
    _ willPrepare: (Int) -> Void, _ didPrepare: (Int, inout ModelOwnerMaterial) throws -> Void
  ) throws {
    for index in wave {
      willPrepare(index)
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
      case .input, .sumPool, .globalSumPool, .add, .concatenate, .offset, .reshape, .subsamplePad, .changeRing, .output:
        break
      }
      for (position, slot) in slots.enumerated() { try didPrepare(position, &slot.material!) }
    }
  }

  /// Server 0 in the data owner's place: fresh masks r~ of opened tensors, and c~ of linear steps.
  private static func reverse(
    _ program: Program, _ source: any DataOwnerSource, _ serials: Range<UInt64>, _ slots: [Slot]
  ) throws {
    try source.beginBulk(serials: serials)
    var masks: [Int: [SecretWords]] = [:]
    let opening = program.openingSteps
    for step in program.linearSteps where opening.contains(step) {
      let words = try source.masks(step: program.steps[step].inputs[0])
      for (slot, mask) in zip(slots, words) { slot.material!.store(opened: mask, at: step) }
      masks[program.steps[step].inputs[0]] = words
    }
    for event in try PreparationOrder.events(program.linearSteps, bytes: source.requestBytes) {
      switch event {
      case .request(let step): try source.requestLinear(step: step, masks: masks[program.steps[step].inputs[0]]!)
      case .collect(let step):
        let words = try source.linear(step: step, masks: masks[program.steps[step].inputs[0]]!)
        for (slot, word) in zip(slots, words) {
          slot.material!.add(linear: word, at: step, program.steps[step].tensor.modulus)
        }
      }
    }
    try source.endBulk()
  }

  /// The data owner's walk, server 1's outsourced: its share of every tensor is known here already.
  ///
  /// - Parameters:
  ///   - server: outsourced, what else this server has.
  ///   - willPrepare: called with each step before its material is taken.
  ///   - didPrepare: as at the model owner.
  ///   - receive: called once an inference, in the order of `serials`, with what is left.
  /// - Throws: what the source or a closure throws; then nothing of the bulk may be used.
  public static func dataOwner(
    program: Program, source: any DataOwnerSource, serials: Range<UInt64>, server: ServerOnePreparation? = nil,
    willPrepare: (Int) -> Void = { _ in },
    didPrepare: (Int, inout DataOwnerMaterial) throws -> Void = { _, _ in },
    receive: (consuming DataOwnerMaterial) throws -> Void
  ) throws {
    precondition((server != nil) == (program.deployment == .outsourced), "an outsourced program needs both runs")
    try BulkLimits.check(serials.count, of: program)
    var walk = DataOwnerWalk(program: program, source: source, serials: serials, server: server)
    try source.beginBulk(serials: serials)
    for (number, wave) in PreparationOrder(program).waves.enumerated() {
      for event in try PreparationOrder.events(wave, bytes: source.requestBytes) {
        switch event {
        case .request(let step): try walk.request(step)
        case .collect(let step):
          willPrepare(step)
          try walk.collect(step)
          // Outsourced, linear steps are complete after the reverse run only.
          if number > 0 || server == nil { try walk.offer(didPrepare) }
        }
      }
      if number == 0, let server { try walk.reverse(server.reverse) }
    }
    try walk.finish()
    try source.endBulk()
    try walk.handOut(receive)
  }

  // A noncopyable value cannot be an element of an Array; a slot is.
  private final class Slot {
    var material: ModelOwnerMaterial?
    init(_ material: consuming ModelOwnerMaterial) { self.material = consume material }
  }
}
