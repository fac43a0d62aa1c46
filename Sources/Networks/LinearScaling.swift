import Rings

/// Weights of a convolution or linear layer under the scales of its operand and result.
struct LinearScaling {
  let geometry: LinearGeometry
  private let weight: [Float]
  private let bias: [Float]

  init(_ solver: ScaleSolver, _ node: Node) {
    let from = solver.shapes[node.inputs[0]]
    switch node.operation {
    case .convolution(let spec): geometry = LinearGeometry(spec, on: from)
    case .linear(let outFeatures, _): geometry = LinearGeometry(inFeatures: from.channels, outFeatures: outFeatures)
    default: preconditionFailure("\(node.name) has no weights")
    }
    weight = solver.parameters[node.id, .weight]
    bias = solver.parameters[node.id, .bias]
  }

  /// A step that only changes scales, each channel by itself.
  init(diagonal shape: TensorShape) {
    geometry = LinearGeometry(
      inChannels: shape.channels, outChannels: shape.channels, inHeight: shape.height, inWidth: shape.width, kernel: 1,
      groups: shape.channels)
    weight = [Float](repeating: 1, count: shape.channels)
    bias = []
  }

  /// Every weight in OIHW order with its output and input channel.
  func forEachWeight(_ body: (_ output: Int, _ input: Int, _ weight: Double) -> Void) {
    let area = geometry.kernelHeight * geometry.kernelWidth
    let inPerGroup = geometry.inChannels / geometry.groups
    let outPerGroup = geometry.outChannels / geometry.groups
    var index = 0
    for output in 0..<geometry.outChannels {
      let first = output / outPerGroup * inPerGroup
      for input in first..<first + inPerGroup {
        for _ in 0..<area {
          body(output, input, Double(weight[index]))
          index += 1
        }
      }
    }
  }

  /// Every weight under the given scales. A channel of zeros meets no value: its weight is zero whatever the network says.
  private func forEach(_ wanted: [Double], _ given: [Double], _ body: (Double) -> Void) {
    forEachWeight { output, input, weight in body(given[input].isNaN ? 0 : weight * wanted[output] / given[input]) }
  }

  /// Largest magnitude of a quantised weight, before rounding.
  func largestWeight(_ wanted: [Double], _ given: [Double]) -> Double {
    var largest = 0.0
    forEach(wanted, given) { largest = max(largest, abs($0)) }
    return largest
  }

  /// Largest magnitude of a quantised bias.
  func largestBias(_ wanted: [Double]) -> Double {
    bias.indices.reduce(0) { max($0, abs(Double(bias[$1]) * wanted[$1])) }
  }

  /// The integers, rounded to nearest.
  ///
  /// - Parameter mean: of the operand's channels, where it is known: what rounded weights make of it goes out of the bias
  ///   (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, section 4.2).
  func quantized(_ wanted: [Double], _ given: [Double], mean: [Double]? = nil) -> QuantizedLinear {
    var weights: [Int32] = []
    weights.reserveCapacity(weight.count)
    var surplus = [Double](repeating: 0, count: wanted.count)
    forEachWeight { output, input, weight in
      let exact = given[input].isNaN ? 0 : weight * wanted[output] / given[input]
      let rounded = exact.rounded()
      weights.append(Int32(rounded))
      if let mean, !given[input].isNaN { surplus[output] += (rounded - exact) * given[input] * mean[input] }
    }
    let offsets = wanted.indices.map { output in
      Int64(((bias.isEmpty ? 0 : Double(bias[output]) * wanted[output]) - surplus[output]).rounded())
    }
    return QuantizedLinear(weights: weights, bias: offsets)
  }

  /// Largest magnitude of a weight.
  static func largest(_ weights: [Float]) -> Double { Double(weights.reduce(0) { max($0, abs($1)) }) }

  /// Root of the weights' mean square.
  var rootMeanSquare: Double {
    (weight.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(max(weight.count, 1))).squareRoot()
  }
}
