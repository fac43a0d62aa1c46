import Networks
import Rings

/// The attributes that convolution and pooling share, along the axes of a picture or a sequence.
struct WindowAttributes {
  /// How many times more taps than weights a dilated kernel may have, its zeros being computed with.
  static let largestDilation = 4

  /// Sides of the window, before dilation.
  let kernel: [Int]
  let strides: [Int]
  let dilations: [Int]
  /// Zeros before and behind, with what `auto_pad` asks for.
  let before: [Int]
  let behind: [Int]
  /// What the last window covers behind them under `ceil_mode`.
  let overhang: [Int]
  private let picture: [Int]

  /// Reads and checks the attributes.
  ///
  /// - Parameters:
  ///   - shape: the window's sides; nil reads `kernel_shape`.
  ///   - picture: the operand's sides.
  init(_ node: OperatorNode, shape: [Int]?, picture: [Int]) throws {
    let rank = picture.count
    func list(_ key: String, _ count: Int, _ range: ClosedRange<Int>, _ standard: Int) throws -> [Int] {
      let values = try node.ints(key) ?? [Int](repeating: standard, count: count)
      guard values.count == count, values.allSatisfy(range.contains) else {
        throw Refusal("its \(key) must be \(count) numbers of \(range.lowerBound) to \(range.upperBound)")
      }
      return values
    }
    let given = try node.ints("kernel_shape")
    guard let kernel = shape ?? given, kernel.count == rank, kernel.allSatisfy((1...4096).contains) else {
      throw Refusal("its window does not fit a picture of \(rank) axes, or is out of range")
    }
    guard given == nil || given == kernel else { throw Refusal("its kernel_shape differs from its weights") }
    strides = try list("strides", rank, 1...4096, 1)
    dilations = try list("dilations", rank, 1...4096, 1)
    let reach = zip(kernel, dilations).map { ($0 - 1) * $1 + 1 }
    guard reach.allSatisfy((1...4096).contains) else { throw Refusal("its dilated window is out of range") }
    var pads = [Int](repeating: 0, count: 2 * rank)
    switch try node.string("auto_pad", "NOTSET") {
    case "NOTSET": pads = try list("pads", 2 * rank, 0...4096, 0)
    case "VALID": break
    case let mode where mode == "SAME_UPPER" || mode == "SAME_LOWER":
      for axis in 0..<rank {
        let windows = (picture[axis] + strides[axis] - 1) / strides[axis]
        let zeros = max((windows - 1) * strides[axis] + reach[axis] - picture[axis], 0)
        pads[axis] = mode == "SAME_UPPER" ? zeros / 2 : (zeros + 1) / 2
        pads[rank + axis] = zeros - pads[axis]
      }
    default: throw Refusal("its auto_pad is unknown")
    }
    var overhang = [Int](repeating: 0, count: rank)
    if try node.flag("ceil_mode") {
      for axis in 0..<rank {
        let free = picture[axis] + pads[axis] + pads[rank + axis] - reach[axis]
        // One more window, if it begins inside the picture or the zeros before it.
        guard free >= 0, free % strides[axis] != 0,
          (free / strides[axis] + 1) * strides[axis] < picture[axis] + pads[axis]
        else { continue }
        overhang[axis] = strides[axis] - free % strides[axis]
      }
    }
    self.kernel = kernel
    (before, behind) = (Array(pads[..<rank]), Array(pads[rank...]))
    self.overhang = overhang
    self.picture = picture
  }

  /// Sides of the window, its gaps counted.
  private var reach: [Int] { zip(kernel, dilations).map { ($0 - 1) * $1 + 1 } }

  /// The window of a convolution in rows and columns, its gaps filled; a sequence has one row.
  var window: ConvolutionWindow {
    let last = kernel.count - 1
    let hasRows = kernel.count == 2
    return ConvolutionWindow(
      kernelHeight: hasRows ? reach[0] : 1, kernelWidth: reach[last], strideHeight: hasRows ? strides[0] : 1,
      strideWidth: strides[last], padTop: hasRows ? before[0] : 0, padLeft: before[last],
      padBottom: hasRows ? behind[0] : 0, padRight: behind[last])
  }

  /// Dimensions of the result, of the given channels, `border` being further zeros around the operand.
  func output(channels: Int, _ border: Border = Border()) throws -> [Int] {
    var sides = picture
    sides[sides.count - 1] += border.left + border.right
    if sides.count == 2 { sides[0] += border.top + border.bottom }
    return try [channels]
      + sides.indices.map { axis in
        let free = sides[axis] + before[axis] + behind[axis] + overhang[axis] - reach[axis]
        guard free >= 0 else { throw Refusal("its window of \(reach[axis]) exceeds a side of \(sides[axis])") }
        return free / strides[axis] + 1
      }
  }

  /// A convolution's weights with zeros in the gaps of a dilated kernel: the same sums.
  ///
  /// - Throws: ``Refusal`` where the zeros would outnumber the weights by too much.
  func dilated(_ weights: DenseTensor) throws -> [Float] {
    guard dilations != [Int](repeating: 1, count: dilations.count) else { return weights.floats }
    let taps = kernel.reduce(1, *)
    let all = reach.reduce(1, *)
    guard all <= Self.largestDilation * taps else {
      throw Refusal(
        "its dilated kernel has \(all) taps for \(taps) weights",
        "kernels are dilated up to \(Self.largestDilation) times the taps; use strided or stacked convolutions")
    }
    let rows = kernel.count == 2 ? kernel[0] : 1
    let columns = kernel[kernel.count - 1]
    let (down, right) = (kernel.count == 2 ? dilations[0] : 1, dilations[dilations.count - 1])
    let width = reach[reach.count - 1]
    let kernels = weights.dims[0] * weights.dims[1]
    guard kernels <= DenseTensor.maximumElements / all else { throw Refusal("its dilated kernel is too large") }
    let values = weights.floats
    var result = [Float](repeating: 0, count: kernels * all)
    for index in 0..<kernels {
      for row in 0..<rows {
        for column in 0..<columns {
          result[index * all + row * down * width + column * right] =
            values[index * taps + row * columns + column]
        }
      }
    }
    return result
  }

  /// The window of a pooling in rows and columns; a sequence has one row.
  var pooling: PoolingWindow {
    func axis(_ index: Int) -> PoolingAxis {
      PoolingAxis(
        kernel: kernel[index], stride: strides[index], dilation: kernel[index] > 1 ? dilations[index] : 1,
        before: before[index], behind: behind[index], overhang: overhang[index])
    }
    let last = kernel.count - 1
    return PoolingWindow(rows: kernel.count == 2 ? axis(0) : PoolingAxis(kernel: 1), columns: axis(last))
  }
}

extension Lowering {
  // MARK: Maxima

  mutating func maxPool(_ node: OperatorNode) throws -> SampleTensor {
    let source = try tensor(node)
    guard hasBatchAxis, (2...3).contains(source.dims.count) else {
      throw Refusal("maxima are taken over one or two axes, and its operand has \(source.dims.count) axes a sample")
    }
    let shape = source.shape
    if node.type == "GlobalMaxPool" {
      if shape.height * shape.width == 1 { return source }
      let window = PoolingWindow(
        rows: PoolingAxis(kernel: shape.height, stride: shape.height),
        columns: PoolingAxis(kernel: shape.width, stride: shape.width))
      guard window.fits(shape) else { throw Refusal("its picture has a side of more than \(PoolingAxis.limit) pixels") }
      let dims = [source.dims[0]] + [Int](repeating: 1, count: source.dims.count - 1)
      return try append(.maximum(over: window), node.name, [source.node], dims)
    }
    guard try !node.flag("storage_order") else { throw Refusal("its indices are in column order") }
    let geometry = try WindowAttributes(node, shape: nil, picture: Array(source.dims.dropFirst()))
    let to = try geometry.output(channels: source.dims[0])
    let window = try poolingWindow(geometry, shape)
    guard window.meetsPicture(shape) else {
      throw Refusal("a window holds no pixel of the picture", "choose padding and size so that every window does")
    }
    if window.taps > 1 { return try append(.maximum(over: window), node.name, [source.node], to) }
    // A window of one pixel picks it: so does its mean.
    let step = window.rows.stride
    let picks =
      window.columns.stride == step || shape.height == 1
      ? Operation.subsamplePad(stride: window.columns.stride, before: 0, after: 0)
      : .average(over: AveragingWindow(window, countsPadding: false))
    return try append(picks, node.name, [source.node], to)
  }

  private func poolingWindow(_ geometry: WindowAttributes, _ shape: TensorShape) throws -> PoolingWindow {
    let window = geometry.pooling
    guard window.fits(shape) else {
      throw Refusal(
        "its window does not fit the picture, or its padding holds a whole window",
        "choose less padding, or a smaller window")
    }
    return window
  }

  // MARK: Averages

  mutating func averagePool(_ node: OperatorNode) throws -> SampleTensor {
    let source = try tensor(node)
    guard hasBatchAxis, (2...3).contains(source.dims.count) else {
      throw Refusal("averages are taken over one or two axes")
    }
    let geometry = try WindowAttributes(node, shape: nil, picture: Array(source.dims.dropFirst()))
    let to = try geometry.output(channels: source.dims[0])
    let window = try poolingWindow(geometry, source.shape)
    if window.isUnpadded, to.dropFirst().allSatisfy({ $0 == 1 }), geometry.kernel == Array(source.dims.dropFirst()) {
      return try append(.globalAveragePool, node.name, [source.node], to)
    }
    let counts = try window.isUnpadded || node.flag("count_include_pad")
    let windows = AveragingWindow(window, countsPadding: counts)
    let elements = windows.counts(on: source.shape)
    guard (elements.rows + elements.columns).allSatisfy({ $0 > 0 }) else {
      throw Refusal("a window has no element to be averaged", "choose padding and size so that every window has one")
    }
    return try append(.average(over: windows), node.name, [source.node], to)
  }

  mutating func globalAveragePool(_ node: OperatorNode) throws -> SampleTensor {
    let source = try tensor(node)
    guard hasBatchAxis, source.dims.count >= 2 else { throw Refusal("its operand has no picture") }
    return try averaged(node, source, [source.dims[0]] + [Int](repeating: 1, count: source.dims.count - 1))
  }

  private mutating func averaged(_ node: OperatorNode, _ source: SampleTensor, _ dims: [Int]) throws -> SampleTensor {
    if source.shape.height * source.shape.width == 1 { return SampleTensor(node: source.node, dims: dims) }
    return try append(.globalAveragePool, node.name, [source.node], dims)
  }

  mutating func reduction(_ node: OperatorNode) throws -> Value {
    let source = try tensor(node)
    let rank = source.dims.count
    let given = node.has(1) ? try integers(node, 1, "axes") : try node.ints("axes")
    if given?.isEmpty ?? true, try node.flag("noop_with_empty_axes") { return .tensor(source) }
    guard let given, !given.isEmpty else {
      throw Refusal("it works across the samples of a batch", "name the axes of a sample")
    }
    let axes = Set(try sampleAxes(given, rank: rank))
    let reducesOnes = axes.allSatisfy { source.dims[$0] == 1 }
    let long = axes.filter { source.dims[$0] > 1 }
    guard reducesOnes || ((2...3).contains(rank) && !long.contains(0)) else {
      throw Refusal("it reduces other axes than those of a picture", "reduce axes of pictures, not batch or channels")
    }
    let keeps = try node.flag("keepdims", true)
    let dims = source.dims.indices.compactMap { axes.contains($0) ? (keeps ? 1 : nil) : source.dims[$0] }
    if reducesOnes { return .tensor(SampleTensor(node: source.node, dims: dims)) }
    let isWhole = source.dims.indices.dropFirst().allSatisfy { axes.contains($0) || source.dims[$0] == 1 }
    if node.type == "ReduceMax" { return .tensor(try reduced(node, source, long, dims) { .maximum(over: $0) }) }
    let mean =
      isWhole
      ? try averaged(node, source, dims)
      : try reduced(node, source, long, dims) { .average(over: AveragingWindow($0, countsPadding: true)) }
    guard node.type == "ReduceSum" else { return .tensor(mean) }
    var sum = Polynomial(mean)
    let area = Double(long.reduce(1) { $0 * source.dims[$1] })
    sum.scale(by: [Double](repeating: area, count: sum.slope.count))
    return .polynomial(sum)
  }

  /// A pooling over the whole length of some axes of a picture, one window wide along the others.
  private mutating func reduced(
    _ node: OperatorNode, _ source: SampleTensor, _ axes: Set<Int>, _ dims: [Int],
    _ operation: (PoolingWindow) -> Operation
  ) throws -> SampleTensor {
    let rank = source.dims.count
    func axis(_ index: Int) -> PoolingAxis {
      let length = axes.contains(index) ? source.dims[index] : 1
      return PoolingAxis(kernel: length, stride: length)
    }
    let window = PoolingWindow(rows: rank == 3 ? axis(1) : PoolingAxis(kernel: 1), columns: axis(rank - 1))
    guard window.fits(source.shape) else {
      throw Refusal(
        "its picture has a side of more than \(PoolingAxis.limit) pixels", "make pictures smaller before it")
    }
    var between = source.dims
    for index in axes { between[index] = 1 }
    let pooled = try append(operation(window), node.name, [source.node], between)
    return try reshape(pooled, to: dims, node.name + ".shape")
  }
}
