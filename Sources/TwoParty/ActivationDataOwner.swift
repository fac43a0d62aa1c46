public import Correlations
public import Programs
public import Rings
public import Transport

/// X2act at the data owner: answers each opened tile from material that holds everything that does not depend on it.
///
/// Protocols/x2act/spec.md. Security: semi-honest; of d it sees a uniform word, of delta a uniform bit.
public struct ActivationDataOwner {
  private let channel: FramedChannel
  private let spec: ActivationSpec
  private let output: ModulusKind

  /// - Parameter output: ring of the output.
  public init(channel: FramedChannel, spec: ActivationSpec, output: ModulusKind) {
    self.channel = channel
    self.spec = spec
    self.output = output
  }

  /// Runs the protocol for a batch whose samples have `elementsPerSample` elements each. Its share of the output is the mask
  /// that the material was made with.
  ///
  /// - Throws: `TransportError`, ``TwoPartyError``
  public func run(elementsPerSample: Int, materials: consuming MaterialBatch<DataOwnerActivationMaterial>) throws {
    let total = elementsPerSample * materials.count
    let isExact = spec.truncation == .exact
    let width = isExact ? 2 : 1
    let opened = SecretWords(uninitialized: min(total, ActivationTile.elements))
    let bits = SecretBytes(uninitialized: (opened.count + 7) / 8)
    let answers = SecretWords(uninitialized: width * opened.count)
    try channel.beginReceive(.activationOpen, byteCount: ActivationTile.openBytes(total, exact: isExact))
    try channel.beginSend(.activationAnswer, byteCount: ActivationTile.answerBytes(total, exact: isExact))
    try ActivationTile.forEach(total) { tile in
      let words = UnsafeMutableBufferPointer(rebasing: opened.buffer[..<tile.count])
      try channel.read(into: UnsafeMutableRawBufferPointer(words))
      guard opened.areReduced(count: tile.count) else {
        throw TwoPartyError.wordNotReduced(message: "activation opening")
      }
      if isExact {
        let packed = UnsafeMutableBufferPointer(rebasing: bits.buffer[..<((tile.count + 7) / 8)])
        try channel.read(into: UnsafeMutableRawBufferPointer(packed))
      }
      ActivationTile.forEachSample(tile, elementsPerSample: elementsPerSample) { sample, range, position in
        materials.with(sample) { material in
          answer(range, material, opened.pointer, bits.pointer, answers.pointer, position)
        }
      }
      try channel.write(
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(answers.buffer)[..<(8 * width * tile.count)]))
    }
    channel.endReceive()
    try channel.endSend()
  }

  private func answer(
    _ range: Range<Int>, _ material: borrowing DataOwnerActivationMaterial, _ opened: UnsafeMutablePointer<UInt64>,
    _ bits: UnsafeMutablePointer<UInt8>, _ answers: UnsafeMutablePointer<UInt64>, _ position: Int
  ) {
    let start = range.lowerBound
    if let pads = material.pads {
      ActivationKernels.dataOwnerAnswer(
        d: opened + position, c: material.share.pointer + start, vc: material.constant.pointer + start, delta: bits,
        deltaOffset: position, pad0: pads.0.pointer + start, pad1: pads.1.pointer + start, shift: spec.droppedBits,
        output: output, count: range.count, messages: answers + 2 * position)
    } else {
      let share = answers + position
      ActivationKernels.dataOwnerShare(
        d: opened + position, c: material.share.pointer + start, vc: material.constant.pointer + start,
        count: range.count, y1: share)
      ActivationKernels.dataOwnerLocal(
        y1: share, mask: material.mask.pointer + start, shift: spec.droppedBits, output: output, count: range.count,
        x: share)
    }
  }
}
