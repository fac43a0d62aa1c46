import Rings

/// Convolution: windows are copied into a matrix (im2col) a tile of output rows at a time, so that the tile stays in
/// the cache, and multiplied by the weights with sgemm. Parallel over samples. What ``DirectConvolution`` and
/// ``DepthwiseConvolution`` can do, they do.
enum ConvolutionRule {
  static func rule(_ geometry: LinearGeometry) -> Rule {
    Rule(
      shape: { shapes in
        precondition(shapes[0].channels == geometry.inChannels && shapes[0].height == geometry.inHeight)
        precondition(shapes[0].width == geometry.inWidth && shapes[1].count == geometry.weightCount)
        return BatchShape(
          channels: geometry.outChannels, samples: shapes[0].samples, height: geometry.outHeight,
          width: geometry.outWidth)
      },
      forward: { forward(geometry, $0) }, backward: { backward(geometry, $0) })
  }

  /// Columns of a tile: with the taps of the usual layers the tile fits the second-level cache.
  private static let tileColumns = 512

  /// Calls `body(first output row, rows)` for each tile of a shard; rows are counted over the shard's samples.
  private static func tiles(_ geometry: LinearGeometry, samples: Range<Int>, _ body: (Int, Int) -> Void) {
    let step = max(1, tileColumns / geometry.outWidth)
    let rows = samples.count * geometry.outHeight
    var row = 0
    while row < rows {
      body(row, min(step, rows - row))
      row += step
    }
  }

  private static func columnsCapacity(_ geometry: LinearGeometry) -> Int {
    max(tileColumns, geometry.outWidth) * geometry.tapsPerOutput
  }

  private static func forward(_ geometry: LinearGeometry, _ context: RuleContext) {
    if DirectConvolution.applies(to: geometry) { return DirectConvolution.forward(geometry, context) }
    if DepthwiseConvolution.applies(to: geometry) { return DepthwiseConvolution.forward(geometry, context) }
    let input = context.inputs[0]
    let weights = context.inputs[1]
    let bias = context.inputs.count > 2 ? context.inputs[2] : nil
    let output = context.output
    let workers = context.workers
    let inGroup = geometry.inChannels / geometry.groups
    let outGroup = geometry.outChannels / geometry.groups
    workers.reserve(slot: 0, count: columnsCapacity(geometry))
    workers.each(Workers.shards) { shard in
      let samples = Workers.samples(of: shard, in: input.shape.samples)
      let columns = workers.scratch(shard: shard, slot: 0)
      tiles(geometry, samples: samples) { row, rows in
        let width = rows * geometry.outWidth
        let offset = (samples.lowerBound * geometry.outHeight + row) * geometry.outWidth
        for group in 0..<geometry.groups {
          Windows.gather(
            geometry, from: input.pointer + group * inGroup * input.shape.channelStride,
            channelStride: input.shape.channelStride, firstSample: samples.lowerBound, row: row, rows: rows,
            into: columns)
          let target = output.pointer + group * outGroup * output.shape.channelStride + offset
          if let bias {
            for channel in 0..<outGroup {
              (target + channel * output.shape.channelStride).update(
                repeating: bias.pointer[group * outGroup + channel], count: width)
            }
          }
          multiply(
            MatrixView(
              weights.pointer + group * outGroup * geometry.tapsPerOutput, pitch: geometry.tapsPerOutput),
            MatrixView(columns, pitch: width), into: target, pitch: output.shape.channelStride, rows: outGroup,
            columns: width, inner: geometry.tapsPerOutput, beta: bias == nil ? 0 : 1)
        }
      }
    }
  }

  private static func backward(_ geometry: LinearGeometry, _ context: RuleContext) {
    if DirectConvolution.applies(to: geometry) {
      DirectConvolution.backward(geometry, context, weightTarget: context.addingTarget(1))
    } else if DepthwiseConvolution.applies(to: geometry) {
      DepthwiseConvolution.backward(
        geometry, context, inputTarget: context.addingTarget(0), weightTarget: context.addingTarget(1))
    } else {
      multiplied(geometry, context)
    }
    if context.inputs.count > 2, let bias = context.addingTarget(2) {
      let gradient = context.outputGradient!
      let stride = gradient.shape.channelStride
      context.workers.eachChannel(geometry.outChannels) { channel in
        bias.pointer[channel] += Float(VectorSums.sum(gradient.pointer + channel * stride, stride))
      }
    }
  }

  private static func multiplied(_ geometry: LinearGeometry, _ context: RuleContext) {
    let input = context.inputs[0]
    let weights = context.inputs[1]
    let gradient = context.outputGradient!
    let workers = context.workers
    let inputTarget = context.addingTarget(0)
    let weightTarget = context.addingTarget(1)
    let inGroup = geometry.inChannels / geometry.groups
    let outGroup = geometry.outChannels / geometry.groups
    let taps = geometry.tapsPerOutput
    workers.reserve(slot: 0, count: columnsCapacity(geometry))
    workers.reserve(slot: 1, count: columnsCapacity(geometry))
    workers.reserve(slot: 2, count: geometry.weightCount)
    workers.each(Workers.shards) { shard in
      let samples = Workers.samples(of: shard, in: input.shape.samples)
      let columns = workers.scratch(shard: shard, slot: 0)
      let columnGradient = workers.scratch(shard: shard, slot: 1)
      let weightGradient = workers.scratch(shard: shard, slot: 2)
      weightGradient.update(repeating: 0, count: geometry.weightCount)
      tiles(geometry, samples: samples) { row, rows in
        let width = rows * geometry.outWidth
        let offset = (samples.lowerBound * geometry.outHeight + row) * geometry.outWidth
        for group in 0..<geometry.groups {
          let inputOffset = group * inGroup * input.shape.channelStride
          let source = MatrixView(
            gradient.pointer + group * outGroup * gradient.shape.channelStride + offset,
            pitch: gradient.shape.channelStride)
          if weightTarget != nil {
            Windows.gather(
              geometry, from: input.pointer + inputOffset, channelStride: input.shape.channelStride,
              firstSample: samples.lowerBound, row: row, rows: rows, into: columns)
            multiply(
              source, MatrixView(columns, pitch: width, transposed: true),
              into: weightGradient + group * outGroup * taps, pitch: taps, rows: outGroup, columns: taps, inner: width,
              beta: 1)
          }
          if let inputTarget {
            multiply(
              MatrixView(weights.pointer + group * outGroup * taps, pitch: taps, transposed: true), source,
              into: columnGradient, pitch: width, rows: taps, columns: width, inner: outGroup, beta: 0)
            Windows.scatter(
              geometry, from: columnGradient, into: inputTarget.pointer + inputOffset,
              channelStride: input.shape.channelStride, firstSample: samples.lowerBound, row: row, rows: rows)
          }
        }
      }
    }
    if let weightTarget {
      workers.accumulateShards(slot: 2, count: geometry.weightCount, into: weightTarget.pointer)
    }
  }
}
