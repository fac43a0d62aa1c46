import Networks
import Rings

/// Elements picked along each axis of a sample, in the order in which they are wanted.
struct Selection: Equatable {
  /// Indices along each axis of the tensor picked from.
  var picks: [[Int]]

  /// All elements of a tensor.
  init(all dims: [Int]) { picks = dims.map { Array(0..<$0) } }

  var dims: [Int] { picks.map(\.count) }

  func isWhole(_ axis: Int, _ dims: [Int]) -> Bool { picks[axis] == Array(0..<dims[axis]) }

  /// A step along a picture's side that gives its picks: `kernel` pixels with the wanted one at `tap`.
  struct Stride {
    var kernel: Int
    var tap: Int
    var step: Int
  }

  /// The windows whose single tap picks along an axis of `length` pixels; nil where picks do not ascend evenly.
  static func stride(_ picks: [Int], length: Int) -> Stride? {
    guard let first = picks.first else { return nil }
    if picks.count == 1 { return Stride(kernel: first + 1, tap: first, step: length) }
    let step = picks[1] - picks[0]
    guard step > 0, zip(picks, picks.dropFirst()).allSatisfy({ $1 - $0 == step }) else { return nil }
    // The smallest window with the tap inside that fits exactly as often as there are picks.
    return Stride(kernel: max(first + 1, length - picks.count * step + 1), tap: first, step: step)
  }
}

extension Lowering {
  /// Taps of a window that picks pixels; all but one are zeros.
  private static let largestWindow = 64
  /// Weights of a layer that picks channels or features.
  private static let largestMatrix = 1 << 24

  /// A part of a tensor, kept until something reads it.
  mutating func selection(_ node: OperatorNode) throws -> [Value] {
    let (source, selection): (SampleTensor, Selection)
    if case .selected(let tensor, let before) = try value(node, 0) {
      (source, selection) = (tensor, before)
    } else {
      source = try tensor(node)
      selection = Selection(all: source.dims)
    }
    let full = hasBatchAxis ? [batch] + selection.dims : selection.dims
    switch node.type {
    case "Slice": return [try sliced(node, source, selection, full)]
    case "Gather": return [try gathered(node, source, selection, full)]
    default: return try split(node, source, selection, full)
    }
  }

  private func picked(_ source: SampleTensor, _ selection: Selection) throws -> Value {
    guard selection.picks.allSatisfy({ !$0.isEmpty }) else { throw Refusal("its result would be empty") }
    return selection == Selection(all: source.dims) ? .tensor(source) : .selected(source, selection)
  }

  private mutating func sliced(
    _ node: OperatorNode, _ source: SampleTensor, _ selection: Selection, _ full: [Int]
  ) throws -> Value {
    var result = selection
    let lead = hasBatchAxis ? 1 : 0
    for range in try sliceRanges(node, full) {
      if range.axis < lead {
        guard range.start == 0, range.step == 1, range.count == full[range.axis] else {
          throw Refusal("it takes some samples of a batch", "a sample's result may depend on that sample only")
        }
        continue
      }
      let axis = range.axis - lead
      result.picks[axis] = (0..<range.count).map { selection.picks[axis][range.start + $0 * range.step] }
    }
    return try picked(source, result)
  }

  private mutating func gathered(
    _ node: OperatorNode, _ source: SampleTensor, _ selection: Selection, _ full: [Int]
  ) throws -> Value {
    let indices = try constant(node, 1, "indices")
    guard let values = indices.integers, indices.dims.count <= 1 else {
      throw Refusal("its indices are no vector of integers")
    }
    let axis = try sampleAxes([try node.int("axis", 0)], rank: source.dims.count)[0]
    let length = selection.picks[axis].count
    let places = values.map { $0 < 0 ? Int($0) + length : Int($0) }
    guard places.count <= 65536, places.allSatisfy((0..<length).contains) else {
      throw Refusal("an index is out of range, or there are too many")
    }
    var result = selection
    result.picks[axis] = places.map { selection.picks[axis][$0] }
    guard indices.dims.isEmpty else { return try picked(source, result) }
    // One index without an axis takes the axis away.
    let one = try selected(source, result, node.name)
    var dims = one.dims
    dims.remove(at: axis)
    return .tensor(try reshape(one, to: dims, node.name + ".squeezed"))
  }

  private mutating func split(
    _ node: OperatorNode, _ source: SampleTensor, _ selection: Selection, _ full: [Int]
  ) throws -> [Value] {
    let axis = try sampleAxes([try node.int("axis", 0)], rank: source.dims.count)[0]
    let length = selection.picks[axis].count
    let given = node.has(1) ? try integers(node, 1, "split") : try node.ints("split")
    let parts = node.outputs.count
    let size = (length + parts - 1) / max(parts, 1)
    let sizes = given ?? (0..<parts).map { min(size, length - min(length, $0 * size)) }
    guard sizes.count == parts, sizes.allSatisfy({ $0 > 0 }), sizes.allSatisfy({ $0 <= length }),
      sizes.reduce(0, +) == length
    else { throw Refusal("its parts do not make up the axis") }
    var start = 0
    return try sizes.map { size in
      defer { start += size }
      var result = selection
      result.picks[axis] = Array(selection.picks[axis][start..<start + size])
      return try picked(source, result)
    }
  }

  // MARK: Layers

  /// A selection as a layer: subsampling where that is all, otherwise a linear layer of ones and zeros.
  mutating func selected(_ source: SampleTensor, _ selection: Selection, _ name: String) throws -> SampleTensor {
    let rank = source.dims.count
    guard (1...3).contains(rank) else {
      throw Refusal("it takes a part of a hidden tensor of \(rank) axes", "let the layer before it make that part only")
    }
    if selection == Selection(all: source.dims) { return source }
    if rank == 1 { return try selectedFeatures(source, selection.picks[0], name) }
    let sides = try (1..<rank).map { axis in
      guard let stride = Selection.stride(selection.picks[axis], length: source.dims[axis]) else {
        throw Refusal("it reorders pixels", "let the layer before it make them in that order")
      }
      return stride
    }
    let (rows, columns) = (rank == 3 ? sides[0] : Selection.Stride(kernel: 1, tap: 0, step: 1), sides[rank - 2])
    let isWhole = selection.isWhole(0, source.dims)
    if isWhole, rank == 3, rows.kernel == 1, columns.kernel == 1, rows.step == columns.step {
      return try append(
        .subsamplePad(stride: rows.step, before: 0, after: 0), name, [source.node], selection.dims)
    }
    let taps = rows.kernel * columns.kernel
    let channels = selection.picks[0]
    let groups = isWhole ? source.dims[0] : 1
    guard taps <= Self.largestWindow, channels.count * source.dims[0] / groups * taps <= Self.largestMatrix else {
      throw Refusal(
        "it takes a part of a hidden tensor that lies far from its border",
        "let the layer before it make that part only")
    }
    let window = ConvolutionWindow(
      kernelHeight: rows.kernel, kernelWidth: columns.kernel, strideHeight: rows.step, strideWidth: columns.step)
    let result = try append(
      .convolution(ConvolutionSpec(outChannels: channels.count, window: window, groups: groups, bias: false)), name,
      [source.node], selection.dims)
    let width = source.dims[0] / groups
    var weights = [Float](repeating: 0, count: channels.count * width * taps)
    for (output, input) in channels.enumerated() {
      let place = output * width + (isWhole ? 0 : input)
      weights[place * taps + rows.tap * columns.kernel + columns.tap] = 1
    }
    parameters[result.node, .weight] = weights
    return result
  }

  private mutating func selectedFeatures(
    _ source: SampleTensor, _ picks: [Int], _ name: String
  ) throws -> SampleTensor {
    guard picks.count * source.dims[0] <= Self.largestMatrix else {
      throw Refusal("it takes \(picks.count) of \(source.dims[0]) features", "let the layer before it make them only")
    }
    let result = try append(.linear(outFeatures: picks.count, bias: false), name, [source.node], [picks.count])
    var weights = [Float](repeating: 0, count: picks.count * source.dims[0])
    for (output, input) in picks.enumerated() { weights[output * source.dims[0] + input] = 1 }
    parameters[result.node, .weight] = weights
    return result
  }

  /// Weights that read a whole tensor as the given ones read some of its channels; nil where more than channels are picked.
  static func widened(
    _ weights: DenseTensor, _ source: SampleTensor, _ selection: Selection
  ) -> DenseTensor? {
    guard (1..<source.dims.count).allSatisfy({ selection.isWhole($0, source.dims) }),
      weights.dims.count >= 2, weights.dims[1] == selection.picks[0].count,
      let count = DenseTensor.count(of: [weights.dims[0], source.dims[0]] + weights.dims.dropFirst(2))
    else { return nil }
    let (outputs, inputs) = (weights.dims[0], weights.dims[1])
    let taps = weights.dims.dropFirst(2).reduce(1, *)
    let values = weights.floats
    var result = [Float](repeating: 0, count: count)
    for output in 0..<outputs {
      for (input, channel) in selection.picks[0].enumerated() {
        for tap in 0..<taps {
          // A channel that is picked twice is read with the sum.
          result[(output * source.dims[0] + channel) * taps + tap] += values[(output * inputs + input) * taps + tap]
        }
      }
    }
    return DenseTensor([outputs, source.dims[0]] + weights.dims.dropFirst(2), floats: result)
  }
}
