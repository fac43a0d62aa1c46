import ArgumentParser
import Daemons
import Inference
import Networks
import Transport

struct Party: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run one of the two parties' daemons.",
    discussion: """
      By default the two parties prepare alone, by lattice cryptography; with
      --source dealer they rely on a third process (polympc dealer --help says whom
      one has to trust then). The model owner listens; the data owner dials it,
      keeps inferences prepared, and answers polympc infer over a local socket.
      Either may be restarted without the other. SIGTERM ends a daemon after its
      running query.

      Examples:
        polympc party --role model-owner --identity model-owner \\
          --model digits.model --listen 0.0.0.0:7700 --allow FINGERPRINT \\
          --store model-owner.store
        polympc party --role data-owner --identity data-owner \\
          --plan digits.plan --peer model.example:7700 \\
          --peer-fingerprint FINGERPRINT --control data-owner.sock \\
          --store data-owner.store
        polympc party --config data-owner.yaml
        polympc party --role server-0 --identity server-0 \\
          --share digits.share0 --listen 0.0.0.0:7700 \\
          --allow FINGERPRINT1 --client FINGERPRINT2
        polympc party --role server-1 --identity server-1 \\
          --share digits.share1 --peer zero.example:7700 \\
          --peer-fingerprint FINGERPRINT0 --listen 0.0.0.0:7701 \\
          --client FINGERPRINT2 --control server-1.sock

      The last two run a model that polympc share has cut in two, for clients that
      ask with polympc infer --outsourced: neither server learns model, input or
      result, unless both pool what they see. Their files have share in place of
      model and plan, clients: [F, ...], and else the keys of model owner and data
      owner; server 1's has listen and lattice too, server 0's query too.

      With --store at both, what is prepared waits on disk and outlives restarts;
      else it is gone with its session.

      The files, with all keys and their defaults (those without one must be
      given, except store, reveal and trace):
        role: model-owner               role: data-owner
        identity: FOLDER                identity: FOLDER
        model: FILE                     plan: FILE
        reveal: scores or label
        listen: HOST:PORT               peer: {address: HOST:PORT,
        peers: [F, ...]                        fingerprint: F}
        source: lattice                 control: SOCKET
        lattice: {cache: 256}           source: lattice
        store: {path: FILE,             store: {path: FILE, limit: 4096}
                limit: 4096}            prepare: {level: 64, chunk: 16}
        threads: 1                      threads: 1
        sessions: 16                    sessions: 1
        timeouts: {handshake: 10,       timeouts: {handshake: 10, message: 60}
                   message: 60,         query: {timeout: 60, queue: 256,
                   idle: 86400}                 batch: 256}
        spin: 50                        spin: 50
        trace: FILE                     trace: FILE
        admin: 127.0.0.1:9100           admin: 127.0.0.1:9101
        log: {level: info,              log: {level: info, format: text}
              format: text}
      With trace each writes what it did and when, layer by layer, to open in
      Perfetto; polympc hw align lays both parties' files side by side. Nothing
      secret is in them.
      With source: dealer both name it:
        dealer: {address: HOST:PORT, fingerprint: F}
      Times are seconds, spin is microseconds, cache and limit are mebibytes.
      Paths start at the file's folder.
      """)

  @OptionGroup var daemon: DaemonOptions

  @Option(help: "model-owner or data-owner; server-0 or server-1 of a shared model.")
  var role: String?

  @Option(help: ArgumentHelp("Servers: this server's file of polympc share.", valueName: "file"))
  var share: String?

  @Option(
    help: ArgumentHelp("Servers: fingerprint of a client let in; repeat for several.", valueName: "fingerprint"))
  var client: [String] = []

  @Option(help: ArgumentHelp("Model owner: the model file.", valueName: "file"))
  var model: String?

  @Option(help: ArgumentHelp("Model owner: what results tell, scores or label.", valueName: "what"))
  var reveal: String?

  @Option(help: ArgumentHelp("Model owner: where to listen.", valueName: "host:port"))
  var listen: String?

  @Option(
    help: ArgumentHelp("Model owner: fingerprint of a data owner let in; repeat for several.", valueName: "fingerprint")
  )
  var allow: [String] = []

  @Option(help: ArgumentHelp("Data owner: the plan file of polympc export.", valueName: "file"))
  var plan: String?

  @Option(help: ArgumentHelp("Data owner: the model owner's address.", valueName: "host:port"))
  var peer: String?

  @Option(help: ArgumentHelp("Data owner: the model owner's fingerprint.", valueName: "fingerprint"))
  var peerFingerprint: String?

  @Option(help: ArgumentHelp("Data owner: path of the local socket for polympc infer.", valueName: "path"))
  var control: String?

  @Option(help: ArgumentHelp("Data owner: inferences kept prepared by each session.", valueName: "count"))
  var level: Int?

  @Option(help: ArgumentHelp("Where correlated randomness comes from: lattice or dealer.", valueName: "source"))
  var source: String?

  @Option(help: ArgumentHelp("Model owner: memory for transformed weights, in mebibytes.", valueName: "mebibytes"))
  var weightCache: Int?

  @Option(help: ArgumentHelp("File for prepared material, which then outlives a restart.", valueName: "file"))
  var store: String?

  @Option(help: ArgumentHelp("Most material the store may hold, in mebibytes.", valueName: "mebibytes"))
  var storeLimit: Int?

  @Option(help: ArgumentHelp("The dealer's address.", valueName: "host:port"))
  var dealer: String?

  @Option(help: ArgumentHelp("The dealer's fingerprint.", valueName: "fingerprint"))
  var dealerFingerprint: String?

  @Option(help: ArgumentHelp("Write a trace of what is done, for Perfetto.", valueName: "file"))
  var trace: String?

  @Option(help: "Threads that share the preparation of each session.")
  var threads: Int?

  @Option(help: "Sessions at once.")
  var sessions: Int?

  private var overrides: [ConfigurationOverride] {
    daemon.overrides
      + Overrides.collect([
        ("role", role, "--role"), ("model", model, "--model"), ("listen", listen, "--listen"), ("plan", plan, "--plan"),
        ("peer.address", peer, "--peer"), ("peer.fingerprint", peerFingerprint, "--peer-fingerprint"),
        ("control", control, "--control"), ("prepare.level", level.map(String.init), "--level"),
        ("dealer.address", dealer, "--dealer"), ("dealer.fingerprint", dealerFingerprint, "--dealer-fingerprint"),
        ("sessions", sessions.map(String.init), "--sessions"), ("source", source, "--source"),
        ("store.path", store, "--store"), ("store.limit", storeLimit.map(String.init), "--store-limit"),
        ("threads", threads.map(String.init), "--threads"), ("reveal", reveal, "--reveal"),
        ("lattice.cache", weightCache.map(String.init), "--weight-cache"), ("trace", trace, "--trace"),
        ("share", share, "--share"),
      ]) + Overrides.list("peers", allow, "--allow") + Overrides.list("clients", client, "--client")
  }

  func run() throws {
    try Failures.reporting {
      TerminationSignals.block()
      let configuration = try PartyConfiguration.load(file: daemon.config, overrides: overrides)
      let identity = try Identity.load(directory: configuration.common.identity)
      let runner = DaemonRunner(label: "party", common: configuration.common)
      switch configuration {
      case .modelOwner(let configuration):
        let served = try configuration.serve()
        let party = try ModelOwnerDaemon(
          configuration: configuration, model: served.model, agreement: served.agreement,
          wire: .tls(identity, pinned: configuration.peers + (configuration.clients ?? [])), logger: runner.logger,
          metrics: runner.metrics)
        try runner.serve(isHealthy: { true }, start: party.start, stop: { party.stop() }, wait: { party.wait() })
      case .dataOwner(let configuration):
        let share = try configuration.server.map { _ in try ServerShareFile.load(from: configuration.plan) }
        let file = try share?.plan ?? PlanFile.load(from: configuration.plan)
        let party = try DataOwnerDaemon(
          configuration: configuration, plan: file.plan, share: share?.share, agreement: try Agreement(file),
          wire: .tls(identity, pinned: [configuration.peer.fingerprint]), logger: runner.logger,
          metrics: runner.metrics)
        try runner.serve(
          isHealthy: { party.sessions > 0 }, start: party.start, stop: { party.stop() }, wait: { party.wait() })
      }
    }
  }
}
