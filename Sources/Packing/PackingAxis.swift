/// One spatial axis of a layer, reduced to stride one.
///
/// With stride s, the outputs see the padded input through its s polyphase components: padded position s*v + phase is
/// position v of that phase, and tap s*q + phase of the kernel is its tap q. Each phase is thus a virtual channel of a
/// convolution of stride one. Phases that no tap touches, or that hold nothing but padding, are left out.
struct PackingAxis: Hashable, Sendable {
  /// A polyphase component that carries data.
  struct Phase: Hashable, Sendable {
    /// Remainder of the padded position by the stride.
    let residue: Int
    /// Virtual positions that hold data some output reads; those around them are zero.
    let data: Range<Int>
  }

  /// Number of outputs; output o reads virtual positions o ..< o + taps.
  let outputs: Int
  /// Virtual taps.
  let taps: Int
  /// Distance between neighbouring outputs.
  let stride: Int
  /// Zeros before the input.
  let padding: Int
  /// Length of the input.
  let inputs: Int
  /// Real taps.
  let kernel: Int
  /// Components that carry data, by residue; never empty.
  let phases: [Phase]
  /// Smallest range that holds the data of every phase.
  let data: Range<Int>

  init(inputs: Int, outputs: Int, kernel: Int, stride: Int, padding: Int) {
    self.outputs = outputs
    self.stride = stride
    self.padding = padding
    self.inputs = inputs
    self.kernel = kernel
    let taps = (kernel + stride - 1) / stride
    self.taps = taps
    let reach = outputs + taps - 1
    let found = (0..<min(stride, kernel)).compactMap { residue -> Phase? in
      let lower = max(0, (padding - residue + stride - 1) / stride)
      let last = inputs - 1 + padding - residue
      let upper = min(reach, last < 0 ? 0 : last / stride + 1)
      return lower < upper ? Phase(residue: residue, data: lower..<upper) : nil
    }
    // A layer that sees nothing but padding still has a channel of zeros, so that its outputs stand somewhere.
    phases = found.isEmpty ? [Phase(residue: 0, data: 0..<0)] : found
    data = phases.map(\.data.lowerBound).min()!..<phases.map(\.data.upperBound).max()!
  }

  /// Input position of a phase's virtual position.
  func input(_ phase: Phase, _ position: Int) -> Int { stride * position + phase.residue - padding }

  /// Whether an input position is carried, that is, whether some output may read it.
  func carries(_ input: Int) -> Bool {
    let padded = input + padding
    return phases.contains { $0.residue == padded % stride && $0.data.contains(padded / stride) }
  }

  /// Number of input positions that are carried.
  var carried: Int { phases.reduce(0) { $0 + $1.data.count } }
}
