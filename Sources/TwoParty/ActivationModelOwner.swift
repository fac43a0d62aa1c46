public import Correlations
public import Programs
public import Rings
public import Transport

/// The model owner's secret coefficients of one activation, as it computes with them: Y = z^2 + k z + a0, plus the
/// offset O = 2^61 under exact truncation.
public struct ActivationCoefficients: Sendable {
  /// Offset that makes the truncated integer non-negative: |Y| < 2^61 is required.
  public static let offset: UInt64 = 1 << 61
  /// k mod p, one for all channels or one a channel.
  public let k: [UInt64]
  /// a0 (without offset) mod p, as many as `k`.
  public let constant: [UInt64]

  /// - Parameters:
  ///   - k: signed integers at the operand's scale.
  ///   - constant: signed integers at twice that scale.
  public init(k: [Int64], constant: [Int64]) {
    precondition(k.count == constant.count && !k.isEmpty)
    self.k = k.map { PrimeField.reduce(signed: $0) }
    self.constant = constant.map { PrimeField.reduce(signed: $0) }
  }

  /// Server 0's, outsourced: k = 2 kappa0 and e0 + kappa0^2, so that Y = (z + kappa)^2 + e.
  ///
  /// - Parameters:
  ///   - kappa: kappa0 mod p.
  ///   - constant: e0 mod p.
  public init(kappa: SecretWords, constant: SecretWords) {
    precondition(kappa.count == constant.count && kappa.count > 0)
    k = kappa.buffer.map { PrimeField.add($0, $0) }
    self.constant = zip(kappa.buffer, constant.buffer).map { PrimeField.add($1, PrimeField.multiply($0, $0)) }
    withExtendedLifetime((kappa, constant)) {}
  }
}

/// X2act at the model owner: opens d, receives the answers, closes with its share x - r' of the output.
///
/// Protocols/x2act/spec.md. Security: semi-honest; d is masked by alpha, the answers by pads and r'. One round trip: 8 bytes and a bit
/// an element out, 16 bytes back; 8 and 8 with local truncation.
public struct ActivationModelOwner {
  private let channel: FramedChannel
  private let spec: ActivationSpec
  private let output: ModulusKind
  private let coefficients: ActivationCoefficients
  private let shape: TensorShape

  /// - Parameters:
  ///   - shape: shape of one sample.
  ///   - output: ring of the output.
  public init(
    channel: FramedChannel, spec: ActivationSpec, shape: TensorShape, output: ModulusKind,
    coefficients: ActivationCoefficients
  ) {
    precondition(coefficients.k.count == 1 || coefficients.k.count == shape.channels)
    self.channel = channel
    self.spec = spec
    self.shape = shape
    self.output = output
    self.coefficients = coefficients
  }

  /// Runs the protocol for a batch.
  ///
  /// - Parameters:
  ///   - shares: z0 of each sample in F_p.
  ///   - materials: one material a sample; used up.
  /// - Returns: x - r' of each sample in the output's ring.
  /// - Throws: `TransportError`, ``TwoPartyError``
  public func run(shares: [SecretWords], materials: consuming MaterialBatch<ModelOwnerActivationMaterial>) throws
    -> [SecretWords]
  {
    let perSample = shape.count
    let total = perSample * shares.count
    let squares = shares.map { SecretWords(uninitialized: $0.count) }
    try open(shares, materials, squares, total)
    return try close(materials, squares, total)
  }

  private var isExact: Bool { spec.truncation == .exact }

  private func open(
    _ shares: [SecretWords], _ materials: borrowing MaterialBatch<ModelOwnerActivationMaterial>,
    _ squares: [SecretWords], _ total: Int
  ) throws {
    let words = SecretWords(uninitialized: min(total, ActivationTile.elements))
    let bits = SecretBytes(zeros: (words.count + 7) / 8)
    try channel.beginSend(.activationOpen, byteCount: ActivationTile.openBytes(total, exact: isExact))
    try ActivationTile.forEach(total) { tile in
      // The bits that fill the last byte up are on the wire too: nothing of this process may be in them.
      bits.pointer[(tile.count + 7) / 8 - 1] = 0
      ActivationTile.forEachSample(tile, elementsPerSample: shape.count) { sample, range, position in
        materials.with(sample) { material in
          openRange(
            range, shares[sample], material, squares[sample], words: words.pointer + position, bits: bits.pointer,
            position: position)
        }
      }
      try channel.write(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(words.buffer)[..<(8 * tile.count)]))
      if isExact {
        try channel.write(
          UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bits.buffer)[..<((tile.count + 7) / 8)]))
      }
    }
    try channel.endSend()
  }

  private func openRange(
    _ range: Range<Int>, _ share: SecretWords, _ material: borrowing ModelOwnerActivationMaterial,
    _ square: SecretWords, words: UnsafeMutablePointer<UInt64>, bits: UnsafeMutablePointer<UInt8>, position: Int
  ) {
    let plane = shape.height * shape.width
    let isShared = coefficients.k.count == 1
    var start = range.lowerBound
    while start < range.upperBound {
      let channel = isShared ? 0 : start / plane
      let end = isShared ? range.upperBound : min((channel + 1) * plane, range.upperBound)
      let place = position + start - range.lowerBound
      let constant =
        isExact
        ? PrimeField.add(coefficients.constant[channel], ActivationCoefficients.offset) : coefficients.constant[channel]
      // Without a transfer there are no choices; the bits that the kernel then writes are not sent.
      ActivationKernels.modelOwnerOpen(
        z0: share.pointer + start, alpha: material.alpha.pointer + start, u: material.u.pointer + start,
        k: coefficients.k[channel], constant: constant, rho: material.transfer?.choices.pointer ?? bits,
        rhoOffset: material.transfer == nil ? place : start, count: end - start,
        d: words + (start - range.lowerBound), y0: square.pointer + start, delta: bits, deltaOffset: place)
      start = end
    }
  }

  private func close(
    _ materials: borrowing MaterialBatch<ModelOwnerActivationMaterial>, _ squares: [SecretWords], _ total: Int
  ) throws -> [SecretWords] {
    let results = squares.map { SecretWords(uninitialized: $0.count) }
    let width = isExact ? 2 : 1
    let words = SecretWords(uninitialized: width * min(total, ActivationTile.elements))
    try channel.beginReceive(.activationAnswer, byteCount: ActivationTile.answerBytes(total, exact: isExact))
    try ActivationTile.forEach(total) { tile in
      let received = UnsafeMutableBufferPointer(rebasing: words.buffer[..<(width * tile.count)])
      try channel.read(into: UnsafeMutableRawBufferPointer(received))
      if output == .field {
        guard words.areReduced(count: received.count) else {
          throw TwoPartyError.wordNotReduced(message: "activation answer")
        }
      }
      ActivationTile.forEachSample(tile, elementsPerSample: shape.count) { sample, range, position in
        let start = range.lowerBound
        let square = squares[sample].pointer + start
        let result = results[sample].pointer + start
        if isExact {
          materials.with(sample) { material in
            ActivationKernels.modelOwnerClose(
              y0: square, messages: words.pointer + 2 * position, padRho: material.transfer!.pads.pointer + start,
              shift: spec.droppedBits, offsetShifted: ActivationCoefficients.offset >> UInt64(spec.droppedBits),
              output: output, count: range.count, x: result)
          }
        } else {
          ActivationKernels.modelOwnerLocal(
            y0: square, received: words.pointer + position, shift: spec.droppedBits, output: output,
            count: range.count, x: result)
        }
      }
    }
    channel.endReceive()
    return results
  }
}
