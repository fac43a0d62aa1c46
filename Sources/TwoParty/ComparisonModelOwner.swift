public import Correlations
public import Programs
public import Rings
public import Transport

/// A run of comparisons with their multiplexers at the model owner: z0 in, its share of base + [z >= 0] m out.
///
/// Protocols/comparison/spec.md. Security: semi-honest. Tables are masked by pads, openings by triples, the bit by rho0, D by g.
/// It sees uniform bits, and the answer masked by r'.
public struct ComparisonModelOwner {
  private let channel: FramedChannel
  private let flow: ComparisonFlow
  private let stage: ComparisonStage
  private let kernels: ComparisonKernels
  private let widths: [UInt8]
  private let flips: SecretBytes?

  /// - Parameters:
  ///   - stage: comparisons of one sample.
  ///   - flips: a bit a comparison, packed, where it is to keep what is negative; secret of this party.
  ///   - kernels: instruction set; it changes no bit.
  public init(
    channel: FramedChannel, stage: ComparisonStage, flips: SecretBytes? = nil,
    kernels: ComparisonKernels = ComparisonKernels()
  ) {
    precondition(flips.map { $0.count == (stage.count + 7) / 8 } ?? true, "one bit a comparison")
    self.channel = channel
    self.flips = flips
    self.stage = stage
    self.kernels = kernels
    flow = ComparisonFlow(stage)
    widths = stage.digits.kernelWidths
  }

  /// Runs the protocol for a batch.
  ///
  /// - Parameters:
  ///   - operands: its shares, one a sample.
  ///   - materials: one material a sample; used up.
  /// - Returns: the result less r' of each sample, in the stage's ring.
  /// - Throws: `TransportError`, ``TwoPartyError``
  public func run(
    _ operands: [ComparisonWalk.Operands], materials: consuming MaterialBatch<ModelOwnerComparisonMaterial>
  ) throws -> [SecretWords] {
    precondition(operands.count == materials.count && operands.allSatisfy { $0.compared.count == stage.count })
    let states = operands.map { _ in ComparisonState(flow) }
    let scratch = Scratch(flow)
    try sendTables(operands, states, materials, scratch)
    var level = 0
    while !flow.isLast(level) {
      try exchange(level, operands, states, materials, scratch)
      level += 2
    }
    try select(level, operands, states, materials, scratch)
    return try close(operands, states, materials, scratch)
  }

  /// Memory of one tile's messages and intermediate planes.
  private struct Scratch {
    let (planes, outgoing, incoming): (SecretBytes, SecretBytes, SecretBytes)
    let words: SecretWords

    init(_ flow: ComparisonFlow) {
      let count = min(flow.stage.count, ComparisonTile.elements)
      let widest = SecretBytes(uninitialized: ComparisonTile.bytes(planes: flow.widestPlanes, count: count))
      outgoing = widest
      incoming = SecretBytes(uninitialized: widest.count)
      planes = SecretBytes(uninitialized: ComparisonTile.bytes(planes: flow.stage.comparedPlanes, count: count))
      words = SecretWords(uninitialized: count)
    }
  }

  private func sendTables(
    _ operands: [ComparisonWalk.Operands], _ states: [ComparisonState],
    _ materials: borrowing MaterialBatch<ModelOwnerComparisonMaterial>, _ scratch: Scratch
  ) throws {
    let digits = stage.digits
    let (planes, message) = (scratch.planes.pointer, scratch.outgoing.pointer)
    try channel.beginSend(.comparisonTables, byteCount: flow.byteCount(flow.tablePlanes, batch: operands.count))
    for sample in operands.indices {
      let (state, compared, base) = (states[sample], operands[sample].compared, operands[sample].base)
      try materials.with(sample) { material in
        try ComparisonTile.forEach(stage.count) { first, count, bytes in
          let tree = ComparisonTree(
            kernels, flow, leads: true, state, triples: material.triples, first: first, count: count, bytes: bytes)
          kernels.slice(compared.pointer + first, count: count, bits: stage.comparedPlanes, planes: planes)
          (state.bit.pointer + first / 8).update(from: planes + digits.digitBits * bytes, count: bytes)
          let pads = material.pads.pointer + stage.padPlanes * first / 8
          kernels.tables(widths, bytes: bytes, z: planes, pads: pads, tables: message, leaves: tree.shares)
          if let turn = stage.turn(bytes: bytes) {
            let own = pads + digits.padPlanes * bytes
            turn.table(planes + digits.bits * bytes, pads: own, table: message + digits.tablePlanes * bytes)
            if !stage.answersTurns {
              kernels.add(own, bits: turn.bits, unit: turn.unit(-1), count: count, to: base!.pointer + first)
            }
          }
          ComparisonKernels.trim(message, planes: stage.tablePlanes, count: count)
          let used = stage.tablePlanes * bytes
          try channel.write(message, used + tree.open(0, to: message + used))
        }
      }
    }
    try channel.endSend()
  }

  /// Takes openings of two levels, gives those of the next two.
  private func exchange(
    _ level: Int, _ operands: [ComparisonWalk.Operands], _ states: [ComparisonState],
    _ materials: borrowing MaterialBatch<ModelOwnerComparisonMaterial>,
    _ scratch: Scratch
  ) throws {
    try channel.beginReceive(
      .comparisonDataOpenings, byteCount: flow.byteCount(flow.dataPlanes(level), batch: states.count))
    try channel.beginSend(
      .comparisonModelOpenings, byteCount: flow.byteCount(flow.modelPlanes(level), batch: states.count))
    for (sample, state) in states.enumerated() {
      try materials.with(sample) { material in
        try ComparisonTile.forEach(stage.count) { first, count, bytes in
          let tree = ComparisonTree(
            kernels, flow, leads: true, state, triples: material.triples, first: first, count: count, bytes: bytes)
          let used = try join(level, tree, scratch)
          if level == 0 { addTurns(to: operands[sample], material.pads, first: first, count: count, scratch) }
          try channel.write(
            scratch.outgoing.pointer, used + tree.open(level + 2, to: scratch.outgoing.pointer + used))
        }
      }
    }
    channel.endReceive()
    try channel.endSend()
  }

  /// Reads the peer's openings of a level and the next, and joins both.
  /// - Returns: bytes of its own openings of the next level, in the outgoing message.
  private func join(_ level: Int, _ tree: ComparisonTree, _ scratch: Scratch) throws -> Int {
    let incoming = scratch.incoming.pointer
    try channel.read(incoming, flow.dataPlanes(level) * tree.bytes)
    let read = tree.join(level, with: incoming)
    let used = tree.open(level + 1, to: scratch.outgoing.pointer)
    _ = tree.join(level + 1, with: incoming + read)
    return used
  }

  /// Adds its shares of turns to what is made of values, where turns travel: what came behind the peer's first openings less
  /// its pads.
  private func addTurns(
    to operands: ComparisonWalk.Operands, _ pads: SecretBytes, first: Int, count: Int, _ scratch: Scratch
  ) {
    let bytes = (count + 7) / 8
    guard stage.answersTurns, let turn = stage.turn(bytes: bytes) else { return }
    guard let weights = operands.turns else { preconditionFailure("operands without weights of turns") }
    let own = pads.pointer + stage.padPlanes * first / 8 + stage.digits.padPlanes * bytes
    let share = scratch.incoming.pointer + flow.dataOpenings(0) * bytes
    turn.subtract(share, own, output: share)
    kernels.add(
      share, bits: turn.bits, unit: turn.unit(weights.operand), negatedFrom: weights.negatedFrom - first, count: count,
      to: operands.operand.pointer + first)
    guard weights.base != 0, let base = operands.base else { return }
    kernels.add(share, bits: turn.bits, unit: turn.unit(weights.base), count: count, to: base.pointer + first)
  }

  private func select(
    _ level: Int, _ operands: [ComparisonWalk.Operands], _ states: [ComparisonState],
    _ materials: borrowing MaterialBatch<ModelOwnerComparisonMaterial>, _ scratch: Scratch
  ) throws {
    let hasTree = !flow.levels.isEmpty
    if hasTree {
      try channel.beginReceive(
        .comparisonDataOpenings, byteCount: flow.byteCount(flow.dataPlanes(level), batch: states.count))
    }
    try channel.beginSend(
      .comparisonSelect, byteCount: flow.byteCount(flow.selectPlanes(level), words: 1, batch: states.count))
    for (sample, state) in states.enumerated() {
      let operand = operands[sample].operand
      try materials.with(sample) { material in
        try ComparisonTile.forEach(stage.count) { first, count, bytes in
          let tree = ComparisonTree(
            kernels, flow, leads: true, state, triples: material.triples, first: first, count: count, bytes: bytes)
          let used = hasTree ? try join(level, tree, scratch) : 0
          if level == 0 { addTurns(to: operands[sample], material.pads, first: first, count: count, scratch) }
          let (bit, delta) = (state.bit.pointer + first / 8, state.delta.pointer + first / 8)
          tree.finish(bit, flips: false)
          // The data owner's half of the bit stays: turning this one turns the sum.
          if let flips { PackedBits.xor(bit, flips.pointer + first / 8, count: count) }
          kernels.select(
            stage.modulus, count: count, b0: bit, rho0: material.rho.pointer + first / 8,
            m0: operand.pointer + first, g: material.g.pointer + first, delta0: delta, d: scratch.words.pointer)
          ComparisonKernels.trim(delta, planes: 1, count: count)
          (scratch.outgoing.pointer + used).update(from: delta, count: bytes)
          try channel.write(scratch.outgoing.pointer, used + bytes)
          try channel.write(UnsafeRawBufferPointer(start: scratch.words.pointer, count: 8 * count))
        }
      }
    }
    if hasTree { channel.endReceive() }
    try channel.endSend()
  }

  private func close(
    _ operands: [ComparisonWalk.Operands], _ states: [ComparisonState],
    _ materials: borrowing MaterialBatch<ModelOwnerComparisonMaterial>, _ scratch: Scratch
  ) throws -> [SecretWords] {
    let results = operands.map { _ in SecretWords(uninitialized: stage.count) }
    let words = scratch.words
    try channel.beginReceive(.comparisonAnswer, byteCount: flow.byteCount(1, words: 1, batch: operands.count))
    for (sample, state) in states.enumerated() {
      let (operand, base, result) = (operands[sample].operand, operands[sample].base, results[sample])
      try materials.with(sample) { material in
        try ComparisonTile.forEach(stage.count) { first, count, bytes in
          try channel.read(scratch.incoming.pointer, bytes)
          try channel.read(into: UnsafeMutableRawBufferPointer(start: words.pointer, count: 8 * count))
          guard stage.modulus == .word || words.areReduced(count: count) else {
            throw TwoPartyError.wordNotReduced(message: "comparison answer")
          }
          kernels.close(
            stage.modulus, count: count, b0: state.bit.pointer + first / 8, delta0: state.delta.pointer + first / 8,
            delta1: scratch.incoming.pointer, m0: operand.pointer + first, h0: material.h.pointer + first,
            w0: material.w.pointer + first, base: base.map { UnsafePointer($0.pointer) + first }, answer: words.pointer,
            out: result.pointer + first)
        }
      }
    }
    channel.endReceive()
    return results
  }
}
