public import Networks
public import Randomness
public import Transport

/// Which of the two parties a daemon is.
public enum PartyRole: String, CaseIterable, Sendable {
  /// Party 0: has the network, listens.
  case modelOwner = "model-owner"
  /// Party 1: has the inputs, dials, receives the results.
  case dataOwner = "data-owner"
  /// Outsourced: has a share of a network, listens for server 1 and for clients.
  case server0 = "server-0"
  /// Outsourced: has the other share, dials server 0, listens for clients.
  case server1 = "server-1"
}

/// Another daemon: where it is, and the certificate it must show.
public struct PinnedAddress: Sendable, Equatable {
  /// Host and port.
  public var address: NetworkAddress
  /// SHA-256 of its certificate.
  public var fingerprint: Digest32

  /// Makes a pinned address.
  public init(address: NetworkAddress, fingerprint: Digest32) {
    self.address = address
    self.fingerprint = fingerprint
  }
}

/// Where a party takes correlated randomness from.
public enum SourceConfiguration: Sendable, Equatable {
  /// Lattice cryptography between the two parties.
  case lattice
  /// A trusted third process.
  case dealer(PinnedAddress)

  /// As the hello names it.
  public var kind: HelloSource {
    switch self {
    case .lattice: .lattice
    case .dealer: .dealer
    }
  }
}

/// A store of prepared material on disk.
public struct StoreConfiguration: Sendable, Equatable {
  /// The file.
  public var path: String
  /// Mebibytes of material it may hold.
  public var limit: Int = 4096

  /// Makes a configuration with the defaults.
  public init(path: String) { self.path = path }
}

/// What every daemon has: identity, log, administration port, time-outs.
public struct CommonConfiguration: Sendable, Equatable {
  /// Folder made by `polympc keygen`.
  public var identity: String
  /// Least severe level that is logged.
  public var logLevel: LogLevel = .info
  /// Form of the log.
  public var logFormat: LogFormat = .text
  /// Address of `/metrics` and `/healthz`; nil switches them off.
  public var admin: NetworkAddress?
  /// Seconds for a TCP and TLS handshake and the hello.
  public var handshakeTimeout: Double = 10
  /// Seconds that one expected message may take.
  public var messageTimeout: Double = 60
  /// Microseconds that a receive spins before it blocks. 0 leaves the core to others.
  public var spin: Int = 50
  /// Where a trace of what is done is written; nil traces nothing. The dealer has none.
  public var trace: String?

  /// Makes a configuration with the defaults.
  public init(identity: String) { self.identity = identity }
}

/// The model owner's daemon.
public struct ModelOwnerConfiguration: Sendable, Equatable {
  /// Identity, log, administration, time-outs.
  public var common: CommonConfiguration
  /// The model file; server 0's share of one where there are ``clients``.
  public var model: String
  /// What results tell, where it is not what the model file says.
  public var reveals: Revelation?
  /// Certificates of the clients that are let in; nil at a model owner, which has none.
  public var clients: [Digest32]?
  /// Samples in one query of a client.
  public var maximumBatch: Int = 256
  /// Seconds that a client's query may take.
  public var queryTimeout: Double = 60
  /// Where to listen.
  public var listen: NetworkAddress
  /// Certificates of the data owners that are let in.
  public var peers: [Digest32]
  /// Where correlated randomness comes from.
  public var source: SourceConfiguration
  /// Mebibytes of transformed weights that are kept in memory for lattice preparation; what does not fit is transformed
  /// again for each bulk.
  public var weightCache: Int = Self.defaultWeightCache
  /// Mebibytes of transforms that are held unless told otherwise.
  public static let defaultWeightCache = 256
  /// Threads that share the computation of a session's preparation.
  public var threads: Int = 1
  /// Where prepared material waits; nil keeps it in memory, for the length of a session.
  public var store: StoreConfiguration?
  /// Sessions served at once.
  public var sessions: Int = 16
  /// Seconds that a session may be idle.
  public var idleTimeout: Double = 86400

  /// Makes a configuration with the defaults.
  public init(
    common: CommonConfiguration, model: String, listen: NetworkAddress, peers: [Digest32],
    source: SourceConfiguration = .lattice
  ) {
    self.common = common
    self.model = model
    self.listen = listen
    self.peers = peers
    self.source = source
  }
}

/// What server 1 has beside a data owner's configuration.
public struct ServerOneConfiguration: Sendable, Equatable {
  /// Where clients are listened for.
  public var listen: NetworkAddress
  /// Certificates of the clients that are let in.
  public var clients: [Digest32]
  /// Mebibytes of transformed weights that are kept in memory for lattice preparation.
  public var weightCache: Int = 256

  /// Makes a configuration with the defaults.
  public init(listen: NetworkAddress, clients: [Digest32]) { (self.listen, self.clients) = (listen, clients) }
}

/// The data owner's daemon.
public struct DataOwnerConfiguration: Sendable, Equatable {
  /// Identity, log, administration, time-outs.
  public var common: CommonConfiguration
  /// The public plan file that the model owner exported; server 1's share of a model where ``server`` is given.
  public var plan: String
  /// What server 1 has beside; nil at a data owner.
  public var server: ServerOneConfiguration?
  /// The model owner.
  public var peer: PinnedAddress
  /// Where correlated randomness comes from.
  public var source: SourceConfiguration
  /// Where prepared material waits; nil keeps it in memory, for the length of a session.
  public var store: StoreConfiguration?
  /// The Unix-domain socket on which `polympc infer` asks.
  public var control: String
  /// Sessions with the model owner, one thread each.
  public var sessions: Int = 1
  /// Threads that share the computation of a session's preparation.
  public var threads: Int = 1
  /// Inferences that each session keeps prepared.
  public var prepareLevel: Int = 64
  /// Inferences prepared in one go in the background; a query waits for at most one such bulk.
  public var prepareChunk: Int = 16
  /// Queries that may wait.
  public var queueLimit: Int = 256
  /// Seconds that a query may take, waiting included.
  public var queryTimeout: Double = 60
  /// Samples in one query.
  public var maximumBatch: Int = 256

  /// Makes a configuration with the defaults.
  public init(
    common: CommonConfiguration, plan: String, peer: PinnedAddress, source: SourceConfiguration = .lattice,
    control: String
  ) {
    self.common = common
    self.plan = plan
    self.peer = peer
    self.source = source
    self.control = control
  }
}

/// The dealer's daemon.
public struct DealerConfiguration: Sendable, Equatable {
  /// Identity, log, administration, time-outs.
  public var common: CommonConfiguration
  /// Where to listen.
  public var listen: NetworkAddress
  /// Certificates of the model and data owners that are let in.
  public var peers: [Digest32]
  /// Connections served at once; a session of two parties takes two, of two servers four.
  public var connections: Int = 64
  /// Makes a configuration with the defaults.
  public init(common: CommonConfiguration, listen: NetworkAddress, peers: [Digest32]) {
    self.common = common
    self.listen = listen
    self.peers = peers
  }
}

/// A party's configuration, of either role.
public enum PartyConfiguration: Sendable, Equatable {
  /// Party 0.
  case modelOwner(ModelOwnerConfiguration)
  /// Party 1.
  case dataOwner(DataOwnerConfiguration)

  /// Identity, log, administration, time-outs.
  public var common: CommonConfiguration {
    switch self {
    case .modelOwner(let configuration): configuration.common
    case .dataOwner(let configuration): configuration.common
    }
  }
}
