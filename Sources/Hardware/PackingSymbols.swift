import Packing
import Programs
import Rings

/// Symbols of one entry of a list, and how many entries have just these, one after the other.
struct SymbolEntry: Hashable {
  var values: [String: Int]
  var times: Int
}

/// What lattice preparation's symbols stand for: the plans that the parties follow, from the same code.
struct PackingSymbols {
  let program: Program
  let bulk: Int
  private var plans: [LinearGeometry: LinearPacking] = [:]

  init(program: Program, bulk: Int) { (self.program, self.bulk) = (program, bulk) }

  /// Counts and lists of a step.
  mutating func symbols(ofStep index: Int) throws -> (values: [String: Int], lists: [String: [SymbolEntry]]) {
    let tensor = program.steps[index].tensor
    switch program.steps[index].operation {
    case .linear(let geometry): return try linear(geometry, choosesMasks: program.choosesMasks(step: index))
    case .activation:
      let elements = tensor.shape.count * bulk
      return (
        ["transfers": TransferPacking.rounded(elements), "ciphertexts": SlotPacking.ciphertexts(elements)],
        ["transferFrames": Self.entries(TransferPacking.frames(elements).map { ["tiles": $0] })]
      )
    case .input, .comparison, .maxPool, .argMax, .sumPool, .globalSumPool, .add, .concatenate, .offset, .reshape,
      .subsamplePad,
      .changeRing, .output:
      return ([:], [:])
    }
  }

  /// Lists of one run of comparisons: a frame a digit and inference, and one of words an inference.
  func lists(ofRun stage: ComparisonStage) -> [String: [SymbolEntry]] {
    let digits = stage.tableWidths.map { ["width": $0] }
    return [
      "digitFrames": Self.entries((0..<bulk).flatMap { _ in digits }),
      "factorFrames": Self.entries((0..<bulk).map { _ in ["words": stage.count] }),
    ]
  }

  private mutating func linear(
    _ geometry: LinearGeometry, choosesMasks: Bool
  ) throws -> (values: [String: Int], lists: [String: [SymbolEntry]]) {
    let packing = try plans[geometry] ?? LinearPacking.agreed(geometry: geometry, inferences: bulk)
    plans[geometry] = packing
    let inputs = (0..<packing.inputCount).map { input in
      let (free, fixed) = (packing.freeCount(input: input), packing.fixedCount(input: input))
      return choosesMasks ? ["free": free, "fixed": fixed] : ["free": 0, "fixed": free + fixed]
    }
    let outputs = (0..<packing.outputCount).map {
      ["values": packing.outputValueCount($0), "terms": packing.terms(output: $0)]
    }
    let work = packing.weightWork()
    return (
      [
        "inputPolynomials": packing.inputCount, "outputPolynomials": packing.outputCount,
        "weightPolynomials": work.weights, "products": work.products, "shortWords": work.shortWords,
        "shortProducts": work.shortProducts,
      ], ["inputs": Self.entries(inputs), "outputs": Self.entries(outputs)]
    )
  }

  private static func entries(_ values: [[String: Int]]) -> [SymbolEntry] {
    values.reduce(into: []) { entries, values in
      if entries.last?.values == values {
        entries[entries.count - 1].times += 1
      } else {
        entries.append(SymbolEntry(values: values, times: 1))
      }
    }
  }
}
