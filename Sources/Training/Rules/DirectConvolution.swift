import CKernels
import Rings

/// Convolution 3x3 of stride 1 that keeps the picture's size, straight from planes with a border of zeros: nine times
/// less copying than im2col, and sums of few channels stay in registers. Parallel over samples.
enum DirectConvolution {
  /// Whether a convolution is of that kind. Rows shorter than six pixels leave too few zeros between samples for the
  /// kernel's last vector.
  static func applies(to geometry: LinearGeometry) -> Bool {
    geometry.groups == 1 && geometry.kernelHeight == 3 && geometry.kernelWidth == 3 && geometry.strideHeight == 1
      && geometry.strideWidth == 1 && geometry.padTop == 1 && geometry.padLeft == 1
      && geometry.outHeight == geometry.inHeight && geometry.outWidth == geometry.inWidth && geometry.inWidth >= 6
  }

  private static let overread = Int(CK_FLOAT_OVERREAD)

  /// Places of padded planes in scratch memory.
  private struct Planes {
    let height: Int
    let width: Int
    let samples: Int

    init(_ geometry: LinearGeometry, samples: Int) {
      (height, width, self.samples) = (geometry.inHeight, geometry.inWidth, samples)
    }

    var pitch: Int { width + 2 }
    var sample: Int { (height + 2) * pitch }
    var channel: Int { samples * sample + overread }
    /// From the first pixel to the last, in steps of one float.
    var span: Int { (height - 1) * pitch + width }

    /// Copies the pictures of some samples, a border of zeros around each; channels beyond the tensor's are zero.
    func fill(
      _ planes: UnsafeMutablePointer<Float>, from tensor: FloatTensor, channels: Int, samples range: Range<Int>
    ) {
      for channel in 0..<channels {
        let start = planes + channel * self.channel
        if channel >= tensor.shape.channels {
          start.update(repeating: 0, count: self.channel)
          continue
        }
        for (place, sample) in range.enumerated() {
          var target = start + place * self.sample
          var source = tensor.pointer + channel * tensor.shape.channelStride + sample * height * width
          target.update(repeating: 0, count: pitch + 1)
          target += pitch + 1
          for _ in 0..<height {
            target.update(from: source, count: width)
            target[width] = 0
            target[width + 1] = 0
            target += pitch
            source += width
          }
          target.update(repeating: 0, count: pitch - 1)
        }
        (start + range.count * self.sample).update(repeating: 0, count: overread)
      }
    }

    /// Writes what the kernel made of one sample and up to four channels.
    func store(
      _ sums: UnsafePointer<Float>, stride: Int, channels: Range<Int>, to tensor: FloatTensor, sample: Int,
      bias: UnsafePointer<Float>?, adds: Bool
    ) {
      for (place, channel) in channels.enumerated() {
        var source = sums + place * stride
        var target = tensor.pointer + channel * tensor.shape.channelStride + sample * height * width
        let offset = bias?[channel] ?? 0
        for _ in 0..<height {
          if adds {
            for column in 0..<width { target[column] += source[column] }
          } else if bias != nil {
            for column in 0..<width { target[column] = source[column] + offset }
          } else {
            target.update(from: source, count: width)
          }
          source += pitch
          target += width
        }
      }
    }
  }

  /// Weights by output quad, input channel, tap, output: `forward` as they are, else turned round for the gradient of
  /// the input.
  private static func pack(
    _ weights: UnsafePointer<Float>, outputs: Int, inputs: Int, forward: Bool, into packed: UnsafeMutablePointer<Float>
  ) {
    let (out, inner) = forward ? (outputs, inputs) : (inputs, outputs)
    for quad in 0..<(out + 3) / 4 {
      for channel in 0..<inner {
        for tap in 0..<9 {
          let target = packed + ((quad * inner + channel) * 9 + tap) * 4
          for lane in 0..<4 {
            let output = 4 * quad + lane
            if output >= out {
              target[lane] = 0
            } else if forward {
              target[lane] = weights[(output * inputs + channel) * 9 + tap]
            } else {
              target[lane] = weights[(channel * inputs + output) * 9 + 8 - tap]
            }
          }
        }
      }
    }
  }

  private static func packed(_ context: RuleContext, _ geometry: LinearGeometry, forward: Bool) -> FloatTensor {
    let (outputs, inputs) = (geometry.outChannels, geometry.inChannels)
    let count = forward ? (outputs + 3) / 4 * 4 * inputs * 9 : (inputs + 3) / 4 * 4 * outputs * 9
    let tensor = context.pool.take(BatchShape(channels: count, samples: 1))
    pack(context.inputs[1].pointer, outputs: outputs, inputs: inputs, forward: forward, into: tensor.pointer)
    return tensor
  }

  /// One sample's outputs from its planes.
  private static func convolve(
    _ planes: Planes, _ source: UnsafePointer<Float>, inner: Int, weights: FloatTensor,
    sums: UnsafeMutablePointer<Float>, to tensor: FloatTensor, sample: Int, bias: UnsafePointer<Float>?, adds: Bool,
    isa: ck_isa
  ) {
    let stride = planes.span + overread
    for quad in 0..<(tensor.shape.channels + 3) / 4 {
      ck_conv3_forward(
        isa, source, planes.channel, UInt32(inner), planes.pitch, planes.span, weights.pointer + quad * inner * 36,
        sums, stride)
      planes.store(
        sums, stride: stride, channels: 4 * quad..<min(4 * quad + 4, tensor.shape.channels), to: tensor,
        sample: sample, bias: bias, adds: adds)
    }
  }

  static func forward(_ geometry: LinearGeometry, _ context: RuleContext) {
    let workers = context.workers
    let (input, output) = (context.inputs[0], context.output)
    let bias = context.inputs.count > 2 ? UnsafePointer(context.inputs[2].pointer) : nil
    let planes = Planes(geometry, samples: 1)
    let weights = packed(context, geometry, forward: true)
    workers.reserve(slot: 0, count: geometry.inChannels * planes.channel)
    workers.reserve(slot: 3, count: 4 * (planes.span + overread))
    workers.each(Workers.shards) { shard in
      let source = workers.scratch(shard: shard, slot: 0)
      let sums = workers.scratch(shard: shard, slot: 3)
      for sample in Workers.samples(of: shard, in: input.shape.samples) {
        planes.fill(source, from: input, channels: geometry.inChannels, samples: sample..<sample + 1)
        convolve(
          planes, source, inner: geometry.inChannels, weights: weights, sums: sums, to: output, sample: sample,
          bias: bias, adds: false, isa: workers.isa)
      }
    }
    context.pool.give(weights)
  }

  /// Writes the gradients of input and weights; the bias's is the caller's.
  static func backward(_ geometry: LinearGeometry, _ context: RuleContext, weightTarget: FloatTensor?) {
    let workers = context.workers
    let (input, gradient) = (context.inputs[0], context.outputGradient!)
    let inputTarget = context.targets[0]
    let outputs = (geometry.outChannels + 3) / 4 * 4
    // Small pictures are taken several at a time, so that sums in registers are worth folding.
    let group = max(1, 1024 / (geometry.outHeight * geometry.outWidth))
    let planes = Planes(geometry, samples: group)
    let weights = inputTarget == nil ? nil : packed(context, geometry, forward: false)
    let taps = outputs * geometry.inChannels * 9
    workers.reserve(slot: 0, count: geometry.inChannels * planes.channel)
    workers.reserve(slot: 1, count: outputs * planes.channel)
    workers.reserve(slot: 2, count: taps)
    workers.reserve(slot: 3, count: 4 * (planes.span + overread))
    workers.each(Workers.shards) { shard in
      let source = workers.scratch(shard: shard, slot: 0)
      let gradients = workers.scratch(shard: shard, slot: 1)
      let weightGradient = workers.scratch(shard: shard, slot: 2)
      let sums = workers.scratch(shard: shard, slot: 3)
      if weightTarget != nil { weightGradient.update(repeating: 0, count: taps) }
      let samples = Workers.samples(of: shard, in: input.shape.samples)
      for first in stride(from: samples.lowerBound, to: samples.upperBound, by: group) {
        let part = first..<min(first + group, samples.upperBound)
        planes.fill(gradients, from: gradient, channels: outputs, samples: part)
        if weightTarget != nil {
          planes.fill(source, from: input, channels: geometry.inChannels, samples: part)
          ck_conv3_weights(
            workers.isa, source, planes.channel, UInt32(geometry.inChannels), gradients + planes.pitch + 1,
            planes.channel, UInt32(outputs), planes.sample, UInt32(part.count), planes.pitch, planes.span,
            weightGradient)
        }
        guard let inputTarget, let weights else { continue }
        for (place, sample) in part.enumerated() {
          convolve(
            planes, gradients + place * planes.sample, inner: geometry.outChannels, weights: weights, sums: sums,
            to: inputTarget.tensor, sample: sample, bias: nil, adds: inputTarget.accumulate, isa: workers.isa)
        }
      }
    }
    if let weights { context.pool.give(weights) }
    if let weightTarget {
      workers.accumulateShards(slot: 2, count: geometry.weightCount, into: weightTarget.pointer)
    }
  }
}
