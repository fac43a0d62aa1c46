import ArgumentParser
import Daemons
import Transport

struct Dealer: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run the dealer: deal correlated randomness to pairs of parties.",
    discussion: """
      TRUST. The dealer sees neither weights nor inputs nor results, and no message
      between the parties. But what it deals hides them: a dealer that pools what it
      knows with the data owner learns the weights, and with the model owner every
      input. Run it where neither party can look, for instance with a third
      organisation.

      It keeps nothing on disk. It sees the programs (layers and shapes), who asks,
      and how often.

      Example:
        polympc keygen dealer
        polympc dealer --identity dealer --listen 0.0.0.0:7800 --allow FINGERPRINT \\
          --allow FINGERPRINT

      The same as a file, given by --config:
        identity: dealer
        listen: 0.0.0.0:7800
        peers: [FINGERPRINT, FINGERPRINT]
        connections: 64
        admin: 127.0.0.1:9102
        timeouts: {handshake: 10, message: 60}
        log: {level: info, format: text}
      """)

  @OptionGroup var daemon: DaemonOptions

  @Option(help: ArgumentHelp("Where to listen.", valueName: "host:port"))
  var listen: String?

  @Option(help: ArgumentHelp("Fingerprint of a party that is let in; repeat for several.", valueName: "fingerprint"))
  var allow: [String] = []

  func run() throws {
    try Failures.reporting {
      TerminationSignals.block()
      let configuration = try DealerConfiguration.load(
        file: daemon.config,
        overrides: daemon.overrides + Overrides.collect([("listen", listen, "--listen")])
          + Overrides.list("peers", allow, "--allow"))
      let identity = try Identity.load(directory: configuration.common.identity)
      let runner = DaemonRunner(label: "dealer", common: configuration.common)
      let dealer = try DealerDaemon(
        configuration: configuration, protocolsDigest: try Agreement.currentProtocolsDigest(),
        wire: .tls(identity, pinned: configuration.peers), logger: runner.logger, metrics: runner.metrics)
      try runner.serve(isHealthy: { true }, start: dealer.start, stop: { dealer.stop() }, wait: { dealer.wait() })
    }
  }
}
