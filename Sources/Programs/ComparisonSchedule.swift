public import Rings

/// One run of the comparison protocol on a sample: so many comparisons, each followed by a multiplexer.
public struct ComparisonStage: Hashable, Sendable {
  /// Comparisons.
  public var count: Int
  /// Digits of each.
  public var digits: ComparisonDigits
  /// The ring in which the multiplexer works, and its result lives.
  public var modulus: ModulusKind
  /// f: bits of the table that tells where the operand's shares turn; 0 where nothing asks.
  public var turnBits: Int
  /// Whether turns belong to the multiplexer's operand, so that the data owner's share of each goes to the model owner,
  /// masked; else they belong to what is added.
  public var answersTurns: Bool

  /// Describes a run.
  public init(
    count: Int, digits: ComparisonDigits, modulus: ModulusKind, turnBits: Int = 0, answersTurns: Bool = false
  ) {
    self.count = count
    self.digits = digits
    self.modulus = modulus
    self.turnBits = turnBits
    self.answersTurns = answersTurns
  }
}

/// Planes of a run, those of its turn's table included, which is a table of one bit of choice behind those of the digits.
extension ComparisonStage {
  private var turns: Int { turnBits > 0 ? 1 : 0 }
  /// Bits of each table's choice.
  public var tableWidths: [Int] { digits.widths + [Int](repeating: 1, count: turns) }
  /// Bits of an entry of a table.
  public func lanes(_ table: Int) -> Int { table < digits.count ? ComparisonDigits.lanes(table) : turnBits }
  /// Planes of a word that is compared: digits, the top bit, and the turn's choice.
  public var comparedPlanes: Int { digits.bits + turns }
  /// Planes of the data owner's share of a turn where it travels, masked.
  public var answerPlanes: Int { answersTurns ? turnBits : 0 }
  /// Planes of the data owner's word: those, and the masks of its shares of turns.
  public var choicePlanes: Int { comparedPlanes + answerPlanes }
  /// Planes of all choices of tables.
  public var shiftPlanes: Int { digits.digitBits + turns }
  /// Planes of all pads, entry 0 included.
  public var padPlanes: Int { digits.padPlanes + 2 * turnBits }
  /// Planes of the pads that are chosen.
  public var chosenPlanes: Int { digits.leafPlanes + turnBits }
  /// Planes of the tables that travel.
  public var tablePlanes: Int { digits.tablePlanes + turnBits }
}

extension ComparisonStage {
  /// Transfers of one bit of all joints of the tree, each joint's beginning at a byte.
  public var jointTransfers: Int { (digits.count - 1) * 8 * ((count + 7) / 8) }
  /// Correlated transfers that one inference takes with the model owner as their sender: digits, joints, multiplexers.
  public var tableTransfers: Int { shiftPlanes * count + jointTransfers + count }
  /// Those with the data owner as their sender: joints, multiplexers.
  public var factorTransfers: Int { jointTransfers + count }
}

/// What a step made of comparisons does, one run after the other.
public struct ComparisonSchedule: Hashable, Sendable {
  /// The runs. The last one's results, or the halves' sums for a clip, are the step's tensor.
  public var stages: [ComparisonStage]
  /// Who meets whom, for maxima.
  public var tournament: Tournament?
}

extension Program {
  /// The runs of a step of a valid program; nil where it compares nothing.
  public func comparisonSchedule(_ index: Int) -> ComparisonSchedule? {
    let step = steps[index]
    switch step.operation {
    case .comparison(let spec):
      let stage = ComparisonStage(
        count: step.tensor.shape.count * spec.function.comparisons, digits: spec.digits, modulus: step.tensor.modulus,
        turnBits: spec.function == .floor || spec.tracksTurns ? spec.droppedBits : 0, answersTurns: spec.tracksTurns)
      return ComparisonSchedule(stages: [stage], tournament: nil)
    case .maxPool(let spec):
      let shape = steps[step.inputs[0]].tensor.shape
      return schedule(Tournament(window: spec.window, shape: shape), spec.digits, step.tensor.modulus)
    case .argMax(let spec):
      let count = steps[step.inputs[0]].tensor.shape.count
      return schedule(Tournament(count: count), spec.digits, step.tensor.modulus)
    default: return nil
    }
  }

  /// The same runs without who meets whom, which for maxima over large pictures takes time to find out; nil where the step
  /// compares nothing.
  public func comparisonStages(_ index: Int) -> [ComparisonStage]? {
    let modulus = steps[index].tensor.modulus
    func stages(_ pairs: [Int], _ digits: ComparisonDigits) -> [ComparisonStage] {
      pairs.enumerated().map {
        ComparisonStage(count: $0.element, digits: digits, modulus: $0.offset == pairs.count - 1 ? modulus : .word)
      }
    }
    switch steps[index].operation {
    case .maxPool(let spec):
      return stages(
        Tournament.pairs(window: spec.window, shape: steps[steps[index].inputs[0]].tensor.shape), spec.digits)
    case .argMax(let spec):
      return stages(Tournament.pairs(count: steps[steps[index].inputs[0]].tensor.shape.count), spec.digits)
    default: return comparisonSchedule(index)?.stages
    }
  }

  /// The runs of all steps that compare.
  public var comparisonSchedules: [Int: ComparisonSchedule] {
    Dictionary(uniqueKeysWithValues: comparisonSteps.map { ($0, comparisonSchedule($0)!) })
  }

  private func schedule(_ tournament: Tournament, _ digits: ComparisonDigits, _ modulus: ModulusKind)
    -> ComparisonSchedule
  {
    let stages = tournament.stages.enumerated().map { index, stage in
      ComparisonStage(
        count: stage.left.count, digits: digits, modulus: index == tournament.stages.count - 1 ? modulus : .word)
    }
    return ComparisonSchedule(stages: stages, tournament: tournament)
  }

  /// Low bits that each party drops alone before a step of comparisons.
  public func comparisonDrops(_ index: Int) -> Int {
    switch steps[index].operation {
    case .comparison(let spec): spec.function == .floor ? 0 : spec.droppedBits
    case .maxPool(let spec): spec.droppedBits
    case .argMax(let spec): spec.droppedBits
    default: 0
    }
  }
}

extension ComparisonFunction {
  /// Comparisons an element: a clip compares at both ends.
  public var comparisons: Int { if case .clip = self { 2 } else { 1 } }
}
