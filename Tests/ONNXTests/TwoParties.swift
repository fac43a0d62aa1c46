import Correlations
import Inference
import Lattice
import Networks
import Programs
import Randomness
import TestSupport
import Transport

/// Model owner and data owner on two threads, talking over a channel in memory, prepared by lattices; seeded.
struct TwoParties {
  private static let tables = LatticeTables()

  let model: ModelOwnerModel

  init(_ planned: PlannedModel) throws {
    model = try ModelOwnerModel(planned: planned, salt: [UInt8](repeating: 1, count: 32))
  }

  /// The outputs of a batch.
  func infer(_ batch: [[Int64]]) throws -> [[Int64]] {
    let (dataEnd, modelEnd) = MemoryStream.pair(options: StreamOptions(idleTimeout: .seconds(120)))
    let session = Digest32.sha256(Array("networks from the world".utf8))
    let model = model
    let (_, results) = try together(
      {
        let channel = FramedChannel(modelEnd, configuration: ChannelConfiguration())
        defer { channel.close() }
        let source = LatticeModelOwnerSource(
          peer: channel, sessionID: session, tables: Self.tables, cache: WeightTransformCache(limitBytes: 1 << 26),
          workers: WorkerPool(threads: 1), randomness: StreamGenerator(publicSeed: 71))
        try ModelOwnerSession(channel: channel, model: model, source: source, limits: SessionLimits()).serve()
      },
      {
        let channel = FramedChannel(dataEnd, configuration: ChannelConfiguration())
        defer { channel.close() }
        let source = LatticeDataOwnerSource(
          peer: channel, sessionID: session, tables: Self.tables, workers: WorkerPool(threads: 1),
          randomness: StreamGenerator(publicSeed: 72))
        let owner = try DataOwnerSession(
          channel: channel, program: model.program, source: source, limits: SessionLimits())
        try owner.prepare(count: batch.count)
        let results = try owner.infer(batch)
        owner.close()
        return results
      })
    return results
  }
}
