public import Rings

/// What one tensor of a program looks like to everybody: shape of one sample, modulus, and scale.
public struct TensorInfo: Codable, Hashable, Sendable {
  /// Shape of one sample, CHW.
  public var shape: TensorShape
  /// The ring in which both parties' shares of this tensor live.
  public var modulus: ModulusKind
  /// A stored integer `v` stands for the real number `v / 2^fractionBits` (times the secret gain that the model
  /// owner's planner folded into neighbouring weights).
  public var fractionBits: Int

  /// Describes a tensor.
  public init(shape: TensorShape, modulus: ModulusKind, fractionBits: Int) {
    self.shape = shape
    self.modulus = modulus
    self.fractionBits = fractionBits
  }
}

/// How an activation drops its low bits (DESIGN: numbers).
public enum TruncationVariant: String, Codable, Hashable, Sendable {
  /// By one random oblivious transfer an element: off by at most two units, never by a whole turn.
  case exact
  /// Each party truncates its own share: off by one unit, and by a whole turn with probability |Y|/p an element.
  case local
}

/// The public part of one polynomial activation `y = ±2^e (z^2 + k z + a0)`: how many bits of the 122-bit-scaled
/// square are dropped, and how. `k`, `a0` and every gain are the model owner's secrets and are not here.
public struct ActivationSpec: Codable, Hashable, Sendable {
  /// T: low bits dropped from the integer square, 1...60.
  public var droppedBits: Int
  /// How they are dropped.
  public var truncation: TruncationVariant

  /// Describes an activation.
  public init(droppedBits: Int, truncation: TruncationVariant) {
    self.droppedBits = droppedBits
    self.truncation = truncation
  }

  /// By how much less than the square its result stands for on average, in units of the square: what a model adds to its
  /// constants so that rounding has no bias (Protocols/x2act/spec.md, "Error").
  public var roundingOffset: Int64 {
    guard truncation == .exact else { return 0 }
    let unit = UInt64(1) << UInt64(droppedBits)
    // A share's low bits are uniform, and seven of eight pairs of shares turn, since Y is small beside O = p/8.
    return Int64(unit) - Int64(PrimeField.modulus % unit / 8 * 7)
  }
}

/// Geometry of windows that are summed, or compared. The division by the window's size is folded into a scale or into
/// weights.
public struct WindowGeometry: Codable, Hashable, Sendable {
  /// Side of the square window, where there is no ``rectangle``.
  public var kernel: Int
  /// Distance between windows, where there is no ``rectangle``.
  public var stride: Int
  /// Pixels added on each of the four sides, where there is no ``rectangle``.
  public var padding: Int
  /// The windows where they are not square, have gaps or are padded differently. Nil for square ones, which are encoded as
  /// they were before there were others.
  public private(set) var rectangle: PoolingWindow?

  /// Describes square windows.
  public init(kernel: Int, stride: Int, padding: Int) {
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
  }

  /// Describes any windows.
  public init(_ window: PoolingWindow) {
    self.init(kernel: window.rows.kernel, stride: window.rows.stride, padding: window.rows.before)
    rectangle = window.isSquare ? nil : window
  }

  /// The windows, square or not.
  public var window: PoolingWindow { rectangle ?? PoolingWindow(kernel: kernel, stride: stride, padding: padding) }
}

/// What a step of a program does. The operands are the outputs of earlier steps.
public enum StepOperation: Codable, Hashable, Sendable {
  /// The data owner's input, handed over masked.
  case input
  /// `W x + b`, convolution or fully connected; both weights and bias are the model owner's.
  case linear(LinearGeometry)
  /// X2act: square, scale, add, truncate, re-mask.
  case activation(ActivationSpec)
  /// Sum over windows, each times public factors where their numbers of pixels differ.
  case sumPool(WindowGeometry, balance: PoolingBalance? = nil)
  /// Sum over the whole picture of each channel.
  case globalSumPool
  /// `2^leftShift a + 2^rightShift b`.
  case add(leftShift: Int, rightShift: Int)
  /// The channels of all operands one after the other, operand i times `2^leftShifts[i]`.
  case concatenate(leftShifts: [Int])
  /// Same words, another shape.
  case reshape
  /// The model owner's constants are added to its share, one an element.
  case offset
  /// A function of each value's sign: ReLU and its kin. The operand lives in Z_2^64.
  case comparison(ComparisonSpec)
  /// Maxima over windows. The operand lives in Z_2^64.
  case maxPool(MaxPoolSpec)
  /// The index of the largest element. The operand lives in Z_2^64.
  case argMax(ArgMaxSpec)
  /// The same values in the other ring: each share's centered representative is lifted by its party alone, wrong by a whole
  /// turn with probability |x|/m an element.
  case changeRing
  /// Every `stride`-th pixel, with zero channels before and after: the parameter-free residual shortcut.
  case subsamplePad(stride: Int, before: Int, after: Int)
  /// The result for the data owner: both shares lose `droppedBits` low bits, in Z_2^64 reduced to the remaining
  /// 64 - droppedBits bits, so that no wrap-around can occur.
  case output(droppedBits: Int)
}

/// One step: an operation on earlier steps' tensors, and the tensor it makes. A tensor's number is its step's index.
public struct Step: Codable, Hashable, Sendable {
  /// The layer's name, for people.
  public var name: String
  /// What is done.
  public var operation: StepOperation
  /// Indices of the steps whose tensors are the operands.
  public var inputs: [Int]
  /// The tensor made.
  public var tensor: TensorInfo

  /// Describes a step.
  public init(name: String, operation: StepOperation, inputs: [Int], tensor: TensorInfo) {
    self.name = name
    self.operation = operation
    self.inputs = inputs
    self.tensor = tensor
  }
}

/// The public description of an inference, executed alike by model owner, data owner and dealer: steps in an order in
/// which every operand precedes its use, the first of them the input and the last the output.
///
/// A program holds nothing secret. It is checked by ``validate()`` before anything is allocated for it, because
/// it arrives from files and from peers.
public struct Program: Codable, Hashable, Sendable {
  /// Version of this format.
  public static let currentVersion = 1
  /// Version of the format of this value.
  public var version: Int
  /// The network's name, for people.
  public var name: String
  /// The steps.
  public var steps: [Step]
  // Absent where the parties own model and input, as in files that were written before there was a choice.
  private var mode: Deployment?

  /// Makes a program; nothing is checked yet.
  public init(name: String, steps: [Step], deployment: Deployment = .owned) {
    self.version = Self.currentVersion
    self.name = name
    self.steps = steps
    self.deployment = deployment
  }

  /// Who holds what.
  public var deployment: Deployment {
    get { mode ?? .owned }
    set { mode = newValue == .owned ? nil : newValue }
  }

  /// The tensor that the data owner hands in.
  public var input: TensorInfo { steps[0].tensor }
  /// The tensor that the data owner receives.
  public var output: TensorInfo { steps[steps.count - 1].tensor }

  /// Indices of the linear steps, in order.
  public var linearSteps: [Int] {
    steps.indices.filter { if case .linear = steps[$0].operation { true } else { false } }
  }

  /// Indices of the activation steps, in order.
  public var activationSteps: [Int] {
    steps.indices.filter { if case .activation = steps[$0].operation { true } else { false } }
  }

  /// Indices of the steps that add constants, in order.
  public var offsetSteps: [Int] { steps.indices.filter { steps[$0].operation == .offset } }

  /// Indices of the steps that compare, in order.
  public var comparisonSteps: [Int] {
    steps.indices.filter {
      switch steps[$0].operation {
      case .comparison, .maxPool, .argMax: true
      default: false
      }
    }
  }

  /// Indices of the steps that end with a fresh mask of the data owner: the input, activations and comparisons.
  public var maskedSteps: [Int] {
    steps.indices.filter {
      switch steps[$0].operation {
      case .input, .activation, .comparison, .maxPool, .argMax: true
      default: false
      }
    }
  }

  /// Indices of the steps that may go wrong by a whole turn of a ring: activations, comparisons, changes of ring, in order.
  public var turningSteps: [Int] {
    steps.indices.filter {
      switch steps[$0].operation {
      case .activation, .comparison, .maxPool, .argMax, .changeRing: true
      default: false
      }
    }
  }

  /// Values among which an output that is a label chooses; nil where the output holds the values themselves.
  public var labels: Int? {
    let last = steps[steps.count - 1]
    guard case .output(let dropped) = last.operation, case .argMax(let spec) = steps[last.inputs[0]].operation,
      dropped == 64 - spec.indexBits
    else { return nil }
    return steps[steps[last.inputs[0]].inputs[0]].tensor.shape.count
  }

  /// Elements of all activations of one sample.
  public var activationElements: Int {
    activationSteps.reduce(0) { $0 + steps[$1].tensor.shape.count }
  }

  /// Bytes of the data owner's share of the output on the wire, an element: the remaining bits, in whole bytes.
  public var outputBytesPerElement: Int {
    guard case .output(let dropped) = steps[steps.count - 1].operation else { return 8 }
    return Self.outputBytes(droppedBits: dropped)
  }

  /// Bytes an output element takes when `droppedBits` of its 64 bits are dropped.
  public static func outputBytes(droppedBits: Int) -> Int { (64 - droppedBits + 7) / 8 }

  /// For every step, the index of the last step that reads its tensor: when to let go of it.
  public func lastUses() -> [Int] {
    var last = Array(steps.indices)
    for (index, step) in steps.enumerated() { for operand in step.inputs { last[operand] = index } }
    return last
  }
}
