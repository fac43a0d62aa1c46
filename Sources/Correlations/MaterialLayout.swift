import Programs
import Rings

/// Material as bytes, for a store: its parts in the order in which preparation completes them (`PreparationOrder`), words
/// little-endian, without headers, since the program says all sizes.
enum MaterialLayout {
  /// One array of a part.
  enum Item: Equatable {
    /// Words of a ring.
    case words(Int, ModulusKind)
    /// Packed bits or planes.
    case bytes(Int)

    var byteCount: Int {
      switch self {
      case .words(let count, _): 8 * count
      case .bytes(let count): count
      }
    }
  }

  /// What a part belongs to.
  enum Kind {
    case inputMask, linear, activation, comparison, outputShare
  }

  /// The material of a step, or of one run of a step of comparisons.
  struct Part {
    var kind: Kind
    var step: Int
    var stage = 0
    var items: [Item]
  }

  /// Steps as they are prepared, the input first and the output last.
  private static func order(_ program: Program) -> [Int] {
    [0] + PreparationOrder(program).waves.flatMap { $0 } + [program.steps.count - 1]
  }

  static func modelOwner(_ program: Program) -> [Part] {
    order(program).flatMap { index -> [Part] in
      let tensor = program.steps[index].tensor
      let count = tensor.shape.count
      switch program.steps[index].operation {
      case .linear: return [Part(kind: .linear, step: index, items: linear(program, index))]
      case .activation:
        let factors: [Item] = [.words(count, .field), .words(count, .field)]
        let transfer: [Item] = [.words(count, tensor.modulus), .bytes((count + 7) / 8)]
        return [
          Part(
            kind: .activation, step: index, items: program.truncatesExactly(index) ? factors + transfer : factors)
        ]
      case .comparison, .maxPool, .argMax:
        return runs(program, index) { stage in
          let words = Item.words(stage.count, stage.modulus)
          return [planes(stage.padPlanes, stage), planes(stage.digits.triplePlanes, stage), planes(1, stage)]
            + [words, words, words]
        }
      default: return []
      }
    }
  }

  static func dataOwner(_ program: Program) -> [Part] {
    order(program).flatMap { index -> [Part] in
      let tensor = program.steps[index].tensor
      let count = tensor.shape.count
      let words = Item.words(count, tensor.modulus)
      switch program.steps[index].operation {
      case .input: return [Part(kind: .inputMask, step: index, items: [words])]
      case .linear where program.sharesWeights: return [Part(kind: .linear, step: index, items: linear(program, index))]
      case .activation:
        let factors: [Item] = [.words(count, .field), .words(count, .field), words]
        let items = program.truncatesExactly(index) ? factors + [words, words] : factors
        return [Part(kind: .activation, step: index, items: items)]
      case .comparison, .maxPool, .argMax:
        return runs(program, index) { stage in
          let words = Item.words(stage.count, stage.modulus)
          return [planes(stage.choicePlanes, stage), planes(stage.chosenPlanes, stage)]
            + [planes(stage.digits.triplePlanes, stage), planes(1, stage), words, words, words, words]
        }
      case .output:
        let operand = program.steps[program.steps[index].inputs[0]].tensor
        return [
          Part(kind: .outputShare, step: index, items: [.words(operand.shape.count, operand.modulus)])
        ]
      default: return []
      }
    }
  }

  /// A word an output, and where an outsourced run opens the operand there, one an element of it.
  private static func linear(_ program: Program, _ index: Int) -> [Item] {
    let (tensor, operand) = (program.steps[index].tensor, program.steps[program.steps[index].inputs[0]].tensor)
    let outputs = Item.words(tensor.shape.count, tensor.modulus)
    guard program.sharesWeights, program.openingSteps.contains(index) else { return [outputs] }
    return [outputs, .words(operand.shape.count, operand.modulus)]
  }

  private static func runs(_ program: Program, _ index: Int, _ items: (ComparisonStage) -> [Item]) -> [Part] {
    program.comparisonStages(index)!.enumerated().map {
      Part(kind: .comparison, step: index, stage: $0.offset, items: items($0.element))
    }
  }

  private static func planes(_ planes: Int, _ stage: ComparisonStage) -> Item {
    .bytes(ComparisonTile.bytes(planes: planes, count: stage.count))
  }

  static func byteCount(_ parts: [Part]) -> Int {
    parts.reduce(0) { $1.items.reduce($0) { $0 + $1.byteCount } }
  }
}
