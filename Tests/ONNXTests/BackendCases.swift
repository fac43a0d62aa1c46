import Networks
import Rings

@testable import ONNX

/// The ONNX package's backend cases (`Scripts/onnx-cases`), and how far each comes.
struct BackendCases {
  enum Outcome: Equatable {
    /// Float network, twin and two parties give the expected output.
    case `private`
    /// Float network and twin give the expected output, and `Scripts/light` runs it between two parties.
    case script
    /// The float network gives the expected output; why there is no plan.
    case float(String)
    /// Why the importer refuses it.
    case refused(String)
    /// Why it says nothing here.
    case skipped(String)
    /// Something is wrong.
    case wrong(String)
  }

  let pack: Pack

  init() throws { pack = try Pack("backend") }

  /// Runs a case through importer, float executor, planner, twin and two parties.
  func run(_ name: String) -> Outcome {
    let first = run(name, .automatic)
    if case .refused = first, name.hasPrefix("node/") || name.hasPrefix("simple/") {
      // Cases of single operators often have no batch axis.
      let second = run(name, .absent)
      if case .refused = second { return first }
      return second
    }
    return first
  }

  private func run(_ name: String, _ axis: ImportOptions.BatchAxis) -> Outcome {
    let isLight = name.hasPrefix("light/")
    let model: ImportedModel
    do { model = try NetworkCase.load(pack, name, axis) } catch ONNXError.unsupported(let operators) {
      var reasons: [String] = []
      for found in operators {
        let reason = "\(found.operation): \(found.reason)" + (isLight ? "; \(found.advice)" : "")
        if !reasons.contains(reason) { reasons.append(reason) }
      }
      return .refused(reasons.joined(separator: "; "))
    } catch { return .refused("\(error)") }
    do {
      guard let expected = pack.tensor("\(name)/output_0.pb") else { return .skipped("its data are not stored") }
      guard expected.floats.allSatisfy(\.isFinite) else { return .skipped("its output exceeds float32") }
      let dims = (model.batch.map { [$0] } ?? (model.hasBatchAxis ? [1] : [])) + model.inputShape
      let count = dims.reduce(1, *)
      let given =
        pack.tensor("\(name)/input_0.pb")
        ?? (isLight ? DenseTensor(dims, floats: (0..<count).map { Float($0) / Float(count) }) : nil)
      guard let given else { return .skipped("its data are not stored") }
      let network = NetworkCase(model: model, samples: try model.samples(of: given), expected: expected)
      let floats = try network.floats()
      // Planning for 144 million weights takes a minute: the script does it.
      if name.contains("vgg19") { return .script }
      let planned: PlannedModel
      do { planned = try network.planned() } catch let error as NetworksError {
        return .float("\(error)")
      }
      if isLight, !name.contains("squeezenet") {
        _ = try network.twin(planned, floats)
        return .script
      }
      try network.twoParties(planned, floats, network.twin(planned, floats))
      return .private
    } catch { return .wrong("\(error)") }
  }
}

/// The outcomes as a page of the documentation.
struct BackendTable {
  let outcomes: [(name: String, outcome: BackendCases.Outcome)]

  func text() -> String {
    var lines = [
      "# Backend cases", "",
      "What becomes of the test cases that the ONNX package ships, one by one.", "", "## Overview", "",
      "Made by `BackendTests`, which holds it equal to what happens. A case that runs privately went through the importer,",
      "the float network, the planner, the fixed-point twin and two parties that talk, and each result was the expected one:",
      "the float network's up to a part in a thousand, the others' within the error bound that the plan states. A case whose",
      "further inputs are not constants of the file is run with them as the model owner's constants. Cases whose operator is",
      "written out as a function of others are left out; `Scripts/onnx-cases` makes the pack. Of networks of 224x224",
      "all but SqueezeNet take too much memory for a test of both parties in one process;",
      "`Scripts/light` runs them between two daemons (FullSize of Inference has its figures).", "",
    ]
    lines += section("Run privately") { if case .private = $0 { "" } else { nil } }
    lines += section("Run privately by Scripts/light") { if case .script = $0 { "" } else { nil } }
    lines += section("Equal in floats, not planned") { if case .float(let reason) = $0 { reason } else { nil } }
    lines += section("Refused") { if case .refused(let reason) = $0 { reason } else { nil } }
    lines += section("Not judged") { if case .skipped(let reason) = $0 { reason } else { nil } }
    lines += section("Wrong") { if case .wrong(let reason) = $0 { reason } else { nil } }
    return lines.joined(separator: "\n")
  }

  /// The cases of one kind, by reason, the commonest first.
  private func section(_ title: String, _ reason: (BackendCases.Outcome) -> String?) -> [String] {
    var groups: [String: [String]] = [:]
    for (name, outcome) in outcomes { if let reason = reason(outcome) { groups[reason, default: []].append(name) } }
    let count = groups.values.reduce(0) { $0 + $1.count }
    guard count > 0 else { return [] }
    let order = groups.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
    return ["## \(title)", "", "\(count) cases.", ""]
      + order.flatMap { reason, names in
        let list = names.map { $0.replacingOccurrences("/test_", "/").replacingOccurrences("light/light_", "light/") }
        return [(reason.isEmpty ? "- " : "- **\(escaped(reason))** (\(names.count)): ") + list.joined(separator: ", ")]
      } + [""]
  }

  private func escaped(_ text: String) -> String {
    text.replacingOccurrences("\n", " ").replacingOccurrences("*", "\\*").replacingOccurrences("_", "\\_")
  }
}

extension String {
  fileprivate func replacingOccurrences(_ part: String, _ other: String) -> String {
    split(separator: part, omittingEmptySubsequences: false).joined(separator: other)
  }
}
