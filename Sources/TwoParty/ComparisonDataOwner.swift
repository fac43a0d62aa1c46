public import Correlations
public import Programs
public import Rings
public import Transport

/// A run of comparisons with their multiplexers at the data owner. Its share of the result is the mask with which its
/// material was made.
///
/// Protocols/comparison/spec.md. Security: semi-honest. It sees tables and openings that pads and triples make uniform,
/// delta0 masked by rho0 and D masked by g.
public struct ComparisonDataOwner {
  private let channel: FramedChannel
  private let flow: ComparisonFlow
  private let stage: ComparisonStage
  private let kernels: ComparisonKernels
  private let widths: [UInt8]
  private let flips: SecretBytes?

  /// - Parameters:
  ///   - stage: comparisons of one sample.
  ///   - flips: outsourced, a bit a comparison, packed, where this server turns its half of the bit; secret.
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

  /// Runs the protocol for a batch, one material a sample.
  ///
  /// - Throws: `TransportError`, ``TwoPartyError``
  public func run(materials: consuming MaterialBatch<DataOwnerComparisonMaterial>) throws {
    let states = (0..<materials.count).map { _ in ComparisonState(flow) }
    let count = min(stage.count, ComparisonTile.elements)
    let widest = ComparisonTile.bytes(planes: flow.widestPlanes, count: count)
    let scratch = Scratch(
      incoming: SecretBytes(uninitialized: widest), outgoing: SecretBytes(uninitialized: widest),
      opened: SecretWords(uninitialized: count), answers: SecretWords(uninitialized: count))
    try receiveTables(states, materials, scratch)
    var level = 0
    while !flow.isLast(level) {
      try exchange(level, states, materials, scratch)
      level += 2
    }
    try answer(level, states, materials, scratch)
  }

  private struct Scratch {
    let (incoming, outgoing): (SecretBytes, SecretBytes)
    let (opened, answers): (SecretWords, SecretWords)

    init(incoming: SecretBytes, outgoing: SecretBytes, opened: SecretWords, answers: SecretWords) {
      (self.incoming, self.outgoing, self.opened, self.answers) = (incoming, outgoing, opened, answers)
    }
  }

  private func receiveTables(
    _ states: [ComparisonState], _ materials: borrowing MaterialBatch<DataOwnerComparisonMaterial>, _ scratch: Scratch
  ) throws {
    let digits = stage.digits
    let (message, hasTree) = (scratch.incoming.pointer, !flow.levels.isEmpty)
    try channel.beginReceive(.comparisonTables, byteCount: flow.byteCount(flow.tablePlanes, batch: states.count))
    if hasTree {
      try channel.beginSend(
        .comparisonDataOpenings, byteCount: flow.byteCount(flow.dataPlanes(0), batch: states.count))
    }
    for (sample, state) in states.enumerated() {
      try materials.with(sample) { material in
        try ComparisonTile.forEach(stage.count) { first, count, bytes in
          let tree = ComparisonTree(
            kernels, flow, leads: false, state, triples: material.triples, first: first, count: count, bytes: bytes)
          try channel.read(message, flow.tablePlanes * bytes)
          let choices = material.choices.pointer + stage.choicePlanes * first / 8
          (state.bit.pointer + first / 8).update(from: choices + digits.digitBits * bytes, count: bytes)
          let chosen = material.pads.pointer + stage.chosenPlanes * first / 8
          kernels.leaves(
            widths, bytes: bytes, choices: choices, tables: message, chosen: chosen, leaves: tree.shares)
          if let turn = stage.turn(bytes: bytes) {
            // Behind the openings of the message.
            let share = scratch.outgoing.pointer + flow.dataOpenings(0) * bytes
            turn.share(
              choices + digits.bits * bytes, table: message + digits.tablePlanes * bytes,
              chosen: chosen + digits.leafPlanes * bytes, share: share)
            if stage.answersTurns {
              turn.subtract(share, choices + stage.comparedPlanes * bytes, output: share)
              ComparisonKernels.trim(share, planes: turn.bits, count: count)
            } else {
              kernels.add(
                share, bits: turn.bits, unit: turn.unit(), count: count, to: material.offset.pointer + first)
            }
          }
          guard hasTree else { return }
          try reply(0, tree, message + stage.tablePlanes * bytes, scratch)
        }
      }
    }
    channel.endReceive()
    if hasTree { try channel.endSend() }
  }

  /// Opens a level, joins it with the peer's openings, and opens the next one.
  private func reply(_ level: Int, _ tree: ComparisonTree, _ peer: UnsafePointer<UInt8>, _ scratch: Scratch) throws {
    let outgoing = scratch.outgoing.pointer
    let used = tree.open(level, to: outgoing)
    _ = tree.join(level, with: peer)
    _ = tree.open(level + 1, to: outgoing + used)
    try channel.write(outgoing, flow.dataPlanes(level) * tree.bytes)
  }

  /// Takes openings of the level that waits and of the next; gives those of the next and of the one after it.
  private func exchange(
    _ level: Int, _ states: [ComparisonState], _ materials: borrowing MaterialBatch<DataOwnerComparisonMaterial>,
    _ scratch: Scratch
  ) throws {
    try channel.beginReceive(
      .comparisonModelOpenings, byteCount: flow.byteCount(flow.modelPlanes(level), batch: states.count))
    try channel.beginSend(
      .comparisonDataOpenings, byteCount: flow.byteCount(flow.dataPlanes(level + 2), batch: states.count))
    for (sample, state) in states.enumerated() {
      try materials.with(sample) { material in
        try ComparisonTile.forEach(stage.count) { first, count, bytes in
          let tree = ComparisonTree(
            kernels, flow, leads: false, state, triples: material.triples, first: first, count: count, bytes: bytes)
          let incoming = scratch.incoming.pointer
          try channel.read(incoming, flow.modelPlanes(level) * bytes)
          let used = tree.join(level + 1, with: incoming)
          try reply(level + 2, tree, incoming + used, scratch)
        }
      }
    }
    channel.endReceive()
    try channel.endSend()
  }

  private func answer(
    _ level: Int, _ states: [ComparisonState], _ materials: borrowing MaterialBatch<DataOwnerComparisonMaterial>,
    _ scratch: Scratch
  ) throws {
    let planes = flow.selectPlanes(level)
    let (opened, answers) = (scratch.opened, scratch.answers)
    try channel.beginReceive(.comparisonSelect, byteCount: flow.byteCount(planes, words: 1, batch: states.count))
    try channel.beginSend(.comparisonAnswer, byteCount: flow.byteCount(1, words: 1, batch: states.count))
    for (sample, state) in states.enumerated() {
      try materials.with(sample) { material in
        try ComparisonTile.forEach(stage.count) { first, count, bytes in
          let tree = ComparisonTree(
            kernels, flow, leads: false, state, triples: material.triples, first: first, count: count, bytes: bytes)
          let (incoming, delta) = (scratch.incoming.pointer, scratch.outgoing.pointer)
          try channel.read(incoming, planes * bytes)
          try channel.read(into: UnsafeMutableRawBufferPointer(start: opened.pointer, count: 8 * count))
          guard stage.modulus == .word || opened.areReduced(count: count) else {
            throw TwoPartyError.wordNotReduced(message: "comparison select")
          }
          let used = tree.join(level + 1, with: incoming)
          let bit = state.bit.pointer + first / 8
          tree.finish(bit, flips: true)
          if let flips { PackedBits.xor(bit, flips.pointer + first / 8, count: count) }
          kernels.answer(
            stage.modulus, count: count, b1: bit, rho1: material.rho.pointer + first / 8, delta0: incoming + used,
            d: opened.pointer, operand: material.operand.pointer + first, h1: material.h.pointer + first,
            w1: material.w.pointer + first, offset: material.offset.pointer + first, delta1: delta,
            answer: answers.pointer)
          ComparisonKernels.trim(delta, planes: 1, count: count)
          try channel.write(delta, bytes)
          try channel.write(UnsafeRawBufferPointer(start: answers.pointer, count: 8 * count))
        }
      }
    }
    channel.endReceive()
    try channel.endSend()
  }
}
