public import Randomness

/// How a channel behaves. Local: no value changes a byte on the wire.
public struct ChannelConfiguration: Sendable {
  /// Hash all frames; costs a pass of SHA-256 over the traffic.
  public var recordsTranscript: Bool

  /// Without a transcript unless told.
  public init(recordsTranscript: Bool = false) { self.recordsTranscript = recordsTranscript }
}

/// Numbered frames of known kind and length over a byte stream.
///
/// The receiver says what it expects; header fields are checked, in the order flags, sequence, kind, length, before any
/// memory is taken for the payload. Everything a peer can cause is thrown as ``TransportError``, after which the channel
/// refuses all use. Calls in the wrong order are programmer errors and stop the process. Used by one thread at a time.
public final class FramedChannel {
  /// The stream below: its exporter and fingerprints serve the hello, and `interrupt()` stops a blocked channel.
  public let stream: any ByteStream
  /// What has passed so far.
  public private(set) var meters = ChannelMeters()
  /// Told of every frame from now on; nil, as it is at first, costs nothing.
  public var observer: (any ChannelObserver)?

  private enum Direction { case sending, receiving }

  private var direction: Direction?
  private var sequenceSent: UInt32 = 0
  private var sequenceReceived: UInt32 = 0
  private var unsent: UInt64?
  private var unread: UInt64?
  private var frameSent: FrameFacts?
  private var frameReceived: FrameFacts?
  private var isBroken = false
  private let sentHash: SHA256?
  private let receivedHash: SHA256?

  /// A channel that begins with sequence number 0 in both directions.
  public init(_ stream: any ByteStream, configuration: ChannelConfiguration = ChannelConfiguration()) {
    self.stream = stream
    sentHash = configuration.recordsTranscript ? SHA256() : nil
    receivedHash = configuration.recordsTranscript ? SHA256() : nil
  }

  /// Reads the meters and starts a new phase: the next frame counts as a new flight even if it continues a direction.
  public func snapshot() -> ChannelMeters {
    direction = nil
    return meters
  }

  /// SHA-256 over "polympc transcript v1" and the SHA-256 of each direction's frames, the initiator's first; equal at both
  /// ends when both have handled the same frames, whatever their interleaving. Nil unless recorded.
  public var transcript: Digest32? {
    guard let sentHash, let receivedHash else { return nil }
    let (sent, received) = (sentHash.digest().bytes, receivedHash.digest().bytes)
    let (first, second) = stream.isInitiator ? (sent, received) : (received, sent)
    return Digest32.sha256(Array("polympc transcript v1".utf8), first, second)
  }

  /// Closes the stream; what was not flushed is lost.
  public func close() {
    isBroken = true
    stream.close()
  }

  // MARK: Sending

  /// Sends one frame. Without `flush` it may wait in a buffer until the next flush or receive.
  public func send(_ kind: FrameKind, _ bytes: UnsafeRawBufferPointer, flush: Bool = true) throws {
    try beginSend(kind, byteCount: bytes.count)
    try write(bytes)
    try endSend(flush: flush)
  }

  /// Sends one frame.
  public func send(_ kind: FrameKind, _ bytes: [UInt8], flush: Bool = true) throws {
    try bytes.withUnsafeBytes { try send(kind, $0, flush: flush) }
  }

  /// Starts a frame whose payload follows in pieces by ``write(_:)``. The pieces do not show on the wire.
  public func beginSend(_ kind: FrameKind, byteCount: Int) throws {
    precondition(unsent == nil, "the frame before is not finished")
    precondition(byteCount >= 0, "a frame cannot have \(byteCount) bytes")
    guard sequenceSent < .max else { throw TransportError.sequenceExhausted }
    observer?.willSend()
    frameSent = FrameFacts(kind: kind, sequence: sequenceSent, payloadBytes: byteCount)
    let header = FrameHeader(kind: kind, sequence: sequenceSent, length: UInt64(byteCount))
    try guarded {
      try header.withBytes {
        sentHash?.update($0)
        try stream.write($0)
      }
    }
    sequenceSent += 1
    unsent = UInt64(byteCount)
    meters.messagesSent += 1
    turn(.sending)
  }

  /// The next piece of the payload.
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    guard let left = unsent else { preconditionFailure("no frame is open for writing") }
    precondition(UInt64(bytes.count) <= left, "\(bytes.count) bytes for a frame with \(left) bytes left")
    guard bytes.count > 0 else { return }
    try guarded {
      sentHash?.update(bytes)
      try stream.write(bytes)
    }
    unsent = left - UInt64(bytes.count)
    meters.payloadSent += bytes.count
  }

  /// Ends the frame, all of whose bytes must have been written.
  public func endSend(flush: Bool = true) throws {
    precondition(unsent == 0, "the frame lacks \(unsent ?? 0) bytes, or none is open")
    unsent = nil
    if flush { try self.flush() }
    if let observer, let frameSent { observer.didSend(frameSent) }
  }

  /// Hands everything sent so far to the network.
  public func flush() throws { try guarded { try stream.flush() } }

  // MARK: Receiving

  /// Receives one frame of this kind and exactly this length.
  public func receive(_ kind: FrameKind, byteCount: Int) throws -> [UInt8] {
    try beginReceive(kind, byteCount: byteCount)
    let bytes = try payload(byteCount)
    endReceive()
    return bytes
  }

  /// Receives one frame of this kind and exactly the buffer's length into the buffer.
  public func receive(_ kind: FrameKind, into buffer: UnsafeMutableRawBufferPointer) throws {
    try beginReceive(kind, byteCount: buffer.count)
    try read(into: buffer)
    endReceive()
  }

  /// Receives the header of a frame of this kind and exactly this length; the payload follows by ``read(into:)``.
  public func beginReceive(_ kind: FrameKind, byteCount: Int) throws {
    precondition(byteCount >= 0, "a frame cannot have \(byteCount) bytes")
    try guarded {
      let header = try receiveHeader(allowed: [kind])
      guard header.length == UInt64(byteCount) else {
        throw TransportError.unexpectedLength(kind: kind, expected: UInt64(byteCount), found: header.length)
      }
      accept(header)
    }
  }

  /// The next bytes of the payload, as many as the buffer holds.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws {
    guard let left = unread else { preconditionFailure("no frame is open for reading") }
    precondition(UInt64(buffer.count) <= left, "\(buffer.count) bytes of a frame with \(left) bytes left")
    guard buffer.count > 0 else { return }
    try guarded {
      try stream.read(into: buffer)
      receivedHash?.update(UnsafeRawBufferPointer(buffer))
    }
    unread = left - UInt64(buffer.count)
    meters.payloadReceived += buffer.count
  }

  /// Ends the frame, all of whose bytes must have been read.
  public func endReceive() {
    precondition(unread == 0, "\(unread ?? 0) bytes of the frame were not read, or none is open")
    unread = nil
    if let observer, let frameReceived { observer.didReceive(frameReceived) }
  }

  /// Receives one frame of any of these kinds, each with the most bytes it may have.
  public func receiveAny(_ allowed: [FrameKind: Int]) throws -> (FrameKind, [UInt8]) {
    let header = try guarded {
      let header = try receiveHeader(allowed: allowed.keys.sorted { $0.rawValue < $1.rawValue })
      let bound = allowed[header.kind] ?? 0
      guard header.length <= UInt64(bound) else {
        throw TransportError.lengthAboveBound(kind: header.kind, bound: UInt64(bound), found: header.length)
      }
      accept(header)
      return header
    }
    let bytes = try payload(Int(header.length))
    endReceive()
    return (header.kind, bytes)
  }

  /// Flushes, then waits until bytes are there; false when the time is over. Throws if the peer closed.
  public func waitReadable(timeout: Duration) throws -> Bool {
    try guarded { try stream.waitReadable(timeout: timeout) }
  }

  private func receiveHeader(allowed: [FrameKind]) throws -> FrameHeader {
    precondition(unread == nil, "the frame before is not read to its end")
    observer?.willReceive()
    let header = try withUnsafeTemporaryAllocation(byteCount: FrameHeader.byteCount, alignment: 8) { bytes in
      try stream.read(into: bytes)
      return FrameHeader(UnsafeRawBufferPointer(bytes))
    }
    guard header.flags == 0 else { throw TransportError.nonzeroFlags(kind: header.kind, found: header.flags) }
    guard header.sequence == sequenceReceived else {
      throw TransportError.unexpectedSequence(
        kind: header.kind, expected: sequenceReceived, found: header.sequence)
    }
    guard allowed.contains(header.kind) else {
      throw TransportError.unexpectedKind(expected: allowed, found: header.kind)
    }
    return header
  }

  private func accept(_ header: FrameHeader) {
    header.withBytes { receivedHash?.update($0) }
    if let observer {
      let frame = FrameFacts(
        kind: header.kind, sequence: header.sequence, payloadBytes: Int(clamping: header.length))
      frameReceived = frame
      observer.didAccept(frame)
    }
    // The peer cannot send the last number, see `beginSend`; wrapping keeps a peer that does from stopping the process.
    sequenceReceived &+= 1
    unread = header.length
    meters.messagesReceived += 1
    turn(.receiving)
  }

  private func payload(_ count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      try read(into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
      initialized = count
    }
  }

  private func turn(_ new: Direction) {
    if direction != new { meters.flights += 1 }
    direction = new
  }

  /// One failure ends the channel.
  private func guarded<Result>(_ body: () throws -> Result) throws -> Result {
    guard !isBroken else { throw TransportError.channelBroken }
    do {
      return try body()
    } catch {
      isBroken = true
      throw error
    }
  }
}
