import Testing
import Transport

@Suite struct ListenerTests {
  @Test func aPortInUseIsNamed() throws {
    let listener = try TCPListener(host: "127.0.0.1", port: 0)
    let error = #expect(throws: TransportError.self) { try TCPListener(host: "127.0.0.1", port: listener.port) }
    #expect(error == .addressInUse(host: "127.0.0.1", port: listener.port))
    #expect("\(error!)".contains("port \(listener.port) on 127.0.0.1 is in use"))
  }

  @Test func nobodyListeningIsNamed() throws {
    let port = try TCPListener(host: "127.0.0.1", port: 0).port
    let error = #expect(throws: TransportError.self) { try PlainTCPStream.connect(host: "127.0.0.1", port: port) }
    #expect("\(error!)".contains("cannot connect to 127.0.0.1 port \(port)"))
  }

  @Test func stoppingEndsAWaitingAccept() throws {
    let listener = try TCPListener(host: "127.0.0.1", port: 0)
    let (accepted, _) = Parties.run({ try listener.accept() == nil }, { listener.stop() })
    #expect(try accepted.get())
    #expect(listener.isStopped)
    #expect(try listener.accept() == nil)
  }

  @Test func acceptingMayTimeOut() throws {
    let listener = try TCPListener(host: "127.0.0.1", port: 0)
    #expect(try listener.accept(timeout: .milliseconds(20)) == nil)
    #expect(!listener.isStopped)
    let client = try PlainTCPStream.connect(host: "127.0.0.1", port: listener.port)
    #expect(try listener.accept(timeout: .seconds(10))?.peerAddress == "127.0.0.1")
    client.close()
  }

  /// Not a name lookup: a malformed address fails before any query leaves.
  @Test func aMalformedHostIsNamed() {
    let error = #expect(throws: TransportError.self) { try TCPListener(host: "256.1.1.1.", port: 0) }
    guard case .cannotResolve = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }
}
