import Programs
import Rings
import TestSupport

/// Programs of comparisons, with ranges wide enough for `Example`'s integers.
extension Examples {
  static func digits(_ bits: Int, _ preference: ComparisonPreference = .messages) -> ComparisonDigits {
    ComparisonDigits(bits: bits, preferring: preference)
  }

  /// A function of the sign between two linear layers.
  static func function(
    _ function: ComparisonFunction, bits: Int = 20, dropped: Int = 6, to modulus: ModulusKind = .word,
    _ preference: ComparisonPreference = .messages, tracks: Bool = false
  ) -> Program {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 6, width: 7), .word)
    p.linear(3, kernel: 3, padding: 1)
    let spec = ComparisonSpec(
      droppedBits: dropped, digits: digits(bits, preference), function: function, tracksTurns: tracks)
    p.add(.comparison(spec), shape: p.shape, modulus: modulus)
    if modulus == .field { p.add(.changeRing, shape: p.shape, modulus: .word) }
    p.linear(2, kernel: 2)
    return p.finish(dropping: 4)
  }

  /// Bits dropped together in front of a ReLU and of the output, with nothing dropped by a party alone.
  static func floored(_ dropped: Int = 9, _ preference: ComparisonPreference = .messages) -> Program {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 6, width: 7), .word)
    func floor(_ bits: Int) {
      let digits = digits(bits + 1, preference)
      p.add(.comparison(ComparisonSpec(droppedBits: bits, digits: digits, function: .floor)), shape: p.shape)
    }
    p.linear(3, kernel: 3, padding: 1)
    floor(dropped)
    p.add(.comparison(ComparisonSpec(droppedBits: 0, digits: digits(18))), shape: p.shape)
    p.linear(2, kernel: 2)
    floor(4)
    return p.finish(dropping: 0)
  }

  /// ReLU on the input itself, as benchmarks run it.
  static func relu(_ count: Int, bits: Int = 20) -> Program {
    var p = ProgramAssembler(vector(count), .word)
    p.add(.comparison(ComparisonSpec(droppedBits: 0, digits: digits(bits))), shape: p.shape)
    return p.finish(dropping: 0)
  }

  /// Convolution, maxima over windows, ReLU, linear, argmax if asked for.
  static func pooled(_ window: WindowGeometry, isLabel: Bool = false, to modulus: ModulusKind = .word) -> Program {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 7, width: 9), .word)
    p.linear(4, kernel: 3, padding: 1)
    p.add(
      .maxPool(MaxPoolSpec(window: window, droppedBits: 6, digits: digits(21))),
      shape: window.window.pooled(p.shape), modulus: modulus)
    if modulus == .field { p.add(.changeRing, shape: p.shape, modulus: .word) }
    p.add(.comparison(ComparisonSpec(droppedBits: 0, digits: digits(20))), shape: p.shape)
    p.add(.reshape, shape: vector(p.shape.count))
    p.linear(11)
    if isLabel {
      p.add(.argMax(ArgMaxSpec(droppedBits: 0, indexBits: 8, digits: digits(45))), shape: vector(1))
      return p.finish(dropping: 56)
    }
    return p.finish(dropping: 2)
  }

  /// X2act and ReLU in one residual network: a tensor is read in both rings.
  static func mixed() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 3, height: 6, width: 6), .word)
    p.linear(4, kernel: 3, padding: 1)
    let first = p.add(.comparison(ComparisonSpec(droppedBits: 4, digits: digits(20))), shape: p.shape)
    p.add(.changeRing, shape: p.shape, modulus: .field)
    p.linear(4, kernel: 3, padding: 1)
    p.activation(40, .exact, to: .word)
    let branch = p.linear(4, kernel: 1)
    p.add(.add(leftShift: 0, rightShift: 4), from: [branch, first], shape: p.shape)
    p.add(
      .comparison(ComparisonSpec(droppedBits: 9, digits: digits(20), function: .leakyReLU(shift: 3))),
      shape: p.shape, modulus: .field)
    p.add(.globalSumPool, shape: vector(4))
    p.linear(4)
    p.activation(40, .exact, to: .word)
    p.linear(3)
    return p.finish(dropping: 6)
  }
}
