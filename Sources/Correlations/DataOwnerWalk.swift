import Programs
import Rings

/// The data owner's part of a bulk: what it knows of every tensor so far, and the material that grows from it.
struct DataOwnerWalk {
  private let program: Program
  private let source: any DataOwnerSource
  private let server: ServerOnePreparation?
  private let serials: Range<UInt64>
  private let slots: [Slot]
  /// c' of activations whose answers are under way, outsourced.
  private var shifted: [Int: [SecretWords]] = [:]
  /// Its share of each tensor, one an inference; empty before it is known and when nobody needs it any more.
  private var shares: [[SecretWords]]
  /// Uses of each tensor that are still to come.
  private var uses: [Int]
  private var isKnown: [Bool]
  /// Steps before this one have drawn their masks; steps before the other one have been computed with linear outputs too.
  private var drawn = 0
  private var computed = 0

  init(
    program: Program, source: any DataOwnerSource, serials: Range<UInt64>, server: ServerOnePreparation? = nil
  ) {
    (self.program, self.source, self.serials, self.server) = (program, source, serials, server)
    slots = serials.map { Slot(DataOwnerMaterial(serial: $0)) }
    shares = Array(repeating: [], count: program.steps.count)
    isKnown = Array(repeating: false, count: program.steps.count)
    uses = Array(repeating: 0, count: program.steps.count)
    for (index, step) in program.steps.enumerated() {
      for operand in step.inputs { uses[operand] += 1 }
      // Material of a step that ends with a mask takes that mask.
      if Self.takesOwnMask(step.operation) { uses[index] += 1 }
    }
  }

  private static func takesOwnMask(_ operation: StepOperation) -> Bool {
    switch operation {
    case .activation, .comparison, .maxPool, .argMax: true
    default: false
    }
  }

  // MARK: Events

  /// Sends what a step needs.
  mutating func request(_ index: Int) throws {
    let operand = program.steps[index].inputs[0]
    switch program.steps[index].operation {
    case .linear:
      try draw(upTo: index)
      try source.requestLinear(step: index, masks: shares[operand])
    case .activation:
      try compute(upTo: index)
      let operands = shares[operand].map { server?.shift($0, step: index, of: program) ?? $0 }
      if server != nil { shifted[index] = operands }
      try source.requestActivation(step: index, shares: operands)
    default: try compute(upTo: index)
    }
  }

  /// Takes a step's answer.
  mutating func collect(_ index: Int) throws {
    let operand = program.steps[index].inputs[0]
    switch program.steps[index].operation {
    case .linear:
      let words = try source.linear(step: index, masks: shares[operand])
      set(index, server == nil ? words : try replace(words, step: index, operands: shares[operand]))
    case .activation:
      let operands = shifted.removeValue(forKey: index) ?? shares[operand]
      try source.activation(step: index, shares: operands, masks: shares[index]) { position, material in
        server?.addConstant(to: material.constant, step: index, of: program)
        slots[position].material!.store(material, at: index)
      }
      release(index)
    default:
      shares[index] = try compare(index, shares[operand], results: shares[index]) { position, number, material in
        slots[position].material!.store(material, at: index, stage: number)
      }
      release(index)
    }
    release(operand)
  }

  /// Outsourced: c of a linear step becomes part of what this server computes with, and gamma its share.
  private func replace(_ words: [SecretWords], step: Int, operands: [SecretWords]) throws -> [SecretWords] {
    let modulus = program.steps[step].tensor.modulus
    let gammas = try source.masks(step: step)
    let opens = program.openingSteps.contains(step)
    for (position, slot) in slots.enumerated() {
      let (word, gamma) = (words[position], gammas[position])
      Elementwise.subtract(modulus, word.pointer, gamma.pointer, count: word.count, output: word.pointer)
      slot.material!.store(linear: word, at: step)
      if opens { slot.material!.store(opened: operands[position], at: step) }
    }
    return gammas
  }

  /// Outsourced: the reverse run, where this server stands in the model owner's place.
  func reverse(_ source: any ModelOwnerSource) throws {
    try source.beginBulk(serials: serials)
    for step in program.linearSteps {
      for (slot, words) in zip(slots, try source.linear(step: step)) {
        slot.material!.add(linear: words, at: step, program.steps[step].tensor.modulus)
      }
    }
    try source.endBulk()
  }

  /// Ends the walk: all that is left is local.
  mutating func finish() throws { try compute(upTo: program.steps.count) }

  /// Gives the material away, one inference after the other.
  func handOut(_ receive: (consuming DataOwnerMaterial) throws -> Void) rethrows {
    for slot in slots { try receive(slot.material.take()!) }
  }

  /// Shows the material that there is so far.
  func offer(_ body: (Int, inout DataOwnerMaterial) throws -> Void) rethrows {
    for (position, slot) in slots.enumerated() { try body(position, &slot.material!) }
  }

  // MARK: Tensors

  /// Draws masks, and computes what follows from masks alone.
  private mutating func draw(upTo end: Int) throws {
    while drawn < end {
      let index = drawn
      drawn += 1
      switch program.steps[index].operation {
      case .input:
        set(index, try source.masks(step: index))
        for (slot, mask) in zip(slots, shares[index]) { slot.material!.store(inputMask: mask) }
      case .activation, .comparison, .maxPool, .argMax: set(index, try source.masks(step: index))
      default: computeIfPossible(index)
      }
    }
  }

  /// Computes what needed linear outputs.
  private mutating func compute(upTo end: Int) throws {
    try draw(upTo: program.steps.count)
    while computed < end {
      let index = computed
      computed += 1
      if case .output = program.steps[index].operation {
        for (slot, share) in zip(slots, shares[program.steps[index].inputs[0]]) {
          slot.material!.store(outputShare: share)
        }
      } else {
        computeIfPossible(index)
      }
    }
  }

  private mutating func computeIfPossible(_ index: Int) {
    let operands = program.steps[index].inputs
    guard program.isLocal(index), !isKnown[index], operands.allSatisfy({ isKnown[$0] }) else { return }
    set(
      index,
      serials.indices.map { serial in
        let position = Int(serial - serials.lowerBound)
        let own = operands.map { shares[$0][position] }
        guard let server, program.steps[index].operation == .offset else {
          return program.applyLocalStep(index, operands: own)
        }
        return server.offset(own[0], step: index, of: program)
      })
    for operand in operands { release(operand) }
  }

  private mutating func set(_ index: Int, _ words: [SecretWords]) {
    isKnown[index] = true
    shares[index] = uses[index] > 0 ? words : []
  }

  private mutating func release(_ tensor: Int) {
    uses[tensor] -= 1
    if uses[tensor] == 0 { shares[tensor] = [] }
  }

  // MARK: Comparisons

  /// The data owner's walk through the runs of one step of comparisons.
  ///
  /// - Parameter receive: position in the bulk, number of the run, material.
  /// - Returns: its shares of the step's tensor.
  private func compare(
    _ index: Int, _ operands: [SecretWords], results: [SecretWords],
    receive: (Int, Int, consuming DataOwnerComparisonMaterial) -> Void
  ) throws -> [SecretWords] {
    let schedule = program.comparisonSchedule(index)!
    let normalization = server?.normalizations[index]
    let turnMasks = try turnMasks(index, schedule)
    var walks = (normalization?.shifted(operands) ?? operands).enumerated().map {
      ComparisonWalk(
        program: program, step: index, schedule: schedule, leads: false, share: $0.element,
        turnMasks: turnMasks?[$0.offset])
    }
    for (number, stage) in schedule.stages.enumerated() {
      let isLast = number == schedule.stages.count - 1
      let masks = try masks(index, number, stage, isLast ? results : nil)
      let parts = walks.map { $0.operands(stage: number) }
      let offsets = zip(parts, masks).map { part, mask in
        let offset = part.base ?? SecretWords(zeros: stage.count)
        let out = SecretWords(uninitialized: stage.count)
        Elementwise.subtract(stage.modulus, offset.pointer, mask.pointer, count: stage.count, output: out.pointer)
        return out
      }
      if isLast { normalization?.addOffset(to: offsets) }
      try source.comparison(
        step: index, stage: number, of: stage, compared: parts.map(\.compared), operands: parts.map(\.operand),
        offsets: offsets
      ) { receive($0, number, $1) }
      for position in walks.indices { walks[position].advance(stage: number, results: masks[position]) }
    }
    return walks.map { $0.finish() }
  }

  /// What masks its shares of turns, where they travel: a draw of its own behind those of the step's runs.
  private func turnMasks(_ index: Int, _ schedule: ComparisonSchedule) throws -> [SecretWords]? {
    guard let stage = schedule.stages.first, stage.answersTurns else { return nil }
    return try source.masks(step: index, stage: schedule.stages.count, count: stage.count, modulus: .word)
  }

  /// The masks of a run: the step's own in its last one, where a clip splits each in two.
  private func masks(
    _ index: Int, _ number: Int, _ stage: ComparisonStage, _ results: [SecretWords]?
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
    var material: DataOwnerMaterial?
    init(_ material: consuming DataOwnerMaterial) { self.material = consume material }
  }
}
