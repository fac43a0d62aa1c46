import CKernels
import Rings

/// Convolution in which every output channel sees one input channel: sums over the taps of one plane, straight from
/// copies with a border of zeros. A stride s cuts a plane into phases, the pixels of each remainder modulo s, so that every
/// tap of every stride is a shift. Parallel over channels.
enum DepthwiseConvolution {
  /// Whether a convolution is of that kind.
  static func applies(to geometry: LinearGeometry) -> Bool {
    geometry.groups > 1 && geometry.groups == geometry.inChannels && geometry.outChannels % geometry.groups == 0
  }

  private static let overread = Int(CK_FLOAT_OVERREAD)
  /// Samples are taken together up to so many places of a plane.
  private static let places = 2048

  /// Places of one channel of some samples in scratch memory: `phases` planes of `samples` pictures of `rows` x `pitch`.
  /// Output pixel (row, column) lies at `row * pitch + column`; rows and columns beyond the output are zeros.
  private struct Planes {
    let geometry: LinearGeometry
    let samples: Int

    init(_ geometry: LinearGeometry) {
      self.geometry = geometry
      let area =
        (geometry.outHeight + (geometry.kernelHeight - 1) / geometry.strideHeight)
        * (geometry.outWidth + (geometry.kernelWidth - 1) / geometry.strideWidth)
      samples = max(1, DepthwiseConvolution.places / area)
    }

    /// Furthest shift of a tap, in rows and columns.
    var reach: (rows: Int, columns: Int) {
      ((geometry.kernelHeight - 1) / geometry.strideHeight, (geometry.kernelWidth - 1) / geometry.strideWidth)
    }
    var rows: Int { geometry.outHeight + reach.rows }
    var pitch: Int { geometry.outWidth + reach.columns }
    var phaseRows: Int { min(geometry.strideHeight, geometry.kernelHeight) }
    var phaseColumns: Int { min(geometry.strideWidth, geometry.kernelWidth) }
    var plane: Int { samples * rows * pitch }
    /// Zeros before gradients, into which taps shift backwards.
    var lead: Int { reach.rows * pitch + reach.columns }

    /// Where each tap finds its operand of output place 0.
    var offsets: [Int] {
      (0..<geometry.kernelHeight).flatMap { i in
        (0..<geometry.kernelWidth).map { j in
          (i % geometry.strideHeight * phaseColumns + j % geometry.strideWidth) * plane
            + i / geometry.strideHeight * pitch + j / geometry.strideWidth
        }
      }
    }

    /// Output places of the first `count` samples, from the first to the last.
    func span(_ count: Int) -> Int { ((count - 1) * rows + geometry.outHeight - 1) * pitch + geometry.outWidth }

    /// Columns of the output grid that lie in the picture for phase `column`: `c * stride + column - padLeft` is in
    /// 0 ..< inWidth.
    private func inside(_ column: Int) -> Range<Int> {
      let (stride, pad) = (geometry.strideWidth, geometry.padLeft)
      let first = max(0, (pad - column + stride - 1) / stride)
      let last = geometry.inWidth - 1 + pad - column
      let end = last < 0 ? 0 : min(pitch, last / stride + 1)
      return first..<max(first, end)
    }

    /// Calls `body(place in the phases, index in the channel, count)` for every run of pixels of samples `part` that
    /// taps may see; pixels of a run are one apart in a phase and `strideWidth` apart in the picture.
    func visit(_ part: Range<Int>, phase: (row: Int, column: Int), _ body: (Int, Int, Int) -> Void) {
      let columns = inside(phase.column)
      guard !columns.isEmpty else { return }
      let x = columns.lowerBound * geometry.strideWidth + phase.column - geometry.padLeft
      for (place, sample) in part.enumerated() {
        for row in 0..<rows {
          let y = row * geometry.strideHeight + phase.row - geometry.padTop
          guard y >= 0, y < geometry.inHeight else { continue }
          body(
            (place * rows + row) * pitch + columns.lowerBound,
            (sample * geometry.inHeight + y) * geometry.inWidth + x, columns.count)
        }
      }
    }

    /// Copies one channel's samples into their phases.
    func fill(_ target: UnsafeMutablePointer<Float>, from channel: UnsafePointer<Float>, samples part: Range<Int>) {
      let stride = geometry.strideWidth
      target.update(repeating: 0, count: phaseRows * phaseColumns * plane + DepthwiseConvolution.overread)
      for row in 0..<phaseRows {
        for column in 0..<phaseColumns {
          let phase = target + (row * phaseColumns + column) * plane
          visit(part, phase: (row, column)) { place, index, count in
            let (into, from) = (phase + place, channel + index)
            if stride == 1 {
              into.update(from: from, count: count)
            } else {
              for step in 0..<count { into[step] = from[step * stride] }
            }
          }
        }
      }
    }

    /// Copies one channel's gradients to their output places, behind ``lead`` zeros.
    func fillGradients(
      _ target: UnsafeMutablePointer<Float>, from channel: UnsafePointer<Float>, samples part: Range<Int>
    ) {
      target.update(repeating: 0, count: lead + plane + DepthwiseConvolution.overread)
      for (place, sample) in part.enumerated() {
        for row in 0..<geometry.outHeight {
          (target + lead + (place * rows + row) * pitch).update(
            from: channel + (sample * geometry.outHeight + row) * geometry.outWidth, count: geometry.outWidth)
        }
      }
    }
  }

  /// Calls `body(shard, input channel, samples)` for every channel and group of samples.
  private static func each(
    _ workers: Workers, _ shape: BatchShape, group: Int, _ body: (Int, Int, Range<Int>) -> Void
  ) {
    workers.each(Workers.shards) { shard in
      for channel in Workers.samples(of: shard, in: shape.channels) {
        for first in stride(from: 0, to: shape.samples, by: group) {
          body(shard, channel, first..<min(first + group, shape.samples))
        }
      }
    }
  }

  static func forward(_ geometry: LinearGeometry, _ context: RuleContext) {
    let workers = context.workers
    let (input, weights, output) = (context.inputs[0], context.inputs[1].pointer, context.output)
    let bias = context.inputs.count > 2 ? context.inputs[2].pointer : nil
    let planes = Planes(geometry)
    let offsets = planes.offsets
    let multiplier = geometry.outChannels / geometry.groups
    workers.reserve(slot: 0, count: planes.phaseRows * planes.phaseColumns * planes.plane + overread)
    workers.reserve(slot: 3, count: planes.plane + overread)
    each(workers, input.shape, group: planes.samples) { shard, channel, part in
      let source = workers.scratch(shard: shard, slot: 0)
      let sums = workers.scratch(shard: shard, slot: 3)
      planes.fill(source, from: input.pointer + channel * input.shape.channelStride, samples: part)
      for outChannel in channel * multiplier..<(channel + 1) * multiplier {
        ck_taps_forward(
          workers.isa, source, offsets, UInt32(offsets.count), weights + outChannel * offsets.count,
          planes.span(part.count), sums)
        let offset = bias?[outChannel] ?? 0
        for (place, sample) in part.enumerated() {
          for row in 0..<geometry.outHeight {
            let from = sums + (place * planes.rows + row) * planes.pitch
            let into =
              output.pointer + outChannel * output.shape.channelStride
              + (sample * geometry.outHeight + row) * geometry.outWidth
            for column in 0..<geometry.outWidth { into[column] = from[column] + offset }
          }
        }
      }
    }
  }

  /// The taps that see one phase: where they find the gradient, and which weight they take.
  private struct Phase {
    let row: Int
    let column: Int
    var offsets: [Int] = []
    var taps: [Int] = []
  }

  private static func phases(_ planes: Planes) -> [Phase] {
    let geometry = planes.geometry
    return (0..<planes.phaseRows * planes.phaseColumns).map { index in
      var phase = Phase(row: index / planes.phaseColumns, column: index % planes.phaseColumns)
      for i in stride(from: phase.row, to: geometry.kernelHeight, by: geometry.strideHeight) {
        for j in stride(from: phase.column, to: geometry.kernelWidth, by: geometry.strideWidth) {
          phase.offsets.append(-(i / geometry.strideHeight * planes.pitch + j / geometry.strideWidth))
          phase.taps.append(i * geometry.kernelWidth + j)
        }
      }
      return phase
    }
  }

  /// Adds the gradients of input and weights; the bias's is the caller's.
  static func backward(
    _ geometry: LinearGeometry, _ context: RuleContext, inputTarget: FloatTensor?, weightTarget: FloatTensor?
  ) {
    let workers = context.workers
    let (input, weights, gradient) = (context.inputs[0], context.inputs[1].pointer, context.outputGradient!)
    let planes = Planes(geometry)
    let (offsets, phases) = (planes.offsets, phases(planes))
    let multiplier = geometry.outChannels / geometry.groups
    workers.reserve(slot: 0, count: planes.phaseRows * planes.phaseColumns * planes.plane + overread)
    workers.reserve(slot: 1, count: planes.lead + planes.plane + overread)
    workers.reserve(slot: 3, count: planes.plane + overread)
    each(workers, input.shape, group: planes.samples) { shard, channel, part in
      let source = workers.scratch(shard: shard, slot: 0)
      let gradients = workers.scratch(shard: shard, slot: 1)
      let sums = workers.scratch(shard: shard, slot: 3)
      if weightTarget != nil {
        planes.fill(source, from: input.pointer + channel * input.shape.channelStride, samples: part)
      }
      for outChannel in channel * multiplier..<(channel + 1) * multiplier {
        planes.fillGradients(
          gradients, from: gradient.pointer + outChannel * gradient.shape.channelStride, samples: part)
        if let weightTarget {
          ck_taps_weights(
            workers.isa, source, offsets, UInt32(offsets.count), gradients + planes.lead, planes.span(part.count),
            weightTarget.pointer + outChannel * offsets.count)
        }
        guard let inputTarget else { continue }
        for phase in phases {
          withUnsafeTemporaryAllocation(of: Float.self, capacity: offsets.count) { chosen in
            for (index, tap) in phase.taps.enumerated() { chosen[index] = weights[outChannel * offsets.count + tap] }
            ck_taps_forward(
              workers.isa, gradients + planes.lead, phase.offsets, UInt32(phase.taps.count), chosen.baseAddress!,
              part.count * planes.rows * planes.pitch, sums)
          }
          let target = inputTarget.pointer + channel * input.shape.channelStride
          planes.visit(part, phase: (phase.row, phase.column)) { place, index, count in
            let (from, into) = (sums + place, target + index)
            for step in 0..<count { into[step * geometry.strideWidth] += from[step] }
          }
        }
      }
    }
  }
}
