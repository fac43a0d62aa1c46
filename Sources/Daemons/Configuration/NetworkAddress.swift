/// A host (name or numeric address) and a TCP port.
public struct NetworkAddress: Hashable, Sendable, CustomStringConvertible {
  /// Name or numeric address.
  public var host: String
  /// TCP port; 0 lets the system choose where one listens.
  public var port: UInt16

  /// Makes an address.
  public init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// Reads `host:port` or `[v6 address]:port`; nil when it is neither.
  public init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard !host.isEmpty, !host.contains(" ") else { return nil }
    self.init(host: String(host), port: port)
  }

  /// `host:port`, with brackets around a v6 address.
  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
