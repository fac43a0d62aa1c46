import ArgumentParser
import Daemons

/// Flags that all daemons share. A flag wins over the configuration file's key of the same meaning.
struct DaemonOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Configuration file (YAML). Flags win over it.", valueName: "file"))
  var config: String?

  @Option(help: ArgumentHelp("Folder of the identity that polympc keygen made.", valueName: "folder"))
  var identity: String?

  @Option(help: ArgumentHelp("Address of /metrics and /healthz, or \"off\".", valueName: "host:port"))
  var admin: String?

  @Option(help: "Least severe level logged: trace, debug, info, notice, warning, error.")
  var logLevel: String?

  @Option(help: "Form of the log: text or json.")
  var logFormat: String?

  var overrides: [ConfigurationOverride] {
    Overrides.collect([
      ("identity", identity, "--identity"), ("admin", admin, "--admin"), ("log.level", logLevel, "--log-level"),
      ("log.format", logFormat, "--log-format"),
    ])
  }
}

/// Turns flags into values of configuration keys.
enum Overrides {
  static func collect(_ flags: [(key: String, value: String?, flag: String)]) -> [ConfigurationOverride] {
    flags.compactMap { entry in
      entry.value.map { ConfigurationOverride(key: entry.key, values: [$0], flag: entry.flag) }
    }
  }

  static func list(_ key: String, _ values: [String], _ flag: String) -> [ConfigurationOverride] {
    values.isEmpty ? [] : [ConfigurationOverride(key: key, values: values, flag: flag)]
  }
}
