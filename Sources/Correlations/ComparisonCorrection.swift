import Programs
import Rings
import Transport

/// How material made for random digits and words is moved to those of the data owner's share.
enum ComparisonCorrection {
  /// Planes of the k low bits of a share, and of the turn's choice above them, tile by tile.
  static func slice(_ share: SecretWords, _ stage: ComparisonStage) -> SecretBytes {
    let bits = stage.choicePlanes
    let kernels = ComparisonKernels()
    let planes = SecretBytes(uninitialized: ComparisonTile.bytes(planes: bits, count: stage.count))
    ComparisonTile.forEach(stage.count) { first, count, _ in
      kernels.slice(share.pointer + first, count: count, bits: bits, planes: planes.pointer + bits * first / 8)
    }
    return planes
  }

  /// The choices of a share (its planes without the top bit) xor random ones. What fills the last byte up is zero.
  static func shift(_ choices: SecretBytes, from random: SecretBytes, _ stage: ComparisonStage) -> SecretBytes {
    let (planes, low) = (stage.shiftPlanes, stage.digits.digitBits)
    let out = SecretBytes(uninitialized: random.count)
    ComparisonTile.forEach(stage.count) { first, count, bytes in
      let from = choices.pointer + stage.choicePlanes * first / 8
      let start = planes * first / 8
      for index in 0..<low * bytes { out.pointer[start + index] = from[index] ^ random.pointer[start + index] }
      // The top bit between the digits and the turn's choice chooses nothing.
      for index in low * bytes..<planes * bytes {
        out.pointer[start + index] = from[bytes + index] ^ random.pointer[start + index]
      }
      ComparisonKernels.trim(out.pointer + start, planes: planes, count: count)
    }
    return out
  }

  /// Moves pads of all entries by a shift, in place.
  static func move(_ pads: SecretBytes, by shift: SecretBytes, _ stage: ComparisonStage) {
    let (digits, widths) = (stage.digits, stage.digits.kernelWidths)
    let kernels = ComparisonKernels()
    ComparisonTile.forEach(stage.count) { first, _, bytes in
      let from = shift.pointer + stage.shiftPlanes * first / 8
      let tile = pads.pointer + stage.padPlanes * first / 8
      kernels.permute(widths, bytes: bytes, shift: from, pads: tile)
      stage.turn(bytes: bytes)?.move(from + digits.digitBits * bytes, pads: tile + digits.padPlanes * bytes)
    }
  }

  /// sum += rho delta.
  static func add(_ delta: SecretWords, where rho: SecretBytes, to sum: SecretWords, _ modulus: ModulusKind) {
    ComparisonKernels.keep(where: rho.pointer, delta.pointer, count: delta.count, out: delta.pointer)
    Elementwise.add(modulus, sum.pointer, delta.pointer, count: sum.count, output: sum.pointer)
  }
}

extension FramedChannel {
  /// The next bytes of the frame that is being received, secret.
  func readSecretBytes(_ count: Int) throws -> SecretBytes {
    let bytes = SecretBytes(uninitialized: count)
    try read(into: UnsafeMutableRawBufferPointer(bytes.buffer))
    return bytes
  }

  /// The next words of the frame that is being received, checked to be reduced.
  func readSecretWords(_ count: Int, _ modulus: ModulusKind) throws -> SecretWords {
    let words = SecretWords(uninitialized: count)
    try read(into: UnsafeMutableRawBufferPointer(words.buffer))
    guard modulus == .word || words.areReduced else {
      throw CorrelationError.unexpectedAnswer(what: "a word is not below p")
    }
    return words
  }
}
