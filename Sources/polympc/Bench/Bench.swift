import ArgumentParser
import Daemons
import Foundation
import Randomness
import Transport

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure private inference between two processes.",
    discussion: """
      Starts both parties (and a dealer, where that is the source) as processes of their own on loopback over mutual TLS,
      each on one core with one thread, and measures at the data owner. Networks have random weights and the polynomial
      0.01 x^2 + x. Cases: lenet:poly:B, resnet20:poly:B, resnet18:poly:B (B samples a query) and square:N.
      With --role it plays one of them in the foreground, for two machines or an emulated link; without --identity
      such a connection is plain TCP.

      Examples:
        polympc bench lenet:poly:1 square:65536
        polympc bench resnet20:poly:1 --phase total --inferences 8 --json
        polympc bench lenet:poly:1 --source dealer
        polympc bench lenet:poly:1 --role model-owner --listen 127.0.0.1:7900
        polympc bench lenet:poly:1 --role data-owner --peer 127.0.0.1:7900 --net lan
      """)

  @Argument(help: "What to measure.")
  var cases: [String]

  @Option(help: "online, preprocessing or total.")
  var phase = "online"

  @Option(help: "Where correlated randomness comes from: lattice or dealer.")
  var source = "lattice"

  @Option(help: "Threads of a party. The engine uses one.")
  var threads = 1

  @Option(help: "Repetitions after one that does not count.")
  var repetitions = 7

  @Option(help: "Queries prepared together in a repetition.")
  var inferences = 1

  @Option(help: "Name of the link, for the record.")
  var net = "local"

  @Flag(help: "Print a JSON line a case.")
  var json = false

  @Option(help: "Play one process: model-owner, data-owner or dealer.")
  var role: String?

  @Option(help: ArgumentHelp("With --role model-owner or dealer: where to listen.", valueName: "host:port"))
  var listen: String?

  @Option(help: ArgumentHelp("With --role data-owner: the model owner.", valueName: "host:port"))
  var peer: String?

  @Option(help: ArgumentHelp("With --role and --source dealer: the dealer.", valueName: "host:port"))
  var dealer: String?

  @Option(help: ArgumentHelp("With --role: folder of this process's identity, for TLS.", valueName: "folder"))
  var identity: String?

  @Option(help: ArgumentHelp("With --identity: fingerprint of another process; repeat.", valueName: "fingerprint"))
  var pin: [String] = []

  @Option(help: ArgumentHelp("With --role: the core to stay on.", valueName: "number"))
  var core: Int?

  func validate() throws {
    guard threads == 1 else {
      throw ValidationError("A party runs on one thread; --threads \(threads) is not offered.")
    }
    guard 1...1000 ~= repetitions else { throw ValidationError("--repetitions is 1 to 1000.") }
    guard 1...256 ~= inferences else { throw ValidationError("--inferences is 1 to 256.") }
    guard BenchmarkPhase(rawValue: phase) != nil else {
      throw ValidationError("--phase is online, preprocessing or total.")
    }
    guard source == "lattice" || source == "dealer" else { throw ValidationError("--source is lattice or dealer.") }
    guard let role else {
      guard listen == nil, peer == nil, dealer == nil, identity == nil, pin.isEmpty, core == nil else {
        throw ValidationError("--listen, --peer, --dealer, --identity, --pin and --core go with --role.")
      }
      return
    }
    guard ["model-owner", "data-owner", "dealer"].contains(role) else {
      throw ValidationError("--role is model-owner, data-owner or dealer.")
    }
    guard cases.count == 1 else { throw ValidationError("With --role, give one case.") }
    guard (role == "data-owner") == (peer != nil), (role == "data-owner") == (listen == nil) else {
      throw ValidationError("The data owner takes --peer; the others take --listen.")
    }
    guard role == "dealer" || (source == "dealer") == (dealer != nil) else {
      throw ValidationError("--dealer goes with --source dealer.")
    }
  }

  func run() throws {
    try Failures.reporting {
      let cases = try cases.map { try BenchmarkCase($0) }
      if let role { return try BenchProcess(options: self, benchmark: cases[0]).play(role) }
      var results: [BenchmarkResult] = []
      for benchmark in cases {
        let result = try BenchTrio(options: self, benchmark: benchmark).run()
        if json { try Output.json(result) }
        results.append(result)
      }
      if !json { Self.table(results) }
    }
  }

  /// Results for people.
  static func table(_ results: [BenchmarkResult]) {
    Output.table(
      [["case", "phase", "source", "median", "fastest", "bytes", "rounds", "RSS model", "RSS data", "error"]]
        + results.map { result in
          [
            result.case, result.phase, result.source, Output.duration(result.seconds),
            Output.duration(result.allS.min() ?? 0), "\(result.bytesTotal)", Output.fixed(result.rounds, 0),
            result.peakRssMb.modelOwner.map { Output.fixed($0, 0) + " MB" } ?? "",
            Output.fixed(result.peakRssMb.dataOwner, 0) + " MB", Output.fixed(result.maxAbsErr, 5),
          ]
        })
  }
}
