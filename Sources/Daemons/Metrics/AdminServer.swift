import FlyingFox
import FlyingSocks
import Foundation
import Synchronization

/// The administration port: `/metrics` (Prometheus text) and `/healthz`, over plain HTTP, meant for loopback.
///
/// It is the only asynchronous code of a daemon; its handlers read the registry and a closure, and never block.
public final class AdminServer: Sendable {
  /// Where it listens, with the port that the system chose when 0 was asked for.
  public let address: NetworkAddress
  private let server: HTTPServer
  private let task: Task<Void, Never>

  /// Opens the port and returns when it answers.
  ///
  /// - Parameters:
  ///   - address: numeric v4 or v6 address, or `localhost`; port 0 lets the system choose.
  ///   - isHealthy: called on a thread of the concurrency pool; must not block.
  /// - Throws: ``DaemonsError/admin(address:reason:)``, for instance when the port is in use.
  public init(
    address: NetworkAddress, metrics: MetricsRegistry, isHealthy: @escaping @Sendable () -> Bool
  ) throws {
    let server: HTTPServer
    do { server = try Self.makeServer(address) } catch {
      throw DaemonsError.admin(address: "\(address)", reason: "its host must be a numeric address or localhost")
    }
    self.server = server
    let box = OutcomeBox()
    let description = "\(address)"
    task = Task {
      await server.appendRoute("GET /metrics") { _ in
        HTTPResponse(
          statusCode: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
          body: Data(metrics.text().utf8))
      }
      await server.appendRoute("GET /healthz") { _ in
        let healthy = isHealthy()
        return HTTPResponse(
          statusCode: healthy ? .ok : .serviceUnavailable, headers: [.contentType: "text/plain"],
          body: Data((healthy ? "ok\n" : "not ready\n").utf8))
      }
      do { try await server.run() } catch {
        box.set(.failure(.admin(address: description, reason: Self.reason(error))))
      }
      box.set(.failure(.admin(address: description, reason: "the server stopped")))
    }
    Task {
      try? await server.waitUntilListening(timeout: 5)
      switch await server.listeningAddress {
      case .ip4(_, let port), .ip6(_, let port): box.set(.success(port))
      default: box.set(.failure(.admin(address: description, reason: "it does not listen after five seconds")))
      }
    }
    self.address = NetworkAddress(host: address.host, port: try box.wait().get())
  }

  private static func makeServer(_ address: NetworkAddress) throws -> HTTPServer {
    let host = address.host == "localhost" ? "127.0.0.1" : address.host
    if host.contains(":") {
      return HTTPServer(address: try .inet6(ip6: host, port: address.port), timeout: 5, logger: .disabled)
    }
    return HTTPServer(address: try .inet(ip4: host, port: address.port), timeout: 5, logger: .disabled)
  }

  private static func reason(_ error: any Error) -> String {
    let text = "\(error)"
    return text.contains("98") || text.lowercased().contains("in use") ? "it is in use; choose another one" : text
  }

  /// Closes the port.
  public func stop() {
    let server = server
    Task { await server.stop(timeout: 0) }
    task.cancel()
  }
}

/// Hands the first result from a task to the thread that waits for it.
private final class OutcomeBox: Sendable {
  private let result = Mutex<Result<UInt16, DaemonsError>?>(nil)
  private let signal = DispatchSemaphore(value: 0)

  func set(_ value: Result<UInt16, DaemonsError>) {
    let isFirst = result.withLock { current in
      defer { current = current ?? value }
      return current == nil
    }
    if isFirst { signal.signal() }
  }

  func wait() -> Result<UInt16, DaemonsError> {
    signal.wait()
    return result.withLock { $0 } ?? .failure(.admin(address: "", reason: "no answer"))
  }
}
