import Foundation
import Logging
import Synchronization

/// Answers of the data owner's daemon to control requests; called on the threads of control connections.
protocol ControlResponder: AnyObject, Sendable {
  /// Bytes that follow a request. Throws a refusal when the request is not possible.
  func bodyLength(of request: ControlRequest) throws -> Int
  /// Answers; may block until the answer is there. `isAbandoned` says whether the client has gone.
  func answer(_ request: ControlRequest, body: [UInt8], isAbandoned: () -> Bool) throws -> ControlReply
}

/// The local control socket: a Unix-domain socket that only the daemon's user may open (mode 0600), one thread a
/// connection. A client that breaks the protocol loses its own connection and nothing else.
final class ControlServer: Sendable {
  static let maximumConnections = 64

  private let path: String
  private let descriptor: Int32
  private let stop: StopSignal
  private let logger: Logger
  private let connections = Mutex<[Int: ControlConnectionBox]>([:])
  private let threads = ThreadGroup()

  /// Opens the socket. A socket left behind by a daemon that was killed is replaced; one that answers is not.
  init(path: String, stop: StopSignal, logger: Logger) throws {
    self.path = path
    self.stop = stop
    self.logger = logger
    try Self.removeStale(path)
    let descriptor = try UnixSocket.make()
    // The mode of the socket before bind becomes the file's, so there is no moment at which others may connect.
    fchmod(descriptor, 0o600)
    let code = try UnixSocket.withAddress(path) { bind(descriptor, $0, $1) == 0 ? 0 : errno }
    guard code == 0, listen(descriptor, 64) == 0 else {
      let failure = code == 0 ? errno : code
      close(descriptor)
      throw DaemonsError.system(action: "Opening the control socket", target: path, code: failure)
    }
    chmod(path, 0o600)
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  private static func removeStale(_ path: String) throws {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw DaemonsError.system(action: "Opening the control socket", target: path, code: EEXIST)
    }
    let probe = try UnixSocket.make()
    defer { close(probe) }
    guard try UnixSocket.withAddress(path, { connect(probe, $0, $1) }) != 0 else {
      throw DaemonsError.system(action: "Opening the control socket", target: path, code: EADDRINUSE)
    }
    unlink(path)
  }

  /// Starts accepting.
  func start(responder: any ControlResponder) {
    threads.start(name: "control") { self.acceptLoop(responder) }
  }

  /// Ends all connections and waits for their threads; call after the stop signal is raised.
  func finish() {
    connections.withLock { for box in $0.values { box.connection.shutdown() } }
    threads.join()
    unlink(path)
  }

  private func acceptLoop(_ responder: any ControlResponder) {
    var serial = 0
    while stop.waitReadable(descriptor) {
      let accepted = accept(descriptor, nil, nil)
      guard accepted >= 0 else { continue }
      _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
      let box = ControlConnectionBox(ControlConnection(descriptor: accepted, timeout: 3600))
      serial += 1
      let number = serial
      let isAdmitted = connections.withLock { connections in
        guard connections.count < Self.maximumConnections else { return false }
        connections[number] = box
        return true
      }
      guard isAdmitted else {
        logger.warning("a control connection was refused", metadata: ["limit": "\(Self.maximumConnections)"])
        continue
      }
      threads.start(name: "control-\(number)") {
        self.serve(box.connection, responder)
        _ = self.connections.withLock { $0.removeValue(forKey: number) }
      }
    }
  }

  private func serve(_ connection: ControlConnection, _ responder: any ControlResponder) {
    do {
      while !stop.isRaised {
        let received = try connection.receive(
          ControlRequest.self, headLimit: ControlConnection.maximumRequestHead,
          bodyLimit: { try responder.bodyLength(of: $0) })
        guard let (request, body) = received else { return }
        let reply: ControlReply
        do {
          reply = try responder.answer(request, body: body, isAbandoned: { connection.isClosedByPeer })
        } catch DaemonsError.refused(let code, let reason) {
          reply = .refused(code, reason)
        }
        try connection.send(reply)
      }
    } catch let error as DaemonsError {
      // The rest of the stream cannot be understood any more: say why, and end this connection.
      if case .refused(let code, let reason) = error {
        try? connection.send(ControlReply.refused(code, reason))
      } else {
        try? connection.send(ControlReply.refused(.invalid, error.description))
      }
      logger.notice("a control connection ended", metadata: ["reason": "\(error)"])
    } catch {
      logger.notice("a control connection ended", metadata: ["reason": "\(error)"])
    }
  }
}

/// A connection that its own thread uses and that others may only shut down.
final class ControlConnectionBox: @unchecked Sendable {
  let connection: ControlConnection
  init(_ connection: ControlConnection) { self.connection = connection }
}
