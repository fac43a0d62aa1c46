import Correlations
import Foundation
import Inference
import Programs
import Randomness
import Transport

/// The data owner of a benchmark: dials, prepares, asks, and measures.
public struct BenchmarkDataOwner {
  private let setting: BenchmarkSetting
  private let question: BenchmarkQuestion
  private let planning: Double
  /// Server 1's share, outsourced.
  private let shared: ServerShareFile?

  /// Plans the case, and computes what must come out.
  public init(_ setting: BenchmarkSetting) throws {
    let start = SystemCall.seconds()
    self.setting = setting
    question = try setting.benchmark.question()
    shared = setting.isOutsourced ? try setting.benchmark.shares().1 : nil
    planning = SystemCall.seconds() - start
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
    let (program, agreement) =
      try shared.map { ($0.share.program, try Agreement($0.plan)) }
      ?? (question.program, question.agreement)
    let (_, sessionID) = try Hello.exchange(
      channel,
      agreement.hello(.dataOwner, source: setting.source, sessionNumber: UInt64.random(in: 1...UInt64.max)),
      expecting: [.modelOwner])
    var configuration = DataOwnerConfiguration(
      common: CommonConfiguration(identity: ""), plan: "", peer: PinnedAddress(address: peer, fingerprint: .zero),
      source: setting.source, control: "")
    configuration.threads = setting.threads
    let sources = DataOwnerSources(
      configuration, agreement: agreement, wire: setting.wire, streams: StreamRegistry())
    let source = try sources.open(
      channel, sessionID: sessionID, options: options, cached: nil, offsets: shared?.share.offsets ?? [:])
    defer { sources.close(source) }
    let reverse = try shared.map { _ in try sources.openReverse(channel, sessionID: sessionID, options: options) }
    defer { if let reverse { sources.close(reverse) } }
    let session = try DataOwnerSession(
      channel: channel, program: program, source: source.source,
      server: shared.flatMap { file in reverse.map { ServerOne(share: file.share, reverse: $0.source) } },
      limits: setting.limits(material: SessionLimits.materialBytes(program)))
    let client = BenchmarkClient(program: program, samples: question.samples, channel: channel)
    var measured = Measured()
    for repetition in 0...repetitions {
      try step(session, channel, client, isWarmUp: repetition == 0, &measured)
      progress(Double(repetition + 1) / Double(repetitions + 1))
    }
    session.close()
    return result(measured, phase, repetitions, net)
  }

  private func step(
    _ session: DataOwnerSession, _ channel: FramedChannel, _ client: BenchmarkClient, isWarmUp: Bool,
    _ measured: inout Measured
  ) throws {
    let samples = question.samples
    var preparing = 0.0
    var left = setting.inferences
    // As many at a time as one bulk holds, so that what lies prepared stays within its bound of memory.
    while left > 0 {
      let count = min(left, max(1, session.bulk / samples.count))
      left -= count
      let before = channel.snapshot()
      let start = SystemCall.seconds()
      try session.prepare(count: count * samples.count)
      preparing += SystemCall.seconds() - start
      let prepared = channel.snapshot()
      for _ in 0..<count {
        let asked = SystemCall.seconds()
        let outputs = try shared == nil ? session.infer(samples) : client.ask(session)
        if !isWarmUp { measured.asking.append(SystemCall.seconds() - asked) }
        measured.worst = max(measured.worst, difference(outputs))
      }
      guard !isWarmUp else { continue }
      measured.preparation = measured.preparation + (prepared - before)
      measured.queries = measured.queries + (channel.snapshot() - prepared)
    }
    if !isWarmUp { measured.preparing.append(preparing / Double(setting.inferences)) }
  }

  private func difference(_ outputs: [[Int64]]) -> Double {
    zip(outputs, question.expected).reduce(0) { worst, pair in
      zip(pair.0, pair.1).reduce(worst) { max($0, abs(Double($1.0) * question.unit - $1.1)) }
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
      case .total, .kernel: (zip(measured.preparing, each).map(+), measured.preparation + measured.queries)
      }
    // Round trips of a bulk count once, however many queries it serves; those of queries once a query.
    let rounds =
      switch phase {
      case .online: Double(measured.queries.flights) / Double(2 * queries)
      case .preprocessing: Double(measured.preparation.flights) / Double(2 * repetitions)
      case .total, .kernel:
        Double(measured.preparation.flights) / Double(2 * repetitions)
          + Double(measured.queries.flights) / Double(2 * queries)
      }
    let name: String =
      switch setting.source {
      case .lattice: "lattice"
      case .dealer: "dealer"
      }
    return BenchmarkResult(
      case: setting.benchmark.name + (setting.isOutsourced ? " outsourced" : ""), phase: phase.rawValue, source: name,
      net: net, seconds: Self.median(seconds),
      allS: seconds, bytesTotal: (meters.totalSent + meters.totalReceived) / queries, rounds: rounds.rounded(.up),
      peakRssMb: BenchmarkResult.Memory(modelOwner: nil, dataOwner: ProcessMemory.peak), maxAbsErr: measured.worst,
      threads: setting.threads, inferences: setting.inferences, elements: question.elements,
      parts: phase == .total ? parts(measured, each) : nil)
  }

  private func parts(_ measured: Measured, _ asking: [Double]) -> BenchmarkResult.Parts {
    let queries = measured.asking.count
    func bytes(_ meters: ChannelMeters) -> Int { (meters.totalSent + meters.totalReceived) / queries }
    return BenchmarkResult.Parts(
      preparationSeconds: Self.median(measured.preparing), querySeconds: Self.median(asking),
      preparationBytes: bytes(measured.preparation), queryBytes: bytes(measured.queries), planningSeconds: planning,
      outputRange: question.expected.map { ($0.max() ?? 0) - ($0.min() ?? 0) }.max() ?? 0)
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
