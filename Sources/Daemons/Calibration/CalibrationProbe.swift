public import Hardware
public import Programs
import Randomness
import Rings

/// A small program whose phases are measured, to find what the routines in it take.
public struct CalibrationProbe: Sendable {
  /// For messages.
  public let name: String
  /// The program.
  public let program: Program
  /// B, and the inferences of its bulk.
  public let batch: Int
  /// Which sources prepare it.
  public let sources: [CostModel.Source]
  /// Whether the model owner holds transforms of weights from one bulk to the next.
  public var holdsTransforms = false
  /// Parties whose time tells nothing: a dealer does local steps only where no linear output comes in, which no network's sums
  /// are free of.
  public var leftOut: Set<CostParty> = []

  init(_ name: String, _ program: Program, batch: Int = 1, sources: [CostModel.Source] = [.dealer, .lattice]) {
    (self.name, self.program, self.batch, self.sources) = (name, program, batch, sources)
  }
}

/// How much is measured.
public enum CalibrationEffort: Sendable {
  /// Sizes that networks have.
  case full
  /// The same kinds of programs, tiny: shows that everything runs, and nothing about the host.
  case smoke

  fileprivate func size(_ full: Int, _ smoke: Int) -> Int { self == .full ? full : smoke }
}

extension CalibrationProbe {
  /// Probes that together call every routine, in shapes that tell the routines of a message apart.
  public static func all(_ effort: CalibrationEffort) -> [CalibrationProbe] {
    convolutions(effort) + packed(effort) + dense(effort) + activations(effort) + comparisons(effort)
      + maxima(effort) + local(effort)
  }

  private static func convolutions(_ effort: CalibrationEffort) -> [CalibrationProbe] {
    let shapes: [(Int, Int, Int, Int, Int)] =
      effort == .full
      ? [
        (3, 24, 40, 3, 1), (24, 24, 28, 3, 1), (48, 40, 18, 3, 1), (96, 96, 9, 3, 1), (160, 160, 6, 3, 1),
        (320, 320, 8, 3, 1), (400, 400, 7, 3, 1), (80, 80, 48, 3, 1), (144, 144, 26, 3, 1), (3, 48, 160, 7, 2),
        (96, 192, 28, 1, 2),
        (1, 6, 28, 5, 1), (6, 16, 14, 5, 1), (224, 256, 13, 3, 2),
      ] : [(2, 4, 6, 3, 1), (4, 4, 5, 1, 2), (3, 5, 9, 3, 2)]
    return shapes.enumerated().map { index, shape in
      var p = ProbeAssembler(shape.0, shape.2, index % 3 == 2 ? .word : .field)
      p.convolution(shape.1, kernel: shape.3, stride: shape.4, padding: shape.3 / 2)
      if index % 3 != 2 { p.activation(.exact, to: .word) }
      // Layers of many weights take seconds by lattices, and tell nothing more there.
      return CalibrationProbe(
        "conv \(shape)", p.finish(), batch: index % 4 == 3 ? 2 : 1, sources: [.dealer])
    }
  }

  /// Layers whose masks and weights fill polynomials in different ways; the second reader of a tensor repeats its masks.
  private static func packed(_ effort: CalibrationEffort) -> [CalibrationProbe] {
    let shapes: [(Int, Int, Int, Int, Int, Int)] =
      effort == .full
      ? [
        (3, 16, 32, 3, 1, 1), (3, 16, 32, 3, 1, 8), (16, 16, 28, 3, 1, 1), (16, 20, 28, 3, 1, 4), (40, 40, 14, 3, 1, 1),
        (40, 40, 14, 3, 1, 8), (96, 96, 7, 3, 1, 1), (96, 96, 7, 3, 1, 4), (128, 128, 4, 3, 1, 2),
        (24, 48, 56, 1, 2, 1), (48, 32, 56, 3, 1, 1),
        (3, 24, 112, 7, 2, 1), (1, 6, 28, 5, 1, 16), (200, 160, 5, 3, 1, 1),
      ] : [(2, 3, 6, 3, 1, 1), (3, 2, 8, 3, 2, 3), (4, 4, 4, 1, 1, 2)]
    return shapes.flatMap { shape in
      var p = ProbeAssembler(shape.0, shape.2, .word)
      p.convolution(shape.1, kernel: shape.3, stride: shape.4, padding: shape.3 / 2)
      let first = p.last
      p.convolution(shape.1, kernel: 1, stride: shape.4, from: 0)
      p.add(first)
      let program = p.finish()
      return [false, true].map { holds in
        var probe = CalibrationProbe(
          "packed \(shape)\(holds ? " held" : "")", program, batch: shape.5, sources: [.lattice])
        probe.holdsTransforms = holds
        return probe
      }
    }
  }

  private static func dense(_ effort: CalibrationEffort) -> [CalibrationProbe] {
    [
      (400, 120, 1), (effort.size(1600, 40), effort.size(400, 20), 1), (84, 10, effort.size(16, 2)),
      (effort.size(512, 30), effort.size(1000, 12), 1),
    ].map {
      shape in
      var p = ProbeAssembler(vector: shape.0, .word)
      p.dense(shape.1)
      return CalibrationProbe("dense \(shape)", p.finish(), batch: shape.2)
    }
  }

  private static func activations(_ effort: CalibrationEffort) -> [CalibrationProbe] {
    let sizes =
      effort == .full
      ? [(300, 1), (2048, 1), (2048, 8), (16384, 1), (65536, 1), (40000, 4), (200_000, 1)] : [(40, 1), (100, 2)]
    return sizes.flatMap { size, batch in
      [TruncationVariant.exact, .local].map { truncation in
        var p = ProbeAssembler(vector: size, .field)
        if size < 10000 {
          p.activation(truncation, to: .field)
          p.activation(truncation, to: .field)
        }
        p.activation(truncation, to: .word)
        return CalibrationProbe("x2act \(size) \(truncation.rawValue)", p.finish(), batch: batch)
      }
    }
  }

  private static func comparisons(_ effort: CalibrationEffort) -> [CalibrationProbe] {
    let digits: [[Int]] = [
      [4, 4, 4, 4], [5, 5, 5, 5], [3, 4, 4, 4, 4], [6, 6], [2, 2, 2], [4], [1, 1, 1, 1, 1, 1],
      [4, 4, 4, 4, 4, 4, 4, 4],
    ]
    return digits.enumerated().flatMap { index, widths -> [CalibrationProbe] in
      let sizes = effort == .full ? (index < 3 ? [1000, 8192, 50000] : [index % 2 == 0 ? 12000 : 4000]) : [50]
      return sizes.map { size in
        var p = ProbeAssembler(vector: size, .word)
        p.relu(widths, to: size % 3 == 0 ? .field : .word)
        if size % 3 == 0 { p.change() }
        return CalibrationProbe("relu \(size) \(widths)", p.finish(), batch: size == 1000 ? 4 : 1)
      }
    }
  }

  /// Maxima of 2x2 and 3x3 pixels.
  private static func maxima(_ effort: CalibrationEffort) -> [CalibrationProbe] {
    let shapes: [(channels: Int, side: Int, kernel: Int, dropped: Int, widths: [Int])] =
      effort == .full
      ? [
        (16, 32, 2, 0, [5, 5, 5, 5]), (4, 64, 2, 0, [4, 4, 4, 4, 4]), (8, 28, 2, 8, [4, 4, 4]),
        (64, 56, 3, 8, [5, 5, 5]),
        (16, 16, 2, 0, [4, 4, 4, 4]),
      ] : [(2, 4, 2, 0, [4]), (2, 6, 3, 8, [2, 2])]
    return shapes.enumerated().map { index, shape in
      var p = ProbeAssembler(shape.channels, shape.side, .word)
      p.maxPool(shape.kernel, dropped: shape.dropped, shape.widths, to: index % 2 == 0 ? .word : .field)
      if index % 2 == 1 { p.change() }
      return CalibrationProbe("maxima \(shape)", p.finish())
    }
  }

  /// Pooling, sums, rings, subsampling.
  private static func local(_ effort: CalibrationEffort) -> [CalibrationProbe] {
    [(effort.size(16, 2), effort.size(32, 4)), (effort.size(32, 2), effort.size(56, 6))].flatMap { channels, side in
      (0..<5).map { kind in
        var p = ProbeAssembler(channels, side, kind % 2 == 0 ? .word : .field)
        switch kind {
        case 0: for _ in 0..<4 { p.add(0) }
        case 1:
          for _ in 0..<4 { p.add(0, shift: 3) }
          p.change()
        case 2: for _ in 0..<4 { p.subsample() }
        case 3:
          p.pool(2)
          p.change()
        default: p.pool(side)
        }
        var probe = CalibrationProbe("local \(kind) \(channels) \(side)", p.finish(), sources: [.dealer])
        if kind < 2 { probe.leftOut = [.dealer] }
        return probe
      }
    }
  }
}

/// Assembles a probe's program.
struct ProbeAssembler {
  private var steps: [Step]
  private static let bits = 8

  init(_ channels: Int, _ side: Int, _ modulus: ModulusKind) {
    self.init(TensorShape(channels: channels, height: side, width: side), modulus)
  }

  init(vector: Int, _ modulus: ModulusKind) { self.init(TensorShape(vector: vector), modulus) }

  private init(_ shape: TensorShape, _ modulus: ModulusKind) {
    steps = []
    append(.input, [], shape, modulus)
  }

  var last: Int { steps.count - 1 }
  private var shape: TensorShape { steps[last].tensor.shape }
  private var ring: ModulusKind { steps[last].tensor.modulus }

  private mutating func append(
    _ operation: StepOperation, _ inputs: [Int], _ shape: TensorShape, _ modulus: ModulusKind
  ) {
    steps.append(
      Step(
        name: "step \(steps.count)", operation: operation, inputs: inputs,
        tensor: TensorInfo(shape: shape, modulus: modulus, fractionBits: Self.bits)))
  }

  mutating func convolution(_ outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0, from: Int? = nil) {
    let operand = from ?? last
    let input = steps[operand].tensor.shape
    let geometry = LinearGeometry(
      inChannels: input.channels, outChannels: outputs, inHeight: input.height, inWidth: input.width, kernel: kernel,
      stride: stride, padding: padding)
    append(.linear(geometry), [operand], geometry.outputShape, steps[operand].tensor.modulus)
  }

  mutating func dense(_ outputs: Int) {
    let geometry = LinearGeometry(inFeatures: shape.count, outFeatures: outputs)
    append(.linear(geometry), [last], geometry.outputShape, ring)
  }

  mutating func activation(_ truncation: TruncationVariant, to modulus: ModulusKind) {
    append(.activation(ActivationSpec(droppedBits: Self.bits, truncation: truncation)), [last], shape, modulus)
  }

  mutating func relu(_ widths: [Int], to modulus: ModulusKind) {
    let spec = ComparisonSpec(droppedBits: Self.bits, digits: ComparisonDigits(widths: widths))
    append(.comparison(spec), [last], shape, modulus)
  }

  mutating func maxPool(_ kernel: Int, dropped: Int, _ widths: [Int], to modulus: ModulusKind) {
    let window = WindowGeometry(kernel: kernel, stride: kernel, padding: 0)
    let pooled = TensorShape(channels: shape.channels, height: shape.height / kernel, width: shape.width / kernel)
    let spec = MaxPoolSpec(window: window, droppedBits: dropped, digits: ComparisonDigits(widths: widths))
    append(.maxPool(spec), [last], pooled, modulus)
  }

  mutating func add(_ other: Int, shift: Int = 0) {
    append(.add(leftShift: shift, rightShift: 0), [last, other], shape, ring)
  }

  mutating func change() { append(.changeRing, [last], shape, ring == .field ? .word : .field) }

  mutating func subsample() {
    let half = TensorShape(channels: 2 * shape.channels, height: (shape.height + 1) / 2, width: (shape.width + 1) / 2)
    append(
      .subsamplePad(stride: 2, before: shape.channels / 2, after: shape.channels - shape.channels / 2), [last], half,
      ring)
  }

  mutating func pool(_ kernel: Int) {
    let window = WindowGeometry(kernel: kernel, stride: kernel, padding: 0)
    let pooled = TensorShape(channels: shape.channels, height: shape.height / kernel, width: shape.width / kernel)
    append(.sumPool(window), [last], pooled, ring)
  }

  mutating func finish() -> Program {
    append(.output(droppedBits: 0), [last], shape, ring)
    return Program(name: "probe", steps: steps)
  }
}
