import Foundation

/// A TCP connection without any protocol on it.
final class RawConnection {
  private var descriptor: Int32

  init(port: UInt16) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw Overdue(what: "a connection to port \(port)") }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  func send(_ bytes: [UInt8]) {
    _ = Foundation.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  /// Ends the connection with a reset in place of a close.
  func reset() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close(descriptor)
    descriptor = -1
  }

  /// Whether the other end closes the connection, whatever it says before.
  func isEnded(seconds: Double = 60) throws -> Bool {
    var buffer = [UInt8](repeating: 0, count: 4096)
    return try eventually("the end of a connection", seconds: seconds) {
      let received = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
      if received > 0 { return nil }
      if received == 0 || errno == ECONNRESET { return true }
      return nil
    }
  }
}
