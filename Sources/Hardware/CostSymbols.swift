import Programs
import Rings

/// What the symbols of descriptors stand for, operator by operator.
enum CostSymbols {
  static let always: Set<String> = ["B", "S", "L"]
  static let common: Set<String> = ["B", "S", "n", "maskBytes"]
  static let ofOperator: [String: Set<String>] = [
    "input": common,
    "linear": common.union([
      "inputs", "outputs", "weights", "macs", "tileMacs", "dotMacs", "planeWords", "splitWords",
    ]),
    "x2act": common,
    "pooling": common.union(["taps"]),
    "add": common.union(["shifts"]),
    "concatenate": common.union(["shifted"]),
    "offset": common,
    "reshape": common,
    "subsample-pad": common.union(["kept"]),
    "output": common.union(["outputBytes"]),
    "change-ring": common,
    "outsourced": common.union(["inputs", "inputMaskBytes", "outputs", "weights", "macs", "outputBytes"]),
    "comparison": common.union([
      "bits", "draws", "digits", "entries", "joints", "digitBits", "finals", "hotPlanes", "turnPlanes", "answerPlanes",
      "turnDraws",
      "leafPlanes", "padPlanes", "productPlanes", "tablePlanes", "triplePlanes", "drops", "lifts", "pairs",
      "open1", "open2", "open3", "open4", "open5", "open6", "open7",
    ]),
  ]
  /// What sources may use beside: counts of a bulk that follow from how linear layers are packed.
  static let ofPacking: [String: Set<String>] = [
    "linear": [
      "inputPolynomials", "outputPolynomials", "weightPolynomials", "products", "shortWords", "shortProducts",
    ],
    "outsourced": [
      "inputPolynomials", "outputPolynomials", "weightPolynomials", "products", "shortWords", "shortProducts",
    ],
    "x2act": ["transfers", "ciphertexts"],
  ]
  /// Lists that sources may sum over or send a frame for each entry of, with the symbols of an entry.
  static let lists: [String: [String: Set<String>]] = [
    "linear": ["inputs": ["free", "fixed"], "outputs": ["values", "terms"]],
    "outsourced": ["inputs": ["free", "fixed"], "outputs": ["values", "terms"]],
    "x2act": ["transferFrames": ["tiles"]],
    "comparison": ["digitFrames": ["width"], "factorFrames": ["words"]],
  ]
  static let variants: [String: Set<String>] = [
    "x2act": ["exact", "local"], "pooling": ["sum", "balanced", "global"], "ot": ["softspoken", "silent"],
    "comparison": ["two", "four", "six", "eight"],
    "outsourced": ["input", "opening", "linear", "offset", "output"], "begin": ["owned", "outsourced"],
  ]
  /// Calls of primitives, and the symbols of each.
  static let ofPrimitive: [String: [String: Set<String>]] = [
    "ot": [
      "begin": ["k", "leaves"], "draw": ["n", "k", "leaves"], "words": ["n"], "bits": ["n"], "triples": ["n"],
      "tables": ["n", "m", "entries"], "transfer": ["n", "bits"], "products": ["n", "bits"],
      "randomProducts": ["n", "bits"],
    ]
  ]

  /// The symbols that an entry may use; nil where there is no such operator, scope or call.
  static func known(_ role: Descriptor.Role, _ name: String, _ owner: String) -> Set<String>? {
    switch role {
    case .primitive: ofPrimitive[name]?[owner]
    case .source where owner == "begin" || owner == "end": always
    case .source, .operator: ofOperator[owner]
    case .flow: ofFlow[owner]
    }
  }

  /// Descriptor, variant and symbols of a part of a step.
  typealias Part = (name: String, variant: String?, values: [String: Int])

  /// The parts of a step of a valid program: one, or each run of a step of comparisons.
  static func parts(_ program: Program, _ index: Int) -> [Part] {
    guard let stages = program.comparisonStages(index) else {
      let part = resolve(program, index)
      return program.deployment == .outsourced ? outsourced(program, index, part) : [part]
    }
    // A clip compares each element twice, and draws its masks in two halves.
    let step = program.steps[index]
    var draws = 1
    if case .comparison(let spec) = step.operation { draws = spec.function.comparisons }
    var left = program.steps[step.inputs[0]].tensor.shape.count
    return stages.enumerated().map { number, stage in
      let isLast = number == stages.count - 1
      var part = comparison(stage, draws: draws, finals: isLast ? step.tensor.shape.count : 0)
      // What each party does alone before the run: bits dropped, the last run's words taken to their ring, pairs subtracted.
      part.values["drops"] = number == 0 && program.comparisonDrops(index) > 0 ? left : 0
      part.values["lifts"] = stage.modulus == .field ? left : 0
      part.values["pairs"] = step.operation.isTournament ? stage.count : 0
      left -= stage.count
      return part
    }
  }

  /// What servers do in place of input, linear step and output.
  private static func outsourced(_ program: Program, _ index: Int, _ part: Part) -> [Part] {
    switch program.steps[index].operation {
    case .input: return [("outsourced", "input", part.values)]
    case .output: return [("outsourced", "output", part.values)]
    case .offset: return [part, ("outsourced", "offset", part.values)]
    case .linear:
      var values = part.values
      let operand = program.steps[program.steps[index].inputs[0]].tensor
      values["inputMaskBytes"] = operand.modulus == .field ? 16 : 8
      let linear: Part = ("outsourced", "linear", values)
      return program.openingSteps.contains(index) ? [("outsourced", "opening", values), linear] : [linear]
    default: return [part]
    }
  }

  private static func comparison(_ stage: ComparisonStage, draws: Int, finals: Int) -> Part {
    let digits = stage.digits
    let levels = digits.levels
    func open(_ level: Int) -> Int { level < levels.count ? levels[level].openPlanes : 0 }
    var values = [
      "n": stage.count, "maskBytes": stage.modulus == .field ? 16 : 8, "draws": draws, "finals": finals,
      "bits": digits.bits, "digits": stage.tableWidths.count,
      "entries": stage.tableWidths.reduce(0) { $0 + 1 << $1 },
      "joints": stage.jointTransfers,
      "digitBits": stage.shiftPlanes, "turnPlanes": stage.turnBits, "answerPlanes": stage.answerPlanes,
      "turnDraws": stage.answersTurns ? 1 : 0,
      "hotPlanes": digits.widths.reduce(0) { $0 + 2 << $1 - 2 }, "leafPlanes": stage.chosenPlanes,
      "padPlanes": stage.padPlanes, "productPlanes": digits.productPlanes, "tablePlanes": stage.tablePlanes,
      "triplePlanes": digits.triplePlanes, "open1": open(0),
    ]
    // Message m > 1 holds openings of levels m - 1 and m, but for the first and the last one.
    for message in 2...7 { values["open\(message)"] = open(message - 2) + open(message - 1) }
    return ("comparison", [2: "two", 4: "four", 6: "six", 8: "eight"][digits.messages], values)
  }

  private static func resolve(_ program: Program, _ index: Int) -> Part {
    let step = program.steps[index]
    let shape = step.tensor.shape
    // A uniform word of F_p is reduced from 16 bytes of stream, one of Z_2^64 is 8 bytes.
    var values = ["n": shape.count, "maskBytes": step.tensor.modulus == .field ? 16 : 8]
    switch step.operation {
    case .input: return ("input", nil, values)
    case .linear(let geometry):
      values["inputs"] = geometry.inputShape.count
      values["outputs"] = geometry.outputShape.count
      values["weights"] = geometry.weightCount
      values["macs"] = geometry.multiplyAccumulates
      let work = geometry.kernelWork
      values["tileMacs"] = work.tileMultiplications
      values["dotMacs"] = work.dotMultiplications
      values["planeWords"] = work.planeWords
      values["splitWords"] = work.splitWords
      return ("linear", nil, values)
    case .activation(let spec): return ("x2act", spec.truncation.rawValue, values)
    case .sumPool(let geometry, let balance):
      values["taps"] = geometry.window.taps
      return ("pooling", balance == nil ? "sum" : "balanced", values)
    case .globalSumPool:
      let from = program.steps[step.inputs[0]].tensor.shape
      values["taps"] = from.height * from.width
      return ("pooling", "global", values)
    case .add(let left, let right):
      values["shifts"] = (left > 0 ? 1 : 0) + (right > 0 ? 1 : 0)
      return ("add", nil, values)
    case .concatenate(let shifts):
      values["shifted"] = zip(step.inputs, shifts).reduce(0) {
        $1.1 > 0 ? $0 + program.steps[$1.0].tensor.shape.count : $0
      }
      return ("concatenate", nil, values)
    case .reshape: return ("reshape", nil, values)
    case .offset: return ("offset", nil, values)
    case .changeRing: return ("change-ring", nil, values)
    case .comparison, .maxPool, .argMax: preconditionFailure("a step of comparisons has runs")
    case .subsamplePad(_, let before, let after):
      values["kept"] = (shape.channels - before - after) * shape.height * shape.width
      return ("subsample-pad", nil, values)
    case .output(let dropped):
      values["outputBytes"] = Program.outputBytes(droppedBits: dropped)
      return ("output", nil, values)
    }
  }
}

extension StepOperation {
  /// Whether values meet in pairs.
  fileprivate var isTournament: Bool {
    switch self {
    case .maxPool, .argMax: true
    default: false
    }
  }
}
