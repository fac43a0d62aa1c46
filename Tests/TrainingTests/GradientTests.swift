import Foundation
import Networks
import Rings
import Testing

@testable import Training

/// A tensor of an NCHW array in the trainer's memory order, and back.
enum Layout {
  static func tensor(_ values: [Float], _ shape: [Int]) -> FloatTensor {
    if shape.count == 1 { return FloatTensor(shape: BatchShape(channels: shape[0], samples: 1), values: values) }
    let pixels = shape.dropFirst(2).reduce(1, *)
    let batch = BatchShape(
      channels: shape[1], samples: shape[0], height: shape.count > 2 ? shape[2] : 1,
      width: shape.count > 3 ? shape[3] : 1)
    let tensor = FloatTensor(shape: batch)
    for sample in 0..<shape[0] {
      for channel in 0..<shape[1] {
        for pixel in 0..<pixels {
          tensor.pointer[(channel * shape[0] + sample) * pixels + pixel] =
            values[(sample * shape[1] + channel) * pixels + pixel]
        }
      }
    }
    return tensor
  }
}

/// Runs one primitive with `sum(upstream * output)` as the loss, forwards and backwards.
private struct Probe {
  let output: FloatTensor
  let gradients: [FloatTensor]

  init(_ primitive: Primitive, _ operands: [FloatTensor], upstream: FloatTensor?, threads: Int = 1) {
    let tape = Tape(workers: Workers(threads: threads))
    let gradients = operands.map { FloatTensor(shape: $0.shape) }
    let leaves = zip(operands, gradients).map { tape.leaf($0, gradient: $1) }
    let result = tape.apply(primitive, leaves)
    output = FloatTensor(shape: tape.value(result).shape, values: tape.value(result).values)
    if let upstream { tape.backward(from: result, seed: upstream) }
    self.gradients = gradients
  }
}

@Suite struct ReferenceTests {
  struct Case: Codable, Sendable, CustomStringConvertible {
    var name: String
    var operands: [[Float]]
    var shapes: [[Int]]
    var upstream: [Float]
    var output: [Float]
    var outputShape: [Int]
    var gradients: [[Float]]
    var description: String { name }
  }

  static let cases: [Case] = {
    let url = Bundle.module.url(forResource: "references", withExtension: "json", subdirectory: "References")!
    return try! JSONDecoder().decode([Case].self, from: Data(contentsOf: url))
  }()

  private func primitive(_ test: Case) -> Primitive {
    let shape = test.shapes[0]
    func convolution(_ stride: Int, _ padding: Int, _ groups: Int) -> Primitive {
      .convolution(
        LinearGeometry(
          inChannels: shape[1], outChannels: test.shapes[1][0], inHeight: shape[2], inWidth: shape[3],
          kernel: test.shapes[1][2], stride: stride, padding: padding, groups: groups))
    }
    let labels = [3, 0, 4, 1, 1, 2]
    let statistics = BatchStatistics(channels: 3)
    if test.name == "batchNorm inference" {
      for (channel, values) in [(Float(0.5), Float(0.5)), (-1, 1), (2, 2)].enumerated() {
        statistics.mean.pointer[channel] = values.0
        statistics.variance.pointer[channel] = values.1
      }
    }
    switch test.name {
    case "conv": return convolution(1, 1, 1)
    case "conv stride 2": return convolution(2, 1, 1)
    case "conv 5x5 no padding": return convolution(1, 0, 1)
    case "conv groups": return convolution(1, 1, 2)
    case "conv depthwise stride 2": return convolution(2, 1, 4)
    case "conv 1x1 stride 2": return convolution(2, 0, 1)
    case "conv depthwise": return convolution(1, 1, 4)
    case "conv depthwise 5x5 of two": return convolution(1, 2, 3)
    case "clip": return .clip(lower: -0.4, upper: 0.7)
    case "sign": return .sign
    case "flatten", "reshape":
      let dims = Array(test.outputShape.dropFirst())
      return .reshape(
        dims.count == 1
          ? TensorShape(vector: dims[0]) : TensorShape(channels: dims[0], height: dims[1], width: dims[2]))
    case "offset": return .offset
    case "add": return .add
    case "concatenate": return .concatenate
    case "dot": return .dot(coefficients: [2, -1, 0.5])
    case "scaled": return .scaled(-1.5)
    case "linear": return .linear
    case "batchNorm training", "batchNorm inference":
      return .batchNorm(
        epsilon: 1e-5, momentum: 0.1, training: test.name == "batchNorm training", statistics: statistics)
    case "x2act", "x2act channels": return .x2act(squareFactor: 8 / Float(60).squareRoot())
    case "crossEntropy": return .softmaxCrossEntropy(labels: labels, smoothing: 0)
    case "crossEntropy smoothed": return .softmaxCrossEntropy(labels: labels, smoothing: 0.1)
    case "averagePool":
      return .averagePool(AveragingWindow(PoolingWindow(kernel: 3, stride: 2, padding: 1), countsPadding: true))
    case "relu": return .relu
    case "leaky relu": return .piecewise(slope: 0.25, upper: .infinity)
    case "relu6": return .piecewise(slope: 0, upper: 6)
    case "abs": return .piecewise(slope: -1, upper: .infinity)
    case "maxPool": return .maxPool(PoolingWindow(kernel: 3, stride: 2, padding: 1))
    case "maxPool even": return .maxPool(PoolingWindow(kernel: 2, stride: 2, padding: 0))
    case "globalAveragePool": return .globalAveragePool
    case "subsamplePad": return .subsamplePad(stride: 2, before: 1, after: 2)
    case "rangePenalty": return .rangePenalty(bound: 0.5, weight: 3)
    case "blendedActivation": return .blendedActivation(squareFactor: 8 / Float(60).squareRoot(), upper: 6)
    case "blendedPool":
      return .blendedPool(AveragingWindow(PoolingWindow(kernel: 3, stride: 2, padding: 1), countsPadding: true))
    case "softmax": return .softmax
    case "distillation":
      let values = (0..<30).map { Float(-2 + 5 * Double($0) / 29) }
      return .distillation(teacher: Layout.tensor(values, [6, 5]), temperature: 3)
    default: preconditionFailure("no primitive for \(test.name)")
    }
  }

  /// Output and every gradient agree with PyTorch's float64 results. Each number is a float32 sum of at most 250
  /// products of size one to ten, whose rounding stays below 2^-24 * 250 * 10.
  @Test(arguments: cases) func agreesWithPyTorch(test: Case) {
    // The first operand is a batch, and so are all of a sum or concatenation; others are coefficients.
    func isBatch(_ index: Int) -> Bool { index == 0 || ["add", "concatenate"].contains(test.name) }
    let operands = zip(test.operands, test.shapes).enumerated().map { index, pair in
      isBatch(index)
        ? Layout.tensor(pair.0, pair.1)
        : FloatTensor(shape: BatchShape(channels: pair.0.count, samples: 1), values: pair.0)
    }
    for threads in [1, 2] {
      let upstream = Layout.tensor(test.upstream, test.outputShape)
      let probe = Probe(primitive(test), operands, upstream: upstream, threads: threads)
      expectClose(probe.output.values, Layout.tensor(test.output, test.outputShape).values)
      for (index, gradient) in probe.gradients.enumerated() {
        let expected =
          isBatch(index)
          ? Layout.tensor(test.gradients[index], test.shapes[index]).values : test.gradients[index]
        expectClose(gradient.values, expected)
      }
    }
  }

  /// A primitive that is added to the tape fails to compile here until it has cases of its own above.
  @Test func everyRuleHasAReference() {
    func name(_ primitive: Primitive) -> String {
      switch primitive {
      case .convolution: "convolution"
      case .linear: "linear"
      case .batchNorm: "batchNorm"
      case .x2act: "x2act"
      case .piecewise: "piecewise"
      case .clip: "clip"
      case .sign: "sign"
      case .maxPool: "maxPool"
      case .averagePool: "averagePool"
      case .globalAveragePool: "globalAveragePool"
      case .reshape: "reshape"
      case .offset: "offset"
      case .add: "add"
      case .concatenate: "concatenate"
      case .subsamplePad: "subsamplePad"
      case .softmaxCrossEntropy: "softmaxCrossEntropy"
      case .rangePenalty: "rangePenalty"
      case .blendedActivation: "blendedActivation"
      case .blendedPool: "blendedPool"
      case .softmax: "softmax"
      case .dot: "dot"
      case .scaled: "scaled"
      case .distillation: "distillation"
      }
    }
    let referenced = Set(Self.cases.map { name(primitive($0)) })
    #expect(referenced.count == 23)
    // The estimator of the sign is no derivative: differences cannot show it.
    #expect(Set(FiniteDifferenceTests.rows.map { name($0.make()) }) == referenced.subtracting(["sign"]))
  }

  private func expectClose(_ found: [Float], _ expected: [Float]) {
    #expect(found.count == expected.count)
    for (value, wanted) in zip(found, expected) {
      let tolerance: Float = 1.5e-4 * max(1, abs(wanted) / 10)
      #expect(abs(value - wanted) <= tolerance)
    }
  }
}

@Suite struct FiniteDifferenceTests {
  struct Row: Sendable, CustomStringConvertible {
    let description: String
    let shapes: [BatchShape]
    /// Whether the first operand's values are all apart by more than the steps of the differences, as maxima need.
    var isDistinct = false
    let make: @Sendable () -> Primitive
  }

  static let picture = BatchShape(channels: 3, samples: 4, height: 5, width: 4)
  static let second = BatchShape(channels: 5, samples: 4, height: 5, width: 4)
  static let vector = BatchShape(channels: 5, samples: 4)
  static let wide = PoolingWindow(
    rows: PoolingAxis(kernel: 2, stride: 3, dilation: 2, before: 1, overhang: 1),
    columns: PoolingAxis(kernel: 3, behind: 1))
  static func coefficients(_ count: Int) -> BatchShape { BatchShape(channels: count, samples: 1) }

  /// Every primitive of the tape.
  static let rows: [Row] = [
    Row(description: "convolution", shapes: [picture, coefficients(54), coefficients(2)]) {
      .convolution(
        LinearGeometry(inChannels: 3, outChannels: 2, inHeight: 5, inWidth: 4, kernel: 3, stride: 2, padding: 1))
    },
    Row(description: "depthwise convolution", shapes: [picture, coefficients(54), coefficients(6)]) {
      .convolution(
        LinearGeometry(
          inChannels: 3, outChannels: 6, inHeight: 5, inWidth: 4, kernel: 3, stride: 2, padding: 1, groups: 3))
    },
    Row(description: "linear", shapes: [vector, coefficients(15), coefficients(3)]) { .linear },
    Row(description: "batchNorm", shapes: [picture, coefficients(3), coefficients(3)]) {
      .batchNorm(epsilon: 1e-3, momentum: 0.1, training: true, statistics: BatchStatistics(channels: 3))
    },
    Row(description: "x2act", shapes: [picture, coefficients(3), coefficients(3), coefficients(3)]) {
      .x2act(squareFactor: 0.7)
    },
    Row(description: "relu", shapes: [picture]) { .relu },
    Row(description: "leaky", shapes: [picture]) { .piecewise(slope: 0.25, upper: .infinity) },
    Row(description: "clipped", shapes: [picture]) { .piecewise(slope: 0, upper: 0.5) },
    Row(description: "magnitude", shapes: [picture]) { .piecewise(slope: -1, upper: .infinity) },
    Row(description: "clip", shapes: [picture]) { .clip(lower: -0.4, upper: 0.7) },
    Row(description: "averagePool", shapes: [picture]) {
      .averagePool(AveragingWindow(PoolingWindow(kernel: 2, stride: 2, padding: 1), countsPadding: true))
    },
    Row(description: "averagePool of other windows", shapes: [picture]) {
      .averagePool(AveragingWindow(wide, countsPadding: false))
    },
    Row(description: "globalAveragePool", shapes: [picture]) { .globalAveragePool },
    Row(description: "flatten", shapes: [picture]) { .reshape(TensorShape(vector: 60)) },
    Row(description: "reshape", shapes: [picture]) { .reshape(TensorShape(channels: 5, height: 2, width: 6)) },
    Row(description: "offset", shapes: [picture, coefficients(60)]) { .offset },
    Row(description: "add", shapes: [picture, picture]) { .add },
    Row(description: "concatenate", shapes: [picture, second, picture]) { .concatenate },
    Row(description: "subsamplePad", shapes: [picture]) { .subsamplePad(stride: 2, before: 1, after: 2) },
    Row(description: "softmaxCrossEntropy", shapes: [vector]) {
      .softmaxCrossEntropy(labels: [4, 0, 2, 2], smoothing: 0.1)
    },
    Row(description: "rangePenalty", shapes: [picture]) { .rangePenalty(bound: 0.5, weight: 3) },
    Row(
      description: "blendedActivation",
      shapes: [picture, coefficients(3), coefficients(1), coefficients(3), coefficients(2)]
    ) { .blendedActivation(squareFactor: 0.7, upper: 0.5) },
    Row(
      description: "blendedActivation of two operands",
      shapes: [picture, coefficients(3), coefficients(1), coefficients(3), coefficients(2), picture]
    ) { .blendedActivation(squareFactor: 0.7, upper: 0.5) },
    Row(description: "maxPool", shapes: [picture], isDistinct: true) {
      .maxPool(PoolingWindow(kernel: 3, stride: 2, padding: 1))
    },
    Row(description: "maxPool of other windows", shapes: [picture], isDistinct: true) { .maxPool(wide) },
    Row(description: "blendedPool of other windows", shapes: [picture, coefficients(2)], isDistinct: true) {
      .blendedPool(AveragingWindow(wide, countsPadding: true))
    },
    Row(description: "blendedPool", shapes: [picture, coefficients(2)], isDistinct: true) {
      .blendedPool(AveragingWindow(PoolingWindow(kernel: 3, stride: 2, padding: 1), countsPadding: true))
    },
    Row(description: "softmax", shapes: [vector]) { .softmax },
    Row(description: "dot", shapes: [coefficients(3)]) { .dot(coefficients: [2, -1, 0.5]) },
    Row(description: "scaled", shapes: [picture]) { .scaled(-1.5) },
    Row(description: "distillation", shapes: [vector]) {
      .distillation(
        teacher: FloatTensor(shape: vector, values: (0..<20).map { Float($0 % 7) - 3 }), temperature: 2)
    },
  ]

  /// Central differences of `sum(u * output)` with h = 1/128. Values stay away from the kinks of relu and rangePenalty,
  /// so their error is h^2 times a third derivative of size one plus rounding of 2^-24 * 30 / h, below 1e-3 together.
  @Test(arguments: rows) func agreesWithDifferences(row: Row) {
    var generator = SplitMix(state: 11)
    let operands = row.shapes.enumerated().map { place, shape in
      FloatTensor(
        shape: shape,
        values: (0..<shape.count).map { index in
          if row.isDistinct, place == 0 { return Float(index * 37 % 241) / 16 - 7 }
          // Multiples of 1/8 plus 1/16 never sit within h of 0 or of ±0.5.
          return Float(Int(generator.next() >> 60) - 8) / 8 + 0.0625
        })
    }
    let shape = Probe(row.make(), operands, upstream: nil).output.shape
    let upstream = FloatTensor(
      shape: shape, values: (0..<shape.count).map { _ in Float(Int(generator.next() >> 60) - 8) / 8 + 0.0625 })
    func loss() -> Double {
      let output = Probe(row.make(), operands, upstream: nil).output
      var sum = 0.0
      for index in 0..<output.count { sum += Double(output.pointer[index]) * Double(upstream.pointer[index]) }
      return sum
    }
    let gradients = Probe(row.make(), operands, upstream: upstream).gradients
    let h: Float = 1.0 / 128
    for (operand, gradient) in zip(operands, gradients) {
      for index in 0..<operand.count {
        let kept = operand.pointer[index]
        operand.pointer[index] = kept + h
        let above = loss()
        operand.pointer[index] = kept - h
        let below = loss()
        operand.pointer[index] = kept
        let difference = (above - below) / (2 * Double(h))
        let tolerance = 2e-3 * max(1, abs(difference))
        let error = abs(difference - Double(gradient.pointer[index]))
        #expect(error < tolerance)
      }
    }
  }

  @Test(arguments: [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 1)])
  func maximaTakeTheLargestPixelAndItsGradient(kernel: Int, stride: Int, padding: Int) {
    // All values differ, so that each window has one largest pixel.
    let shape = Self.picture
    let values = (0..<shape.count).map { Float(($0 * 37) % 241) }
    let input = FloatTensor(shape: shape, values: values)
    let made = Primitive.maxPool(PoolingWindow(kernel: kernel, stride: stride, padding: padding))
    let output = Probe(made, [input], upstream: nil).output
    let upstream = FloatTensor(shape: output.shape, values: (0..<output.count).map { Float($0 + 1) })
    let probe = Probe(made, [input], upstream: upstream)
    var (expected, gradient) = ([Float](), [Float](repeating: 0, count: shape.count))
    for picture in 0..<shape.channels * shape.samples {
      for row in 0..<output.shape.height {
        for column in 0..<output.shape.width {
          var best = -1
          for y in row * stride - padding..<row * stride - padding + kernel {
            for x in column * stride - padding..<column * stride - padding + kernel {
              guard (0..<shape.height).contains(y), (0..<shape.width).contains(x) else { continue }
              let place = (picture * shape.height + y) * shape.width + x
              if best < 0 || values[place] > values[best] { best = place }
            }
          }
          gradient[best] += Float(expected.count + 1)
          expected.append(values[best])
        }
      }
    }
    #expect(probe.output.values == expected)
    #expect(probe.gradients[0].values == gradient)
  }

  @Test func negativeInputReachesThePolynomial() {
    let shape = BatchShape(channels: 1, samples: 1, height: 1, width: 3)
    let x = FloatTensor(shape: shape, values: [-3, 0, 2])
    let coefficients = [Float(0.5), -1, 0.25].map { FloatTensor(shape: .scalar, values: [$0]) }
    let output = Probe(.x2act(squareFactor: 1), [x] + coefficients, upstream: nil).output
    #expect(output.values == [7.75, 0.25, 0.25] as [Float])
  }

  @Test func operandUsedTwiceGetsBothGradients() {
    let tape = Tape(workers: Workers(threads: 1))
    let x = FloatTensor(shape: .scalar, values: [3])
    let gradient = FloatTensor(shape: .scalar)
    let leaf = tape.leaf(x, gradient: gradient)
    let middle = tape.apply(.relu, [leaf])
    tape.backward(from: tape.apply(.add, [middle, middle]))
    #expect(gradient.values == [2])
  }
}

/// A generator for test data.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
