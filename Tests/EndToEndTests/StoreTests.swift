import Daemons
import Foundation
import Testing

extension Site {
  /// A model owner that prepares with lattices and keeps material in a store.
  func startStoringModelOwner(port: UInt16 = 0, limit: Int = 64) throws -> DaemonProcess {
    try write(
      """
      role: model-owner
      identity: model-owner
      model: tiny.model
      listen: 127.0.0.1:\(port)
      peers: ["\(try fingerprint("data-owner"))"]
      store: {path: model.store, limit: \(limit)}
      timeouts: {handshake: 30, message: 30}
      admin: off
      log: {level: debug}

      """, as: "model-owner.yaml")
    return try start("model-owner", ["party", "--config", "model-owner.yaml"])
  }

  func startStoringDataOwner(
    peer: UInt16, sessions: Int = 1, level: Int = 8, limit: Int = 64
  ) throws -> DaemonProcess {
    try write(
      """
      role: data-owner
      identity: data-owner
      plan: tiny.plan
      peer: {address: "127.0.0.1:\(peer)", fingerprint: "\(try fingerprint("model-owner"))"}
      control: control.sock
      sessions: \(sessions)
      store: {path: data.store, limit: \(limit)}
      prepare: {level: \(level), chunk: 4}
      timeouts: {handshake: 30, message: 30}
      admin: off
      log: {level: debug}

      """, as: "data-owner.yaml")
    return try start("data-owner", ["party", "--config", "data-owner.yaml"])
  }

  /// Rows that a party's processes took, in the order of their logs.
  func rowsTaken(_ name: String) -> [String] {
    daemons.filter { $0.name == name }.flatMap { daemon in
      daemon.log.split(separator: "\n").filter { $0.contains("a row was taken") }.compactMap { line in
        line.range(of: "row=").map { String(line[$0.upperBound...].prefix { $0.isHexDigit }) }
      }
    }
  }

  func waitForStock(_ count: Int) throws {
    try eventually("\(count) prepared inferences") { (try? client().status().prepared) ?? 0 >= count ? () : nil }
  }
}

/// Stores of real daemons that are killed, restored and replaced.
@Suite("Stores of real daemons", .serialized)
struct StoreTests {
  @Test("What was prepared outlives both daemons, and serves without preparing again")
  func outlives() throws {
    let site = try Site()
    let model = try site.startStoringModelOwner()
    let port = try model.port()
    let data = try site.startStoringDataOwner(peer: port, level: 0)
    try site.waitForSessions(1)
    let outcome = try site.run("preprocess", "--control", "control.sock", "--count", "20", "--json")
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(try data.terminate().code == 0)
    #expect(try model.terminate().code == 0)
    let listing = try site.run("store", "data.store")
    #expect(listing.code == 0 && listing.output.contains("generation 1"), "\(listing.error)")
    let inspected = try numbers(site.run("inspect", "tiny.plan", "--json").output)
    for (file, key) in [
      ("model.store", "material_bytes_of_model_owner"), ("data.store", "material_bytes_of_data_owner"),
    ] {
      let stored = try numbers(site.run("store", file, "--json").output)
      let rows = try #require((stored["rows"] as? [[String: Any]])?.first)
      let (ready, bytes) = (try #require(rows["ready"] as? Int), try #require(rows["bytes"] as? Int))
      let rowBytes = try #require(inspected[key] as? Int)
      #expect(ready > 0 && bytes == ready * rowBytes, "\(file)")
    }

    _ = try site.startStoringModelOwner(port: port)
    _ = try site.startStoringDataOwner(peer: port, level: 0)
    try site.waitForSessions(1)
    // Rows that were leased ahead are gone with the sessions that had them; the others are here.
    #expect(try site.client().status().prepared >= 20 - 8)
    let pixels = site.model.pixels(1)
    let reply = try site.client().infer([InputSample(values: pixels.map(Float.init), source: "1")])
    #expect(!reply.preparedOnDemand)
    #expect(try site.matches(reply.predictions[0].scores, pixels))
  }

  @Test("Killed a hundred times at any instant, neither party uses a row twice nor gives a wrong answer")
  func hundredKills() throws {
    let site = try Site()
    var model = try site.startStoringModelOwner()
    let port = try model.port()
    var data = try site.startStoringDataOwner(peer: port)
    try site.waitForSessions(1)
    let wrong = Results()
    for round in 0..<100 {
      let asking = DispatchGroup()
      asking.enter()
      DispatchQueue.global().async {
        // A query under way when a party is killed may fail; it may not be answered wrongly.
        for query in 0..<20 {
          guard let right = try? site.isAnswered(UInt64(100 * round + query)) else { break }
          wrong.add(!right)
        }
        asking.leave()
      }
      usleep(UInt32.random(in: 0..<40_000))
      if Bool.random() {
        model.kill()
        model = try site.startStoringModelOwner(port: port)
      } else {
        data.kill()
        data = try site.startStoringDataOwner(peer: port)
      }
      asking.wait()
      try eventually("an answer after kill \(round)") { () -> Void? in
        guard let right = try? site.isAnswered(UInt64(round)) else { return nil }
        wrong.add(!right)
        return ()
      }
    }
    #expect(wrong.all.count > 100 && !wrong.all.contains(true))
    #expect(model.isRunning && data.isRunning)
    try expectNoReuse(site)
  }

  @Test("A store that is put back from an older copy serves nothing twice, and the daemons go on")
  func restored() throws {
    let site = try Site()
    let model = try site.startStoringModelOwner()
    let port = try model.port()
    var data = try site.startStoringDataOwner(peer: port)
    try site.waitForSessions(1)
    try site.waitForStock(8)
    #expect(try data.terminate().code == 0)
    let copy = try Data(contentsOf: URL(fileURLWithPath: site.path("data.store")))
    for round in 0..<3 {
      data = try site.startStoringDataOwner(peer: port)
      try site.waitForSessions(1)
      for query in 0..<10 { #expect(try site.isAnswered(UInt64(10 * round + query))) }
      data.kill()
      try copy.write(to: URL(fileURLWithPath: site.path("data.store")))
    }
    data = try site.startStoringDataOwner(peer: port)
    try data.waitForLog("a store had gone back")
    #expect(try site.isAnswered(99))
    #expect(model.isRunning)
    try expectNoReuse(site)
  }

  @Test("Several sessions share a store; one of them refills it while the others answer")
  func sharing() throws {
    let site = try Site()
    let model = try site.startStoringModelOwner()
    let data = try site.startStoringDataOwner(peer: try model.port(), sessions: 3, level: 16)
    try site.waitForSessions(3)
    let results = Results()
    DispatchQueue.concurrentPerform(iterations: 60) { index in
      results.add((try? site.isAnswered(UInt64(index))) ?? false)
    }
    #expect(results.all == [Bool](repeating: true, count: 60))
    try site.waitForStock(16)
    #expect(model.isRunning && data.isRunning)
    try expectNoReuse(site)
  }

  @Test("One party with a store and one without are told so")
  func oneStore() throws {
    let site = try Site()
    let model = try site.startStoringModelOwner()
    let port = try model.port()
    _ = try site.start(
      "data-owner",
      [
        "party", "--role", "data-owner", "--identity", "data-owner", "--plan", "tiny.plan", "--peer",
        "127.0.0.1:\(port)", "--peer-fingerprint", try site.fingerprint("model-owner"), "--control", "control.sock",
        "--admin", "off",
      ])
    try model.waitForLog("the session failed", "--store")
  }

  @Test("What a store of either party has no room for is refused before it is prepared", arguments: [true, false])
  func noRoom(atModelOwner: Bool) throws {
    let site = try Site()
    let model = try site.startStoringModelOwner(limit: atModelOwner ? 1 : 64)
    let data = try site.startStoringDataOwner(peer: try model.port(), level: 0, limit: atModelOwner ? 64 : 1)
    try site.waitForSessions(1)
    let refusal = "\(try #require(#expect(throws: (any Error).self) { try site.client().prepare(count: 1024) }))"
    #expect(refusal.contains("--store-limit") && refusal.contains("model owner's store") == atModelOwner, "\(refusal)")
    #expect(try site.client().status().prepared == 0)
    for name in ["model.store", "data.store"] {
      #expect(try site.run("store", name).output.contains("nothing"), "nothing was prepared")
    }
    #expect(try site.run("preprocess", "--control", "control.sock", "--count", "2").code == 0)
    #expect(try site.isAnswered(7))
    for daemon in [model, data] { #expect(!daemon.log.contains("the session failed"), "\(daemon.log)") }
  }

  private func numbers(_ json: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
  }

  private func expectNoReuse(_ site: Site) throws {
    for name in ["model-owner", "data-owner"] {
      let rows = site.rowsTaken(name)
      #expect(rows.count > 8, "the logs name the rows that were taken")
      #expect(Set(rows).count == rows.count, "\(name) took a row twice")
    }
    #expect(Set(site.rowsTaken("data-owner")).isSubset(of: Set(site.rowsTaken("model-owner"))))
  }
}
