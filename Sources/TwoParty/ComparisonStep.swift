public import Correlations
public import Programs
public import Rings
public import Transport

/// A whole step of comparisons: ReLU and its kin in one run, maxima in one run a round of their tournament.
public enum ComparisonStep {
  /// The model owner's side.
  ///
  /// - Parameters:
  ///   - schedule: the step's runs.
  ///   - shares: its share of the operand in Z_2^64, one tensor a sample.
  ///   - normalization: this party's part of what a ReLU takes up.
  ///   - take: the material of a run and sample.
  /// - Returns: its share of the step's tensor, one a sample.
  /// - Throws: `TransportError`, ``TwoPartyError``, and what `take` throws.
  public static func modelOwner(
    program: Program, step: Int, schedule: ComparisonSchedule, shares: [SecretWords],
    normalization: ComparisonNormalization? = nil, channel: FramedChannel,
    take: (_ stage: Int, _ sample: Int) throws -> ModelOwnerComparisonMaterial
  ) throws -> [SecretWords] {
    let operands = normalization?.shifted(shares) ?? shares
    var walks = operands.map {
      ComparisonWalk(program: program, step: step, schedule: schedule, leads: true, share: $0)
    }
    for (number, stage) in schedule.stages.enumerated() {
      var materials = MaterialBatch<ModelOwnerComparisonMaterial>(capacity: shares.count)
      for sample in shares.indices { materials.append(try take(number, sample)) }
      let results = try ComparisonModelOwner(channel: channel, stage: stage, flips: normalization?.flips).run(
        walks.map { $0.operands(stage: number) }, materials: materials)
      for sample in walks.indices { walks[sample].advance(stage: number, results: results[sample]) }
    }
    let results = walks.map { $0.finish() }
    normalization?.addOffset(to: results)
    return results
  }

  /// The data owner's side; its share of the step's tensor is known in advance.
  ///
  /// - Parameters:
  ///   - flips: outsourced, where server 1 turns its half of a ReLU's bit.
  ///   - take: the material of a run and sample.
  /// - Throws: `TransportError`, ``TwoPartyError``, and what `take` throws.
  public static func dataOwner(
    schedule: ComparisonSchedule, samples: Int, flips: SecretBytes? = nil, channel: FramedChannel,
    take: (_ stage: Int, _ sample: Int) throws -> DataOwnerComparisonMaterial
  ) throws {
    for (number, stage) in schedule.stages.enumerated() {
      var materials = MaterialBatch<DataOwnerComparisonMaterial>(capacity: samples)
      for sample in 0..<samples { materials.append(try take(number, sample)) }
      try ComparisonDataOwner(channel: channel, stage: stage, flips: flips).run(materials: materials)
    }
  }
}
