import Correlations
import Foundation
import Inference
import Randomness
import Rings
import Synchronization
import Transport

/// What a benchmark's process is told.
public struct BenchmarkSetting: Sendable {
  /// The case.
  public var benchmark: BenchmarkCase
  /// Where correlated randomness comes from.
  public var source: SourceConfiguration
  /// TLS, or plain TCP.
  public var wire: Wire
  /// Queries prepared together.
  public var inferences: Int
  /// Threads of each party's preparation.
  public var threads: Int
  /// Whether both parties are servers with shares of the case's network.
  public var isOutsourced = false

  /// Makes a setting.
  public init(benchmark: BenchmarkCase, source: SourceConfiguration, wire: Wire, inferences: Int, threads: Int = 1) {
    (self.benchmark, self.source, self.wire) = (benchmark, source, wire)
    (self.inferences, self.threads) = (inferences, threads)
  }

  /// - Parameter bytes: the larger of both parties' material of one inference. A query's batch always fits.
  func limits(material bytes: Int) -> SessionLimits {
    var limits = SessionLimits()
    limits.bulk = min(BulkLimits.maximumInferences, inferences * benchmark.batch)
    limits.preparedBytes = max(limits.preparedBytes, benchmark.batch * bytes)
    return limits
  }

  static let options = StreamOptions(
    spin: .microseconds(50), idleTimeout: .seconds(600), handshakeTimeout: .seconds(60))
}

/// The model owner of a benchmark: serves one session.
public enum BenchmarkModelOwner {
  /// Listens, says where, and serves one data owner.
  ///
  /// - Parameter isListening: called with the port once the model is ready.
  /// - Returns: peak resident memory while serving, mebibytes.
  public static func run(
    _ setting: BenchmarkSetting, listen: NetworkAddress, isListening: (UInt16) throws -> Void
  ) throws -> Double {
    if case .transfers(let count, let method) = setting.benchmark.kind {
      let transfers = TransferBenchmark(setting, count: count, method: method)
      let channel = try accept(setting, listen, isListening)
      defer { channel.close() }
      try transfers.serve(channel)
      return ProcessMemory.peak
    }
    let shared = setting.isOutsourced ? try setting.benchmark.shares().0 : nil
    let served =
      try shared.map { (model: ModelOwnerModel($0.share), agreement: try Agreement($0.plan)) }
      ?? setting.benchmark.served()
    let samples = shared == nil ? [] : try setting.benchmark.question().samples
    var configuration = ModelOwnerConfiguration(
      common: CommonConfiguration(identity: ""), model: "", listen: listen, peers: [], source: setting.source)
    configuration.threads = setting.threads
    let sources = ModelOwnerSources(
      configuration, agreement: served.agreement, wire: setting.wire, streams: StreamRegistry())
    let channel = try accept(setting, listen, isListening)
    defer { channel.close() }
    let (_, sessionID) = try Hello.exchange(channel, served.agreement.hello(.modelOwner, source: setting.source))
    let source = try sources.open(channel, sessionID: sessionID, options: BenchmarkSetting.options)
    defer { sources.close(source) }
    let reverse = try shared.map { _ in
      try sources.openReverse(channel, sessionID: sessionID, options: BenchmarkSetting.options, cached: nil)
    }
    defer { if let reverse { sources.close(reverse) } }
    let client = BenchmarkClient(program: served.model.program, samples: samples, channel: channel)
    try ModelOwnerSession(
      channel: channel, model: served.model, source: source.source,
      server: reverse.map { ServerZero(reverse: $0.source, clients: client) },
      limits: setting.limits(material: SessionLimits.materialBytes(served.model.program))
    ).serve()
    return ProcessMemory.peak
  }

  private static func accept(
    _ setting: BenchmarkSetting, _ listen: NetworkAddress, _ isListening: (UInt16) throws -> Void
  ) throws -> FramedChannel {
    let listener = try TCPListener(host: listen.host, port: listen.port)
    ProcessMemory.resetPeak()
    try isListening(listener.port)
    guard let connection = try listener.accept(timeout: .seconds(600)) else {
      throw DaemonsError.refused(code: .timedOut, reason: "the data owner did not connect in 600 seconds")
    }
    return FramedChannel(try setting.wire.accept(connection, options: BenchmarkSetting.options))
  }
}

/// The dealer of a benchmark: serves one pair.
public enum BenchmarkDealer {
  /// Listens, says where, and serves both parties.
  ///
  /// - Parameter connections: two, or four of outsourced runs.
  /// - Returns: peak resident memory while serving, mebibytes, and bytes of all connections in both directions.
  public static func run(
    wire: Wire, listen: NetworkAddress, connections: Int = 2, isListening: (UInt16) throws -> Void
  ) throws -> (peak: Double, bytes: Int) {
    var limits = DealerLimits()
    if case .plain = wire { limits.comparesFingerprints = false }
    let server = DealerServer(
      secret: SecretKey(count: 32, from: SystemRandom()), random: SystemRandom(), limits: limits)
    let digest = try Agreement.currentProtocolsDigest()
    let listener = try TCPListener(host: listen.host, port: listen.port)
    try isListening(listener.port)
    let threads = ThreadGroup()
    let bytes = Atomic<Int>(0)
    for index in 0..<connections {
      guard let connection = try listener.accept(timeout: .seconds(600)) else { return (0, 0) }
      threads.start(name: "party-\(index)") {
        // A party that breaks off ends the benchmark by its own error.
        guard let stream = try? wire.accept(connection, options: BenchmarkSetting.options) else { return }
        let channel = FramedChannel(stream)
        defer {
          let meters = channel.snapshot()
          bytes.add(meters.totalSent + meters.totalReceived, ordering: .relaxed)
          channel.close()
        }
        guard (try? Hello.exchange(channel, Agreement.dealerHello(.dealer, protocolsDigest: digest))) != nil else {
          return
        }
        _ = try? server.serve(channel) { false }
      }
    }
    _ = threads.join(seconds: 86400)
    return (ProcessMemory.peak, bytes.load(ordering: .relaxed))
  }
}
