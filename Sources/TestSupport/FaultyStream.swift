public import Randomness
public import Transport

/// What goes wrong on the way out of one end. Frames count from zero in the order in which they are written.
public enum Fault: Sendable {
  /// The connection closes after this many bytes.
  case cut(afterBytes: Int)
  /// From this many bytes on, nothing leaves, and nothing is said.
  case stall(afterBytes: Int)
  /// One bit of this byte changes.
  case flip(byte: Int, bit: Int)
  /// This frame leaves twice.
  case duplicate(frame: Int)
  /// This frame and the one after it change places.
  case swap(frame: Int)
  /// This frame never leaves.
  case drop(frame: Int)
  /// One bit of this frame changes; bytes 0 to 15 are its header.
  case flipInFrame(frame: Int, byte: Int, bit: Int)
  /// The connection closes in the middle of this frame.
  case cutFrame(frame: Int)
  /// From the middle of this frame on, nothing leaves, and nothing is said.
  case stallFrame(frame: Int)
  /// Nothing goes wrong; frames are counted.
  case count
}

/// A stream that damages what its owner writes, and otherwise is the stream below. For tests.
///
/// Faults of whole frames need the owner to write frames of ``FramedChannel``; the stream reads their lengths.
public final class FaultyStream: ByteStream, @unchecked Sendable {
  // Unchecked like the streams it wraps: one thread uses it.
  private let base: any ByteStream
  private let fault: Fault
  private var position = 0
  /// Whole frames that the owner wrote, where the fault is one of frames.
  public private(set) var frame = 0
  private var partial: [UInt8] = []
  private var held: [UInt8] = []

  /// Wraps one end.
  public init(_ base: any ByteStream, _ fault: Fault) {
    self.base = base
    self.fault = fault
  }

  /// The stream's below.
  public var exporter: [UInt8] { get throws { try base.exporter } }
  /// The stream's below.
  public var peerFingerprint: Digest32 { base.peerFingerprint }
  /// The stream's below.
  public var localFingerprint: Digest32 { base.localFingerprint }
  /// The stream's below.
  public var isInitiator: Bool { base.isInitiator }

  /// Writes, with the fault.
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    var out = Array(bytes)
    defer { position += bytes.count }
    switch fault {
    case .cut(let limit):
      let passing = max(0, min(out.count, limit - position))
      try pass(Array(out[..<passing]))
      if passing < out.count {
        try base.flush()
        base.close()
      }
    case .stall(let limit):
      try pass(Array(out[..<max(0, min(out.count, limit - position))]))
    case .flip(let byte, let bit):
      if (position..<position + out.count).contains(byte) { out[byte - position] ^= 1 << UInt8(bit) }
      try pass(out)
    default:
      partial += out
      while let next = takeFrame() { try damage(next) }
    }
  }

  /// See ``ByteStream/flush()``.
  public func flush() throws { try base.flush() }
  /// See ``ByteStream/read(into:)``.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws { try base.read(into: buffer) }
  /// See ``ByteStream/waitReadable(timeout:)``.
  public func waitReadable(timeout: Duration) throws -> Bool { try base.waitReadable(timeout: timeout) }
  /// See ``ByteStream/close()``.
  public func close() { base.close() }
  /// See ``ByteStream/interrupt()``.
  public func interrupt() { base.interrupt() }

  private func pass(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try base.write($0) } }

  /// The next whole frame of those written, taken off.
  private func takeFrame() -> [UInt8]? {
    guard partial.count >= 16 else { return nil }
    let length = partial[8..<16].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard partial.count >= 16 + length else { return nil }
    defer { partial.removeFirst(16 + length) }
    return Array(partial[..<(16 + length)])
  }

  private func damage(_ bytes: [UInt8]) throws {
    defer { frame += 1 }
    switch fault {
    case .duplicate(frame):
      try pass(bytes)
      try pass(bytes)
    case .swap(frame):
      held = bytes
    case .drop(frame):
      break
    case .flipInFrame(frame, let byte, let bit):
      var damaged = bytes
      if byte < damaged.count { damaged[byte] ^= 1 << UInt8(bit) }
      try pass(damaged)
    case .cutFrame(frame):
      try pass(Array(bytes[..<(bytes.count / 2)]))
      try base.flush()
      base.close()
    case .stallFrame(let stalled) where stalled <= frame:
      if stalled == frame { try pass(Array(bytes[..<(bytes.count / 2)])) }
    default:
      try pass(bytes)
      try pass(held)
      held = []
    }
  }
}
