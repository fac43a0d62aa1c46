import Inference
import Programs
import Rings

/// The same program in plain integers, written for these tests alone and without any of the engine's kernels.
struct IntegerTwin {
  let program: Program
  let linear: [Int: LinearParameters]
  let activations: [Int: (k: [Int64], constant: [Int64])]

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
      case .sumPool(let window): tensors.append(pool(window, shape, operands[0]))
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
    case .absolute: abs(x)
    case .sign: x >= 0 ? 1 : -1
    case .clip(let lower, let upper): min(max(x, lower), upper)
    case .floor: x
    }
  }

  private func maxima(_ window: WindowGeometry, _ shape: TensorShape, _ x: [Int64]) -> [Int64] {
    let height = (shape.height + 2 * window.padding - window.kernel) / window.stride + 1
    let width = (shape.width + 2 * window.padding - window.kernel) / window.stride + 1
    var out: [Int64] = []
    for c in 0..<shape.channels {
      for y in 0..<height {
        for column in 0..<width {
          var largest = Int64.min
          for row in y * window.stride - window.padding..<y * window.stride - window.padding + window.kernel {
            for place in column * window.stride - window.padding..<column * window.stride - window.padding
              + window.kernel
            {
              guard (0..<shape.height).contains(row), (0..<shape.width).contains(place) else { continue }
              largest = max(largest, x[(c * shape.height + row) * shape.width + place])
            }
          }
          out.append(largest)
        }
      }
    }
    return out
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

  private func pool(_ window: WindowGeometry, _ shape: TensorShape, _ x: [Int64]) -> [Int64] {
    let height = (shape.height + 2 * window.padding - window.kernel) / window.stride + 1
    let width = (shape.width + 2 * window.padding - window.kernel) / window.stride + 1
    var out: [Int64] = []
    for c in 0..<shape.channels {
      for y in 0..<height {
        for column in 0..<width {
          var sum: Int64 = 0
          for ky in 0..<window.kernel {
            for kx in 0..<window.kernel {
              let (row, place) = (y * window.stride + ky - window.padding, column * window.stride + kx - window.padding)
              guard (0..<shape.height).contains(row), (0..<shape.width).contains(place) else { continue }
              sum += x[(c * shape.height + row) * shape.width + place]
            }
          }
          out.append(sum)
        }
      }
    }
    return out
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
