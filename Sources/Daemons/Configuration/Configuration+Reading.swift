import Foundation
import Networks
import Randomness
import Transport

extension PartyConfiguration {
  /// Reads a party's configuration from YAML and flags; flags win.
  ///
  /// - Parameter file: the YAML file, nil for flags alone. Relative paths in it start at its folder.
  /// - Throws: ``DaemonsError`` naming the key, and its line or flag.
  public static func load(file: String?, overrides: [ConfigurationOverride]) throws -> PartyConfiguration {
    try read(ConfigurationReader(file: file, overrides: overrides))
  }

  /// Reads YAML text; `file` names it in messages.
  public static func parse(
    yaml: String, file: String, overrides: [ConfigurationOverride] = []
  ) throws -> PartyConfiguration {
    try read(ConfigurationReader(yaml: yaml, file: file, overrides: overrides))
  }

  private static func read(_ reader: ConfigurationReader) throws -> PartyConfiguration {
    var reader = reader
    let text = try reader.required("role", "it is model-owner or data-owner, or server-0 or server-1")
    guard let role = PartyRole(rawValue: text) else {
      throw reader.invalid("role", "\"\(text)\" is neither model-owner nor data-owner, server-0 nor server-1")
    }
    switch role {
    case .modelOwner, .dataOwner:
      for key in ["share", "clients"] {
        try reader.forbid(key, "it belongs to the servers of a shared model, and the role is \(text)")
      }
      return role == .modelOwner
        ? .modelOwner(try ModelOwnerConfiguration(&reader)) : .dataOwner(try DataOwnerConfiguration(&reader))
    case .server0: return .modelOwner(try ModelOwnerConfiguration(server: &reader))
    case .server1: return .dataOwner(try DataOwnerConfiguration(server: &reader))
    }
  }
}

extension CommonConfiguration {
  init(_ reader: inout ConfigurationReader, defaultAdmin: NetworkAddress?) throws {
    self.init(identity: try reader.path("identity", "it is the folder that polympc keygen made"))
    logLevel = try reader.choice("log.level", default: logLevel)
    logFormat = try reader.choice("log.format", default: logFormat)
    if let text = try reader.string("admin") {
      admin = text == "off" ? nil : try reader.address("admin", text)
    } else {
      admin = defaultAdmin
    }
    handshakeTimeout = try reader.seconds("timeouts.handshake", in: 0.1...600, default: handshakeTimeout)
    messageTimeout = try reader.seconds("timeouts.message", in: 0.1...3600, default: messageTimeout)
    spin = try reader.integer("spin", in: 0...10_000, default: spin)
  }
}

extension ModelOwnerConfiguration {
  init(_ reader: inout ConfigurationReader) throws {
    for key in ["control", "prepare.level", "prepare.chunk", "query.timeout", "query.queue", "query.batch"] {
      try reader.forbid(key, "it belongs to the data owner, and the role is model-owner")
    }
    try reader.forbid("plan", "the model owner has a model, and the plan is inside it")
    try reader.forbid("peer.address", "the model owner does not dial its peers; give \"listen\" and \"peers\"")
    try reader.forbid("peer.fingerprint", "the model owner lets several peers in; give \"peers\", a list")
    self.init(
      common: try CommonConfiguration(&reader, defaultAdmin: NetworkAddress(host: "127.0.0.1", port: 9100)),
      model: try reader.path("model", "it is the file that polympc train made"),
      listen: try reader.requiredAddress("listen", "it is host:port, such as 0.0.0.0:7700"),
      peers: try reader.fingerprints("peers", "it lists the fingerprints of the data owners that are let in"),
      source: try reader.correlationSource())
    if let text = try reader.string("reveal") {
      guard let choice = Revelation(rawValue: text) else {
        throw reader.invalid("reveal", "\"\(text)\" is neither scores nor label")
      }
      reveals = choice
    }
    try readRest(&reader)
  }

  /// Server 0 of a shared model.
  init(server reader: inout ConfigurationReader) throws {
    for key in ["control", "prepare.level", "prepare.chunk", "query.queue", "peer.address", "peer.fingerprint"] {
      try reader.forbid(key, "it belongs to server 1, which dials; the role is server-0")
    }
    for key in ["model", "plan"] { try reader.forbid(key, "a server has a share of a model; give \"share\"") }
    try reader.forbid("reveal", "what results tell is settled by polympc share")
    self.init(
      common: try CommonConfiguration(&reader, defaultAdmin: NetworkAddress(host: "127.0.0.1", port: 9100)),
      model: try reader.path("share", "it is server 0's file of polympc share"),
      listen: try reader.requiredAddress("listen", "it is host:port, such as 0.0.0.0:7700"),
      peers: try reader.fingerprints("peers", "it lists the fingerprint of server 1"),
      source: try reader.correlationSource())
    clients = try reader.fingerprints("clients", "it lists the fingerprints of the clients that are let in")
    maximumBatch = try reader.integer("query.batch", in: 1...256, default: maximumBatch)
    queryTimeout = try reader.seconds("query.timeout", in: 0.1...3600, default: queryTimeout)
    try readRest(&reader)
  }

  private mutating func readRest(_ reader: inout ConfigurationReader) throws {
    store = try reader.store()
    weightCache = try reader.integer("lattice.cache", in: 0...1 << 20, default: weightCache)
    threads = try reader.integer("threads", in: 1...64, default: threads)
    sessions = try reader.integer("sessions", in: 1...1024, default: sessions)
    common.trace = try reader.trace()
    idleTimeout = try reader.seconds("timeouts.idle", in: 1...86400, default: idleTimeout)
    try reader.finish()
  }
}

extension DataOwnerConfiguration {
  init(_ reader: inout ConfigurationReader) throws {
    try reader.forbid("listen", "the data owner dials the model owner; give \"peer.address\"")
    try reader.forbid("model", "the model stays with the model owner; give \"plan\", the file of polympc export")
    try reader.forbid("peers", "the data owner has one peer; give \"peer.address\" and \"peer.fingerprint\"")
    try reader.forbid("reveal", "what results tell is the model owner's to decide, and stands in the plan")
    try reader.forbid("lattice.cache", "it bounds the model owner's transformed weights, and the role is data-owner")
    try reader.forbid("timeouts.idle", "the model owner decides how long a session may be idle")
    self.init(
      common: try CommonConfiguration(&reader, defaultAdmin: NetworkAddress(host: "127.0.0.1", port: 9101)),
      plan: try reader.path("plan", "it is the file that polympc export made of the model"),
      peer: try reader.pinned("peer"),
      source: try reader.correlationSource(),
      control: try reader.path("control", "it is the path of the socket that polympc infer asks"))
    try readRest(&reader)
  }

  /// Server 1 of a shared model.
  init(server reader: inout ConfigurationReader) throws {
    try reader.forbid("peers", "server 1 dials server 0; give \"peer.address\" and \"peer.fingerprint\"")
    for key in ["model", "plan"] { try reader.forbid(key, "a server has a share of a model; give \"share\"") }
    try reader.forbid("timeouts.idle", "server 0 decides how long a session may be idle")
    self.init(
      common: try CommonConfiguration(&reader, defaultAdmin: NetworkAddress(host: "127.0.0.1", port: 9101)),
      plan: try reader.path("share", "it is server 1's file of polympc share"),
      peer: try reader.pinned("peer"),
      source: try reader.correlationSource(),
      control: try reader.path("control", "it is the path of the socket that polympc preprocess asks"))
    var server = ServerOneConfiguration(
      listen: try reader.requiredAddress("listen", "it is host:port for clients, such as 0.0.0.0:7701"),
      clients: try reader.fingerprints("clients", "it lists the fingerprints of the clients that are let in"))
    server.weightCache = try reader.integer("lattice.cache", in: 0...1 << 20, default: server.weightCache)
    self.server = server
    try readRest(&reader)
  }

  private mutating func readRest(_ reader: inout ConfigurationReader) throws {
    store = try reader.store()
    sessions = try reader.integer("sessions", in: 1...64, default: sessions)
    common.trace = try reader.trace()
    threads = try reader.integer("threads", in: 1...64, default: threads)
    prepareLevel = try reader.integer("prepare.level", in: 0...1024, default: prepareLevel)
    prepareChunk = try reader.integer("prepare.chunk", in: 1...1024, default: min(prepareChunk, max(1, prepareLevel)))
    if reader.has("prepare.chunk"), prepareLevel > 0, prepareChunk > prepareLevel {
      throw reader.invalid("prepare.chunk", "\(prepareChunk) at once exceed prepare.level, which is \(prepareLevel)")
    }
    queueLimit = try reader.integer("query.queue", in: 1...65536, default: queueLimit)
    queryTimeout = try reader.seconds("query.timeout", in: 0.1...3600, default: queryTimeout)
    maximumBatch = try reader.integer("query.batch", in: 1...256, default: maximumBatch)
    try reader.finish()
    // sockaddr_un holds 108 bytes with the closing zero.
    guard control.utf8.count <= 107 else {
      throw reader.invalid("control", "a socket's path has at most 107 bytes, and this has \(control.utf8.count)")
    }
  }
}

extension DealerConfiguration {
  /// Reads a dealer's configuration from YAML and flags; flags win.
  ///
  /// - Throws: ``DaemonsError`` naming the key, and its line or flag.
  public static func load(file: String?, overrides: [ConfigurationOverride]) throws -> DealerConfiguration {
    var reader = try ConfigurationReader(file: file, overrides: overrides)
    return try DealerConfiguration(&reader)
  }

  /// Reads YAML text; `file` names it in messages.
  public static func parse(
    yaml: String, file: String, overrides: [ConfigurationOverride] = []
  ) throws -> DealerConfiguration {
    var reader = try ConfigurationReader(yaml: yaml, file: file, overrides: overrides)
    return try DealerConfiguration(&reader)
  }

  init(_ reader: inout ConfigurationReader) throws {
    if let role = try reader.string("role"), role != "dealer" {
      throw reader.invalid("role", "\"\(role)\" is not dealer; polympc party starts the parties")
    }
    for key in ["model", "plan"] { try reader.forbid(key, "the dealer knows neither model nor plan") }
    for key in ["peer.address", "dealer.address"] { try reader.forbid(key, "the dealer dials nobody; give \"peers\"") }
    self.init(
      common: try CommonConfiguration(&reader, defaultAdmin: NetworkAddress(host: "127.0.0.1", port: 9102)),
      listen: try reader.requiredAddress("listen", "it is host:port, such as 0.0.0.0:7800"),
      peers: try reader.fingerprints("peers", "it lists the fingerprints of the parties that are let in"))
    connections = try reader.integer("connections", in: 2...4096, default: connections)
    try reader.finish()
  }
}

extension ConfigurationReader {
  mutating func address(_ key: String, _ text: String) throws -> NetworkAddress {
    guard let address = NetworkAddress(text) else { throw invalid(key, "\"\(text)\" is not host:port") }
    return address
  }

  mutating func requiredAddress(_ key: String, _ reason: String) throws -> NetworkAddress {
    try address(key, required(key, reason))
  }

  /// `trace`.
  mutating func trace() throws -> String? { has("trace") ? try path("trace", "it is the file of a trace") : nil }

  /// `store.path` and `store.limit`.
  mutating func store() throws -> StoreConfiguration? {
    guard has("store.path") else {
      try forbid("store.limit", "it bounds a store, and \"store.path\" is not given")
      return nil
    }
    var store = StoreConfiguration(path: try path("store.path", "it is the file of prepared material"))
    store.limit = try integer("store.limit", in: 1...1 << 30, default: store.limit)
    return store
  }

  /// `source`, and `dealer` where that is the source. A dealer's address alone chooses it.
  mutating func correlationSource() throws -> SourceConfiguration {
    let text = try string("source")
    switch text ?? (has("dealer.address") || has("dealer.fingerprint") ? "dealer" : "lattice") {
    case "dealer": return .dealer(try pinned("dealer"))
    case "lattice":
      for key in ["dealer.address", "dealer.fingerprint"] {
        try forbid(key, "the source is lattice, which needs no dealer; give source: dealer to use one")
      }
      return .lattice
    default: throw invalid("source", "\"\(text ?? "")\" is neither lattice nor dealer")
    }
  }

  /// `KEY.address` and `KEY.fingerprint`.
  mutating func pinned(_ key: String) throws -> PinnedAddress {
    let address = try requiredAddress("\(key).address", "it is host:port of the \(name(key))")
    let text = try required("\(key).fingerprint", "it is what polympc keygen printed for the \(name(key))")
    return PinnedAddress(address: address, fingerprint: try fingerprint("\(key).fingerprint", text))
  }

  private func name(_ key: String) -> String { key == "peer" ? "model owner" : key }

  mutating func fingerprints(_ key: String, _ reason: String) throws -> [Digest32] {
    let texts = list(key)
    guard !texts.isEmpty else { throw DaemonsError.missingKey(key: key, place: source, reason: reason) }
    let values = try texts.map { try fingerprint(key, $0) }
    guard Set(values).count == values.count else { throw invalid(key, "a fingerprint is listed twice") }
    return values
  }

  private func fingerprint(_ key: String, _ text: String) throws -> Digest32 {
    do { return try Digest32(fingerprint: text) } catch { throw invalid(key, "\(error)") }
  }
}
