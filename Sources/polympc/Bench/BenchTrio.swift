import Daemons
import Foundation
import Randomness
import Transport

/// Starts the processes of one case, each with a throw-away identity, and gathers what they measured.
struct BenchTrio {
  let options: Bench
  let benchmark: BenchmarkCase

  private static let roles = ["model-owner", "data-owner", "dealer"]

  func run() throws -> BenchmarkResult {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("polympc-bench-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    defer { try? FileManager.default.removeItem(at: folder) }
    var fingerprints: [String: String] = [:]
    for role in Self.roles {
      let identity = Identity.generate(name: role)
      try identity.save(directory: folder.appendingPathComponent(role).path)
      fingerprints[role] = identity.fingerprint.hex
    }
    let site = Site(folder: folder, fingerprints: fingerprints)
    var children: [BenchChild] = []
    defer { for child in children { child.stop() } }
    var (dealing, dealer): ([String], BenchChild?) = ([], nil)
    if options.source == "dealer" {
      // Beside the model owner, which has little to do where a dealer has much.
      let child = try start("dealer", site, ["--listen", "127.0.0.1:0"] + core(0))
      children.append(child)
      dealing = ["--dealer", "127.0.0.1:\(try child.port())"]
      dealer = child
    }
    let model = try start("model-owner", site, ["--listen", "127.0.0.1:0"] + dealing + core(0))
    children.append(model)
    let data = try start("data-owner", site, ["--peer", "127.0.0.1:\(try model.port())", "--json"] + dealing + core(1))
    children.append(data)
    var result = try data.result(BenchmarkResult.self)
    result.peakRssMb.modelOwner = try model.result(BenchProcess.Memory.self).peakRssMb
    if case .transfers = benchmark.kind { return result }
    if let dealt = try dealer?.result(BenchProcess.Dealt.self) {
      result.peakRssMb.dealer = dealt.peakRssMb
      result.dealerBytes = dealt.bytes / ((options.repetitions + 1) * options.inferences)
    }
    return result
  }

  private struct Site {
    let folder: URL
    let fingerprints: [String: String]
  }

  private func core(_ number: Int) -> [String] {
    options.threads == 1 && ProcessInfo.processInfo.activeProcessorCount > number ? ["--core", "\(number)"] : []
  }

  private func start(_ role: String, _ site: Site, _ more: [String]) throws -> BenchChild {
    // The dealer's pin comes last, where the parties look for it.
    let pins = Self.roles.filter { $0 != role }.flatMap { ["--pin", site.fingerprints[$0]!] }
    return try BenchChild(
      arguments: [
        "bench", benchmark.name, "--role", role, "--identity", site.folder.appendingPathComponent(role).path,
        "--phase", options.phase ?? benchmark.defaultPhase.rawValue, "--threads", "\(options.threads)", "--source",
        options.source, "--repetitions", "\(options.repetitions)",
        "--inferences", "\(options.inferences)", "--net", options.net,
      ] + (options.outsourced ? ["--outsourced"] : []) + pins + more)
  }
}

/// A child process and the lines it prints.
private final class BenchChild {
  private let process = Process()
  private let output = Pipe()
  private var pending = Data()

  init(arguments: [String]) throws {
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = arguments
    process.standardOutput = output
    try process.run()
  }

  /// The next line; the child's own error line has gone to standard error.
  private func line() throws -> String {
    while true {
      if let end = pending.firstIndex(of: 10) {
        let line = String(decoding: pending[..<end], as: UTF8.self)
        pending = Data(pending[(end + 1)...])
        return line
      }
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else {
        throw DaemonsError.refused(code: .failed, reason: "a process of the benchmark ended early")
      }
      pending += more
    }
  }

  func port() throws -> UInt16 {
    let words = try line().split(separator: " ")
    guard words.count == 2, words[0] == "port", let port = UInt16(words[1]) else {
      throw DaemonsError.refused(code: .failed, reason: "a process of the benchmark did not say where it listens")
    }
    return port
  }

  func result<Value: Decodable>(_ type: Value.Type) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(line().utf8))
  }

  func stop() {
    if process.isRunning { process.terminate() }
    process.waitUntilExit()
  }
}
