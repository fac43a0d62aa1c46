import Correlations
import Foundation
import Inference
import Networks
import Programs
import Randomness
import Transport

/// The data owner of a benchmark: dials, prepares, asks, and measures.
public struct BenchmarkDataOwner {
  private let setting: BenchmarkSetting
  private let plan: Plan
  private let agreement: Agreement
  private let samples: [[Int64]]
  private let expected: [[Double]]

  /// Plans the case, and computes what the network gives in floats.
  public init(_ setting: BenchmarkSetting) throws {
    let file = try setting.model()
    let planned = try file.planned()
    self.setting = setting
    plan = planned.plan
    agreement = try Agreement(PlanFile(plan: plan, modelDigest: file.modelDigest()))
    let executor = try FloatExecutor(graph: file.graph, parameters: file.parameters)
    let inputs = (0..<setting.benchmark.batch).map { Benchmarks.randomSample(file.graph, seed: 5000 + UInt64($0)) }
    samples = try inputs.map { try planned.plan.input.quantize(normalized: $0) }
    expected = try inputs.map { try executor.output(of: $0).map(Double.init) }
  }

  private struct Measured {
    var preparing: [Double] = []
    var asking: [Double] = []
    var preparation = ChannelMeters()
    var queries = ChannelMeters()
    var worst = 0.0
  }

  /// Runs one warm-up and then `repetitions` repetitions: each prepares `inferences` queries and asks them.
  ///
  /// - Parameter progress: called with the share that is done.
  public func run(
    peer: NetworkAddress, phase: BenchmarkPhase, repetitions: Int, net: String, progress: (Double) -> Void = { _ in }
  ) throws -> BenchmarkResult {
    ProcessMemory.resetPeak()
    let options = BenchmarkSetting.options
    let channel = FramedChannel(try setting.wire.connect(to: peer, options: options))
    defer { channel.close() }
    let (_, sessionID) = try Hello.exchange(
      channel, agreement.hello(.dataOwner, source: setting.source, sessionNumber: UInt64.random(in: 1...UInt64.max)),
      expecting: [.modelOwner])
    let sources = DataOwnerSources(
      DataOwnerConfiguration(
        common: CommonConfiguration(identity: ""), plan: "", peer: PinnedAddress(address: peer, fingerprint: .zero),
        source: setting.source, control: ""),
      agreement: agreement, wire: setting.wire, streams: StreamRegistry())
    let source = try sources.open(channel, sessionID: sessionID, options: options, cached: nil)
    defer { sources.close(source) }
    let session = try DataOwnerSession(
      channel: channel, program: plan.program, source: source.source, limits: setting.limits)
    var measured = Measured()
    for repetition in 0...repetitions {
      try step(session, channel, isWarmUp: repetition == 0, &measured)
      progress(Double(repetition + 1) / Double(repetitions + 1))
    }
    session.close()
    return result(measured, phase, repetitions, net)
  }

  private func step(
    _ session: DataOwnerSession, _ channel: FramedChannel, isWarmUp: Bool, _ measured: inout Measured
  ) throws {
    let before = channel.snapshot()
    let start = SystemCall.seconds()
    try session.prepare(count: setting.inferences * samples.count)
    let ready = SystemCall.seconds()
    let prepared = channel.snapshot()
    for _ in 0..<setting.inferences {
      let asked = SystemCall.seconds()
      let outputs = try session.infer(samples)
      if !isWarmUp { measured.asking.append(SystemCall.seconds() - asked) }
      measured.worst = max(measured.worst, difference(outputs))
    }
    guard !isWarmUp else { return }
    measured.preparing.append((ready - start) / Double(setting.inferences))
    measured.preparation = measured.preparation + (prepared - before)
    measured.queries = measured.queries + (channel.snapshot() - prepared)
  }

  private func difference(_ outputs: [[Int64]]) -> Double {
    let unit = exp2(-Double(plan.program.output.fractionBits))
    return zip(outputs, expected).reduce(0) { worst, pair in
      zip(pair.0, pair.1).reduce(worst) { max($0, abs(Double($1.0) * unit - $1.1)) }
    }
  }

  private func result(
    _ measured: Measured, _ phase: BenchmarkPhase, _ repetitions: Int, _ net: String
  ) -> BenchmarkResult {
    let queries = measured.asking.count
    let each = (0..<repetitions).map { repetition in
      let range = repetition * setting.inferences..<(repetition + 1) * setting.inferences
      return measured.asking[range].reduce(0, +) / Double(setting.inferences)
    }
    let (seconds, meters): ([Double], ChannelMeters) =
      switch phase {
      case .online: (measured.asking, measured.queries)
      case .preprocessing: (measured.preparing, measured.preparation)
      case .total: (zip(measured.preparing, each).map(+), measured.preparation + measured.queries)
      }
    // Round trips of a bulk count once, however many queries it serves; those of queries once a query.
    let rounds =
      switch phase {
      case .online: Double(measured.queries.flights) / Double(2 * queries)
      case .preprocessing: Double(measured.preparation.flights) / Double(2 * repetitions)
      case .total:
        Double(measured.preparation.flights) / Double(2 * repetitions)
          + Double(measured.queries.flights) / Double(2 * queries)
      }
    let name: String =
      switch setting.source {
      case .lattice: "lattice"
      case .dealer: "dealer"
      }
    return BenchmarkResult(
      case: setting.benchmark.name, phase: phase.rawValue, source: name, net: net, seconds: Self.median(seconds),
      allS: seconds, bytesTotal: (meters.totalSent + meters.totalReceived) / queries, rounds: rounds.rounded(.up),
      peakRssMb: BenchmarkResult.Memory(modelOwner: nil, dataOwner: ProcessMemory.peak), maxAbsErr: measured.worst,
      threads: 1, inferences: setting.inferences)
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
