import Correlations
import Inference
import Lattice
import Randomness
import Rings
import Transport

/// Opens the model owner's correlation sources: what all sessions share is made once.
struct ModelOwnerSources: Sendable {
  /// A session's source, and its connection to a dealer where it has one.
  struct Opened {
    let source: any ModelOwnerSource
    fileprivate let dealer: DealerConnection?
  }

  private let kind: SourceKind
  private let threads: Int
  private let cache: WeightTransformCache

  fileprivate init(_ kind: SourceKind, threads: Int, cache: WeightTransformCache) {
    (self.kind, self.threads, self.cache) = (kind, threads, cache)
  }

  init(_ configuration: ModelOwnerConfiguration, agreement: Agreement, wire: Wire, streams: StreamRegistry) {
    kind = SourceKind(configuration.source, agreement, wire, streams)
    threads = configuration.threads
    cache = WeightTransformCache(limitBytes: configuration.weightCache << 20)
  }

  func open(
    _ channel: FramedChannel, sessionID: Digest32, options: StreamOptions, as role: Role = .modelOwner
  ) throws -> Opened {
    switch kind {
    case .lattice(let tables):
      return Opened(
        source: LatticeModelOwnerSource(
          peer: channel, sessionID: sessionID, tables: tables, cache: cache, workers: WorkerPool(threads: threads)),
        dealer: nil)
    case .dealer(let line):
      let dealer = try line.open(as: role, options: options)
      return Opened(
        source: DealerModelOwnerSource(dealer: dealer.channel, peer: channel, sessionID: sessionID), dealer: dealer)
    }
  }

  func close(_ opened: Opened) { opened.dealer?.close() }

  /// Server 0's source of the reverse run.
  func openReverse(
    _ channel: FramedChannel, sessionID: Digest32, options: StreamOptions, cached: WeightDifference?
  ) throws -> DataOwnerSources.Opened {
    try DataOwnerSources(kind, threads: threads, cache: cache).open(
      channel, sessionID: OutsourcedSession.reverseID(sessionID), options: options, cached: cached, as: .modelOwner)
  }

  func close(_ opened: DataOwnerSources.Opened) { opened.dealer?.close() }
}

/// Opens the data owner's correlation sources.
struct DataOwnerSources: Sendable {
  /// A session's source, and its connection to a dealer where it has one.
  struct Opened {
    let source: any DataOwnerSource
    fileprivate let dealer: DealerConnection?

    /// D = W - A, once the session has begun with a dealer: it spares the transfer when neither side restarted.
    var difference: WeightDifference? { (source as? DealerDataOwnerSource)?.difference }
  }

  private let kind: SourceKind
  private let threads: Int
  private let cache: WeightTransformCache

  init(_ configuration: DataOwnerConfiguration, agreement: Agreement, wire: Wire, streams: StreamRegistry) {
    kind = SourceKind(configuration.source, agreement, wire, streams)
    threads = configuration.threads
    cache = WeightTransformCache(limitBytes: (configuration.server?.weightCache ?? 0) << 20)
  }

  fileprivate init(_ kind: SourceKind, threads: Int, cache: WeightTransformCache) {
    (self.kind, self.threads, self.cache) = (kind, threads, cache)
  }

  /// Server 1's source of the reverse run.
  func openReverse(
    _ channel: FramedChannel, sessionID: Digest32, options: StreamOptions
  ) throws -> ModelOwnerSources.Opened {
    try ModelOwnerSources(kind, threads: threads, cache: cache).open(
      channel, sessionID: OutsourcedSession.reverseID(sessionID), options: options, as: .dataOwner)
  }

  func close(_ opened: ModelOwnerSources.Opened) { opened.dealer?.close() }

  /// - Parameters:
  ///   - cached: D of an earlier session; it names its dealer by tag.
  ///   - offsets: server 1's shares of constants per element.
  func open(
    _ channel: FramedChannel, sessionID: Digest32, options: StreamOptions, cached: WeightDifference?,
    as role: Role = .dataOwner, offsets: [Int: SecretWords] = [:]
  ) throws -> Opened {
    switch kind {
    case .lattice(let tables):
      return Opened(
        source: LatticeDataOwnerSource(
          peer: channel, sessionID: sessionID, tables: tables, workers: WorkerPool(threads: threads)),
        dealer: nil)
    case .dealer(let line):
      let dealer = try line.open(as: role, options: options)
      let source = DealerDataOwnerSource(
        dealer: dealer.channel, peer: channel, sessionID: sessionID, cached: cached, offsets: offsets)
      return Opened(source: source, dealer: dealer)
    }
  }

  func close(_ opened: Opened) { opened.dealer?.close() }
}

private enum SourceKind: Sendable {
  case lattice(LatticeTables)
  case dealer(DealerLine)

  init(_ source: SourceConfiguration, _ agreement: Agreement, _ wire: Wire, _ streams: StreamRegistry) {
    switch source {
    case .lattice: self = .lattice(LatticeTables())
    case .dealer(let address):
      self = .dealer(DealerLine(address: address, agreement: agreement, wire: wire, streams: streams))
    }
  }
}

private struct DealerLine: Sendable {
  let address: PinnedAddress
  let agreement: Agreement
  let wire: Wire
  let streams: StreamRegistry

  func open(as role: Role, options: StreamOptions) throws -> DealerConnection {
    let link = DealerLink(
      wire: wire.pinning([address.fingerprint]), address: address.address, options: options,
      protocolsDigest: agreement.protocolsDigest)
    let channel = try link.open(as: role)
    return DealerConnection(channel: channel, registration: streams.add(channel.stream), streams: streams)
  }
}

/// A connection to the dealer that a stop of the daemon can interrupt.
private struct DealerConnection {
  let channel: FramedChannel
  let registration: Int
  let streams: StreamRegistry

  func close() {
    channel.close()
    streams.remove(registration)
  }
}
