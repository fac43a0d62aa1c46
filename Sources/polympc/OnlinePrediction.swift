import Hardware
import Programs

/// What the descriptors predict for one query.
struct OnlinePrediction {
  var bytesSent: Int
  var bytesReceived: Int
  var rounds: Int

  /// - Throws: `HardwareError` where a step has no descriptor.
  init(_ program: Program, batch: Int) throws {
    // Queries cost the same whatever prepared them.
    let cost = try CostModel().predict(program: program, phase: .online, batch: batch)
    bytesSent = cost.total.traffic(from: .dataOwner, to: .modelOwner).totalBytes
    bytesReceived = cost.total.traffic(from: .modelOwner, to: .dataOwner).totalBytes
    rounds = cost.rounds(.modelOwner, .dataOwner)
  }
}

/// What the descriptors predict for preparation by the two parties alone.
struct PreparationPrediction: Encodable {
  var bytesToModelOwner: Int
  var bytesToDataOwner: Int

  /// - Parameter bulk: inferences prepared together; the bytes are those of one of them, rounded up.
  /// - Throws: `HardwareError` where a step has no descriptor.
  init(_ program: Program, bulk: Int) throws {
    let cost = try CostModel().predict(program: program, phase: .offline, bulk: bulk, source: .lattice).total
    func each(_ from: CostParty, _ to: CostParty) -> Int {
      (cost.traffic(from: from, to: to).totalBytes + bulk - 1) / bulk
    }
    bytesToModelOwner = each(.dataOwner, .modelOwner)
    bytesToDataOwner = each(.modelOwner, .dataOwner)
  }
}
