import Hardware
import Programs

/// What the descriptors predict for one query.
struct OnlinePrediction {
  var bytesSent: Int
  var bytesReceived: Int
  var rounds: Int
  /// Units of every kind of material that are consumed.
  var material: [String: Int]

  /// - Throws: `HardwareError` where a step has no descriptor.
  init(_ program: Program, batch: Int) throws {
    // Queries cost the same whatever prepared them.
    let cost = try CostModel().predict(program: program, phase: .online, batch: batch)
    bytesSent = cost.total.traffic(from: .dataOwner, to: .modelOwner).totalBytes
    bytesReceived = cost.total.traffic(from: .modelOwner, to: .dataOwner).totalBytes
    rounds = cost.rounds(.modelOwner, .dataOwner)
    material = cost.total.consumed.filter { $0.value > 0 }
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

/// What the hardware model says of this project's own protocol on a pair of hosts or boards.
struct LatencyPrediction: Encodable {
  var device: String
  var link: String
  var querySeconds: Double
  var preparationSeconds: Double

  /// - Throws: `HardwareError` where device or link is unknown.
  init(_ program: Program, device: String, link: String?) throws {
    var models = try HwModels()
    func seconds(_ phase: CostPhase) throws -> HardwareEvaluation {
      try models.evaluator(protocolName: "rlwe", device: device, link: link, phase: phase).evaluate(program)
    }
    let (query, preparation) = (try seconds(.online), try seconds(.offline))
    self.device = query.device
    self.link = query.link
    querySeconds = query.total.latency
    preparationSeconds = preparation.total.latency
  }
}
