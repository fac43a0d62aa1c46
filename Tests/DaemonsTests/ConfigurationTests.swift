import Testing

@testable import Daemons

@Suite("Configuration")
struct ConfigurationTests {
  private static let complete = """
    role: model-owner
    identity: model-owner
    model: digits.model
    listen: 127.0.0.1:7001
    peers: ["\(String(repeating: "a", count: 64))"]
    dealer:
      address: 127.0.0.1:7003
      fingerprint: "\(String(repeating: "b", count: 64))"

    """

  private static func server(_ number: Int, _ more: String = "") -> String {
    let fingerprint = { (letter: String) in String(repeating: letter, count: 64) }
    return """
      role: server-\(number)
      identity: here
      share: digits.share
      listen: 127.0.0.1:7001
      clients: ["\(fingerprint("c"))"]

      """ + more
        + (number == 0
          ? "peers: [\"\(fingerprint("a"))\"]\n"
          : "peer: {address: 127.0.0.1:7000, fingerprint: \"\(fingerprint("a"))\"}\ncontrol: here.sock\n")
  }

  @Test("Servers of a shared model are read")
  func servers() throws {
    let zero = try PartyConfiguration.parse(
      yaml: Self.server(0, "query: {batch: 7, timeout: 9}\n"), file: "party.yaml")
    let one = try PartyConfiguration.parse(yaml: Self.server(1, "lattice: {cache: 5}\n"), file: "party.yaml")
    guard case .modelOwner(let first) = zero, case .dataOwner(let second) = one else {
      Issue.record("a role was read as another")
      return
    }
    #expect(first.clients?.count == 1 && first.maximumBatch == 7 && first.queryTimeout == 9)
    #expect(first.model.hasSuffix("digits.share") && second.plan.hasSuffix("digits.share"))
    #expect(second.server?.clients == first.clients && second.server?.weightCache == 5)
    #expect(second.server?.listen == NetworkAddress(host: "127.0.0.1", port: 7001))
  }

  @Test(
    "What belongs to another role is refused",
    arguments: [
      (0, "model: m"), (0, "plan: p"), (0, "control: c"), (0, "reveal: label"), (1, "model: m"), (1, "peers: [a]"),
      (1, "timeouts: {idle: 9}"), (0, "prepare: {level: 3}"),
    ])
  func serversRefuse(number: Int, line: String) {
    #expect(throws: DaemonsError.self) {
      try PartyConfiguration.parse(yaml: Self.server(number, line + "\n"), file: "party.yaml")
    }
    #expect(throws: DaemonsError.self) {
      try PartyConfiguration.parse(yaml: Self.complete + "share: s\n", file: "party.yaml")
    }
  }

  @Test("A complete configuration is read")
  func complete() throws {
    guard case .modelOwner(let configuration) = try PartyConfiguration.parse(yaml: Self.complete, file: "party.yaml")
    else {
      Issue.record("the role was read as another")
      return
    }
    #expect(configuration.listen == NetworkAddress(host: "127.0.0.1", port: 7001))
    #expect(configuration.peers.count == 1)
  }

  @Test(
    "Threads of a session's preparation", arguments: [(nil, 1), ("1", 1), ("2", 2), ("64", 64)] as [(String?, Int)])
  func threads(text: String?, expected: Int) throws {
    let line = text.map { "threads: \($0)\n" } ?? ""
    guard
      case .modelOwner(let configuration) = try PartyConfiguration.parse(
        yaml: Self.complete + line, file: "party.yaml")
    else {
      Issue.record("the role was read as another")
      return
    }
    #expect(configuration.threads == expected)
  }

  @Test("Threads that cannot be are refused", arguments: ["0", "-1", "65", "two"])
  func refusedThreads(text: String) {
    let error = #expect(throws: DaemonsError.self) {
      try PartyConfiguration.parse(yaml: Self.complete + "threads: \(text)\n", file: "party.yaml")
    }
    #expect(error?.description.contains("threads") == true)
  }

  @Test("Unknown and contradictory keys are named", arguments: ["colour: blue", "control: a.sock", "plan: a.plan"])
  func refusedKey(line: String) {
    let error = #expect(throws: DaemonsError.self) {
      try PartyConfiguration.parse(yaml: Self.complete + line + "\n", file: "party.yaml")
    }
    let key = String(line.prefix { $0 != ":" })
    #expect(error?.description.contains(key) == true)
  }

  @Test("Text that is not YAML is refused with its place", arguments: ["role: [", "\t:", "role: {a", "- 1"])
  func malformed(text: String) {
    let error = #expect(throws: DaemonsError.self) { try PartyConfiguration.parse(yaml: text, file: "party.yaml") }
    #expect(error?.description.contains("party.yaml") == true)
  }

  @Test("Addresses", arguments: ["", "host", "host:", "host:65536", ":1", "host:-1"])
  func addresses(text: String) {
    #expect(NetworkAddress(text) == nil)
  }

  @Test("An address with a port")
  func address() {
    #expect(NetworkAddress("127.0.0.1:80") == NetworkAddress(host: "127.0.0.1", port: 80))
  }
}

@Suite("Metrics")
struct MetricsTests {
  @Test("Counters and histograms in Prometheus' text format")
  func text() {
    let registry = MetricsRegistry()
    registry.counter("queries_total", help: "Queries.").add(2, ["result": "ok"])
    registry.histogram("latency_seconds", help: "Latency.", buckets: [0.1, 1]).observe(0.5)
    let text = registry.text()
    #expect(text.contains("# TYPE queries_total counter"))
    #expect(text.contains("queries_total{result=\"ok\"} 2"))
    #expect(text.contains("latency_seconds_bucket{le=\"0.1\"} 0"))
    #expect(text.contains("latency_seconds_bucket{le=\"1\"} 1"))
    #expect(text.contains("latency_seconds_bucket{le=\"+Inf\"} 1"))
    #expect(text.contains("latency_seconds_count 1"))
  }
}
