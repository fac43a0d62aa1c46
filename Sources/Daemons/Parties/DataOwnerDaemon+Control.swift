import Networks
import Programs
import Rings
import Synchronization

extension DataOwnerDaemon: ControlResponder {
  func bodyLength(of request: ControlRequest) throws -> Int {
    guard case .infer(let samples) = request else { return 0 }
    guard share == nil else {
      throw DaemonsError.refused(
        code: .invalid, reason: "a server knows no input; ask both servers with polympc infer --outsourced")
    }
    guard (1...configuration.maximumBatch).contains(samples) else {
      throw DaemonsError.refused(
        code: .invalid, reason: "a query has between 1 and \(configuration.maximumBatch) samples, not \(samples)")
    }
    return samples * plan.input.shape.count * MemoryLayout<Float>.size
  }

  func answer(_ request: ControlRequest, body: [UInt8], isAbandoned: () -> Bool) throws -> ControlReply {
    switch request {
    case .describe:
      return .network(
        NetworkDescription(
          name: plan.program.name, input: plan.input.shape, normalization: plan.input.normalization,
          classes: plan.input.classes, outputs: plan.classCount, reveals: plan.reveals,
          finish: plan.input.finish, maximumBatch: configuration.maximumBatch))
    case .status:
      let (waiting, prepared) = (queue.waiting, prepared)
      return .status(
        health.withLock { health in
          StatusReply(
            sessions: health.sessions, wantedSessions: configuration.sessions, prepared: prepared, waiting: waiting,
            busy: health.busy.sorted { $0.key < $1.key }.map(\.value), lastFailure: health.lastFailure)
        })
    case .prepare(let count):
      guard (1...1024).contains(count) else {
        throw DaemonsError.refused(
          code: .invalid, reason: "between 1 and 1024 inferences are prepared at once, not \(count)")
      }
      let start = SystemCall.seconds()
      _ = try queue.run(WorkItem(.prepare(count)), seconds: 3600, isAbandoned: isAbandoned)
      return .prepared(PrepareReply(added: count, prepared: prepared, seconds: SystemCall.seconds() - start))
    case .infer(let samples):
      return .inference(try infer(samples: samples, body: body, isAbandoned: isAbandoned))
    }
  }

  private func infer(samples: Int, body: [UInt8], isAbandoned: () -> Bool) throws -> InferenceReply {
    let start = SystemCall.seconds()
    do {
      let size = plan.input.shape.count
      let inputs = try body.withUnsafeBytes { bytes in
        try (0..<samples).map { sample in
          try plan.input.quantize(
            raw: (0..<size).map { bytes.loadUnaligned(fromByteOffset: 4 * (sample * size + $0), as: Float.self) })
        }
      }
      guard
        let outcome = try queue.run(
          WorkItem(.query(inputs)), seconds: configuration.queryTimeout, isAbandoned: isAbandoned)
      else { throw DaemonsError.refused(code: .failed, reason: "the query had no result") }
      let total = SystemCall.seconds() - start
      metrics.queries.add(1, ["outcome": "ok"])
      metrics.samples.add(Double(samples))
      metrics.querySeconds.observe(total)
      return InferenceReply(
        predictions: outcome.outputs.map { plan.prediction(output: $0) },
        seconds: outcome.seconds, totalSeconds: total, bytesSent: outcome.bytesSent,
        bytesReceived: outcome.bytesReceived, rounds: outcome.rounds, preparedOnDemand: outcome.preparedOnDemand)
    } catch let error as NetworksError {
      metrics.queries.add(1, ["outcome": "refused"])
      throw DaemonsError.refused(code: .invalid, reason: error.description)
    } catch DaemonsError.refused(let code, let reason) {
      metrics.queries.add(1, ["outcome": code == .failed || code == .timedOut ? "failed" : "refused"])
      throw DaemonsError.refused(code: code, reason: reason)
    }
  }
}
