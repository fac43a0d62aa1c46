public import Programs
public import Rings

/// What a party does alone around the runs of a step of comparisons: drop bits, pair values, take differences, put maxima
/// in place. The model owner walks with its shares online, the data owner with its own in advance.
public struct ComparisonWalk {
  /// A party's shares of what one run needs, one word a comparison.
  public struct Operands {
    /// What is compared with zero, in Z_2^64; its k low bits matter.
    public let compared: SecretWords
    /// What the multiplexer keeps where the sign is not negative, in the result's ring.
    public let operand: SecretWords
    /// What is added to that, in the result's ring; nothing, if absent.
    public let base: SecretWords?
    /// Where turns are tracked, what they are worth.
    public let turns: TurnWeights?

    /// Collects shares of as many words each.
    public init(compared: SecretWords, operand: SecretWords, base: SecretWords?, turns: TurnWeights? = nil) {
      precondition(compared.count == operand.count && base.map { $0.count == operand.count } ?? true)
      (self.compared, self.operand, self.base, self.turns) = (compared, operand, base, turns)
    }
  }

  /// By what a turn of the value is multiplied in what is made of it.
  public struct TurnWeights: Sendable {
    /// In the multiplexer's operand, up to an element.
    public let operand: Int64
    /// From this element on, the operand's is -`operand`.
    public let negatedFrom: Int
    /// In what is added.
    public let base: Int64

    /// Collects weights.
    public init(operand: Int64, negatedFrom: Int, base: Int64) {
      (self.operand, self.negatedFrom, self.base) = (operand, negatedFrom, base)
    }
  }

  private let operation: StepOperation
  private let schedule: ComparisonSchedule
  private let leads: Bool
  private let input: SecretWords
  private let dropped: Int
  private let turnMasks: SecretWords?
  private var values: SecretWords

  /// - Parameters:
  ///   - leads: true at the model owner.
  ///   - share: its share of the step's operand, one sample, in Z_2^64.
  ///   - turnMasks: where turns are tracked, a uniform word a comparison, of the data owner alone.
  public init(
    program: Program, step: Int, schedule: ComparisonSchedule, leads: Bool, share: SecretWords,
    turnMasks: SecretWords? = nil
  ) {
    operation = program.steps[step].operation
    self.turnMasks = turnMasks
    dropped = program.comparisonDrops(step)
    self.schedule = schedule
    self.leads = leads
    input = share
    values = dropped == 0 ? share : Self.truncated(share, dropped, leads, .word)
    if case .argMax(let spec) = operation { values = Self.indexed(values, spec.indexBits, leads) }
  }

  private static func truncated(_ share: SecretWords, _ shift: Int, _ leads: Bool, _ kind: ModulusKind) -> SecretWords {
    let out = SecretWords(uninitialized: share.count)
    ComparisonKernels.truncate(
      leads: leads, shift: shift, share.pointer, count: share.count, to: kind, out: out.pointer)
    return out
  }

  /// 2^bits v + (count - 1 - i): the greatest is the greatest v, of equal ones the first.
  private static func indexed(_ share: SecretWords, _ bits: Int, _ leads: Bool) -> SecretWords {
    let out = SecretWords(uninitialized: share.count)
    let (from, to) = (share.pointer, out.pointer)
    for index in 0..<share.count {
      to[index] = from[index] << UInt64(bits) &+ (leads ? UInt64(share.count - 1 - index) : 0)
    }
    return out
  }

  /// The operands of a run; runs are visited in order.
  public func operands(stage: Int) -> Operands {
    let kind = schedule.stages[stage].modulus
    if let tournament = schedule.tournament { return pairs(tournament.stages[stage], kind) }
    guard case .comparison(let spec) = operation else { preconditionFailure("no step of comparisons") }
    if spec.tracksTurns { return tracked(spec, count: schedule.stages[stage].count) }
    let lifted = kind == .word ? values : Self.truncated(input, dropped, leads, kind)
    switch spec.function {
    case .relu: return Operands(compared: values, operand: lifted, base: nil)
    case .leakyReLU(let shift):
      return Operands(compared: values, operand: scaled(lifted, (1 << Int64(shift)) - 1, kind), base: lifted)
    case .slopedReLU(let numerator, let denominator):
      return Operands(
        compared: values, operand: scaled(lifted, Int64(denominator - numerator), kind),
        base: scaled(lifted, Int64(numerator), kind))
    case .absolute: return Operands(compared: values, operand: scaled(lifted, 2, kind), base: scaled(lifted, -1, kind))
    case .sign:
      return Operands(
        compared: values, operand: constant(2, values.count, kind), base: constant(-1, values.count, kind))
    case .clip(let lower, let upper): return clipped(lifted, lower, upper, kind)
    case .floor: return floored(spec.droppedBits)
    }
  }

  /// Differences of the pairs, and the second ones.
  private func pairs(_ stage: TournamentStage, _ kind: ModulusKind) -> Operands {
    let compared = SecretWords(uninitialized: stage.left.count)
    let (from, to) = (values.pointer, compared.pointer)
    for index in 0..<compared.count { to[index] = from[Int(stage.left[index])] &- from[Int(stage.right[index])] }
    let lifted = kind == .word ? values : Self.truncated(values, 0, leads, kind)
    let base = SecretWords(uninitialized: stage.right.count)
    for index in 0..<base.count { base.pointer[index] = lifted.pointer[Int(stage.right[index])] }
    guard kind != .word else { return Operands(compared: compared, operand: compared, base: base) }
    let operand = SecretWords(uninitialized: stage.left.count)
    for index in 0..<operand.count { operand.pointer[index] = lifted.pointer[Int(stage.left[index])] }
    Elementwise.subtract(kind, operand.pointer, base.pointer, count: operand.count, output: operand.pointer)
    return Operands(compared: compared, operand: operand, base: base)
  }

  /// lower + max(x - lower, 0) - max(x - upper, 0): the second half of the comparisons is of x - upper, and is subtracted.
  private func clipped(_ lifted: SecretWords, _ lower: Int64, _ upper: Int64, _ kind: ModulusKind) -> Operands {
    let count = values.count
    let (compared, operand) = (SecretWords(uninitialized: 2 * count), SecretWords(uninitialized: 2 * count))
    let (least, greatest) = leads ? (UInt64(bitPattern: lower), UInt64(bitPattern: upper)) : (0, 0)
    for index in 0..<count {
      compared.pointer[index] = values.pointer[index] &- least
      compared.pointer[count + index] = values.pointer[index] &- greatest
    }
    let bounds = (constant(lower, count, kind), constant(upper, count, kind))
    Elementwise.subtract(kind, lifted.pointer, bounds.0.pointer, count: count, output: operand.pointer)
    Elementwise.subtract(kind, bounds.1.pointer, lifted.pointer, count: count, output: operand.pointer + count)
    guard lower != 0 else { return Operands(compared: compared, operand: operand, base: nil) }
    let base = SecretWords(zeros: 2 * count)
    base.pointer.update(from: bounds.0.pointer, count: count)
    return Operands(compared: compared, operand: operand, base: base)
  }

  /// floor(x / 2^f) from shares s0 + s1 = x + 2^62 mod 2^64. With h_i their high and l_i their low f bits it is
  /// h0 + h1 + [l0 + l1 >= 2^f] - 2^(64 - f) [s0 + s1 >= 2^64] - 2^(62 - f). For x + 2^62 < 2^63 the sum turns unless both top
  /// bits are clear, of which the turn's table tells: bit f + 1 of what is compared says it of this share.
  private func floored(_ dropped: Int) -> Operands {
    let (count, shift) = (input.count, UInt64(dropped))
    let (compared, operand) = (SecretWords(uninitialized: count), SecretWords(uninitialized: count))
    let base = SecretWords(uninitialized: count)
    let (unit, offset): (UInt64, UInt64) = (1 << shift, leads ? 1 << 62 : 0)
    let constant: UInt64 = leads ? 1 << (64 - shift) &+ 1 << (62 - shift) : 0
    for index in 0..<count {
      let share = input.pointer[index] &+ offset
      let low = (share & (unit &- 1)) &- (leads ? unit : 0)
      compared.pointer[index] = low & (2 &* unit &- 1) | (share >> 63 ^ 1) << (shift + 1)
      base.pointer[index] = share >> shift &- constant
    }
    operand.pointer.update(repeating: leads ? 1 : 0, count: count)
    return Operands(compared: compared, operand: operand, base: base)
  }

  /// x / 2^f within a unit, whatever the shares, out of s = z0 + 2^62 and u = -c mod 2^64, of which x + 2^62 is the difference:
  /// floor(s / 2^f) - floor(u / 2^f) + 2^(64 - f) [s < u] - 2^(62 - f). For x + 2^62 < 2^63, s < u where u has the top bit and s has
  /// not, of which the turn's table tells: bit k of what is compared says it of this share. The data owner's share of a turn is a
  /// mask, in the bits above.
  private func tracked(_ spec: ComparisonSpec, count: Int) -> Operands {
    let (compared, lifted) = (SecretWords(uninitialized: count), SecretWords(uninitialized: count))
    let (f, k) = (UInt64(spec.droppedBits), UInt64(spec.digits.bits))
    let low: UInt64 = 1 << k &- 1
    let bounds: (UInt64, UInt64) =
      if leads, case .clip(let lower, let upper) = spec.function {
        (UInt64(bitPattern: lower), UInt64(bitPattern: upper))
      } else { (0, 0) }
    for index in 0..<count {
      let isSecond = index >= input.count
      let share = input.pointer[isSecond ? index - input.count : index]
      let bound = isSecond ? bounds.1 : bounds.0
      if leads {
        let word = share &+ 1 << 62
        let value = word >> f &- 1 << (62 &- f)
        compared.pointer[index] = (value &- bound) & low | (word >> 63 ^ 1) << k
        lifted.pointer[index] = value
      } else {
        let (word, mask) = (0 &- share, turnMasks!.pointer[index] >> (64 &- f))
        let value = 0 &- word >> f
        compared.pointer[index] = value & low | (word >> 63) << k | mask << (k &+ 1)
        lifted.pointer[index] = value &+ mask << (64 &- f)
      }
    }
    return combined(spec.function, compared, lifted)
  }

  /// The operands of a function of lifted values; each array is its own, since turns are added to them.
  private func combined(_ function: ComparisonFunction, _ compared: SecretWords, _ lifted: SecretWords) -> Operands {
    let count = compared.count
    func operands(_ weight: Int64, _ base: Int64) -> Operands {
      Operands(
        compared: compared, operand: weight == 1 ? lifted : scaled(lifted, weight, .word),
        base: base == 0 ? nil : scaled(lifted, base, .word),
        turns: TurnWeights(operand: weight, negatedFrom: count, base: base))
    }
    switch function {
    case .relu: return operands(1, 0)
    case .leakyReLU(let shift): return operands((1 << Int64(shift)) - 1, 1)
    case .slopedReLU(let numerator, let denominator):
      return operands(Int64(denominator - numerator), Int64(numerator))
    case .absolute: return operands(2, -1)
    case .clip(let lower, let upper):
      let half = count / 2
      let bounds = (constant(lower, half, .word), constant(upper, half, .word))
      let second = lifted.pointer + half
      Elementwise.subtract(.word, lifted.pointer, bounds.0.pointer, count: half, output: lifted.pointer)
      Elementwise.subtract(.word, bounds.1.pointer, second, count: half, output: second)
      let base = SecretWords(zeros: count)
      base.pointer.update(from: bounds.0.pointer, count: half)
      return Operands(
        compared: compared, operand: lifted, base: lower == 0 ? nil : base,
        turns: TurnWeights(operand: 1, negatedFrom: half, base: 0))
    case .sign, .floor: preconditionFailure("no value of it turns")
    }
  }

  private func constant(_ value: Int64, _ count: Int, _ kind: ModulusKind) -> SecretWords {
    let words = SecretWords(zeros: count)
    let word = kind == .field ? PrimeField.reduce(signed: value) : Word64.reduce(signed: value)
    if leads { words.pointer.update(repeating: word, count: count) }
    return words
  }

  private func scaled(_ words: SecretWords, _ factor: Int64, _ kind: ModulusKind) -> SecretWords {
    let out = SecretWords(uninitialized: words.count)
    switch kind {
    case .field: Self.scale(PrimeField.self, words, factor, out)
    case .word: Self.scale(Word64.self, words, factor, out)
    }
    return out
  }

  private static func scale<M: Modulus>(_ modulus: M.Type, _ words: SecretWords, _ factor: Int64, _ out: SecretWords) {
    let (from, to, multiplier) = (words.pointer, out.pointer, M.reduce(signed: factor))
    for index in 0..<words.count { to[index] = M.multiply(from[index], multiplier) }
  }

  /// Takes a run's results: at the model owner what the operator gave, at the data owner the fresh masks.
  public mutating func advance(stage: Int, results: SecretWords) {
    if let tournament = schedule.tournament {
      let rest = tournament.stages[stage].rest
      guard !rest.isEmpty else {
        values = results
        return
      }
      let next = SecretWords(uninitialized: results.count + rest.count)
      next.pointer.update(from: results.pointer, count: results.count)
      for (index, place) in rest.enumerated() { next.pointer[results.count + index] = values.pointer[Int(place)] }
      values = next
    } else if case .comparison(let spec) = operation, spec.function.comparisons == 2 {
      let count = results.count / 2
      let sum = SecretWords(uninitialized: count)
      Elementwise.add(
        schedule.stages[stage].modulus, results.pointer, results.pointer + count, count: count, output: sum.pointer)
      values = sum
    } else {
      values = results
    }
  }

  /// The party's share of the step's tensor, after the last run.
  public func finish() -> SecretWords {
    guard case .argMax(let spec) = operation else { return values }
    // The low bits hold count - 1 - i; moved to the top, the values above them leave the word.
    let out = SecretWords(uninitialized: values.count)
    let last = leads ? UInt64(input.count - 1) : 0
    for index in 0..<values.count {
      out.pointer[index] = (last &- values.pointer[index]) << UInt64(64 - spec.indexBits)
    }
    return out
  }
}
