import Foundation

/// One end of a control connection: a Unix-domain stream socket that carries frames of a JSON head and raw bytes.
///
/// A frame is `"PMC1"`, the head's length and the body's length (u32, little-endian), the head, the body. Both lengths
/// are checked against bounds before anything is allocated. Used by one thread.
final class ControlConnection {
  static let magic: [UInt8] = Array("PMC1".utf8)
  static let maximumRequestHead = 4096
  static let maximumReplyHead = 1 << 26

  /// POLLRDHUP of Linux, which the C library declares for GNU sources only.
  private static let peerClosed: Int16 = 0x2000

  private let descriptor: Int32

  /// Takes over a connected socket.
  init(descriptor: Int32, timeout: Double) {
    self.descriptor = descriptor
    var limit = timeval()
    limit.tv_sec = Int(timeout)
    limit.tv_usec = Int((timeout - timeout.rounded(.down)) * 1e6)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
  }

  deinit { close(descriptor) }

  /// Ends both directions, also under a thread that reads.
  func shutdown() { _ = Glibc.shutdown(descriptor, Int32(SHUT_RDWR)) }

  /// Sends one frame.
  func send(_ head: some Encodable, body: [UInt8] = []) throws {
    let encoded = [UInt8](try JSONEncoder().encode(head))
    var frame = Self.magic
    for length in [encoded.count, body.count] {
      withUnsafeBytes(of: UInt32(length).littleEndian) { frame.append(contentsOf: $0) }
    }
    try write(frame + encoded)
    if !body.isEmpty { try write(body) }
  }

  /// Receives one frame; nil when the other end closed before one began.
  ///
  /// - Parameter bodyLimit: bytes the body may have, decided from the decoded head.
  func receive<Head: Decodable>(
    _ type: Head.Type, headLimit: Int, bodyLimit: (Head) throws -> Int
  ) throws -> (head: Head, body: [UInt8])? {
    guard let start = try read(12, mayEnd: true) else { return nil }
    guard Array(start.prefix(4)) == Self.magic else {
      throw DaemonsError.controlProtocol(reason: "it does not begin with the mark of this protocol")
    }
    func length(_ offset: Int) -> Int { (0..<4).reduce(0) { $0 | Int(start[offset + $1]) << (8 * $1) } }
    let headLength = length(4)
    let bodyLength = length(8)
    guard headLength <= headLimit else {
      throw DaemonsError.controlProtocol(reason: "its head has \(headLength) bytes, and \(headLimit) are allowed")
    }
    let headBytes = try read(headLength) ?? []
    guard let head = try? JSONDecoder().decode(type, from: Data(headBytes)) else {
      throw DaemonsError.controlProtocol(reason: "its head is not a known message")
    }
    let limit = try bodyLimit(head)
    guard bodyLength == limit else {
      throw DaemonsError.controlProtocol(reason: "its body has \(bodyLength) bytes, and the message needs \(limit)")
    }
    return (head, try read(bodyLength) ?? [])
  }

  /// Whether the other end has closed, without waiting.
  var isClosedByPeer: Bool {
    var request = pollfd(fd: descriptor, events: Int16(POLLIN) | Self.peerClosed, revents: 0)
    guard poll(&request, 1, 0) > 0 else { return false }
    return request.revents & (Self.peerClosed | Int16(POLLHUP | POLLERR)) != 0
  }

  private func read(_ count: Int, mayEnd: Bool = false) throws -> [UInt8]? {
    guard count > 0 else { return [] }
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let got = bytes.withUnsafeMutableBytes { buffer in
        SystemCall.retrying { recv(descriptor, buffer.baseAddress! + filled, count - filled, 0) }
      }
      if got == 0 {
        if mayEnd, filled == 0 { return nil }
        throw DaemonsError.controlProtocol(reason: "it ended within a message")
      }
      guard got > 0 else {
        if errno == EAGAIN || errno == EWOULDBLOCK {
          throw DaemonsError.controlProtocol(reason: "nothing came for too long")
        }
        throw DaemonsError.system(action: "Reading from", target: "the control socket", code: errno)
      }
      filled += got
    }
    return bytes
  }

  private func write(_ bytes: [UInt8]) throws {
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        SystemCall.retrying {
          Glibc.send(descriptor, buffer.baseAddress! + written, bytes.count - written, Int32(MSG_NOSIGNAL))
        }
      }
      guard count > 0 else {
        throw DaemonsError.system(action: "Writing to", target: "the control socket", code: errno)
      }
      written += count
    }
  }
}

/// Addresses of Unix-domain sockets.
enum UnixSocket {
  /// Calls `body` with the address of a path of at most 107 bytes.
  static func withAddress<R>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> R) throws -> R {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let capacity = MemoryLayout.size(ofValue: address.sun_path)
    guard bytes.count < capacity else {
      throw DaemonsError.system(action: "Using the socket path", target: path, code: ENAMETOOLONG)
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return try withUnsafePointer(to: &address) { pointer in
      try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        try body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  /// A stream socket; throws the system's error.
  static func make() throws -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw DaemonsError.system(action: "Making", target: "a socket", code: errno) }
    return descriptor
  }
}
