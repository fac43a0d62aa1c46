import Foundation
import Randomness
import Synchronization
import Transport

/// Both ends of a connection, each on a thread of its own; the first error of either is thrown, the other's kept.
enum Parties {
  static func run<First: Sendable, Second: Sendable>(
    _ first: @escaping @Sendable () throws -> First, _ second: @escaping @Sendable () throws -> Second
  ) -> (Result<First, any Error>, Result<Second, any Error>) {
    let box = Mutex<Result<Second, any Error>?>(nil)
    let done = DispatchSemaphore(value: 0)
    let thread = Thread {
      let result = Result { try second() }
      box.withLock { $0 = result }
      done.signal()
    }
    thread.stackSize = 1 << 20
    thread.start()
    let mine = Result { try first() }
    done.wait()
    return (mine, box.withLock { $0! })
  }
}

/// How the two ends of a test are connected.
enum Link: String, CaseIterable, Sendable {
  case memory, plain, tls
}

/// Short waits, so that a test of a stall is over soon.
let quick = StreamOptions(
  spin: .microseconds(50), idleTimeout: .milliseconds(300), handshakeTimeout: .milliseconds(400))

/// Long waits, for tests where nothing may stall.
let patient = StreamOptions(idleTimeout: .seconds(60), handshakeTimeout: .seconds(60))

/// Two identities, made once for the whole suite: pinning needs them, their bytes do not matter.
let alice = Identity.generate(name: "alice")
let bob = Identity.generate(name: "bob")
let eve = Identity.generate(name: "eve")

extension Link {
  /// Connects two ends; the first is the initiator.
  func connect(_ options: StreamOptions = patient) throws -> (any ByteStream, any ByteStream) {
    switch self {
    case .memory:
      return MemoryStream.pair(options: options)
    case .plain:
      let listener = try TCPListener(host: "127.0.0.1", port: 0)
      let client = try PlainTCPStream.connect(host: "127.0.0.1", port: listener.port, options: options)
      return (client, PlainTCPStream.accept(try listener.accept()!, options: options))
    case .tls:
      let listener = try TCPListener(host: "127.0.0.1", port: 0)
      let (client, server) = Parties.run(
        {
          try TLSStream.connect(
            host: "127.0.0.1", port: listener.port, identity: alice, pinned: [bob.fingerprint], options: options)
        },
        {
          try TLSStream.accept(
            try listener.accept()!, identity: bob, pinned: [alice.fingerprint], options: options)
        })
      return (try client.get(), try server.get())
    }
  }
}

extension ByteStream {
  func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

  func read(_ count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBytes { try read(into: $0) }
    return bytes
  }
}
