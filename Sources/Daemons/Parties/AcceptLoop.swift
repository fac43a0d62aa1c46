import Logging
import Synchronization
import Transport

/// Accepts connections and gives each a thread of its own, up to a limit. Whatever a connection does ends that
/// connection only.
final class AcceptLoop: Sendable {
  private let listener: TCPListener
  private let limit: Int
  private let threads = ThreadGroup()
  private let sessions = ThreadGroup()
  private let logger: Logger

  /// Binds.
  ///
  /// - Throws: `TransportError`, for instance when the port is in use.
  init(listen: NetworkAddress, limit: Int, logger: Logger) throws {
    listener = try TCPListener(host: listen.host, port: listen.port)
    self.limit = limit
    self.logger = logger
  }

  /// The port in use.
  var port: UInt16 { listener.port }

  /// Connections that are served.
  var count: Int { sessions.count }

  /// Starts accepting; `serve` runs on the connection's thread.
  func start(serve: @escaping @Sendable (AcceptedConnection, Int) -> Void) {
    threads.start(name: "accept") { [self] in
      var serial = 0
      while !listener.isStopped {
        do {
          guard let connection = try listener.accept() else { return }
          serial += 1
          guard sessions.count < limit else {
            logger.warning(
              "a connection was refused because the limit is reached",
              metadata: ["from": "\(connection.peerAddress)", "limit": "\(limit)"])
            continue
          }
          let number = serial
          sessions.start(name: "session-\(number)") { serve(connection, number) }
        } catch {
          // Out of file descriptors, or the like: others keep being served, and accepting goes on when it can.
          logger.error("accepting failed", metadata: ["error": "\(error)"])
          StopSignal.pause(seconds: 0.2)
        }
      }
    }
  }

  /// Accepts no more.
  func stop() { listener.stop() }

  /// Waits for all threads.
  ///
  /// - Returns: whether they ended in time.
  func join(seconds: Double) -> Bool {
    threads.join()
    return sessions.join(seconds: seconds)
  }
}
