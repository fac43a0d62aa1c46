public import Networks
public import Rings

/// Running statistics of one batch normalisation, updated by its training mode.
public final class BatchStatistics {
  /// Running mean, one value a channel.
  public let mean: FloatTensor
  /// Running variance (unbiased estimates), one value a channel.
  public let variance: FloatTensor
  /// While statistics are gathered: those of every batch, channel by channel.
  private var gathered: (means: FloatTensor, variances: FloatTensor, batches: Int, place: Int)?

  /// Means of 0 and variances of 1.
  public init(channels: Int) {
    mean = FloatTensor(shape: BatchShape(channels: channels, samples: 1))
    variance = FloatTensor(shape: BatchShape(channels: channels, samples: 1))
    variance.fill(1)
  }

  /// Takes in a batch's statistics of a channel. Channels may be handed in by several threads.
  func take(_ channel: Int, mean newMean: Float, variance newVariance: Float, momentum: Float) {
    if let gathered {
      let index = channel * gathered.batches + gathered.place
      gathered.means.pointer[index] = newMean
      gathered.variances.pointer[index] = newVariance
      return
    }
    mean.pointer[channel] += momentum * (newMean - mean.pointer[channel])
    variance.pointer[channel] += momentum * (newVariance - variance.pointer[channel])
  }

  /// Gathers the statistics of the next batches instead of averaging them.
  func gather(batches: Int) {
    let shape = BatchShape(channels: mean.shape.channels, samples: batches)
    gathered = (FloatTensor(shape: shape), FloatTensor(shape: shape), batches, 0)
  }

  /// Begins with the next batch.
  func advance() { gathered?.place += 1 }

  /// Sets every channel's mean and variance to the medians of what was gathered.
  func settle() {
    guard let gathered else { return }
    for channel in 0..<mean.shape.channels {
      func median(_ tensor: FloatTensor) -> Float {
        let values = UnsafeBufferPointer(start: tensor.pointer + channel * gathered.batches, count: gathered.batches)
        let sorted = values.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
      }
      mean.pointer[channel] = median(gathered.means)
      variance.pointer[channel] = median(gathered.variances)
    }
    self.gathered = nil
  }
}

/// A step that a ``Tape`` can record. Operands are listed in order; those in brackets are optional.
public enum Primitive {
  /// Convolution with zero padding of `x`, weights in OIHW order `[, bias]`.
  case convolution(LinearGeometry)
  /// `W x + b` of `x`, `W` as `[out][in]` `[, bias]`.
  case linear
  /// Batch normalisation of `x`, `gamma`, `beta`. `momentum` weighs the newest batch in the running statistics, which
  /// are read when `training` is false.
  case batchNorm(epsilon: Float, momentum: Float, training: Bool, statistics: BatchStatistics)
  /// `squareFactor * w1 x^2 + w2 x + b` of `x`, `w1`, `w2`, `b`, with one coefficient a layer or one a channel. A true
  /// quadratic: nothing clips `x`. (PolyMPCNet, X2act, with `squareFactor = c / sqrt(Nx)`.)
  case x2act(squareFactor: Float)
  /// `min(x, upper)` where `x > 0`, `slope * x` elsewhere.
  case piecewise(slope: Float, upper: Float)
  /// `min(max(x, lower), upper)`.
  case clip(lower: Float, upper: Float)
  /// 1 where `x >= 0`, -1 elsewhere; differentiated like `x` where `|x| <= 1`, and as 0 elsewhere (straight-through
  /// estimator: Hubara et al., "Binarized Neural Networks", 2016, section 2.3).
  case sign
  /// Maximum over windows; pixels outside the picture take no part.
  case maxPool(PoolingWindow)
  /// Mean over windows.
  case averagePool(AveragingWindow)
  /// Mean over each picture of a channel.
  case globalAveragePool
  /// The same elements of each sample, in the order of CHW, under another shape.
  case reshape(TensorShape)
  /// `x + b`, one constant an element of a sample, of `x`, `b`.
  case offset
  /// Sum of two tensors of one shape.
  case add
  /// Channels of any number of tensors one after the other.
  case concatenate
  /// Every `stride`-th pixel, with zero channels before and after.
  case subsamplePad(stride: Int, before: Int, after: Int)
  /// Mean over the samples of the cross-entropy of the softmax of logits `[classes, samples]`; the target is
  /// `1 - smoothing` on the label plus `smoothing / classes` everywhere.
  case softmaxCrossEntropy(labels: [Int], smoothing: Float)
  /// `weight` times the mean of `max(|x| - bound, 0)^2`.
  case rangePenalty(bound: Float, weight: Float)
  /// `p[0] min(max(x, 0), upper) + p[1] (squareFactor * w1 x^2 + w2 x + b)` of `x`, `w1`, `w2`, `b`, `p`. Both see the
  /// same `x`, so negative operands reach the polynomial.
  case blendedActivation(squareFactor: Float, upper: Float)
  /// `p[0] max + p[1] mean` over the same windows, of `x`, `p`.
  case blendedPool(AveragingWindow)
  /// Softmax over the channels of each sample.
  case softmax
  /// Sum of the elements, each times its coefficient.
  case dot(coefficients: [Float])
  /// Every element times a number.
  case scaled(Float)
  /// `temperature^2` times the mean over the samples of the divergence of the softmax of `x / temperature` from that of
  /// the teacher's logits (G. Hinton et al., "Distilling the Knowledge in a Neural Network", 2015).
  case distillation(teacher: FloatTensor, temperature: Float)
}

/// How one primitive is computed and differentiated.
struct Rule {
  /// Shape of the result from the shapes of the operands.
  let shape: ([BatchShape]) -> BatchShape
  /// Writes `output`; may keep tensors in `saved`.
  let forward: (RuleContext) -> Void
  /// Reads `outputGradient`, writes or adds to the targets of the operands.
  let backward: (RuleContext) -> Void
}

/// What a rule sees of the tape.
final class RuleContext {
  let workers: Workers
  let pool: TensorPool
  let inputs: [FloatTensor]
  let output: FloatTensor
  var saved: [FloatTensor] = []
  var outputGradient: FloatTensor!
  var targets: [Target?] = []

  /// Where the gradient of an operand goes: added when `accumulate`, else written over undefined memory.
  struct Target {
    let tensor: FloatTensor
    let accumulate: Bool

    var pointer: UnsafeMutablePointer<Float> { tensor.pointer }
  }

  init(workers: Workers, pool: TensorPool, inputs: [FloatTensor], output: FloatTensor) {
    self.workers = workers
    self.pool = pool
    self.inputs = inputs
    self.output = output
  }

  /// The target of an operand, set to zero where it held nothing, so that a rule may always add.
  func addingTarget(_ index: Int) -> FloatTensor? {
    guard let target = targets[index] else { return nil }
    if !target.accumulate { target.tensor.fill(0) }
    return target.tensor
  }
}

extension Primitive {
  /// `max(x, 0)`.
  static var relu: Primitive { .piecewise(slope: 0, upper: .infinity) }

  /// The table of rules: one row a primitive.
  var rule: Rule {
    switch self {
    case .convolution(let geometry): ConvolutionRule.rule(geometry)
    case .linear: LinearRule.rule
    case .batchNorm(let epsilon, let momentum, let training, let statistics):
      BatchNormRule.rule(epsilon: epsilon, momentum: momentum, training: training, statistics: statistics)
    case .x2act(let factor): X2actRule.rule(squareFactor: factor)
    case .piecewise(let slope, let upper): PiecewiseRule.rule(slope: slope, upper: upper)
    case .clip(let lower, let upper):
      ElementRule.rule(value: { min(max($0, lower), upper) }, slope: { $0 > lower && $0 < upper ? 1 : 0 })
    case .sign: ElementRule.rule(value: { $0 >= 0 ? 1 : -1 }, slope: { abs($0) <= 1 ? 1 : 0 })
    case .maxPool(let window): MaxPoolRule.rule(window)
    case .averagePool(let windows): AveragePoolRule.rule(windows)
    case .globalAveragePool: GlobalAveragePoolRule.rule
    case .reshape(let shape): ReshapeRule.rule(shape)
    case .offset: OffsetRule.rule
    case .add: AddRule.rule
    case .concatenate: ConcatenateRule.rule
    case .subsamplePad(let stride, let before, let after):
      SubsamplePadRule.rule(stride: stride, before: before, after: after)
    case .softmaxCrossEntropy(let labels, let smoothing): CrossEntropyRule.rule(labels: labels, smoothing: smoothing)
    case .rangePenalty(let bound, let weight): RangePenaltyRule.rule(bound: bound, weight: weight)
    case .blendedActivation(let factor, let upper): BlendedActivationRule.rule(squareFactor: factor, upper: upper)
    case .blendedPool(let windows): BlendedPoolRule.rule(windows)
    case .softmax: SoftmaxRule.rule
    case .dot(let coefficients): DotRule.rule(coefficients: coefficients)
    case .scaled(let factor): ScaledRule.rule(factor: factor)
    case .distillation(let teacher, let temperature):
      DistillationRule.rule(teacher: teacher, temperature: temperature)
    }
  }
}
