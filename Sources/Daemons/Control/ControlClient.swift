import Foundation
import Networks

/// Asks the data owner's daemon over its local socket. Used by one thread.
public final class ControlClient {
  private let connection: ControlConnection

  /// Connects.
  ///
  /// - Parameters:
  ///   - path: the daemon's `control` path.
  ///   - timeout: seconds that one answer may take.
  /// - Throws: ``DaemonsError`` when there is no daemon.
  public init(path: String, timeout: Double = 3600) throws {
    let descriptor = try UnixSocket.make()
    let code = try UnixSocket.withAddress(path) { connect(descriptor, $0, $1) == 0 ? 0 : errno }
    guard code == 0 else {
      close(descriptor)
      if code == ENOENT || code == ECONNREFUSED {
        throw DaemonsError.refused(
          code: .unavailable, reason: "no daemon listens on \(path); start polympc party --role data-owner")
      }
      throw DaemonsError.system(action: "Connecting to", target: path, code: code)
    }
    connection = ControlConnection(descriptor: descriptor, timeout: timeout)
  }

  private func ask(_ request: ControlRequest, body: [UInt8] = []) throws -> ControlReply {
    try connection.send(request, body: body)
    guard
      let (reply, _) = try connection.receive(
        ControlReply.self, headLimit: ControlConnection.maximumReplyHead, bodyLimit: { _ in 0 })
    else {
      throw DaemonsError.refused(code: .unavailable, reason: "it closed the connection without an answer")
    }
    if case .refused(let code, let reason) = reply { throw DaemonsError.refused(code: code, reason: reason) }
    return reply
  }

  private static let unexpected = DaemonsError.controlProtocol(reason: "the answer is not one to this request")

  /// The network that the daemon serves.
  public func describe() throws -> NetworkDescription {
    guard case .network(let description) = try ask(.describe) else { throw Self.unexpected }
    return description
  }

  /// Classifies samples privately.
  ///
  /// - Parameter samples: raw values as ``InputFile`` makes them.
  public func infer(_ samples: [InputSample]) throws -> InferenceReply {
    var body: [UInt8] = []
    body.reserveCapacity(4 * samples.reduce(0) { $0 + $1.values.count })
    for sample in samples { sample.values.withUnsafeBytes { body.append(contentsOf: $0) } }
    guard case .inference(let reply) = try ask(.infer(samples: samples.count), body: body) else {
      throw Self.unexpected
    }
    return reply
  }

  /// Has inferences prepared ahead.
  public func prepare(count: Int) throws -> PrepareReply {
    guard case .prepared(let reply) = try ask(.prepare(count: count)) else { throw Self.unexpected }
    return reply
  }

  /// Sessions and stock.
  public func status() throws -> StatusReply {
    guard case .status(let reply) = try ask(.status) else { throw Self.unexpected }
    return reply
  }
}
