import Inference
import Programs
import Randomness
import Rings
import TestSupport
import TwoParty

/// A program with seeded random integers as its model.
struct Example {
  let program: Program
  let linear: [Int: LinearParameters]
  let coefficients: [Int: (k: [Int64], constant: [Int64])]
  let offsets: [Int: [Int64]]
  /// What each ReLU takes up, where ReLUs do.
  let normalizations: [Int: (threshold: [Int64], flips: [Bool], offset: [Int64])]

  init(_ program: Program, seed: UInt64, normalizes: Bool = false) {
    let random = StreamGenerator(publicSeed: seed)
    func signed(_ bits: Int) -> Int64 {
      var word: UInt64 = 0
      withUnsafeMutableBytes(of: &word) { random.fill($0) }
      return Int64(bitPattern: word) >> Int64(64 - bits)
    }
    var linear: [Int: LinearParameters] = [:]
    var coefficients: [Int: (k: [Int64], constant: [Int64])] = [:]
    for index in program.linearSteps {
      guard case .linear(let geometry) = program.steps[index].operation else { continue }
      linear[index] = LinearParameters(
        weights: (0..<geometry.weightCount).map { _ in Int32(signed(9)) },
        bias: (0..<geometry.outChannels).map { _ in signed(16) })
    }
    for index in program.activationSteps {
      let channels = index % 2 == 0 ? 1 : program.steps[index].tensor.shape.channels
      coefficients[index] = ((0..<channels).map { _ in signed(22) }, (0..<channels).map { _ in signed(40) })
    }
    offsets = Dictionary(
      uniqueKeysWithValues: program.offsetSteps.map { index in
        (index, (0..<program.steps[index].tensor.shape.count).map { _ in signed(12) })
      })
    normalizations = Dictionary(
      uniqueKeysWithValues: (normalizes ? program.reluSteps : []).map { index in
        let channels = 0..<program.steps[index].tensor.shape.channels
        return (
          index,
          (channels.map { _ in signed(16) }, channels.map { _ in signed(1) < 0 }, channels.map { _ in signed(9) })
        )
      })
    self.program = program
    self.linear = linear
    self.coefficients = coefficients
  }

  var twin: IntegerTwin {
    IntegerTwin(
      program: program, linear: linear, activations: coefficients, offsets: offsets, normalizations: normalizations)
  }

  func model() throws -> ModelOwnerModel {
    try ModelOwnerModel(
      program: program, linear: linear,
      activations: coefficients.mapValues { ActivationCoefficients(k: $0.k, constant: $0.constant) }, offsets: offsets,
      salt: [UInt8](repeating: 1, count: 32))
  }

  func inputs(_ count: Int, seed: UInt64) -> [[Int64]] {
    let random = StreamGenerator(publicSeed: seed)
    return (0..<count).map { _ in
      (0..<program.input.shape.count).map { _ in
        var byte: UInt8 = 0
        withUnsafeMutableBytes(of: &byte) { random.fill($0) }
        return Int64(Int8(bitPattern: byte)) * 4
      }
    }
  }
}

enum Examples {
  static func vector(_ count: Int) -> TensorShape { TensorShape(channels: count, height: 1, width: 1) }

  /// Convolution with stride and padding, depthwise, pooling, fully connected.
  static func plain(_ truncation: TruncationVariant = .exact) -> Program {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 7, width: 9))
    p.linear(6, kernel: 3, stride: 2, padding: 1)
    p.activation(28, truncation)
    p.linear(6, kernel: 3, padding: 1, groups: 6)
    p.activation(29, truncation)
    p.add(
      .sumPool(WindowGeometry(kernel: 2, stride: 2, padding: 0)), shape: TensorShape(channels: 6, height: 2, width: 2))
    p.add(.reshape, shape: vector(24))
    p.linear(10)
    p.activation(31, truncation, to: .word)
    p.linear(5)
    return p.finish(dropping: 8)
  }

  /// Neither square nor padded alike, rounded up, with gaps.
  static let wide = PoolingWindow(
    rows: PoolingAxis(kernel: 2, stride: 2, before: 1, overhang: 1),
    columns: PoolingAxis(kernel: 3, stride: 2, dilation: 2, before: 1, behind: 2))

  /// Sums over windows with different numbers of pixels, in both rings.
  static func balanced() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 7, width: 9))
    p.linear(4, kernel: 3, padding: 1)
    let square = PoolingWindow(kernel: 3, stride: 1, padding: 1)
    p.add(
      .sumPool(
        WindowGeometry(square), balance: PoolingBalance(square, on: p.shape, countsPadding: false)), shape: p.shape)
    p.activation(30, .exact, to: .word)
    p.add(
      .sumPool(WindowGeometry(wide), balance: PoolingBalance(wide, on: p.shape, countsPadding: true)),
      shape: wide.pooled(p.shape))
    p.add(.reshape, shape: vector(p.shape.count))
    p.linear(5)
    return p.finish(dropping: 10)
  }

  /// Constants per element of the input, of a linear output in each ring, and of an activation's result; elements regrouped
  /// into other channels.
  static func offsets() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 5, width: 6))
    p.add(.offset, shape: p.shape)
    p.linear(3, kernel: 3, padding: 1)
    p.add(.offset, shape: p.shape)
    p.activation(24)
    p.add(.offset, shape: p.shape)
    p.add(.reshape, shape: TensorShape(channels: 5, height: 6, width: 3))
    p.linear(4, kernel: 2)
    p.activation(24, .exact, to: .word)
    p.add(.reshape, shape: vector(p.shape.count))
    p.linear(6)
    p.add(.offset, shape: p.shape)
    p.add(.comparison(ComparisonSpec(droppedBits: 6, digits: ComparisonDigits(bits: 36))), shape: p.shape)
    return p.finish(dropping: 0)
  }

  /// ReLUs that take up normalisations, with results in either ring, in more channels than a word has bits; constants per
  /// element before and behind one.
  static func normalized() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 5, width: 7), .word)
    p.linear(70, kernel: 3, padding: 1)
    p.add(.comparison(ComparisonSpec(droppedBits: 0, digits: ComparisonDigits(bits: 26))), shape: p.shape)
    p.linear(3)
    p.add(.offset, shape: p.shape)
    p.add(
      .comparison(ComparisonSpec(droppedBits: 8, digits: ComparisonDigits(bits: 28, preferring: .bytes))),
      shape: p.shape, modulus: .field)
    p.add(.offset, shape: p.shape)
    p.linear(4, kernel: 3)
    p.activation(30, .exact, to: .word)
    p.add(.globalSumPool, shape: vector(4))
    p.linear(5)
    return p.finish(dropping: 10)
  }

  /// Two residual blocks, one with a parameter-free and one with a projected shortcut, and global pooling.
  static func residual() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 3, height: 8, width: 8))
    p.linear(4, kernel: 3, padding: 1)
    let first = p.activation(27)
    p.linear(8, kernel: 3, stride: 2, padding: 1)
    let branch = p.last
    p.add(
      .subsamplePad(stride: 2, before: 2, after: 2), from: [first], shape: TensorShape(channels: 8, height: 4, width: 4)
    )
    p.add(.add(leftShift: 0, rightShift: 5), from: [branch, p.last], shape: p.shape)
    let second = p.activation(30)
    let main = p.linear(8, kernel: 3, padding: 1)
    let shortcut = p.linear(8, from: second)
    p.add(.add(leftShift: 0, rightShift: 0), from: [main, shortcut], shape: p.shape)
    p.activation(31, .exact, to: .word)
    p.add(.globalSumPool, shape: vector(8))
    p.linear(4)
    return p.finish(dropping: 12)
  }

  /// Local steps read tensors before the linear steps that would choose their masks.
  static func early() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 4, height: 6, width: 6))
    p.add(.reshape, shape: p.shape)
    let copy = p.last
    p.linear(4, kernel: 3, padding: 1, from: 0)
    let first = p.activation(26)
    p.add(.add(leftShift: 2, rightShift: 0), from: [copy, first], shape: p.shape)
    let sum = p.last
    let main = p.linear(4, kernel: 3, padding: 1, from: first)
    let side = p.linear(4, from: sum)
    p.add(.add(leftShift: 0, rightShift: 0), from: [main, side], shape: p.shape)
    p.activation(29, .exact, to: .word)
    p.add(.globalSumPool, shape: vector(4))
    p.linear(3)
    return p.finish(dropping: 8)
  }

  /// Concatenations of masked and unmasked tensors, one twice in one, one of another.
  static func joined() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 6, width: 5))
    p.linear(3, kernel: 3, padding: 1)
    let first = p.activation(26)
    let second = p.linear(4, kernel: 3, padding: 1)
    p.add(
      .concatenate(leftShifts: [3, 0, 5]), from: [first, second, first],
      shape: TensorShape(channels: 10, height: 6, width: 5))
    let inner = p.last
    p.activation(30)
    let narrow = p.linear(2)
    p.add(
      .concatenate(leftShifts: [0, 2]), from: [narrow, inner], shape: TensorShape(channels: 12, height: 6, width: 5))
    p.activation(36, .exact, to: .word)
    p.add(.globalSumPool, shape: vector(12))
    p.linear(3)
    return p.finish(dropping: 8)
  }

  /// A polynomial on the input itself: the linear part is the identity.
  static func square(_ count: Int) -> Program {
    var p = ProgramAssembler(vector(count))
    p.activation(8, .exact, to: .word)
    return p.finish(dropping: 4)
  }
}
