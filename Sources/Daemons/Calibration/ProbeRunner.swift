import Correlations
import Foundation
import Hardware
import Inference
import Lattice
import Programs
import Randomness
import Rings
import Transport
import TwoParty

/// Processor seconds of the parties in one phase of a probe, and what passed.
struct ProbeMeasurement: Sendable {
  let probe: String
  let phase: CostPhase
  let source: CostModel.Source
  let party: CostParty
  /// One a repetition.
  var seconds: [Double]

  var median: Double { BenchmarkDataOwner.median(seconds) }
}

/// Runs a probe between threads of this process over memory, and meters each by its own clock of processor time: what others do on
/// this machine, waiting, and the memory's own part are left out.
struct ProbeRunner {
  let probe: CalibrationProbe
  let source: CostModel.Source
  /// Repetitions at least, and seconds after which no further one is begun.
  let repetitions: Int
  let seconds: Double

  private struct Ends {
    let peer = MemoryStream.pair()
    let modelDealer = MemoryStream.pair()
    let dataDealer = MemoryStream.pair()
  }

  /// What other threads tell the data owner's: their clocks, and what their streams take.
  private final class Shared: @unchecked Sendable {
    // Unchecked: everything lies behind the lock.
    private let condition = NSCondition()
    private var clocks: [CostParty: [ThreadClock]] = [:]
    private var streams: [CostParty: [MeteredStream]] = [:]
    private var failure: (any Error)?

    func add(_ party: CostParty) { condition.withLock { clocks[party, default: []].append(ThreadClock()) } }
    func fail(_ error: any Error) { condition.withLock { failure = failure ?? error } }
    func check() throws { if let error = condition.withLock({ failure }) { throw error } }

    /// A channel of the calling thread over an end of a memory.
    func channel(_ party: CostParty, _ end: MemoryStream) -> FramedChannel {
      let stream = MeteredStream(end)
      condition.withLock { streams[party, default: []].append(stream) }
      return FramedChannel(stream)
    }

    /// A party's processor time so far, without its streams'.
    func seconds(_ party: CostParty) -> Double {
      condition.withLock {
        (clocks[party] ?? []).reduce(0) { $0 + $1.seconds } - (streams[party] ?? []).reduce(0) { $0 + $1.seconds }
      }
    }
  }

  func run() throws -> [ProbeMeasurement] {
    let (ends, shared, threads) = (Ends(), Shared(), ThreadGroup())
    let model = try model()
    let identity = Digest32.sha256(Array("calibration".utf8))
    let (source, limits, held) = (source, limits, probe.holdsTransforms ? 512 << 20 : 0)
    func start(_ party: CostParty, _ body: @escaping @Sendable () throws -> Void) {
      threads.start(name: party.rawValue) {
        shared.add(party)
        do { try body() } catch { shared.fail(error) }
      }
    }
    let ((modelEnd, dataEnd), dealerEnds) = (ends.peer, (ends.modelDealer, ends.dataDealer))
    if source == .dealer {
      var limits = DealerLimits()
      limits.comparesFingerprints = false
      let server = DealerServer(
        secret: SecretKey(count: 32, from: SystemRandom()), random: SystemRandom(), limits: limits)
      for end in [dealerEnds.0.1, dealerEnds.1.1] {
        start(.dealer) { _ = try server.serve(shared.channel(.dealer, end)) }
      }
    }
    start(.modelOwner) {
      let channel = shared.channel(.modelOwner, modelEnd)
      let own: any ModelOwnerSource =
        source == .dealer
        ? DealerModelOwnerSource(
          dealer: shared.channel(.modelOwner, dealerEnds.0.0), peer: channel, sessionID: identity)
        : LatticeModelOwnerSource(
          peer: channel, sessionID: identity, tables: LatticeTables(), cache: WeightTransformCache(limitBytes: held))
      try ModelOwnerSession(channel: channel, model: model, source: own, limits: limits).serve()
    }
    defer {
      for stream in [dataEnd, modelEnd, dealerEnds.0.0, dealerEnds.0.1, dealerEnds.1.0, dealerEnds.1.1] {
        stream.close()
      }
      threads.join(seconds: 60)
    }
    shared.add(.dataOwner)
    let channel = shared.channel(.dataOwner, dataEnd)
    let own: any DataOwnerSource =
      source == .dealer
      ? DealerDataOwnerSource(
        dealer: shared.channel(.dataOwner, dealerEnds.1.0), peer: channel, sessionID: identity)
      : LatticeDataOwnerSource(peer: channel, sessionID: identity, tables: LatticeTables())
    do {
      let session = try DataOwnerSession(channel: channel, program: probe.program, source: own, limits: limits)
      let found = try measure(session, shared)
      session.close()
      return found
    } catch {
      try shared.check()
      throw error
    }
  }

  private var limits: SessionLimits {
    var limits = SessionLimits()
    limits.bulk = probe.batch
    limits.preparedBytes = 1 << 30
    limits.materialBytes = 1 << 30
    return limits
  }

  private func measure(_ session: DataOwnerSession, _ shared: Shared) throws -> [ProbeMeasurement] {
    let parties: [CostParty] = source == .dealer ? [.modelOwner, .dataOwner, .dealer] : [.modelOwner, .dataOwner]
    var found = [CostPhase.offline, .online].flatMap { phase in
      parties.filter { phase == .offline || $0 != .dealer }.map {
        ProbeMeasurement(probe: probe.name, phase: phase, source: source, party: $0, seconds: [])
      }
    }
    let samples = [[Int64]](
      repeating: (0..<probe.program.input.shape.count).map { Int64($0 % 512) - 256 }, count: probe.batch)
    let began = SystemCall.seconds()
    var repetition = 0
    // The first one does not count.
    while repetition <= repetitions || repetition < 20 * repetitions && SystemCall.seconds() - began < seconds {
      let start = parties.map { shared.seconds($0) }
      try session.prepare(count: probe.batch)
      let prepared = parties.map { shared.seconds($0) }
      _ = try session.infer(samples)
      let answered = parties.map { shared.seconds($0) }
      for index in found.indices where repetition > 0 {
        let party = parties.firstIndex(of: found[index].party)!
        found[index].seconds.append(
          found[index].phase == .offline ? prepared[party] - start[party] : answered[party] - prepared[party])
      }
      repetition += 1
    }
    return found
  }

  private func model() throws -> ModelOwnerModel {
    let random = StreamGenerator(publicSeed: 91)
    var linear: [Int: LinearParameters] = [:]
    var activations: [Int: ActivationCoefficients] = [:]
    for (index, step) in probe.program.steps.enumerated() {
      switch step.operation {
      case .linear(let geometry):
        linear[index] = LinearParameters(
          weights: (0..<geometry.weightCount).map { _ in Int32(truncatingIfNeeded: random.word()) >> 20 },
          bias: [Int64](repeating: 0, count: geometry.outChannels))
      case .activation: activations[index] = ActivationCoefficients(k: [3], constant: [1])
      default: break
      }
    }
    return try ModelOwnerModel(
      program: probe.program, linear: linear, activations: activations, salt: [UInt8](repeating: 1, count: 32))
  }
}
