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
