import Daemons
import Foundation
import Randomness
import Transport

/// One process of a benchmark. It says "port N" once it listens, and at its end what it measured.
struct BenchProcess {
  let options: Bench
  let benchmark: BenchmarkCase

  /// What a model owner says at its end.
  struct Memory: Codable {
    var peakRssMb: Double
  }

  /// What a dealer says at its end.
  struct Dealt: Codable {
    var peakRssMb: Double
    /// Of all connections, both directions.
    var bytes: Int
  }

  func play(_ role: String) throws {
    if let core = options.core { ProcessMemory.pin(toCore: core) }
    let setting = try setting()
    switch role {
    case "model-owner":
      let peak = try BenchmarkModelOwner.run(setting, listen: try address(options.listen!)) {
        Output.line("port \($0)")
      }
      try Output.json(Memory(peakRssMb: peak))
    case "dealer":
      let (peak, bytes) = try BenchmarkDealer.run(
        wire: setting.wire, listen: try address(options.listen!), connections: options.outsourced ? 4 : 2
      ) { Output.line("port \($0)") }
      try Output.json(Dealt(peakRssMb: peak, bytes: bytes))
    default:
      let progress = ProgressLine()
      let result = try ask(setting) { progress.show("\(benchmark.name): \(Output.percent($0))") }
      progress.clear()
      if options.json { try Output.json(result) } else { Bench.table([result]) }
    }
  }

  private func ask(_ setting: BenchmarkSetting, progress: (Double) -> Void) throws -> BenchmarkResult {
    let peer = try address(options.peer!)
    if case .transfers(let count, let method) = benchmark.kind {
      return try TransferBenchmark(setting, count: count, method: method).run(
        peer: peer, repetitions: options.repetitions, net: options.net, progress: progress)
    }
    return try BenchmarkDataOwner(setting).run(
      peer: peer, phase: options.phase.flatMap { BenchmarkPhase(rawValue: $0) } ?? benchmark.defaultPhase,
      repetitions: options.repetitions, net: options.net, progress: progress)
  }

  private func setting() throws -> BenchmarkSetting {
    let pins = try options.pin.map { try Digest32(fingerprint: $0) }
    let wire: Wire =
      try options.identity.map { .tls(try Identity.load(directory: $0), pinned: pins) } ?? .plain
    var source = SourceConfiguration.lattice
    if let dealer = options.dealer {
      // The dealer's certificate is the last that was pinned.
      source = .dealer(PinnedAddress(address: try address(dealer), fingerprint: pins.last ?? .zero))
    }
    var setting = BenchmarkSetting(
      benchmark: benchmark, source: source, wire: wire, inferences: options.inferences, threads: options.threads)
    setting.isOutsourced = options.outsourced
    return setting
  }

  private func address(_ text: String) throws -> NetworkAddress {
    guard let address = NetworkAddress(text) else {
      throw DaemonsError.input(source: "address \"\(text)\"", reason: "it is not host:port")
    }
    return address
  }
}
