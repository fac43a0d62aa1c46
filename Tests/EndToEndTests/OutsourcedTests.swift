import Daemons
import Foundation
import Networks
import Randomness
import Testing
import Transport

/// Two servers with shares of a model and clients, as users start them.
@Suite("Real servers of a shared model", .serialized)
struct OutsourcedTests {
  private struct Line: Decodable {
    var label: Int
    var scores: [Double]
  }

  /// A site with a shared model and identities of servers and a client.
  private func site(_ model: TinyModel? = nil) throws -> Site {
    let site = try Site(model: model)
    for name in ["server-0", "server-1", "client"] {
      try Identity.generate(name: name).save(directory: site.path(name), overwrite: false)
    }
    let outcome = try site.run(
      "share", "tiny.model", "--output-0", "tiny.share0", "--output-1", "tiny.share1", "--plan", "shared.plan")
    #expect(outcome.code == 0, "\(outcome.error)")
    return site
  }

  private struct Servers {
    var zero: DaemonProcess
    var one: DaemonProcess
    var ports: (UInt16, UInt16)
  }

  private func start(_ site: Site, dealer: UInt16? = nil, store: Bool = false) throws -> Servers {
    let source =
      try dealer.map {
        ["--dealer", "127.0.0.1:\($0)", "--dealer-fingerprint", try site.fingerprint("dealer")]
      } ?? []
    func stored(_ name: String) -> [String] { store ? ["--store", name] : [] }
    let zero = try site.start(
      "server-0",
      [
        "party", "--role", "server-0", "--identity", "server-0", "--share", "tiny.share0", "--listen", "127.0.0.1:0",
        "--allow", try site.fingerprint("server-1"), "--client", try site.fingerprint("client"), "--admin", "off",
      ] + source + stored("zero.store"))
    let port = try zero.port()
    let one = try site.start(
      "server-1",
      [
        "party", "--role", "server-1", "--identity", "server-1", "--share", "tiny.share1", "--peer",
        "127.0.0.1:\(port)", "--peer-fingerprint", try site.fingerprint("server-0"), "--listen", "127.0.0.1:0",
        "--client", try site.fingerprint("client"), "--control", "control.sock", "--level", "2", "--admin", "off",
      ] + source + stored("one.store"))
    let other = try one.port()
    try site.waitForSessions(1)
    return Servers(zero: zero, one: one, ports: (port, other))
  }

  private func ask(_ site: Site, _ servers: Servers, _ seeds: [UInt64], batch: Int = 1) throws -> Executable.Outcome {
    try site.write(
      seeds.map { site.model.pixels($0).map(String.init).joined(separator: ",") + "\n" }.joined(), as: "samples.csv")
    return try site.run(
      "infer", "--outsourced", "--plan", "shared.plan", "--identity", "client", "--servers",
      "127.0.0.1:\(servers.ports.0)", "127.0.0.1:\(servers.ports.1)", "--pin", try site.fingerprint("server-0"),
      try site.fingerprint("server-1"), "--json", "--batch", "\(batch)", "--input", "samples.csv")
  }

  private func expectAnswers(
    _ site: Site, _ servers: Servers, _ seeds: [UInt64], batch: Int = 1
  ) throws {
    let outcome = try ask(site, servers, seeds, batch: batch)
    #expect(outcome.code == 0, "\(outcome.error)\n\(servers.zero.log)\n\(servers.one.log)")
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.count == seeds.count)
    for (line, seed) in zip(lines, seeds) {
      let scores = try JSONDecoder().decode(Line.self, from: Data(line.utf8)).scores
      #expect(try site.matches(scores, site.model.pixels(seed)))
    }
  }

  @Test("Alone: the client gets the twin's scores, batches too, and SIGTERM ends both servers with code 0")
  func lattice() throws {
    let site = try site()
    let servers = try start(site)
    try expectAnswers(site, servers, [1])
    try expectAnswers(site, servers, [2, 3, 4], batch: 3)
    for daemon in [servers.one, servers.zero] {
      let end = try daemon.terminate()
      #expect(end.code == 0 && !end.bySignal, "\(daemon.name): \(daemon.log)")
    }
  }

  @Test("With a dealer, stores, and ReLU; material outlives a restart of both servers")
  func dealerAndStores() throws {
    let site = try site(try TinyModel(activation: .relu))
    let dealer = try site.start(
      "dealer",
      [
        "dealer", "--identity", "dealer", "--listen", "127.0.0.1:0", "--admin", "off", "--allow",
        try site.fingerprint("server-0"), "--allow", try site.fingerprint("server-1"),
      ])
    let port = try dealer.port()
    var servers = try start(site, dealer: port, store: true)
    try expectAnswers(site, servers, [1, 2])
    #expect(try site.client().prepare(count: 40).added == 40)
    for daemon in [servers.one, servers.zero] { #expect(try daemon.terminate().code == 0, "\(daemon.log)") }
    servers = try start(site, dealer: port, store: true)
    // Some were leased ahead of queries, and are gone; the level is 2.
    #expect(try site.client().status().prepared >= 20)
    try expectAnswers(site, servers, [3])
  }

  @Test("Clients that break the protocol, or are strangers, end their own connection only")
  func hostile() throws {
    let site = try site()
    let servers = try start(site)
    let identity = try Identity.load(directory: site.path("client"))
    let plan = try PlanFile.load(from: site.path("shared.plan"))
    let agreement = try Agreement(plan)
    for (port, server, role) in [
      (servers.ports.0, "server-0", Role.modelOwner), (servers.ports.1, "server-1", .dataOwner),
    ] {
      let pinned = try Digest32(fingerprint: site.fingerprint(server))
      func connect() throws -> FramedChannel {
        let channel = FramedChannel(
          try TLSStream.connect(host: "127.0.0.1", port: port, identity: identity, pinned: [pinned]))
        let hello = Hello(
          role: .client, protocolVersion: Agreement.protocolVersion, ringIdentifier: Agreement.ringIdentifier,
          programDigest: agreement.planDigest, modelDigest: agreement.modelDigest,
          protocolsDigest: agreement.protocolsDigest, sessionNumber: 7)
        _ = try Hello.exchange(channel, hello, expecting: [role])
        return channel
      }
      let number = [UInt8](repeating: 9, count: 16)
      for query in [number + [0, 0, 0, 0], number + [255, 255, 255, 255], number, number + [1, 0, 0, 0]] {
        let channel = try connect()
        try channel.send(FrameKind(rawValue: 0x3c), query)
        // The share is cut short, or words are none of the ring.
        try? channel.send(FrameKind(rawValue: server == "server-0" ? 0x3d : 0x3f), [1, 2, 3])
        #expect(throws: (any Error).self) { _ = try channel.receive(FrameKind(rawValue: 0x40), byteCount: 1) }
        channel.close()
      }
      // A good share, and the client is gone before its answer.
      let channel = try connect()
      try channel.send(FrameKind(rawValue: 0x3c), number + [1, 0, 0, 0])
      channel.close()
      // The other server's certificate is not a client's.
      let stranger = try Identity.load(directory: site.path("stranger"))
      #expect(throws: (any Error).self) {
        let stream = try TLSStream.connect(host: "127.0.0.1", port: port, identity: stranger, pinned: [pinned])
        let channel = FramedChannel(stream)
        _ = try channel.receive(.hello, byteCount: Hello.byteCount)
      }
    }
    // A query of server 1 alone finds no share at server 0, and sessions go on.
    let pinned = try Digest32(fingerprint: site.fingerprint("server-1"))
    let channel = FramedChannel(
      try TLSStream.connect(host: "127.0.0.1", port: servers.ports.1, identity: identity, pinned: [pinned]))
    let hello = Hello(
      role: .client, protocolVersion: Agreement.protocolVersion, ringIdentifier: Agreement.ringIdentifier,
      programDigest: agreement.planDigest, modelDigest: agreement.modelDigest,
      protocolsDigest: agreement.protocolsDigest, sessionNumber: 8)
    _ = try Hello.exchange(channel, hello, expecting: [.dataOwner])
    try channel.send(FrameKind(rawValue: 0x3c), [UInt8](repeating: 3, count: 16) + [1, 0, 0, 0])
    try channel.send(FrameKind(rawValue: 0x3f), [UInt8](repeating: 4, count: 32))
    #expect(try channel.receive(FrameKind(rawValue: 0x41), byteCount: 1) == [0])
    channel.close()
    try expectAnswers(site, servers, [5])
    #expect(servers.zero.isRunning && servers.one.isRunning)
  }

  @Test("Files that do not belong together or to the role are refused in words")
  func wrongFiles() throws {
    let site = try site()
    func party(_ role: String, _ file: String) throws -> Executable.Outcome {
      try site.run(
        "party", "--role", role, "--identity", role, "--share", file, "--listen", "127.0.0.1:0", "--client",
        site.fingerprint("client"), "--allow", site.fingerprint("server-1"), "--admin", "off")
    }
    for file in ["tiny.share1", "tiny.model", "shared.plan"] {
      let outcome = try party("server-0", file)
      #expect(outcome.code == 65, "\(file): \(outcome.error)")
    }
    var bytes = try Data(contentsOf: site.folder.appendingPathComponent("tiny.share0"))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: site.folder.appendingPathComponent("damaged.share0"))
    let damaged = try party("server-0", "damaged.share0")
    #expect(damaged.code == 65 && damaged.error.contains("digest"), "\(damaged.error)")
    let owner = try site.run(
      "party", "--role", "data-owner", "--identity", "data-owner", "--plan", "shared.plan", "--peer", "127.0.0.1:9",
      "--peer-fingerprint", site.fingerprint("server-0"), "--control", "control.sock", "--admin", "off")
    #expect(owner.code == 65, "\(owner.error)")
    let asked = try site.run("infer", "--outsourced", "--plan", "shared.plan", "--input", "x.csv")
    #expect(asked.code == 64)
  }
}
