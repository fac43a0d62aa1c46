import Networks

/// A model's float network and its plan's fixed-point twin, run side by side on normalised samples.
struct TwinComparison {
  /// What a sample came to.
  struct Outcome {
    /// Largest of the float network's outputs, of equal ones the first.
    var floatLabel: Int
    /// What the two parties would find.
    var fixedLabel: Int
    /// Values that left their planned range.
    var outOfRange: Int
    /// Largest difference of a score; zero where only a label is revealed.
    var largestError: Double
    /// The twin's scores; none where only a label is revealed.
    var scores: [Double]
    /// Least and greatest of the float network's outputs.
    var range: ClosedRange<Double>
  }

  /// The plan, with its secret part.
  let planned: PlannedModel
  private let executor: FloatExecutor
  private let twin: Twin

  /// Folds and plans a model.
  ///
  /// - Throws: `NetworksError`
  init(_ file: ModelFile) throws {
    let folded = try file.folded()
    planned = try file.planned()
    executor = try FloatExecutor(graph: folded.graph, parameters: folded.parameters)
    twin = try Twin(planned.plan, planned.quantized)
  }

  /// Runs one sample through both.
  ///
  /// - Throws: `NetworksError`
  func outcome(of sample: [Float]) throws -> Outcome {
    let floats = try executor.output(of: sample).map(Double.init)
    let fixed = try twin.result(normalized: sample)
    return Outcome(
      floatLabel: floats.indices.reduce(0) { floats[$1] > floats[$0] ? $1 : $0 }, fixedLabel: fixed.label,
      outOfRange: fixed.outOfRange,
      largestError: zip(floats, fixed.scores).reduce(0) { max($0, abs($1.0 - $1.1)) }, scores: fixed.scores,
      range: (floats.min() ?? 0)...(floats.max() ?? 0))
  }
}
