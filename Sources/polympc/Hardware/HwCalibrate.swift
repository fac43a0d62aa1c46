import ArgumentParser
import Daemons
import Foundation
import Hardware
import Randomness
import Transport

struct HwCalibrate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Measure this host and its links, for predictions of this engine's time.",
    discussion: """
      Runs small programs between threads, each metered by its own processor time,
      finds what every routine of the engine takes, measures the loopback through TLS,
      and writes a host description. Takes about a minute; a machine that is busy
      with other things gives other numbers.

      With --listen it answers another host's measurement of the link between the
      two; with --peer it measures that link and adds it to the description.

      Examples:
        polympc hw calibrate --name workstation --output workstation.json
        polympc hw calibrate --listen 0.0.0.0:7900 --identity m --pin FINGERPRINT
        polympc hw calibrate --peer model.example:7900 --identity d \\
          --pin FINGERPRINT --link lan --output workstation.json
      """)

  @Option(help: ArgumentHelp("The host description to write, or to add a link to.", valueName: "file"))
  var output: String?

  @Option(help: "Name of the host. Default: the file's name.")
  var name: String?

  @Option(help: "Repetitions of each probe, after one that does not count.")
  var repetitions = 5

  @Flag(help: "Print how well the routines explain each probe.")
  var probes = false

  @Option(help: ArgumentHelp("Answer a peer's measurement of the link.", valueName: "host:port"))
  var listen: String?

  @Option(help: ArgumentHelp("Measure the link to a peer that listens.", valueName: "host:port"))
  var peer: String?

  @Option(help: "Name of that link.")
  var link: String?

  @Option(help: ArgumentHelp("With --listen or --peer: folder of this end's identity.", valueName: "folder"))
  var identity: String?

  @Option(help: ArgumentHelp("With --identity: the other end's fingerprint.", valueName: "fingerprint"))
  var pin: String?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    guard 1...1000 ~= repetitions else { throw ValidationError("--repetitions is 1 to 1000.") }
    guard listen == nil || peer == nil else { throw ValidationError("One end takes --listen, the other --peer.") }
    let isLink = listen != nil || peer != nil
    guard (identity != nil) == (pin != nil), isLink || identity == nil, isLink == (identity != nil) else {
      throw ValidationError("--listen and --peer take --identity and --pin, which go with nothing else.")
    }
    guard (peer != nil) == (link != nil) else { throw ValidationError("--peer and --link go together.") }
    if let link, !(1...64).contains(link.utf8.count) { throw ValidationError("--link has 1 to 64 bytes.") }
    guard peer == nil || output != nil else { throw ValidationError("--peer adds a link to the description --output.") }
  }

  func run() throws {
    try Failures.reporting {
      if let listen { return try answer(listen) }
      if let peer { return try measureLink(peer) }
      let fallback = output.map { URL(fileURLWithPath: $0).deletingPathExtension().lastPathComponent }
      let progress = ProgressLine()
      let result = try HostCalibration(repetitions: repetitions).run(
        name: name ?? fallback ?? ProcessInfo.processInfo.hostName, engine: BuildVersion.number
      ) { progress.show("calibrating: \(Output.percent($0))") }
      progress.clear()
      try write(result.host)
      if json { try Output.json(result.host) } else if !probes { Self.table(result.host) }
      if probes { Self.table(result.probes) }
    }
  }

  private func write(_ host: HostModel) throws {
    guard let output else { return }
    try host.fileText().write(to: URL(fileURLWithPath: output), options: .atomic)
  }

  private func wire() throws -> Wire {
    .tls(try Identity.load(directory: identity!), pinned: [try Digest32(fingerprint: pin!)])
  }

  private func address(_ text: String) throws -> NetworkAddress {
    guard let address = NetworkAddress(text) else {
      throw DaemonsError.input(source: "address \"\(text)\"", reason: "it is not host:port")
    }
    return address
  }

  private func answer(_ listen: String) throws {
    try LinkProbe.respond(wire: try wire(), listen: try address(listen)) { Output.line("port \($0)") }
  }

  private func measureLink(_ peer: String) throws {
    var host = try HwHostFile.read(output!)
    host.links[link!] = try LinkProbe.measure(
      wire: try wire(), peer: try address(peer),
      source: "polympc \(BuildVersion.number) hw calibrate --peer, \(Date().formatted(.iso8601))")
    try write(host)
    if json { try Output.json(host.links[link!]) } else { Self.table([(link!, host.links[link!]!)]) }
  }

  static func table(_ host: HostModel) {
    Output.line("\(host.name): \(host.processor). \(host.title)")
    Output.table(
      [["routine", "unit", "ns", "accuracy"]]
        + host.routines.sorted { $0.key < $1.key }.map { routine, number in
          [
            routine, Descriptor.routines[routine] ?? "", Output.fixed(number.measure.value * 1e9, 3),
            Output.percent(number.accuracy),
          ]
        })
    table(host.links.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
  }

  static func table(_ links: [(String, HostLink)]) {
    Output.table(
      [["link", "round trip us", "wake-up us", "MB/s", "send ns/B", "receive ns/B"]]
        + links.map { name, link in
          [
            name, Output.fixed(link.roundTrip.measure.value * 1e6, 1), Output.fixed(link.wakeUp.measure.value * 1e6, 1),
            Output.fixed(link.rate.measure.value / 8e6, 1), Output.fixed(link.send.measure.value * 8e9, 3),
            Output.fixed(link.receive.measure.value * 8e9, 3),
          ]
        })
  }

  static func table(_ probes: [HostCalibration.ProbeResult]) {
    Output.table(
      [["probe", "phase", "source", "party", "measured us", "fitted us", "error"]]
        + probes.map { probe in
          [
            probe.probe, probe.phase.rawValue, probe.source.rawValue, probe.party.rawValue,
            Output.fixed(probe.measured * 1e6, 1), Output.fixed(probe.fitted * 1e6, 1),
            Output.percent(probe.fitted / probe.measured - 1),
          ]
        })
  }
}

/// Host descriptions in files.
enum HwHostFile {
  static func read(_ path: String) throws -> HostModel {
    let data: Data
    do { data = try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
      throw HardwareError.schema(file: path, key: "", reason: "the file cannot be read")
    }
    return try HostModel(data, file: path)
  }
}
