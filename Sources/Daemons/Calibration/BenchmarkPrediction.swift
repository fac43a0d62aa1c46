import Correlations
public import Hardware
import Inference
import Networks
public import Programs

/// What a benchmark's line should say, were the model right.
public struct BenchmarkPrediction: Codable, Sendable {
  /// The case.
  public var `case`: String
  /// `online` or `preprocessing`.
  public var phase: String
  /// `lattice` or `dealer`.
  public var source: String
  /// The link.
  public var net: String
  /// Median, seconds a query of the case's batch.
  public var measured: Double
  /// Smallest.
  public var fastest: Double
  /// Seconds.
  public var predicted: Double
  /// What each party does in that time; of preparation, in one bulk.
  public var parties: [TimePrediction.Party]
  /// Predicted less measured, over measured.
  public var error: Double { predicted / measured - 1 }

  /// Predicts a line's phase.
  ///
  /// - Parameters:
  ///   - programs: plans by case, filled as they are needed: a plan takes longer than a prediction.
  /// - Throws: ``DaemonsError/input(source:reason:)`` for lines of other systems, phases or threads.
  public init(
    _ result: BenchmarkResult, model: TimingModel, setting: TimingSetting, programs: inout [String: Program]
  ) throws {
    func refused(_ reason: String) -> DaemonsError {
      .input(source: "result of \(result.case.prefix(80)), \(result.phase.prefix(20))", reason: reason)
    }
    guard result.system == "polympc", result.threads == 1 else {
      throw refused("only this engine's, on one thread, is predicted")
    }
    guard let source = CostModel.Source(rawValue: result.source),
      result.phase == "online" || result.phase == "preprocessing"
    else { throw refused("only phases online and preprocessing, by lattices or a dealer, are predicted") }
    guard result.seconds > 0, result.seconds.isFinite, 1...256 ~= result.inferences else {
      throw refused("its numbers are out of range")
    }
    let benchmark = try BenchmarkCase(result.case)
    let program = try programs[result.case] ?? benchmark.program()
    programs[result.case] = program
    (self.case, phase, self.source, net) = (result.case, result.phase, result.source, result.net)
    (measured, fastest) = (result.seconds, result.allS.min() ?? result.seconds)
    var setting = setting
    setting.heldTransforms = TimingSetting.usualHeldTransforms
    // As BenchTrio and Scripts/validate-model place it.
    setting.dealerSharesCore = true
    if result.phase == "online" {
      let prediction = try model.predict(
        program: program, phase: .online, batch: benchmark.batch, source: source, setting: setting)
      (predicted, parties) = (prediction.seconds, prediction.parties)
      return
    }
    var (seconds, largest): (Double, TimePrediction?) = (0, nil)
    var known: [Int: TimePrediction] = [:]
    for bulk in Self.bulks(program, benchmark, inferences: result.inferences) {
      let prediction =
        try known[bulk]
        ?? model.predict(program: program, phase: .offline, bulk: bulk, source: source, setting: setting)
      known[bulk] = prediction
      seconds += prediction.seconds
      if largest == nil { largest = prediction }
    }
    predicted = seconds / Double(result.inferences)
    parties = largest?.parties ?? []
  }

  /// The bulks in which a benchmark prepares its queries.
  static func bulks(_ program: Program, _ benchmark: BenchmarkCase, inferences: Int) -> [Int] {
    let bytes = SessionLimits.materialBytes(program)
    let limits = BenchmarkSetting(
      benchmark: benchmark, source: .lattice, wire: .plain, inferences: inferences
    ).limits(material: bytes)
    let bulk = max(1, min(limits.bulk, limits.materialBytes / max(1, bytes)))
    var (bulks, left): ([Int], Int) = ([], inferences)
    while left > 0 {
      let queries = min(left, max(1, bulk / benchmark.batch))
      left -= queries
      var rest = queries * benchmark.batch
      while rest > 0 {
        bulks.append(min(bulk, rest))
        rest -= min(bulk, rest)
      }
    }
    return bulks
  }
}
