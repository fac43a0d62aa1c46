import ArgumentParser
import Daemons
import Foundation
import Randomness
import Transport

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure private inference between two processes.",
    discussion: """
      Starts both parties (and a dealer, where that is the source) as processes of
      their own on loopback over mutual TLS, each on one core with one thread, and
      measures at the data owner. Networks have random weights, and the polynomial
      0.01 x^2 + x or ReLU. Cases:
        lenet:poly:B  resnet20:poly:B
        resnet50-imagenet:poly:B            any network that `train` knows by name, B
                                            samples a query
        lenet:relu:B  resnet20:relu:B ...   the same networks with ReLU
        square:N                            N squares
        relu:N[:BITS]  maxpool:N[:BITS]     N ReLUs, or maxima of 2x2 pixels,
                                            compared in BITS bits, 20; with :bytes
                                            behind, in fewest bytes
        conv:IN:OUT:SIZE[:KERNEL[:STRIDE]]  preparation of one layer, KERNEL 3,
                                            padding KERNEL/2
        respond:IN:OUT:SIZE[:...]           of that, the model owner's computation
                                            in one process, on --threads
        ole:N                               preparation of N oblivious linear
                                            evaluations over F_p
        cot:N[:silent|softspoken[:K]]       N correlated oblivious transfers;
                                            set-up of the pair apart
        ntt:DEGREE[:VARIANT]                transforms, one thread of one
                                            process: scalar, avx2 or avx512
      With --role it plays one of them in the foreground, for two machines or an
      emulated link; without --identity such a connection is plain TCP.

      Examples:
        polympc bench lenet:poly:1 square:65536
        polympc bench resnet20:poly:1 --phase total --inferences 8 --json
        polympc bench conv:64:64:56 ole:1048576 ntt:8192
        polympc bench lenet:poly:1 --source dealer
        polympc bench lenet:poly:1 --outsourced
        polympc bench lenet:poly:1 --role model-owner --listen 127.0.0.1:7900
        polympc bench lenet:poly:1 --role data-owner --peer 127.0.0.1:7900 --net lan
      """)

  @Argument(help: "What to measure.")
  var cases: [String]

  @Option(help: "online, preprocessing or total; by default online for networks, preprocessing for conv and ole.")
  var phase: String?

  @Option(help: "Where correlated randomness comes from: lattice or dealer.")
  var source = "lattice"

  @Flag(help: "Run networks between two servers that hold shares of them.")
  var outsourced = false

  @Option(help: "Threads that share a party's preparation by lattices. With more than one, no party keeps to a core.")
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
    guard 1...64 ~= threads else { throw ValidationError("--threads is 1 to 64.") }
    guard threads == 1 || source == "lattice" else {
      throw ValidationError("--threads share lattice preparation; with --source dealer there is nothing to share.")
    }
    guard 1...1000 ~= repetitions else { throw ValidationError("--repetitions is 1 to 1000.") }
    guard 1...256 ~= inferences else { throw ValidationError("--inferences is 1 to 256.") }
    guard phase.map({ ["online", "preprocessing", "total"].contains($0) }) ?? true else {
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
      if outsourced, let other = cases.first(where: { !$0.isNetwork }) {
        throw DaemonsError.input(source: "case \"\(other.name)\"", reason: "only networks are shared between servers")
      }
      if role != nil, !cases[0].hasParties {
        throw DaemonsError.input(source: "case \"\(cases[0].name)\"", reason: "it has no parties, and --role plays one")
      }
      if let role { return try BenchProcess(options: self, benchmark: cases[0]).play(role) }
      var results: [BenchmarkResult] = []
      for benchmark in cases {
        let result = try measure(benchmark)
        if json { try Output.json(result) }
        results.append(result)
      }
      if !json { Self.table(results) }
    }
  }

  private func measure(_ benchmark: BenchmarkCase) throws -> BenchmarkResult {
    if case .transfers = benchmark.kind {
      guard phase ?? "preprocessing" == "preprocessing", source == "lattice", threads == 1, inferences == 1 else {
        throw DaemonsError.input(
          source: "case \"\(benchmark.name)\"",
          reason: "transfers are preprocessing between the parties, on one thread, and serve no query")
      }
    }
    guard !benchmark.hasParties else { return try BenchTrio(options: self, benchmark: benchmark).run() }
    func refused(_ reason: String) -> DaemonsError { .input(source: "case \"\(benchmark.name)\"", reason: reason) }
    guard phase == nil, inferences == 1 else { throw refused("it has no phases and prepares nothing") }
    switch benchmark.kind {
    case .transform(let degree, let variant):
      guard threads == 1 else { throw refused("transforms run on one thread") }
      return TransformBenchmark.run(
        name: benchmark.name, degree: degree, variant: variant, repetitions: repetitions, net: net)
    case .responses(let geometry):
      return try ResponseBenchmark.run(
        name: benchmark.name, geometry: geometry, threads: threads, repetitions: repetitions, net: net)
    default: preconditionFailure("a case of two parties")
    }
  }

  /// Results for people.
  static func table(_ results: [BenchmarkResult]) {
    Output.table(
      [["case", "phase", "source", "median", "fastest", "bytes", "rounds", "RSS model", "RSS data", "error"]]
        + results.map { result in
          [
            result.case, result.phase, result.source, duration(result.seconds), duration(result.allS.min() ?? 0),
            "\(result.bytesTotal)", Output.fixed(result.rounds, 0),
            result.peakRssMb.modelOwner.map { Output.fixed($0, 0) + " MB" } ?? "",
            Output.fixed(result.peakRssMb.dataOwner, 0) + " MB", Output.fixed(result.maxAbsErr, 5),
          ]
        })
    for result in results { if let more = more(result) { Output.line("\(result.case): \(more)") } }
  }

  private static func more(_ result: BenchmarkResult) -> String? {
    if let back = result.inverseSeconds, let variant = result.variant {
      return "\(variant), forward \(duration(result.seconds)), inverse \(duration(back))"
    }
    guard let elements = result.elements else { return nil }
    if let setup = result.setupSeconds, let bytes = result.setupBytes {
      return "\(Output.fixed(Double(elements) / result.seconds / 1e6, 1)) million a second, "
        + "\(Output.fixed(Double(result.bytesTotal) / Double(elements), 3)) bytes each, set-up \(duration(setup)) and "
        + "\(bytes) bytes"
    }
    return "an element \(Output.fixed(result.seconds / Double(elements) * 1e6, 3)) us and "
      + "\(Output.fixed(Double(result.bytesTotal) / Double(elements), 2)) bytes"
  }

  private static func duration(_ seconds: Double) -> String {
    seconds < 1e-3 ? "\(Output.fixed(seconds * 1e6, 2)) us" : Output.duration(seconds)
  }
}
