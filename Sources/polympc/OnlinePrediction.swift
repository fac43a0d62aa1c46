import Hardware
import Programs

/// What the descriptors predict for one query.
struct OnlinePrediction {
  var bytesSent: Int
  var bytesReceived: Int
  var rounds: Int

  /// - Throws: `HardwareError` where a step has no descriptor.
  init(_ program: Program, batch: Int) throws {
    let cost = try CostModel().predict(program: program, phase: .online, batch: batch)
    bytesSent = cost.total.traffic(from: .dataOwner, to: .modelOwner).totalBytes
    bytesReceived = cost.total.traffic(from: .modelOwner, to: .dataOwner).totalBytes
    rounds = cost.rounds(.modelOwner, .dataOwner)
  }
}
