import Foundation
import Networks
import Testing
import Transport

/// Connections that must be refused in words, by daemons that go on.
@Suite("Refused peers", .serialized)
struct RefusalTests {
  @Test("Strangers, plain TCP, garbage, stalling and vanishing connections end alone")
  func connections() throws {
    let site = try Site()
    let trio = try site.startAll(handshake: 3)
    // All at once: those that stall hold nobody up.
    let stalled = try RawConnection(port: trio.modelPort)
    let trickling = try RawConnection(port: trio.modelPort)
    trickling.send([0x16, 0x03, 0x01])
    let vanishing = try RawConnection(port: trio.modelPort)
    vanishing.reset()
    let plain = try RawConnection(port: trio.modelPort)
    plain.send(Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
    let garbage = try RawConnection(port: trio.modelPort)
    garbage.send((0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) })
    #expect(try site.isAnswered(1))
    for connection in [plain, garbage, stalled, trickling] { #expect(try connection.isEnded()) }
    try trio.modelOwner.waitForLog("the session failed", "does not speak TLS")
    try trio.modelOwner.waitForLog("the session failed", "shaking hands", "3.0 s")
    #expect(try site.serves(2, trio))
  }

  @Test("An unknown certificate is refused on both sides, in words")
  func stranger() throws {
    let site = try Site()
    let trio = try site.startAll()
    let identity = try Identity.load(directory: site.path("stranger"))
    let pinned = try Identity.load(directory: site.path("model-owner")).fingerprint
    let error = #expect(throws: TransportError.self) {
      let stream = try TLSStream.connect(
        host: "127.0.0.1", port: trio.modelPort, identity: identity, pinned: [pinned])
      stream.close()
    }
    #expect(error?.description.contains(identity.fingerprint.fingerprintText) == true, "\(String(describing: error))")
    try trio.modelOwner.waitForLog("the session failed", identity.fingerprint.fingerprintText)

    // And the other way round: a model owner that shows another certificate than the pinned one.
    let wrong = #expect(throws: TransportError.self) {
      let stream = try TLSStream.connect(
        host: "127.0.0.1", port: trio.modelPort, identity: Identity.load(directory: site.path("data-owner")),
        pinned: [identity.fingerprint])
      stream.close()
    }
    #expect(wrong?.description.contains(pinned.fingerprintText) == true, "\(String(describing: wrong))")
    #expect(try site.serves(3, trio))
  }

  @Test("A plan of another model is refused in words that say which, and the right one serves afterwards")
  func otherModel() throws {
    let site = try Site()
    // The same program over other weights: plan and protocols agree, the model does not.
    var other = site.model.file
    other.salt = [UInt8](repeating: 7, count: 32)
    try other.write(to: site.path("other.model"))
    let dealer = try site.startDealer()
    let dealerPort = try dealer.port()
    let modelOwner = try site.startModelOwner(dealer: dealerPort, model: "other.model")
    let port = try modelOwner.port()
    let dataOwner = try site.startDataOwner(dealer: dealerPort, peer: port)
    try dataOwner.waitForLog("the session failed", "model")
    try modelOwner.waitForLog("the session failed", "model")
    let status = try site.run("preprocess", "--control", "control.sock", "--status")
    #expect(status.output.contains("sessions 0 of 1") && status.output.contains("last failure"), "\(status)")
    let hello = try other.modelDigest()
    #expect(dataOwner.log.contains("\(hello)".prefix(8)), "\(dataOwner.log)")

    modelOwner.kill()
    let right = try site.startModelOwner(dealer: dealerPort, port: port)
    #expect(try right.port() == port)
    try site.waitForSessions(1)
    #expect(try site.isAnswered(1) && dataOwner.isRunning)
  }
}
