import Inference
import Programs
import Rings

/// The same program in plain integers, written for these tests alone and without any of the engine's kernels.
struct IntegerTwin {
  let program: Program
  let linear: [Int: LinearParameters]
  let activations: [Int: (k: [Int64], constant: [Int64])]
  var offsets: [Int: [Int64]] = [:]
  var normalizations: [Int: (threshold: [Int64], flips: [Bool], offset: [Int64])] = [:]

  func run(_ input: [Int64]) -> [Int64] {
    var tensors: [[Int64]] = []
    for (index, step) in program.steps.enumerated() {
      let operands = step.inputs.map { tensors[$0] }
      let shape = step.inputs.first.map { program.steps[$0].tensor.shape } ?? step.tensor.shape
      switch step.operation {
      case .input: tensors.append(input)
      case .linear(let geometry): tensors.append(convolve(geometry, linear[index]!, operands[0]))
      case .activation(let spec):
        let (k, constant) = activations[index]!
        let plane = shape.height * shape.width
        tensors.append(
          operands[0].enumerated().map { place, z in
            let channel = k.count == 1 ? 0 : place / plane
            return (z * z + k[channel] * z + constant[channel]) >> Int64(spec.droppedBits)
          })
      case .sumPool(let window, let balance): tensors.append(pool(window, balance, shape, operands[0]))
      case .globalSumPool:
        let plane = shape.height * shape.width
        tensors.append((0..<shape.channels).map { operands[0][($0 * plane)..<(($0 + 1) * plane)].reduce(0, +) })
      case .add(let left, let right): tensors.append(zip(operands[0], operands[1]).map { ($0 << left) + ($1 << right) })
      case .concatenate(let shifts):
        tensors.append(zip(operands, shifts).flatMap { operand, shift in operand.map { $0 << Int64(shift) } })
      case .reshape: tensors.append(operands[0])
      case .subsamplePad(let stride, let before, let after):
        tensors.append(subsample(shape, stride, before, after, operands[0]))
      case .changeRing: tensors.append(operands[0])
      case .offset: tensors.append(zip(operands[0], offsets[index]!).map { $0 + $1 })
      case .comparison(let spec) where normalizations[index] != nil:
        let (own, plane) = (normalizations[index]!, shape.height * shape.width)
        tensors.append(
          operands[0].enumerated().map { place, z in
            let x = (z + own.threshold[place / plane]) >> Int64(spec.droppedBits)
            return ((x >= 0) != own.flips[place / plane] ? x : 0) + own.offset[place / plane]
          })
      case .comparison(let spec):
        tensors.append(operands[0].map { value(spec.function, $0 >> Int64(spec.droppedBits)) })
      case .maxPool(let spec):
        tensors.append(maxima(spec.window, shape, operands[0].map { $0 >> Int64(spec.droppedBits) }))
      case .argMax(let spec):
        let values = operands[0].map { $0 >> Int64(spec.droppedBits) }
        tensors.append([Int64(values.firstIndex(of: values.max()!)!) << Int64(64 - spec.indexBits)])
      case .output(let dropped): tensors.append(operands[0].map { $0 >> Int64(dropped) })
      }
    }
    return tensors[tensors.count - 1]
  }

  private func value(_ function: ComparisonFunction, _ x: Int64) -> Int64 {
    switch function {
    case .relu: max(x, 0)
    case .leakyReLU(let shift): x >= 0 ? x << Int64(shift) : x
    case .slopedReLU(let numerator, let denominator): x * Int64(x >= 0 ? denominator : numerator)
    case .absolute: abs(x)
    case .sign: x >= 0 ? 1 : -1
    case .clip(let lower, let upper): min(max(x, lower), upper)
    case .floor: x
    }
  }

  /// Places of a window's pixels in the picture.
  private func places(_ axis: PoolingAxis, _ index: Int, _ side: Int) -> [Int] {
    (0..<axis.kernel).map { index * axis.stride + $0 * axis.dilation - axis.before }.filter((0..<side).contains)
  }

  private func windows(_ window: PoolingWindow, _ shape: TensorShape, _ body: (Int, Int, [Int]) -> Int64) -> [Int64] {
    let pooled = window.pooled(shape)
    var out: [Int64] = []
    for c in 0..<shape.channels {
      for y in 0..<pooled.height {
        for x in 0..<pooled.width {
          let columns = places(window.columns, x, shape.width)
          out.append(
            body(
              y, x,
              places(window.rows, y, shape.height).flatMap { row in
                columns.map { (c * shape.height + row) * shape.width + $0 }
              }))
        }
      }
    }
    return out
  }

  private func maxima(_ window: WindowGeometry, _ shape: TensorShape, _ x: [Int64]) -> [Int64] {
    windows(window.window, shape) { _, _, places in places.map { x[$0] }.max()! }
  }

  private func convolve(_ g: LinearGeometry, _ parameters: LinearParameters, _ x: [Int64]) -> [Int64] {
    var out: [Int64] = []
    let groupIn = g.inChannels / g.groups
    let groupOut = g.outChannels / g.groups
    for o in 0..<g.outChannels {
      for y in 0..<g.outHeight {
        for c in 0..<g.outWidth {
          var sum = parameters.bias[o]
          for i in 0..<groupIn {
            for ky in 0..<g.kernelHeight {
              for kx in 0..<g.kernelWidth {
                let (row, column) = (y * g.strideHeight + ky - g.padTop, c * g.strideWidth + kx - g.padLeft)
                guard (0..<g.inHeight).contains(row), (0..<g.inWidth).contains(column) else { continue }
                let plane = (o / groupOut) * groupIn + i
                let weight = parameters.weights[((o * groupIn + i) * g.kernelHeight + ky) * g.kernelWidth + kx]
                sum += Int64(weight) * x[(plane * g.inHeight + row) * g.inWidth + column]
              }
            }
          }
          out.append(sum)
        }
      }
    }
    return out
  }

  private func pool(
    _ geometry: WindowGeometry, _ balance: PoolingBalance?, _ shape: TensorShape, _ x: [Int64]
  ) -> [Int64] {
    let window = geometry.window
    func factor(_ axis: PoolingAxis, _ index: Int, _ side: Int, _ common: Int) -> Int64 {
      let range = balance!.countsPadding ? -axis.before..<side + axis.behind : 0..<side
      let count = (0..<axis.kernel).count { range.contains(index * axis.stride + $0 * axis.dilation - axis.before) }
      return Int64((Double(common) / Double(count)).rounded())
    }
    return windows(window, shape) { row, column, places in
      let sum = places.reduce(0) { $0 + x[$1] }
      guard let balance else { return sum }
      return sum * factor(window.rows, row, shape.height, balance.rows)
        * factor(window.columns, column, shape.width, balance.columns)
    }
  }

  private func subsample(_ shape: TensorShape, _ stride: Int, _ before: Int, _ after: Int, _ x: [Int64]) -> [Int64] {
    var out: [Int64] = []
    let (height, width) = ((shape.height + stride - 1) / stride, (shape.width + stride - 1) / stride)
    out += [Int64](repeating: 0, count: before * height * width)
    for c in 0..<shape.channels {
      for y in 0..<height {
        for column in 0..<width { out.append(x[(c * shape.height + y * stride) * shape.width + column * stride]) }
      }
    }
    return out + [Int64](repeating: 0, count: after * height * width)
  }
}
