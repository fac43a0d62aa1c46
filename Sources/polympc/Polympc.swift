import ArgumentParser
import Daemons

/// The one executable: its subcommands parse arguments, call the modules, and print.
@main
struct Polympc: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "polympc",
    abstract: "Private neural-network inference between two organisations.",
    discussion: """
      One side has a trained network, the other has data. Each runs a daemon; the
      two daemons compute the prediction together, and neither shows the other what
      it has. They need nobody else; where a third party is trusted, a dealer can
      hand out the correlated randomness instead (see polympc dealer --help for what
      it must not do).

      Exit codes: 0 success; 1 failure; 64 wrong usage; 65 a file or an input that
      cannot be used; 69 a daemon or peer that cannot be reached or is busy; 73 a
      file that cannot be written; 75 too slow; 78 a wrong configuration.
      """,
    version: "polympc \(BuildVersion.number)",
    subcommands: [
      Keygen.self, Train.self, Search.self, Finetune.self, Evaluate.self, ReportCommand.self, Import.self,
      Check.self, Inspect.self, Export.self, Share.self, Dealer.self, Party.self, Infer.self, Preprocess.self,
      Store.self, Bench.self, Hw.self,
    ])

  /// Sets the allocator up, then parses and runs.
  static func main() {
    ProcessMemory.keepFreed()
    main(nil)
  }
}

/// The version that the CHANGELOG names.
enum BuildVersion {
  static let number = "0.1.0"
}
