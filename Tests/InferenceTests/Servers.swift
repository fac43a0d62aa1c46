import Correlations
import Foundation
import Inference
import Lattice
import Programs
import Randomness
import Rings
import TestSupport
import Transport
import TwoParty

/// Two servers on threads of one process, with a dealer or alone, and their client, all randomness seeded.
struct Servers {
  let shares: (ServerShare, ServerShare)
  var limits = SessionLimits()
  var source = HelloSource.dealer
  /// Queries, by number, for which the client forgets server 0.
  var forgotten: Set<Int> = []
  /// Of each server, in preparation by lattices.
  var threads = 1
  /// Tables of each server in preparation by lattices; those of counters count its work.
  var tables = (Duo.tables, Duo.tables)

  struct Outcome {
    var results: [[Int64]] = []
    /// Server 1's view of its channel to server 0: opening, preparation, queries.
    var opening = ChannelMeters()
    var preparation = ChannelMeters()
    var query = ChannelMeters()
    /// Servers' views of both their channels to the dealer, whole session: forward, reverse.
    var dealing0 = (ChannelMeters(), ChannelMeters())
    var dealing1 = (ChannelMeters(), ChannelMeters())
    var transcript: Digest32?
    /// Queries that server 0 refused.
    var refused = 0
    /// Server 0's words of the output and server 1's, of the last query.
    var lastShares: ([UInt8], [UInt8]) = ([], [])
  }

  init(_ example: Example, seed: UInt64 = 51) throws {
    shares = try ServerShare.split(
      program: example.program, linear: example.linear, activations: example.coefficients,
      normalizations: example.normalizations.mapValues {
        NormalizationParameters(threshold: $0.threshold, flips: $0.flips, offset: $0.offset)
      }, offsets: example.offsets, randomness: StreamGenerator(publicSeed: seed))
  }

  init(shares: (ServerShare, ServerShare)) { self.shares = shares }

  var program: Program { shares.0.program }

  /// Prepares `prepared` inferences, then runs one query for each batch.
  func run(
    batches: [[[Int64]]], prepared: Int, fault: Fault? = nil, onServer faulty: Int = 1,
    idle: Duration = .milliseconds(300), sessionName: String = "session"
  ) throws -> Outcome {
    let options = StreamOptions(idleTimeout: fault == nil ? .seconds(60) : idle)
    let (memory1, memory0) = MemoryStream.pair(options: options)
    func end(_ stream: MemoryStream, _ server: Int) -> any ByteStream {
      guard let fault, server == faulty else { return stream }
      return FaultyStream(stream, fault)
    }
    let (end0, end1) = (end(memory0, 0), end(memory1, 1))
    let session = Digest32.sha256(Array(sessionName.utf8))
    let parties = Threads()
    let lines = source == .dealer ? Self.dealer(parties, options, fault != nil) : []
    let clients = TestClients(program: program)
    let names = clients.share(batches, forgetting: forgotten)
    let (shares, limits, source, count, tables) = (shares, limits, source, threads, tables.0)
    let meters = Meters()
    let recording = ChannelConfiguration(recordsTranscript: true)
    parties.start {
      let channel = FramedChannel(end0, configuration: recording)
      let dealers = lines.prefix(2).map { FramedChannel($0) }
      defer {
        channel.close()
        dealers.forEach { $0.close() }
        if let forward = dealers.first, let back = dealers.last { meters.value = (forward.snapshot(), back.snapshot()) }
      }
      let reverse = OutsourcedSession.reverseID(session)
      let zero: ServerZero
      let forward: any ModelOwnerSource
      if source == .dealer {
        forward = DealerModelOwnerSource(dealer: dealers[0], peer: channel, sessionID: session)
        zero = ServerZero(
          reverse: DealerDataOwnerSource(dealer: dealers[1], peer: channel, sessionID: reverse), clients: clients)
      } else {
        forward = LatticeModelOwnerSource(
          peer: channel, sessionID: session, tables: tables, cache: WeightTransformCache(limitBytes: 1 << 28),
          workers: WorkerPool(threads: count), randomness: StreamGenerator(publicSeed: 61))
        zero = ServerZero(
          reverse: LatticeDataOwnerSource(
            peer: channel, sessionID: reverse, tables: tables, workers: WorkerPool(threads: count),
            randomness: StreamGenerator(publicSeed: 63)), clients: clients)
      }
      try ModelOwnerSession(
        channel: channel, model: ModelOwnerModel(shares.0), source: forward, server: zero, limits: limits
      ).serve()
    }
    var outcome = Outcome()
    let channel = FramedChannel(end1, configuration: recording)
    let dealers = lines.dropFirst(2).map { FramedChannel($0) }
    do {
      try ask(channel, dealers, session, batches, names, prepared, clients, &outcome)
    } catch {
      channel.close()
      dealers.forEach { $0.close() }
      do { try parties.join(seconds: 60) } catch let hung as Threads.Hung { throw hung } catch {}
      throw error
    }
    try parties.join(seconds: 60)
    outcome.dealing0 = meters.value
    outcome.results = clients.results()
    outcome.lastShares = clients.last(names)
    return outcome
  }

  /// Server 1.
  private func ask(
    _ channel: FramedChannel, _ dealers: [FramedChannel], _ session: Digest32, _ batches: [[[Int64]]],
    _ names: [SharedQueryName], _ prepared: Int, _ clients: TestClients, _ outcome: inout Outcome
  ) throws {
    let reverse = OutsourcedSession.reverseID(session)
    let forward: any DataOwnerSource
    let one: ServerOne
    if source == .dealer {
      forward = DealerDataOwnerSource(
        dealer: dealers[0], peer: channel, sessionID: session, offsets: shares.1.offsets)
      one = ServerOne(
        share: shares.1, reverse: DealerModelOwnerSource(dealer: dealers[1], peer: channel, sessionID: reverse))
    } else {
      forward = LatticeDataOwnerSource(
        peer: channel, sessionID: session, tables: tables.1, workers: WorkerPool(threads: threads),
        randomness: StreamGenerator(publicSeed: 62))
      one = ServerOne(
        share: shares.1,
        reverse: LatticeModelOwnerSource(
          peer: channel, sessionID: reverse, tables: tables.1, cache: WeightTransformCache(limitBytes: 1 << 28),
          workers: WorkerPool(threads: threads), randomness: StreamGenerator(publicSeed: 64)))
    }
    let server = try DataOwnerSession(
      channel: channel, program: program, source: forward, server: one, limits: limits)
    outcome.opening = channel.snapshot()
    try server.prepare(count: prepared)
    let ready = channel.snapshot()
    outcome.preparation = ready - outcome.opening
    for (batch, name) in zip(batches, names) {
      do {
        clients.deliver1(try server.infer(shares: clients.second(name, samples: batch.count), name: name), of: name)
      } catch InferenceError.shareMissing {
        outcome.refused += 1
      }
    }
    outcome.query = channel.snapshot() - ready
    outcome.transcript = channel.transcript
    if let forward = dealers.first, let back = dealers.last {
      outcome.dealing1 = (forward.snapshot(), back.snapshot())
    }
    server.close()
  }

  /// Streams to a dealer: of server 0 forward and reverse, then of server 1.
  private static func dealer(_ threads: Threads, _ options: StreamOptions, _ isDamaged: Bool) -> [MemoryStream] {
    // A dealer each, so that its generator serves one session alone and what it draws is the same in each run.
    let dealers = ([21, 22] as [UInt64]).map { seed in
      var limits = DealerLimits()
      limits.comparesFingerprints = false
      limits.partnerSeconds = isDamaged ? 1 : 60
      return DealerServer(
        secret: SecretKey(bytes: [UInt8](repeating: 7, count: 16)), random: StreamGenerator(publicSeed: seed),
        limits: limits)
    }
    return (0..<4).map { number in
      let (own, other) = MemoryStream.pair(options: options)
      let dealer = dealers[number % 2]
      threads.start { try dealer.serve(FramedChannel(other)) }
      return own
    }
  }
}

// Unchecked: written by one thread, read after it was joined.
private final class Meters: @unchecked Sendable {
  var value = (ChannelMeters(), ChannelMeters())
}

/// A client that shares inputs and adds answers.
final class TestClients: ClientShares, @unchecked Sendable {
  // Unchecked: everything is touched under `lock`.
  private let lock = NSLock()
  private let program: Program
  private var first: [SharedQueryName: [SecretWords]] = [:]
  private var seconds: [SharedQueryName: [SecretWords]] = [:]
  private var outputs: [SharedQueryName: [[UInt8]]] = [:]
  private var order: [(SharedQueryName, Int)] = []

  init(program: Program) { self.program = program }

  func share(_ batches: [[[Int64]]], forgetting forgotten: Set<Int>) -> [SharedQueryName] {
    let random = StreamGenerator(publicSeed: 71)
    let modulus = program.input.modulus
    return batches.enumerated().map { number, samples in
      let name = SharedQueryName(
        client: .sha256(Array("client".utf8)), number: [UInt8](repeating: UInt8(number), count: 16))
      let shares = samples.map { sample in
        let second = random.secretWords(modulus, count: sample.count)
        let first = SecretWords(
          sample.map { modulus == .field ? PrimeField.reduce(signed: $0) : Word64.reduce(signed: $0) })
        Elementwise.subtract(modulus, first.pointer, second.pointer, count: sample.count, output: first.pointer)
        return (first, second)
      }
      if !forgotten.contains(number) {
        first[name] = shares.map(\.0)
        order.append((name, samples.count))
      }
      seconds[name] = shares.map(\.1)
      return name
    }
  }

  func second(_ name: SharedQueryName, samples: Int) -> [SecretWords] { lock.withLock { seconds[name]! } }

  func input(of query: SharedQueryName, samples: Int) -> [SecretWords]? {
    lock.withLock { first[query].flatMap { $0.count == samples ? $0 : nil } }
  }

  func deliver(_ output: SecretBytes, of query: SharedQueryName) {
    lock.withLock { outputs[query, default: []].append(output.array()) }
  }

  func deliver1(_ output: SecretBytes, of query: SharedQueryName) { deliver(output, of: query) }

  func last(_ names: [SharedQueryName]) -> ([UInt8], [UInt8]) {
    lock.withLock { names.last.flatMap { outputs[$0] }.map { ($0[0], $0[1]) } ?? ([], []) }
  }

  func results() -> [[Int64]] {
    guard case .output(let dropped) = program.steps.last!.operation else { return [] }
    return lock.withLock {
      order.flatMap { name, samples in
        OutputOperator.combine(outputs[name]![0], outputs[name]![1], samples: samples, droppedBits: dropped)
      }
    }
  }
}
