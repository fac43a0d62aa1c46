import Glibc

/// Resolving, connecting and listening, on plain descriptors.
enum TCPSocket {
  /// A connected, non-blocking socket. Tries every address of the name in turn.
  static func connect(host: String, port: UInt16, timeout: Duration) throws -> Int32 {
    let deadline = Deadline(after: timeout)
    var reason = "the name has no address"
    let connected = try withAddresses(host: host, port: port, passive: false) { info -> Int32? in
      let descriptor = socket(info.ai_family, info.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), info.ai_protocol)
      guard descriptor >= 0 else {
        reason = systemMessage(errno)
        return nil
      }
      _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
      var code: Int32 = 0
      if Glibc.connect(descriptor, info.ai_addr, info.ai_addrlen) != 0 {
        code = errno == EINPROGRESS ? finishConnecting(descriptor, deadline) : errno
      }
      if code == 0 { return descriptor }
      reason = systemMessage(code)
      _ = Glibc.close(descriptor)
      return nil
    }
    guard let connected else { throw TransportError.cannotConnect(host: host, port: port, reason: reason) }
    return connected
  }

  /// A bound, listening, non-blocking socket.
  static func listen(host: String, port: UInt16) throws -> Int32 {
    var code: Int32 = 0
    let bound = try withAddresses(host: host, port: port, passive: true) { info -> Int32? in
      let descriptor = socket(info.ai_family, info.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), info.ai_protocol)
      guard descriptor >= 0 else {
        code = errno
        return nil
      }
      // A daemon that restarts must not wait for the connections of its predecessor to age.
      var on: Int32 = 1
      setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
      _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
      if bind(descriptor, info.ai_addr, info.ai_addrlen) == 0, Glibc.listen(descriptor, 64) == 0 { return descriptor }
      code = errno
      _ = Glibc.close(descriptor)
      return nil
    }
    if let bound { return bound }
    if code == EADDRINUSE { throw TransportError.addressInUse(host: host, port: port) }
    throw TransportError.cannotListen(host: host, port: port, reason: systemMessage(code))
  }

  /// The port that a socket is bound to.
  static func port(of descriptor: Int32) -> UInt16 { endpoint(descriptor, getsockname).port }

  /// The address of the other end, without its port.
  static func peerAddress(of descriptor: Int32) -> String { endpoint(descriptor, getpeername).host }

  private static func endpoint(
    _ descriptor: Int32, _ call: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
  ) -> (host: String, port: UInt16) {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    var host = [UInt8](repeating: 0, count: 64)
    var service = [UInt8](repeating: 0, count: 16)
    let failed = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Bool in
        guard call(descriptor, address, &length) == 0 else { return true }
        return host.withUnsafeMutableBytes { host in
          service.withUnsafeMutableBytes { service in
            getnameinfo(
              address, length, host.bindMemory(to: CChar.self).baseAddress, socklen_t(host.count),
              service.bindMemory(to: CChar.self).baseAddress, socklen_t(service.count),
              Int32(NI_NUMERICHOST | NI_NUMERICSERV)) != 0
          }
        }
      }
    }
    if failed { return ("unknown", 0) }
    let text = { (bytes: [UInt8]) in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
    return (text(host), UInt16(text(service)) ?? 0)
  }

  /// Has the kernel ask a silent peer whether it is there: after a minute, then every 15 seconds, four times. Sessions
  /// rest for hours between queries, and a peer that lost its power says no goodbye.
  static func keepAlive(_ descriptor: Int32) {
    set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
    set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60)
    set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 15)
    set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 4)
  }

  /// Sets a socket option whose value is a number.
  static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  private static func finishConnecting(_ descriptor: Int32, _ deadline: Deadline) -> Int32 {
    while true {
      var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      let ready = poll(&entry, 1, deadline.milliseconds)
      if ready > 0 { break }
      if ready == 0, deadline.hasPassed { return ETIMEDOUT }
      if ready < 0, errno != EINTR { return errno }
    }
    var code: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0 ? code : errno
  }

  private static func withAddresses(
    host: String, port: UInt16, passive: Bool, _ body: (addrinfo) throws -> Int32?
  ) throws -> Int32? {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, String(port), &hints, &list)
    guard code == 0 else { throw TransportError.cannotResolve(host: host, reason: String(cString: gai_strerror(code))) }
    defer { freeaddrinfo(list) }
    var next = list
    while let info = next?.pointee {
      if let descriptor = try body(info) { return descriptor }
      next = info.ai_next
    }
    return nil
  }
}
